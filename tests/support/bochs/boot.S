/* Start-up of the guest: boot sector, long mode with 1 GiB mapped one to one, AVX-512 switched on, traps.
 * In:  the BIOS, booting from disk.  Out: guest_main() called with a 2 MiB stack; guest_trap() on any exception.
 * Not here: everything that C can say (guest.c).  The image is linked at 0x7c00, so the boot sector reads the rest of it
 * to right behind itself.
 */
        .set PML4, 0x70000
        .set PDPT, 0x71000
        .set PD, 0x72000
        .set STACK_TOP, 0x400000

        .section .boot, "ax"
        .code16
        .global _start
_start: cli
        cld
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $0x7c00, %sp
        mov     $packet, %si
        mov     $0x42, %ah              /* extended read; %dl still names the boot drive */
        int     $0x13
        jc      no_disk
        in      $0x92, %al              /* fast A20 */
        or      $2, %al
        and     $0xfe, %al
        out     %al, $0x92
        lgdtl   gdt_pointer
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmpl   $0x08, $protected

no_disk:
        mov     $'?', %al
        out     %al, $0xe9
1:      hlt
        jmp     1b

        .balign 4
packet: .byte   16, 0
        .word   guest_sectors
        .word   0x7e00, 0
        .quad   1

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9a000000ffff      /* 0x08: 32-bit code */
        .quad   0x00cf92000000ffff      /* 0x10: data */
        .quad   0x00af9a000000ffff      /* 0x18: 64-bit code */
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   gdt

        .code32
protected:
        mov     $0x10, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $PML4, %edi             /* three zeroed tables */
        mov     $3 * 1024, %ecx
        xor     %eax, %eax
        rep stosl
        movl    $PDPT + 3, PML4
        movl    $PD + 3, PDPT
        mov     $PD, %edi
        mov     $0x83, %eax             /* present, writable, 2 MiB */
        mov     $512, %ecx
2:      mov     %eax, (%edi)
        add     $0x200000, %eax
        add     $8, %edi
        loop    2b
        mov     $0x40620, %eax          /* CR4: PAE, OSFXSR, OSXMMEXCPT, OSXSAVE */
        mov     %eax, %cr4
        mov     $PML4, %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx       /* EFER.LME */
        rdmsr
        or      $0x100, %eax
        wrmsr
        mov     $0x80000033, %eax       /* CR0: PG, NE, ET, MP, PE */
        mov     %eax, %cr0
        ljmp    $0x18, $long_mode

        .code64
long_mode:
        mov     $STACK_TOP, %rsp
        fninit
        xor     %ecx, %ecx
        xor     %edx, %edx
        mov     $0xe7, %eax             /* XCR0: x87, SSE, AVX, opmask, both halves of ZMM */
        xsetbv
        lidt    idt_pointer(%rip)
        call    guest_main
3:      hlt
        jmp     3b

        .org    510
        .word   0xaa55

        .text
/* Exceptions 0..31: each stub hands its number and the stack to guest_trap, which does not return. */
        .global trap_stubs
        .balign 16
trap_stubs:
        .set    vector, 0
        .rept   32
        .balign 16
        mov     $vector, %edi
        mov     %rsp, %rsi
        jmp     trapped
        .set    vector, vector + 1
        .endr
trapped:
        and     $-16, %rsp
        call    guest_trap

        .data
        .balign 8
idt_pointer:
        .word   32 * 16 - 1
        .quad   guest_idt
        .section .note.GNU-stack, "", @progbits
