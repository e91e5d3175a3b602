/* The guest: repeats recorded kernel calls on a bare (emulated) CPU and compares every byte of every destination.
 * In:  from the boot disk a member (ELF64 shared object without imports or relocations) and a replay blob.
 * Out: on port 0xe9 `bad=<n> calls=<n>`, before it the first failing call or the exception; then the machine shuts
 * down. Not here: start-up (boot.S), what the answers should be (recorder.h). Freestanding and without vector registers
 * of its own: they belong to the kernels.
 */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#include "packs/format/pack_abi.h"
#include "tests/support/bochs/replay.h"

enum { MAX_SYMBOLS = 512, ELF_FILE = 0x800000, ELF_IMAGE = 0x1800000, BLOB = 0x3000000, END = 0x1f000000 };

static void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static uint8_t in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static void print(const char* s) {
  while (*s) out8(0xe9, (uint8_t)*s++);
}
static void print_number(uint64_t n, unsigned base) {
  char digits[24];
  int i = 0;
  do {
    digits[i++] = "0123456789abcdef"[n % base];
    n /= base;
  } while (n);
  while (i) out8(0xe9, (uint8_t)digits[--i]);
}
static void print_field(const char* name, uint64_t n) {
  print(name);
  print_number(n, 10);
}

static void shut_down(void) {
  for (const char* s = "Shutdown"; *s; ++s) out8(0x8900, (uint8_t)*s);
  for (;;) __asm__ volatile("hlt");
}
static void give_up(const char* why, const char* name) {
  print("guest: ");
  print(why);
  print(name);
  print("\n");
  shut_down();
}

void* memcpy(void* to, const void* from, size_t bytes) {
  void* result = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
  return result;
}
void* memset(void* to, int value, size_t bytes) {
  void* result = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
  return result;
}
static int equal_strings(const char* a, const char* b) {
  while (*a && *a == *b) ++a, ++b;
  return *a == *b;
}

/* What is being run, for the trap's report. */
static const char* current_symbol = "";
static uint64_t current_call, current_op;
static uint8_t* elf_base;

typedef struct gate {
  uint16_t offset_low, selector, flags, offset_middle;
  uint32_t offset_high, reserved;
} gate;
gate guest_idt[32];
extern char trap_stubs[];

static void set_traps(void) {
  for (int i = 0; i < 32; ++i) {
    uintptr_t stub = (uintptr_t)trap_stubs + 16u * (unsigned)i;
    guest_idt[i] = (gate){(uint16_t)stub, 0x18, 0x8e00, (uint16_t)(stub >> 16), 0, 0};
  }
}

void guest_trap(int vector, const uint64_t* stack) {
  uint64_t with_code = 1u << 8 | 0x1fu << 10 | 1u << 17 | 1u << 21 | 3u << 29;
  uint64_t rip = stack[with_code >> vector & 1];
  print_field("trap vector=", (uint64_t)vector);
  print(vector == 6 ? " (invalid instruction)" : vector == 13 || vector == 14 ? " (bad address)" : "");
  print(" member offset=0x");
  print_number(rip - (uintptr_t)elf_base, 16);
  print_field(" call=", current_call);
  print_field(" op=", current_op);
  print(" kernel=");
  print(current_symbol);
  print("\n");
  shut_down();
}

/* Reads sectors of the first ATA disk by programmed I/O. */
static void read_disk(uint64_t sector, uint64_t bytes, uint8_t* to) {
  enum { DATA = 0x1f0, COUNT = 0x1f2, LBA0, LBA1, LBA2, DRIVE, COMMAND };
  uint64_t left = (bytes + REPLAY_SECTOR - 1) / REPLAY_SECTOR;
  while (left) {
    uint64_t count = left < 256 ? left : 256;
    while (in8(COMMAND) & 0x80) {
    }
    out8(DRIVE, (uint8_t)(0xe0 | (sector >> 24 & 15)));
    out8(COUNT, (uint8_t)count);
    out8(LBA0, (uint8_t)sector);
    out8(LBA1, (uint8_t)(sector >> 8));
    out8(LBA2, (uint8_t)(sector >> 16));
    out8(COMMAND, 0x20);
    for (uint64_t i = 0; i < count; ++i) {
      uint8_t status;
      while ((status = in8(COMMAND)) & 0x80 || !(status & 0x09)) {
      }
      if (status & 1) give_up("disk error", "");
      uint64_t words = REPLAY_SECTOR / 2;
      __asm__ volatile("rep insw" : "+D"(to), "+c"(words) : "d"(DATA) : "memory");
    }
    sector += count;
    left -= count;
  }
}

