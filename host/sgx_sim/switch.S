/* The simulator's border crossings: EENTER, ERESUME, EEXIT, the patched ENCLU stub, signal
 * entry.
 *
 * Host code runs with the host's FS and GS, enclave code with its own; FS and GS change last on
 * the way in and first on the way out. A signal may land on any instruction here:
 * sim_signal_entry finds the thread from the signal stack, restores the host's bases for the
 * handler and puts back what it found. An instruction pointer in this file never counts as "in
 * the enclave".
 *
 * Landings take the thread in R11. The frame at host_rsp is MXCSR, x87 control word, then the
 * callee-saved registers.
 */
#include "host/sgx_sim/offsets.h"

#define MXCSR_AND_FCW 8

    .text

.macro save_host
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    sub $MXCSR_AND_FCW, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    mov %rsp, T_HOST_RSP(%rdi)
    mov %rdi, %r11
.endm

/* int sim_switch_enter(struct sim_thread *): EENTER; returns at EEXIT or AEX. */
    .globl sim_switch_enter
    .type sim_switch_enter, @function
sim_switch_enter:
    save_host
    mov T_GPR(%r11), %rax
    mov %rsp, GPR_URSP(%rax)
    mov %rbp, GPR_URBP(%rax)
    mov R_RBX(%r11), %rbx
    mov R_RDI(%r11), %rdi
    mov R_RSI(%r11), %rsi
    lea sim_exit_landing(%rip), %rcx
    mov R_FS(%r11), %rax
    wrfsbase %rax
    mov R_GS(%r11), %rax
    wrgsbase %rax
    mov R_RAX(%r11), %rax
    jmp *T_ENTRY_RIP(%r11)
    .size sim_switch_enter, . - sim_switch_enter

/* EEXIT and AEX come here with the host's bases back. */
    .globl sim_aex_landing
sim_aex_landing:
    mov $RUN_AEX, %eax
    jmp leave
    .globl sim_bad_exit_landing
sim_bad_exit_landing:
    mov $RUN_BAD_EXIT, %eax
    jmp leave
    .globl sim_exit_landing
sim_exit_landing:
    mov $RUN_EEXIT, %eax
leave:
    mov T_HOST_RSP(%r11), %rsp
    cld
    mov %eax, %edx
    fnstsw %ax                  /* an unmasked exception the enclave left would trap in FLDCW */
    test $0x80, %al
    jz 1f
    fnclex
1:  mov %edx, %eax
    fldcw 4(%rsp)
    ldmxcsr (%rsp)
    add $MXCSR_AND_FCW, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret

/* All general registers but RSP from thread->regs, RAX (the thread pointer) last. */
.macro load_regs_from_rax
    mov R_RCX(%rax), %rcx
    mov R_RDX(%rax), %rdx
    mov R_RBX(%rax), %rbx
    mov R_RBP(%rax), %rbp
    mov R_RSI(%rax), %rsi
    mov R_RDI(%rax), %rdi
    mov R_R8(%rax), %r8
    mov R_R9(%rax), %r9
    mov R_R10(%rax), %r10
    mov R_R11(%rax), %r11
    mov R_R12(%rax), %r12
    mov R_R13(%rax), %r13
    mov R_R14(%rax), %r14
    mov R_R15(%rax), %r15
.endm

/* int sim_switch_resume(struct sim_thread *): ERESUME from thread->regs and resume_xsave. */
    .globl sim_switch_resume
    .type sim_switch_resume, @function
sim_switch_resume:
    save_host
    mov T_RESUME_XSAVE(%r11), %rcx
    mov T_RESUME_XFRM(%r11), %rax
    mov %rax, %rdx
    shr $32, %rdx
    xrstor64 (%rcx)
    mov %ss, %eax
    push %rax
    push R_RSP(%r11)
    push R_RFLAGS(%r11)
    mov %cs, %eax
    push %rax
    push R_RIP(%r11)
    mov R_FS(%r11), %rax
    wrfsbase %rax
    mov R_GS(%r11), %rax
    wrgsbase %rax
    mov %r11, %rax
    load_regs_from_rax
    mov R_RAX(%rax), %rax
    iretq
    .size sim_switch_resume, . - sim_switch_resume

/* RAX = the slot of the GS base, or jump to \miss. Changes RAX and arithmetic flags only. */
.macro find_slot miss
    rdgsbase %rax
    shr $SLOT_GS_SHIFT, %rax
    and $(SLOT_COUNT - 1), %eax
    shl $SLOT_SHIFT, %eax
    add sim_slots(%rip), %rax
    mov %rcx, SLOT_RCX(%rax)
    rdgsbase %rcx
    cmp %rcx, SLOT_GS(%rax)
    mov SLOT_RCX(%rax), %rcx
    jne \miss
    mov SLOT_THREAD(%rax), %rax
.endm

/* If EAX is this leaf: note it and go on in run_leaf with RAX = thread. */
.macro leaf_case number, kind, trap
    cmp $\number, %eax
    jne 1f
    find_slot 2f
    movq $\number, R_RAX(%rax)
    movq $\kind, T_LEAF_KIND(%rax)
    jmp run_leaf
2:  mov $\number, %eax
    jmp \trap
1:
.endm

/* The patched ENCLU stub jumps here: registers as at ENCLU, return address on the enclave's
 * stack. */
    .globl sim_enclu_entry
    .type sim_enclu_entry, @function
    .p2align 4
