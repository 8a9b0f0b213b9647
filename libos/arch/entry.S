/* Every way into and out of the kernel.
 *
 *   enclave_entry      EENTER: first start, return from a host call (CSSA 0), traps (CSSA > 0)
 *   host_leave         EEXIT with a saved kernel stack
 *   syscall_entry      from patched sites and AT_OCCLUM_ENTRY: RCX = return address; no user stack
 *   cpuid_entry        from patched cpuid sites: only the four result registers change
 *   user_trap_entry    stage 2 of an exception or tick: on the thread's kernel stack, frame complete
 *   user_enter         back to user mode with all registers, without IRET (illegal in enclaves)
 *
 * GS is the vCPU block throughout, FS the user's. Kernel C code keeps vector registers untouched.
 */
#include "abi/enter.h"
#include "abi/layout.h"
#include "libos/arch/vcpu_offsets.h"

    .section .stub, "ax", @progbits
    .globl enclu_stub, enclu_pages_stub
enclu_stub:                         /* ENCLU_STUB */
    .byte 0x0f, 0x01, 0xd7          /* enclu */
    ret
    .balign 64, 0xcc
enclu_pages_stub:                   /* ENCLU_PAGES_STUB; patched as a whole by the simulator */
    mov     %eax, %edi
1:  mov     %edi, %eax
    push    %rcx
    .byte 0x0f, 0x01, 0xd7
    pop     %rcx
    cmp     $6, %edi                /* EMODPE leaves RAX alone */
    je      3f
    test    %eax, %eax
    jnz     2f
3:  add     $PAGE_SIZE, %rcx
    add     $PAGE_SIZE, %rdx
    dec     %rsi
    jnz     1b
    xor     %eax, %eax
2:  mov     %eax, %eax
    ret
    .balign 4096, 0xcc

    .section .text.entry, "ax", @progbits
    .globl enclave_entry
enclave_entry:
    cld
    test    %eax, %eax
    jnz     nested_entry
    mov     %rcx, %gs:GS_HOST_RETURN
    mov     %rsp, %gs:GS_OUTSIDE_RSP
    mov     %rbp, %gs:GS_OUTSIDE_RBP
    mov     %gs:GS_HOST_SP, %rdx
    test    %rdx, %rdx
    jnz     1f
    lea     VCPU_IDLE_STACK + VCPU_IDLE_PAGES * PAGE_SIZE(%rbx), %rsp
    push    $2
    popfq                           /* AC, NT, DF as the host left them are gone */
    xor     %ebp, %ebp
    mov     %rbx, %rdi              /* the TCS: set by the CPU, so trusted */
    call    vcpu_start
    ud2
1:  mov     %rdx, %rsp
    movq    $0, %gs:GS_HOST_SP
    popfq
    pop     %rbp
    pop     %rbx
    pop     %r12
    pop     %r13
    pop     %r14
    pop     %r15
    ret

    .globl host_leave
host_leave:
    push    %r15
    push    %r14
    push    %r13
    push    %r12
    push    %rbx
    push    %rbp
    pushfq
    mov     %rsp, %gs:GS_HOST_SP
    mov     %gs:GS_HOST_RETURN, %rbx
    mov     %gs:GS_OUTSIDE_RSP, %rsp
    mov     %gs:GS_OUTSIDE_RBP, %rbp
leave_scrubbed:                     /* RBX target, RDI, RSI, RSP, RBP: what the host may see */
    xor     %edx, %edx
    xor     %r8d, %r8d
    xor     %r9d, %r9d
    xor     %r10d, %r10d
    xor     %r11d, %r11d
    xor     %r12d, %r12d
    xor     %r13d, %r13d
    xor     %r14d, %r14d
    xor     %r15d, %r15d
    mov     $4, %eax
    movabs  $ENCLU_STUB, %rcx
    jmp     *%rcx

/* RAX = CSSA, RBX = TCS, RCX = where EEXIT goes, RDI/RSI = reason. Each CSSA has half the stack. */
nested_entry:
    mov     %rsp, %r8               /* the host's, back at EEXIT */
    lea     VCPU_TRAP_STACK + VCPU_TRAP_PAGES * PAGE_SIZE(%rbx), %rsp
    cmp     $1, %eax
    je      1f
    sub     $2 * PAGE_SIZE, %rsp
1:  push    $2
    popfq
    push    %rcx
    push    %rbp
    push    %r8
    push    %r8                     /* alignment */
    mov     %rdi, %rsi              /* reason */
    mov     %eax, %edi              /* cssa */
    mov     %rbx, %rdx              /* tcs */
    xor     %ebp, %ebp
    call    trap_stage1             /* exit reason */
    mov     %rax, %rdi
    mov     $PANIC_STATUS, %esi
    pop     %r8
    pop     %r8
    pop     %rbp
    pop     %rbx
    mov     %r8, %rsp
    jmp     leave_scrubbed

    .globl syscall_entry