/* Maps the member's segments; returns its dynamic section. */
static const Elf64_Dyn* map_member(const uint8_t* file) {
  const Elf64_Ehdr* header = (const void*)file;
  const Elf64_Phdr* program = (const void*)(file + header->e_phoff);
  const Elf64_Dyn* dynamic = 0;
  elf_base = (uint8_t*)ELF_IMAGE;
  if (*(const uint32_t*)file != 0x464c457f) give_up("the member is no ELF file", "");
  memset(elf_base, 0, BLOB - ELF_IMAGE);
  for (int i = 0; i < header->e_phnum; ++i) {
    if (program[i].p_type == PT_LOAD) {
      if (program[i].p_vaddr + program[i].p_memsz > BLOB - ELF_IMAGE) give_up("the member is too large", "");
      memcpy(elf_base + program[i].p_vaddr, file + program[i].p_offset, program[i].p_filesz);
    }
    if (program[i].p_type == PT_DYNAMIC) dynamic = (const void*)(elf_base + program[i].p_vaddr);
  }
  if (!dynamic) give_up("the member has no dynamic section", "");
  return dynamic;
}

static uint64_t gnu_hash_symbols(const uint32_t* hash) {
  uint32_t buckets = hash[0], first = hash[1], bloom = hash[2];
  const uint32_t* bucket = hash + 4 + 2 * bloom;
  const uint32_t* chain = bucket + buckets;
  uint64_t last = 0;
  for (uint32_t i = 0; i < buckets; ++i) {
    if (bucket[i] > last) last = bucket[i];
  }
  if (last < first) return first;
  while (!(chain[last - first] & 1)) ++last;
  return last + 1;
}

static void* find_symbol(const Elf64_Dyn* dynamic, const char* name) {
  const Elf64_Sym* symbols = 0;
  const char* strings = 0;
  uint64_t count = 0;
  for (; dynamic->d_tag != DT_NULL; ++dynamic) {
    uint8_t* at = elf_base + dynamic->d_un.d_ptr;
    if (dynamic->d_tag == DT_SYMTAB) symbols = (const void*)at;
    if (dynamic->d_tag == DT_STRTAB) strings = (const void*)at;
    if (dynamic->d_tag == DT_HASH) count = ((const uint32_t*)at)[1];
    if (dynamic->d_tag == DT_GNU_HASH && !count) count = gnu_hash_symbols((const void*)at);
  }
  for (uint64_t i = 1; symbols && strings && i < count; ++i) {
    if (symbols[i].st_shndx != SHN_UNDEF && equal_strings(strings + symbols[i].st_name, name)) {
      return elf_base + symbols[i].st_value;
    }
  }
  give_up("no symbol ", name);
  return 0;
}

static int call_kernel(void* fn, const replay_call* c, octile_buffer* b) {
  switch (c->family) {
    case REPLAY_DOT: return ((octile_dot_fn)fn)(b, b + 1, b + 2, b + 3, c->lo, c->hi, c->zp, b + 4);
    case REPLAY_DOTZ: return ((octile_dotz_fn)fn)(b, b + 1, b + 2, b + 3, c->lo, c->hi, c->zp, b + 4, b + 5, b + 6);
    case REPLAY_DEPTHWISE: return ((octile_depthwise_fn)fn)(b, b + 1, b + 2, b + 3, c->lo, c->hi, c->zp, b + 4);
    case REPLAY_QUANTIZE: return ((octile_quantize_fn)fn)(b, c->scale, c->lo, c->hi, c->zp, b + 1);
    case REPLAY_DEQUANTIZE: return ((octile_dequantize_fn)fn)(b, c->scale, c->zp, b + 1);
    case REPLAY_REQUANTIZE: return ((octile_requantize_fn)fn)(b, c->src_zp, b + 1, c->lo, c->hi, c->zp, b + 2);
    case REPLAY_TRANSPOSE: return ((octile_transpose_fn)fn)(b, (uint8_t)c->flip, b + 1);
    default: give_up("unknown family", ""); return 1;
  }
}

