/* What must be exact: the entry for AT_OCCLUM_ENTRY, the way back from signal handlers, and system calls
 * of the vDSO itself. The kernel's entry wants the return address in RCX. */
#include "abi/vdso.h"
#include "libos/arch/vcpu_offsets.h"

    .section .text.entry, "ax", @progbits
    .globl __vdso_occlum_entry
    .type __vdso_occlum_entry, @function
__vdso_occlum_entry:
    .cfi_startproc
    jmp     *%gs:GS_SYSCALL_ENTRY
    .cfi_endproc
    .size __vdso_occlum_entry, . - __vdso_occlum_entry

/* rt_sigreturn, found by unwinders: RSP points at the ucontext, which has the caller's registers. An
 * unwinder looks up the address before the return address, so the table begins one byte earlier. */
.macro saved register, offset           /* DW_CFA_expression: *(RSP + offset) */
    .cfi_escape 0x10, \register, 3, 0x77, (\offset) & 0x7f | 0x80, (\offset) >> 7
.endm
    .org VDSO_RESTORER_OFFSET - VDSO_ENTRY_OFFSET - 1, 0xcc
    .cfi_startproc
    .cfi_signal_frame
    .cfi_escape 0x0f, 4, 0x77, 160 & 0x7f | 0x80, 160 >> 7, 6 /* CFA: the saved RSP */
    saved 8, 40
    saved 9, 48
    saved 10, 56
    saved 11, 64
    saved 12, 72
    saved 13, 80
    saved 14, 88
    saved 15, 96
    saved 5, 104                    /* RDI, RSI, RBP, RBX, RDX, RAX, RCX, RIP */
    saved 4, 112
    saved 6, 120
    saved 3, 128
    saved 1, 136
    saved 0, 144
    saved 2, 152
    saved 16, 168
    nop
    .type vdso_rt_sigreturn, @function
vdso_rt_sigreturn:
    mov     $15, %rax
    lea     1f(%rip), %rcx
    jmp     *%gs:GS_SYSCALL_ENTRY
1:  ud2
    .cfi_endproc
    .size vdso_rt_sigreturn, . - vdso_rt_sigreturn

/* long vdso_syscall(long a, long b, long c, long number) */
    .text
    .globl vdso_syscall
    .hidden vdso_syscall
    .type vdso_syscall, @function
vdso_syscall:
    .cfi_startproc
    mov     %rcx, %rax
    lea     1f(%rip), %rcx
    jmp     *%gs:GS_SYSCALL_ENTRY
1:  ret
    .cfi_endproc
    .size vdso_syscall, . - vdso_syscall
    .section .note.GNU-stack, "", @progbits
