/* A minimal enclave for testing SGX machines: entry, exit, exception entry, the ENCLU stub
 * page.
 *
 * ENTER_RUN calls command(RSI) on the idle stack and leaves with EXIT_HOSTCALL, RSI = its
 * result. Nested entries call exception(reason, vector, CSSA) on a part of the trap stack of
 * their own and leave with the exit reason it returns. The host's RSP, RBP and return address
 * are kept per CSSA in the GS page.
 */
#include "abi/layout.h"

#define SAVE_AREA 0x100 /* in the GS page: 32 bytes per CSSA */

    .section .stub, "ax", @progbits
    .globl enclu_stub, enclu_pages_stub
enclu_stub:
    enclu
    ret
    .skip 13, 0xcc
    .org 0x40
enclu_pages_stub:
    mov %rax, %rdi
1:  test %rsi, %rsi
    jz 2f
    mov %rdi, %rax
    enclu
    cmp $6, %edi
    je 3f
    test %eax, %eax
    jnz 4f
3:  add $0x1000, %rcx
    add $0x1000, %rdx
    dec %rsi
    jmp 1b
2:  xor %eax, %eax
4:  ret
    .org 0x1000, 0xcc

    .text
    .globl enclave_entry
enclave_entry:
    cld
    mov %eax, %r12d
    mov %eax, %eax
    shl $5, %rax
    mov %rsp, %gs:SAVE_AREA(%rax)
    mov %rbp, %gs:SAVE_AREA+8(%rax)
    mov %rcx, %gs:SAVE_AREA+16(%rax)
    mov %rax, %r13
    rdgsbase %rcx
    test %r12d, %r12d
    jnz nested
    lea (VCPU_IDLE_STACK - VCPU_GS + VCPU_IDLE_PAGES * 0x1000)(%rcx), %rsp
    mov %rsi, %rdi
    call command
    mov %rax, %rsi
    xor %edi, %edi
    jmp leave
nested:
    lea (VCPU_TRAP_STACK - VCPU_GS + 0x1000)(%rcx), %rsp
    lea -1(%r12), %rdx
    shl $12, %rdx
    add %rdx, %rsp
    vzeroall
    stc
    mov %r12, %rdx
    call exception
    mov %rax, %rdi
    xor %esi, %esi
leave:
    mov %gs:SAVE_AREA(%r13), %rsp
    mov %gs:SAVE_AREA+8(%r13), %rbp
    mov %gs:SAVE_AREA+16(%r13), %rbx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    mov $4, %eax
    jmp enclu_stub

/* void call_leaf(uint64_t regs[5]): RAX, RBX, RCX, RDX in and out; regs[4]: flags out. */
    .globl call_leaf
call_leaf:
    push %rbx
    push %rdi
    mov (%rdi), %rax
    mov 8(%rdi), %rbx
    mov 16(%rdi), %rcx
    mov 24(%rdi), %rdx
    call enclu_stub
    pop %rdi
    mov %rax, (%rdi)
    mov %rbx, 8(%rdi)
    mov %rcx, 16(%rdi)
    mov %rdx, 24(%rdi)
    pushfq
    pop 32(%rdi)
    pop %rbx
    ret

/* void call_pages(uint64_t regs[5]): RAX, RBX, RCX, RSI, RDX in; RAX, RSI out. */
    .globl call_pages
call_pages:
    push %rbx
    push %r12
    mov %rdi, %r12
    mov (%r12), %rax
    mov 8(%r12), %rbx
    mov 16(%r12), %rcx
    mov 24(%r12), %rsi
    mov 32(%r12), %rdx
    call enclu_pages_stub
    mov %rax, (%r12)
    mov %rsi, 24(%r12)
    pop %r12
    pop %rbx
    ret

/* long fault_read(address), fault_write(address), fault_jump(address), and one function per
 * faulting instruction. After a fault the exception handler goes on at fault_fixup with the
 * stack as it was at the faulting instruction: all of them fault with nothing pushed, so RET
 * returns to the caller. */
    .globl fault_read, fault_write, fault_jump, fault_fixup
fault_read:
    movzbl (%rdi), %eax
    ret
fault_write:
    movb $1, (%rdi)
    xor %eax, %eax
    ret
fault_jump:
    jmp *%rdi
fault_fixup:
    mov $-1, %rax
    ret
    .globl fault_ud2, fault_int3, fault_div, fault_syscall, fault_int80, fault_in, fault_gp
    .globl fault_eenter
    .globl fault_simd, pending_x87
fault_ud2:
    ud2
    ret
fault_int3:
    int3
    ret
fault_div:
    xor %edx, %edx
    xor %ecx, %ecx
    div %rcx
    ret
fault_syscall:
    mov $39, %eax
    syscall
    ret
fault_int80:
    mov $20, %eax
    int $0x80
    ret
fault_in:
    in $0x10, %al
    ret
fault_gp:
    hlt
    ret
fault_eenter:
    mov $2, %eax
    jmp enclu_stub
fault_simd:
    movl $0, -8(%rsp)
    ldmxcsr -8(%rsp)
    xorps %xmm0, %xmm0
    xorps %xmm1, %xmm1
    divps %xmm0, %xmm1
    ret

