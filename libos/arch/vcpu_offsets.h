/* Offsets into struct vcpu (GS) and struct thread, for assembly and for patched code. Fixed: patch
 * stubs in user memory use GS_SYSCALL_ENTRY, GS_CPUID_ENTRY and GS_SCRATCH_RCX. */
#ifndef ARCH_VCPU_OFFSETS_H
#define ARCH_VCPU_OFFSETS_H

#define GS_KSTACK_TOP    0x00 /* of the running thread */
#define GS_SELF          0x08
#define GS_SYSCALL_ENTRY 0x10 /* RCX = return address, otherwise registers as at SYSCALL */
#define GS_CPUID_ENTRY   0x18 /* RCX = return address, GS_SCRATCH_RCX = the program's RCX */
#define GS_SCRATCH_RCX   0x20
#define GS_CANARY        0x28
#define GS_SCRATCH_RSP   0x30
#define GS_SCRATCH_RIP   0x38
#define GS_CURRENT       0x40
#define GS_HOST_SP       0x48 /* kernel stack while outside in a host call; 0: not outside */
#define GS_HOST_RETURN   0x50 /* where EEXIT goes */
#define GS_INDEX         0x58 /* number of the vCPU; read by the vDSO */

#define GS_OUTSIDE_RSP 0x60 /* the host's stack at entry: EEXIT must bring it back */
#define GS_OUTSIDE_RBP 0x68

#define FRAME_RAX      80
#define FRAME_ORIG_RAX 120
#define FRAME_RIP      128
#define FRAME_RFLAGS   136
#define FRAME_RSP      144
#define FRAME_FULL     152
#define FRAME_SIZE     160
#endif