sim_enclu_entry:
    cmp $4, %eax
    je eexit
    leaf_case 5, KIND_ONE, sim_trap_one
    leaf_case 6, KIND_ONE, sim_trap_one
    leaf_case 7, KIND_ONE, sim_trap_one
    leaf_case 0, KIND_ONE, sim_trap_one
    leaf_case 1, KIND_ONE, sim_trap_one
/* Leaves that fault, and threads that GS does not lead to: trap, as in strict mode. */
    .globl sim_trap_one
sim_trap_one:
    .byte 0x0f, 0x01, 0xd7
    ret
    .size sim_enclu_entry, . - sim_enclu_entry

    .globl sim_pages_entry
    .type sim_pages_entry, @function
    .p2align 4
sim_pages_entry:
    leaf_case 5, KIND_PAGES, sim_trap_pages
    leaf_case 6, KIND_PAGES, sim_trap_pages
    leaf_case 7, KIND_PAGES, sim_trap_pages
    .globl sim_trap_pages
sim_trap_pages:
    .byte 0x0f, 0x01, 0xd7
    ret
    .size sim_pages_entry, . - sim_pages_entry

.macro store_regs_to_rax
    mov %rcx, R_RCX(%rax)
    mov %rdx, R_RDX(%rax)
    mov %rbx, R_RBX(%rax)
    mov %rsp, R_RSP(%rax)
    mov %rbp, R_RBP(%rax)
    mov %rsi, R_RSI(%rax)
    mov %rdi, R_RDI(%rax)
    mov %r8, R_R8(%rax)
    mov %r9, R_R9(%rax)
    mov %r10, R_R10(%rax)
    mov %r11, R_R11(%rax)
    mov %r12, R_R12(%rax)
    mov %r13, R_R13(%rax)
    mov %r14, R_R14(%rax)
    mov %r15, R_R15(%rax)
.endm

eexit:
    find_slot eexit_trap
    store_regs_to_rax
    mov %rax, %r11
    mov T_HOST_FS(%r11), %rax
    wrfsbase %rax
    mov T_HOST_GS(%r11), %rax
    wrgsbase %rax
    mov T_TCS(%r11), %rax
    movq $0, TCS_STATE(%rax)
    lea sim_exit_landing(%rip), %rax
    cmp %rax, %rbx
    jne sim_bad_exit_landing
    jmp sim_exit_landing
eexit_trap:
    mov $4, %eax
    jmp sim_trap_one

/* RAX = thread: a leaf in C, on the host's stack and bases, vector state saved around it. */
run_leaf:
    store_regs_to_rax
    mov T_HOST_RSP(%rax), %rsp
    pushfq
    popq R_RFLAGS(%rax)
    pushq $0x202
    popfq
    mov %rax, %rbx
    rdfsbase %rax
    mov %rax, R_FS(%rbx)
    rdgsbase %rax
    mov %rax, R_GS(%rbx)
    mov T_HOST_FS(%rbx), %rax
    wrfsbase %rax
    mov T_HOST_GS(%rbx), %rax
    wrgsbase %rax
    mov T_LEAF_XSAVE(%rbx), %rcx
    mov $-1, %eax
    mov $-1, %edx
    xsave64 (%rcx)
    ldmxcsr (%rsp)
    mov %rbx, %rdi
    and $-16, %rsp
    call sim_leaf_from_stub
    mov %rbx, %r11
    test %eax, %eax
    jnz sim_aex_landing
    mov T_LEAF_XSAVE(%rbx), %rcx
    mov $-1, %eax
    mov $-1, %edx
    xrstor64 (%rcx)
    mov R_FS(%rbx), %rax
    wrfsbase %rax
    mov R_GS(%rbx), %rax
    wrgsbase %rax
    mov %rbx, %rax
    pushq R_RFLAGS(%rax)
    popfq
    load_regs_from_rax
    mov R_RSP(%rax), %rsp
    mov R_RAX(%rax), %rax
    ret

/* void sim_signal_entry(int, siginfo_t *, void *): calls sim_signal(signo, info, context, thread,
 * bases) with the host's FS and GS; thread is NULL (and nothing is switched) on foreign threads. */
    .globl sim_signal_entry
    .type sim_signal_entry, @function
sim_signal_entry:
    pushfq
    andl $~0x40000, (%rsp)
    popfq
    xor %ecx, %ecx
    xor %r8d, %r8d
    mov %rsp, %rax
    sub sim_altstack_base(%rip), %rax
    cmp sim_altstack_size(%rip), %rax
    jae sim_signal
    shr $ALTSTACK_SHIFT, %rax
    mov sim_altstack_threads(%rip), %rcx
    mov (%rcx,%rax,8), %rcx
    test %rcx, %rcx
    jz sim_signal
    sub $24, %rsp
    rdfsbase %rax
    mov %rax, (%rsp)
    rdgsbase %rax
    mov %rax, 8(%rsp)
    mov T_HOST_FS(%rcx), %rax
    wrfsbase %rax
    mov T_HOST_GS(%rcx), %rax
    wrgsbase %rax
    mov %rsp, %r8
    call sim_signal
    mov (%rsp), %rax
    wrfsbase %rax
    mov 8(%rsp), %rax
    wrgsbase %rax
    add $24, %rsp
    ret
    .size sim_signal_entry, . - sim_signal_entry

    .section .note.GNU-stack, "", @progbits