/* Index of the first differing byte, or bytes. */
static uint64_t first_difference(const uint8_t* a, const uint8_t* b, uint64_t bytes) {
  uint64_t i = 0;
  while (i + 8 <= bytes && *(const uint64_t*)(a + i) == *(const uint64_t*)(b + i)) i += 8;
  while (i < bytes && a[i] == b[i]) ++i;
  return i;
}

static int replay(const uint8_t* blob, uint8_t* scratch, const replay_call* call, void* fn, int report) {
  octile_buffer buffers[REPLAY_BUFFERS];
  octile_dim dims[REPLAY_BUFFERS][REPLAY_DIMS];
  const replay_buffer* dst = &call->buffer[call->buffers - 1];
  scratch += dst->misalignment;
  if ((uintptr_t)scratch + dst->bytes > END) give_up("out of memory", "");
  memset(scratch, REPLAY_CANARY, dst->bytes);
  memset(buffers, 0, sizeof buffers);
  memset(dims, 0, sizeof dims);
  for (uint32_t i = 0; i < call->buffers; ++i) {
    const replay_buffer* from = &call->buffer[i];
    buffers[i].host = (from == dst ? scratch : (uint8_t*)(uintptr_t)(blob + from->data)) + from->host;
    buffers[i].type.code = from->code;
    buffers[i].type.bits = from->bits;
    buffers[i].type.lanes = 1;
    buffers[i].dimensions = from->dimensions;
    buffers[i].dim = dims[i];
    for (int d = 0; d < from->dimensions; ++d) {
      dims[i][d].extent = from->extent[d];
      dims[i][d].stride = from->stride[d];
    }
  }
  int rc = call_kernel(fn, call, buffers);
  uint64_t at = first_difference(scratch, blob + dst->data, dst->bytes);
  if (rc == 0 && at == dst->bytes) return 1;
  if (report) {
    print("first bad kernel=");
    print(current_symbol);
    print_field(" call=", current_call);
    print_field(" op=", call->op);
    print_field(" rc=", (uint64_t)(uint32_t)rc);
    if (at < dst->bytes) {
      print_field(" byte=", at);
      print_field(" of=", dst->bytes);
      print_field(" got=", scratch[at]);
      print_field(" want=", blob[dst->data + at]);
    }
    print("\n");
  }
  return 0;
}

void guest_main(void) {
  static replay_disk disk;
  static uint8_t sector[REPLAY_SECTOR];
  static const char* names[MAX_SYMBOLS];
  static void* functions[MAX_SYMBOLS];
  set_traps();
  read_disk(REPLAY_HEADER_SECTOR, REPLAY_SECTOR, sector);
  memcpy(&disk, sector, sizeof disk);
  if (disk.magic != REPLAY_MAGIC) give_up("no replay header on the disk", "");
  if (disk.member_bytes > ELF_IMAGE - ELF_FILE || disk.blob_bytes > END - BLOB) give_up("member or blob too large", "");
  read_disk(disk.member_sector, disk.member_bytes, (uint8_t*)ELF_FILE);
  read_disk(disk.blob_sector, disk.blob_bytes, (uint8_t*)BLOB);
  const Elf64_Dyn* dynamic = map_member((const uint8_t*)ELF_FILE);

  const uint8_t* blob = (const uint8_t*)BLOB;
  const replay_header* header = (const void*)blob;
  if (header->magic != REPLAY_MAGIC || header->symbols > MAX_SYMBOLS) give_up("bad blob", "");
  const char* name = (const char*)blob + header->symbols_at;
  for (uint64_t i = 0; i < header->symbols; ++i) {
    names[i] = name;
    functions[i] = find_symbol(dynamic, name);
    while (*name++) {
    }
  }
  const replay_call* calls = (const void*)(blob + header->calls_at);
  uint8_t* scratch = (uint8_t*)(uintptr_t)((BLOB + disk.blob_bytes + 4095) & ~4095ull);
  uint64_t bad = 0;
  for (uint64_t i = 0; i < header->calls; ++i) {
    current_call = i;
    current_op = calls[i].op;
    current_symbol = names[calls[i].symbol];
    bad += !replay(blob, scratch, &calls[i], functions[calls[i].symbol], bad == 0);
  }
  print_field("bad=", bad);
  print_field(" calls=", header->calls);
  print("\n");
  shut_down();
}