syscall_entry:
    mov     %rsp, %gs:GS_SCRATCH_RSP
    mov     %gs:GS_KSTACK_TOP, %rsp
    push    $0                      /* full */
    push    %gs:GS_SCRATCH_RSP
    push    $0x202
    push    %rcx                    /* rip */
    push    %rax                    /* orig_rax */
    push    %rdi
    push    %rsi
    push    %rdx
    push    %rcx
    push    %rax
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    cld
    mov     %rsp, %rdi
    call    syscall_from_user       /* non-zero: restore everything */
    test    %eax, %eax
    jnz     restore_full
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rax
    add     $8, %rsp
    pop     %rdx
    pop     %rsi
    pop     %rdi
    mov     8(%rsp), %rcx
    mov     24(%rsp), %rsp
    jmp     *%rcx

    .globl user_enter
user_enter:
    mov     %rdi, %rsp
restore_full:                       /* RSP = frame at the top of the kernel stack */
    mov     FRAME_RIP(%rsp), %rax
    mov     %rax, %gs:GS_SCRATCH_RIP
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rax
    pop     %rcx
    pop     %rdx
    pop     %rsi
    pop     %rdi
    add     $16, %rsp
    popfq
    mov     (%rsp), %rsp
    jmp     *%gs:GS_SCRATCH_RIP

    .globl user_trap_entry
user_trap_entry:                    /* RSP = frame, 160 below the 16-aligned top */
    xor     %ebp, %ebp
    mov     %rsp, %rdi
    call    user_trap
    jmp     restore_full

    .globl kernel_fault_entry
kernel_fault_entry:
    xor     %ebp, %ebp
    call    kernel_fault
    ud2

    .globl cpuid_entry
cpuid_entry:                        /* not preempted: the RIP is kernel or stub throughout */
    mov     %rsp, %gs:GS_SCRATCH_RSP
    mov     %gs:GS_KSTACK_TOP, %rsp
    pushfq
    push    %rcx                    /* return address */
    push    %rsi
    push    %rdi
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    sub     $32, %rsp
    cld
    mov     %eax, %edi
    mov     %gs:GS_SCRATCH_RCX, %rsi
    mov     %rsp, %rdx              /* uint32_t out[4] */
    call    cpuid_lookup
    mov     0(%rsp), %eax
    mov     4(%rsp), %ebx
    mov     8(%rsp), %ecx
    mov     12(%rsp), %edx
    add     $32, %rsp
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rdi
    pop     %rsi
    pop     %gs:GS_SCRATCH_RIP
    popfq
    mov     %gs:GS_SCRATCH_RSP, %rsp
    jmp     *%gs:GS_SCRATCH_RIP

/* void context_switch(uintptr_t *save_sp, uintptr_t new_sp) */
    .globl context_switch
context_switch:
    push    %rbp
    push    %rbx
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    mov     %rsp, (%rdi)
    mov     %rsi, %rsp
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbx
    pop     %rbp
    ret

    .globl thread_trampoline
thread_trampoline:
    xor     %ebp, %ebp
    call    thread_begin            /* does not return */
    ud2

/* long user_copy(void *dst, const void *src, size_t n): the bytes not copied. The one place that
 * touches user and host memory; a fault inside resumes at user_copy_fixup, with what is left in RCX.
 * Short ranges go by words: "rep movsb" takes long to start. */
    .globl user_copy, user_copy_start, user_copy_end, user_copy_fixup
user_copy:
    mov     %rdx, %rcx
user_copy_start:
    cmp     $128, %rcx
    ja      2f
1:  cmp     $8, %rcx
    jb      2f
    mov     (%rsi), %rax
    mov     %rax, (%rdi)
    add     $8, %rsi
    add     $8, %rdi
    sub     $8, %rcx
    jnz     1b
    xor     %eax, %eax
    ret
2:  rep movsb
user_copy_fixup:
    mov     %rcx, %rax
    ret
/* long user_zero(void *dst, size_t n) */
    .globl user_zero
user_zero:
    mov     %rsi, %rcx
    xor     %eax, %eax
    rep stosb
    mov     %rcx, %rax
    ret
/* int user_cmpxchg(uint32_t *p, uint32_t expected, uint32_t desired, uint32_t *found) */
    .globl user_cmpxchg
user_cmpxchg:
    mov     %rcx, %r8
    mov     %esi, %eax
    xor     %ecx, %ecx
    lock cmpxchg %edx, (%rdi)
    mov     %eax, (%r8)
    xor     %eax, %eax
    ret
/* int user_load(const uint32_t *p, uint32_t *ret) */
    .globl user_load
user_load:
    xor     %ecx, %ecx
    mov     (%rdi), %eax
    mov     %eax, (%rsi)
    xor     %eax, %eax
    ret
user_copy_end:
    nop
    .globl user_word_fixup
user_word_fixup:
    mov     $1, %eax
    ret

    .section .note.GNU-stack, "", @progbits
