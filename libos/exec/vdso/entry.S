/* What must be exact: the entry for AT_OCCLUM_ENTRY, and system calls of the vDSO itself. The kernel's
 * entry wants the return address in RCX. */
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
