/* The protocol between the enclave and the host runtime: what EENTER and EEXIT carry.
 *
 * The host enters a vCPU with EENTER(RDI = reason, RSI = argument). The enclave leaves with
 * EEXIT to the address that was in RCX at entry, RDI = exit reason, RSI = argument, RSP and RBP
 * as they were at entry (the caller in the vDSO goes on with them; they are in SSA[CSSA].URSP
 * and URBP); all other general registers are zeroed by the enclave. After EXIT_HOSTCALL and
 * EXIT_PARK the host enters the same TCS again with ENTER_RUN and the enclave goes on where it
 * left. Exceptions and ticks are nested entries on the same TCS (CSSA > 0) that always leave
 * with EXIT_RESUME or EXIT_DEAD.
 */
#ifndef ABI_ENTER_H
#define ABI_ENTER_H

#ifndef __ASSEMBLER__
enum enter_reason {
    ENTER_RUN = 0, /* RSI: first entry of a vCPU: address of its struct host_vcpu; else 0. vCPUs
                            but 0 are entered after the first HOSTCALL_kick for them */
    ENTER_EXCEPTION = 1, /* RSI: vector, as the host saw it (a hint: EXITINFO decides) */
    ENTER_TICK = 2,      /* RSI: 0; a hint for preemption */
};

enum exit_reason {
    EXIT_HOSTCALL = 0, /* the request is in struct host_vcpu */
    EXIT_PARK = 1,     /* RSI: nanoseconds to sleep at most, ~0 for ever; a kick ends it early */
    EXIT_RESUME = 2,   /* nested entry done: ERESUME */
    EXIT_SHUTDOWN = 3, /* RSI: exit status for the host process, 0..255 */
    EXIT_DEAD = 4,     /* the enclave stopped itself; RSI: exit status (PANIC_STATUS) */
};
#endif

#define PANIC_STATUS 134 /* exit status of the host process after a kernel panic */

/* The ENCLU stub page, at KERNEL_STUB, the only page with ENCLU instructions. Two entry points with
 * room to patch; callers use the register conventions of ENCLU itself.
 *   ENCLU_STUB       one leaf: EAX leaf, RBX/RCX/RDX operands; returns like ENCLU, then RET.
 *   ENCLU_PAGES_STUB one leaf over RSI consecutive pages: EAX leaf, RBX SECINFO, RCX first page, RDX
 *                    first source page (EACCEPTCOPY); stops at the first error. Returns RAX = error
 *                    code (0 = all done), RSI = pages left. Clobbers RCX, RDX, RSI, RDI, flags. Only
 *                    for EACCEPT, EACCEPTCOPY and EMODPE.
 * In the image both hold plain ENCLU code. The simulator may overwrite the first 14 bytes of each
 * with FF 25 00000000 <abs64> (a jump) after measurement.
 */
#define ENCLU_STUB        (KERNEL_STUB + 0x00)
#define ENCLU_PAGES_STUB  (KERNEL_STUB + 0x40)
#define ENCLU_PATCH_BYTES 14
#endif
