/* What the assembly in switch.S knows about the C structures; sim.h asserts every number. */
#ifndef SIM_OFFSETS_H
#define SIM_OFFSETS_H

/* struct sim_regs, at the start of struct sim_thread; the order of GPRSGX */
#define R_RAX    0
#define R_RCX    8
#define R_RDX    16
#define R_RBX    24
#define R_RSP    32
#define R_RBP    40
#define R_RSI    48
#define R_RDI    56
#define R_R8     64
#define R_R9     72
#define R_R10    80
#define R_R11    88
#define R_R12    96
#define R_R13    104
#define R_R14    112
#define R_R15    120
#define R_RFLAGS 128
#define R_RIP    136
#define R_FS     144
#define R_GS     152

#define T_HOST_RSP     160
#define T_HOST_FS      168
#define T_HOST_GS      176
#define T_ENTRY_RIP    184
#define T_GPR          192
#define T_TCS          200
#define T_LEAF_XSAVE   208
#define T_RESUME_XSAVE 216
#define T_RESUME_XFRM  224
#define T_LEAF_KIND    232

/* struct sgx_ssa_gpr, struct sgx_tcs */
#define GPR_URSP  144
#define GPR_URBP  152
#define TCS_STATE 0

/* struct sim_slot */
#define SLOT_GS       0
#define SLOT_THREAD   8
#define SLOT_RCX      16
#define SLOT_SHIFT    6 /* log2 of its size */
#define SLOT_COUNT    64
#define SLOT_GS_SHIFT 17 /* VCPU_SLOT_SIZE: neighbours get different slots */

#define ALTSTACK_SHIFT 17

#define KIND_ONE   0
#define KIND_PAGES 1

/* what sim_switch_*() return */
#define RUN_EEXIT    0
#define RUN_AEX      1
#define RUN_BAD_EXIT 2
#endif
