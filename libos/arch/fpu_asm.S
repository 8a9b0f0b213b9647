/* Saving and restoring vector registers by hand, one pair per feature set (AVX-512, AVX, SSE).
 * Area: 0 vectors (32 x 64), 2048 k0-k7, 2112 MXCSR, 2116 x87 in use, 2176 XSAVE area for x87. */
    .text
.macro each_zmm op
    .irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    \op \i
    .endr
.endm
.macro each_16 op
    .irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    \op \i
    .endr
.endm
.macro st512 i
    vmovdqa64 %zmm\i, \i*64(%rdi)
.endm
.macro ld512 i
    vmovdqa64 \i*64(%rdi), %zmm\i
.endm
.macro st256 i
    vmovdqa %ymm\i, \i*64(%rdi)
.endm
.macro ld256 i
    vmovdqa \i*64(%rdi), %ymm\i
.endm
.macro st128 i
    movdqa  %xmm\i, \i*64(%rdi)
.endm
.macro ld128 i
    movdqa  \i*64(%rdi), %xmm\i
.endm

    .globl fpu_save_avx512, fpu_restore_avx512, fpu_save_avx, fpu_restore_avx
    .globl fpu_save_sse, fpu_restore_sse, fpu_x87_save, fpu_x87_restore, fpu_xinuse
fpu_save_avx512:
    each_zmm st512
    .irp i,0,1,2,3,4,5,6,7
    kmovq   %k\i, 2048+\i*8(%rdi)
    .endr
    stmxcsr 2112(%rdi)
    ret
fpu_restore_avx512:
    each_zmm ld512
    .irp i,0,1,2,3,4,5,6,7
    kmovq   2048+\i*8(%rdi), %k\i
    .endr
    ldmxcsr 2112(%rdi)
    ret
fpu_save_avx:
    each_16 st256
    stmxcsr 2112(%rdi)
    ret
fpu_restore_avx:
    each_16 ld256
    ldmxcsr 2112(%rdi)
    ret
fpu_save_sse:
    each_16 st128
    stmxcsr 2112(%rdi)
    ret
fpu_restore_sse:
    each_16 ld128
    ldmxcsr 2112(%rdi)
    ret
fpu_x87_save:                       /* RDI: XSAVE area */
    mov     $1, %eax
    xor     %edx, %edx
    xsave64 (%rdi)
    ret
fpu_x87_restore:
    mov     $1, %eax
    xor     %edx, %edx
    xrstor64 (%rdi)
    ret
fpu_xinuse:                         /* XGETBV(1): legal in an enclave */
    mov     $1, %ecx
    xgetbv
    ret
/* void fpu_xsave_all(void *area, uint64_t mask); fpu_xrstor_all(const void *area, uint64_t mask) */
    .globl fpu_xsave_all, fpu_xrstor_all
fpu_xsave_all:
    mov     %esi, %eax
    mov     %rsi, %rdx
    shr     $32, %rdx
    xsave64 (%rdi)
    ret
fpu_xrstor_all:
    mov     %esi, %eax
    mov     %rsi, %rdx
    shr     $32, %rdx
    xrstor64 (%rdi)
    ret
    .section .note.GNU-stack, "", @progbits
