/* As in libos/arch/entry.S: stacks of threads, and those of vCPUs under explore.c. */
    .text
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
    call    thread_begin
    ud2
    .section .note.GNU-stack,"",@progbits