/* Leaves an unmasked x87 exception pending: the next x87 instruction of whoever runs gets it. */
pending_x87:
    push $0x37b
    fldcw (%rsp)
    fld1
    fldz
    fdivrp
    pop %rax
    xor %eax, %eax
    ret

/* uint64_t leaf_keeps(uint64_t regs[5], const void *patterns): call_leaf with a pattern in each
 * vector register; counts those that differ afterwards. */
    .globl leaf_keeps
leaf_keeps:
    push %rsi
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    vmovdqu 64*\n(%rsi), %ymm\n
    .endr
    call call_leaf
    pop %rsi
    xor %eax, %eax
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    vpxor 64*\n(%rsi), %ymm\n, %ymm\n
    vptest %ymm\n, %ymm\n
    setnz %cl
    movzbl %cl, %ecx
    add %rcx, %rax
    .endr
    ret

/* long exit_to(target): EEXIT with a target the host did not ask for. */
    .globl exit_to
exit_to:
    mov %rdi, %rbx
    mov $4, %eax
    jmp enclu_stub

/* uint64_t spin(uint64_t rounds, const void *patterns, uint64_t wide): fills every register with a
 * pattern, waits `rounds`, and counts the registers that differ afterwards. patterns: 64 bytes for
 * each of 32 vector registers. wide: use zmm and k registers. */
    .globl spin
spin:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdx
    push %rsi
    push %rdi
    test %rdx, %rdx
    jnz 1f
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    vmovdqu 64*\n(%rsi), %ymm\n
    .endr
    jmp 2f
1:  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    vmovdqu64 64*\n(%rsi), %zmm\n
    .endr
    kmovq 8(%rsi), %k1
    kmovq 72(%rsi), %k7
2:  mov %rdi, %rcx
    movabs $0x1111111111111111, %rax
    movabs $0x2222222222222222, %rbx
    movabs $0x3333333333333333, %rdx
    movabs $0x4444444444444444, %rbp
    movabs $0x5555555555555555, %rsi
    movabs $0x6666666666666666, %rdi
    movabs $0x8888888888888888, %r8
    movabs $0x9999999999999999, %r9
    movabs $0xaaaaaaaaaaaaaaaa, %r10
    movabs $0xbbbbbbbbbbbbbbbb, %r11
    movabs $0xcccccccccccccccc, %r12
    movabs $0xdddddddddddddddd, %r13
    movabs $0xeeeeeeeeeeeeeeee, %r14
    movabs $0x7777777777777777, %r15
    stc
3:  lea -1(%rcx), %rcx
    jrcxz 4f
    jmp 3b
4:  adc $0, %rcx
    lea -1(%rcx), %rcx
    push %rax
    movabs $0x2222222222222222, %rax
    xor %rax, %rbx
    or %rbx, %rcx
    movabs $0x3333333333333333, %rax
    xor %rax, %rdx
    or %rdx, %rcx
    movabs $0x4444444444444444, %rax
    xor %rax, %rbp
    or %rbp, %rcx
    movabs $0x5555555555555555, %rax
    xor %rax, %rsi
    or %rsi, %rcx
    movabs $0x6666666666666666, %rax
    xor %rax, %rdi
    or %rdi, %rcx
    movabs $0x8888888888888888, %rax
    xor %rax, %r8
    or %r8, %rcx
    movabs $0x9999999999999999, %rax
    xor %rax, %r9
    or %r9, %rcx
    movabs $0xaaaaaaaaaaaaaaaa, %rax
    xor %rax, %r10
    or %r10, %rcx
    movabs $0xbbbbbbbbbbbbbbbb, %rax
    xor %rax, %r11
    or %r11, %rcx
    movabs $0xcccccccccccccccc, %rax
    xor %rax, %r12
    or %r12, %rcx
    movabs $0xdddddddddddddddd, %rax
    xor %rax, %r13
    or %r13, %rcx
    movabs $0xeeeeeeeeeeeeeeee, %rax
    xor %rax, %r14
    or %r14, %rcx
    movabs $0x7777777777777777, %rax
    xor %rax, %r15
    or %r15, %rcx
    movabs $0x1111111111111111, %rax
    pop %rbx
    xor %rax, %rbx
    or %rbx, %rcx
    pop %rdi
    pop %rsi
    pop %rdx
    xor %eax, %eax
    test %rcx, %rcx
    setnz %al
    sub $64, %rsp
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    vpxor 64*\n(%rsi), %ymm\n, %ymm\n
    vptest %ymm\n, %ymm\n
    setnz %cl
    movzbl %cl, %ecx
    add %rcx, %rax
    .endr
    test %rdx, %rdx
    jz 5f
    .irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    vpcmpneqq 64*\n(%rsi), %zmm\n, %k2
    kmovw %k2, %ecx
    movzbl %cl, %ecx
    add %rcx, %rax
    .endr
    kmovq %k1, %rcx
    xor 8(%rsi), %rcx
    setnz %cl
    movzbl %cl, %ecx
    add %rcx, %rax
    kmovq %k7, %rcx
    xor 72(%rsi), %rcx
    setnz %cl
    movzbl %cl, %ecx
    add %rcx, %rax
5:  add $64, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .section .note.GNU-stack, "", @progbits
