/* The replay blob: kernel calls recorded on the host, to be repeated by the guest on an emulated CPU.
 * In:  nothing.  Out: the structs both sides share; every offset counts bytes from the blob's start.
 * Not here: recording (recorder.h), booting (boot.S), the kernels' contract (packs/format/pack_abi.h).
 *
 * A disk image: guest (boot sector first), then at sector REPLAY_HEADER_SECTOR a replay_disk, then member and blob.
 */
#ifndef OCTILE_TESTS_SUPPORT_BOCHS_REPLAY_H_
#define OCTILE_TESTS_SUPPORT_BOCHS_REPLAY_H_

#include <stdint.h>

#define REPLAY_MAGIC 0x31594c505243544fULL /* "OTCRPLY1" */
#define REPLAY_SECTOR 512
#define REPLAY_HEADER_SECTOR 127 /* the guest lies before it */
#define REPLAY_DIMS 5
#define REPLAY_BUFFERS 7
#define REPLAY_MARGIN 64   /* canary bytes on either side of a destination */
#define REPLAY_CANARY 0xC7 /* what a destination holds before the call */

typedef struct replay_disk {
  uint64_t magic, member_sector, member_bytes, blob_sector, blob_bytes;
} replay_disk;

enum replay_family {
  REPLAY_DOT,
  REPLAY_DOTZ,
  REPLAY_DEPTHWISE,
  REPLAY_QUANTIZE,
  REPLAY_DEQUANTIZE,
  REPLAY_REQUANTIZE,
  REPLAY_TRANSPOSE
};

typedef struct replay_buffer {
  uint64_t data, bytes;  /* the bytes the buffer spans; for a destination: what they must be afterwards, with margins */
  uint64_t host;         /* where element 0 lies inside them (strides may be negative) */
  uint32_t misalignment; /* of the first byte, modulo 64 */
  uint8_t code, bits;
  uint16_t dimensions;
  int32_t extent[REPLAY_DIMS], stride[REPLAY_DIMS];
} replay_buffer;

typedef struct replay_call {
  uint32_t symbol, family, op, buffers; /* op: which random operation it belongs to; the last buffer is the dst */
  float scale, lo, hi;
  int32_t src_zp, zp;
  uint32_t flip;
  replay_buffer buffer[REPLAY_BUFFERS];
} replay_call;

typedef struct replay_header {
  uint64_t magic, symbols, calls;
  uint64_t symbols_at, calls_at; /* NUL-terminated names one after another; replay_call[calls] */
} replay_header;

#endif /* OCTILE_TESTS_SUPPORT_BOCHS_REPLAY_H_ */
