/* One instruction, as far as moving it matters. Pure; the only user of the decoder library. */
#ifndef EXEC_INSN_H
#define EXEC_INSN_H
#include "libos/base/span.h"

#define INSN_MAX 15

enum insn_kind {
    INSN_PLAIN, /* runs anywhere */
    INSN_RIP,   /* has a RIP-relative operand: disp32 at disp_at */
    INSN_JCC,   /* conditional near jump: cond, rel */
    INSN_JMP,   /* near jump: rel */
    INSN_RET,   /* near return: control does not go on behind it */
    INSN_PAD,   /* nop, int3: filler between functions */
    INSN_SYSCALL,
    INSN_CPUID,
    INSN_FIXED, /* must stay where it is: calls, loops, indirect jumps, endbr64 ... */
};

struct insn {
    enum insn_kind kind;
    uint8_t len, disp_at, cond;
    bool relative; /* rel is a branch distance from the instruction's end */
    bool unlikely; /* no compiler emits it and most of them fault: probably data */
    int32_t rel;
};

/* Decodes the first instruction of code; false: none there. */
must_check bool insn_decode(struct cspan code, struct insn *ret);
#endif
