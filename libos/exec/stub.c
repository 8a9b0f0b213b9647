/* Stub code. For a window before the site:
 *
 *     moved instructions; lea back(%rip), %rcx; jmp *%gs:GS_SYSCALL_ENTRY       back = behind the site
 *
 * and for one that begins with it:
 *
 *     lea 1f(%rip), %rcx; jmp *%gs:GS_SYSCALL_ENTRY;  1: moved instructions; jmp back
 *
 * Exactly the registers SYSCALL changes are changed (RCX here, R11 by convention), and no stack is
 * touched, for there is a red zone. CPUID stubs first put RCX aside, in the vCPU's block: ticks never
 * preempt a stub, so nobody else gets in between.
 */
#include "libos/exec/stub.h"
#include "libos/exec/insn.h"
#include "libos/arch/vcpu_offsets.h"

struct emitter {
    struct stub *out;
    uintptr_t at;   /* address of out->code */
    uintptr_t from; /* address of the window */
    bool bad;
};

static void emit(struct emitter *e, const void *bytes, size_t n)
{
    struct stub *s = e->out;
    if (e->bad || n > sizeof s->code - s->len) {
        e->bad = true;
        return;
    }
    memcpy(s->code + s->len, bytes, n);
    s->len = (uint8_t) (s->len + n);
}

static void emit_point(struct emitter *e, size_t orig)
{
    struct stub *s = e->out;
    if (s->point_count == STUB_POINTS) {
        e->bad = true;
        return;
    }
    s->points[s->point_count++] = (struct stub_point){s->len, (uint8_t) orig};
}

/* A 32-bit distance to target from the end of an instruction of which tail bytes follow it. */
static void emit_rel(struct emitter *e, uintptr_t target, size_t tail)
{
    int64_t rel = (int64_t) (target - (e->at + e->out->len + 4 + tail));
    int32_t rel32 = (int32_t) rel;
    if (rel32 != rel)
        e->bad = true;
    emit(e, &rel32, sizeof rel32);
}

static void emit_jump(struct emitter *e, uintptr_t target)
{
    static const uint8_t jmp[] = {0xe9};
    emit(e, jmp, sizeof jmp);
    emit_rel(e, target, 0);
}

/* Enters the kernel with RCX = target. */
static void emit_enter(struct emitter *e, uint8_t kind, uintptr_t target)
{
    static const uint8_t save_rcx[] = {0x65, 0x48, 0x89, 0x0c, 0x25, GS_SCRATCH_RCX, 0, 0, 0};
    static const uint8_t lea_rcx[] = {0x48, 0x8d, 0x0d};
    static const uint8_t jmp_syscall[] = {0x65, 0xff, 0x24, 0x25, GS_SYSCALL_ENTRY, 0, 0, 0};
    static const uint8_t jmp_cpuid[] = {0x65, 0xff, 0x24, 0x25, GS_CPUID_ENTRY, 0, 0, 0};
    if (kind == SITE_CPUID)
        emit(e, save_rcx, sizeof save_rcx);
    emit(e, lea_rcx, sizeof lea_rcx);
    emit_rel(e, target, 0);
    if (kind == SITE_CPUID)
        emit(e, jmp_cpuid, sizeof jmp_cpuid);
    else
        emit(e, jmp_syscall, sizeof jmp_syscall);
}

/* One moved instruction; next: the address behind it in the window. */
static void emit_moved(struct emitter *e, const struct insn *in, struct cspan code, uintptr_t next)
{
    const uint8_t jcc[] = {0x0f, (uint8_t) (0x80 | in->cond)};
    int32_t disp;
    switch (in->kind) {
    case INSN_PLAIN:
    case INSN_PAD:
    case INSN_RET:
        emit(e, code.p, in->len);
        break;
    case INSN_RIP:
        memcpy(&disp, code.p + in->disp_at, sizeof disp);
        emit(e, code.p, in->disp_at);
        size_t tail = in->len - in->disp_at - sizeof disp;
        emit_rel(e, next + (uintptr_t) (intptr_t) disp, tail);
        emit(e, code.p + in->disp_at + sizeof disp, tail);
        break;
    case INSN_JCC:
        emit(e, jcc, sizeof jcc);
        emit_rel(e, next + (uintptr_t) (intptr_t) in->rel, 0);
        break;
    case INSN_JMP:
        emit_jump(e, next + (uintptr_t) (intptr_t) in->rel);
        break;
    case INSN_SYSCALL:
    case INSN_CPUID:
    case INSN_FIXED:
        e->bad = true;
    }
}

/* Moves the instructions [from, to) of the window; they must end exactly there. */
static void emit_range(struct emitter *e, struct cspan code, size_t from, size_t to)
{
    while (!e->bad && from < to) {
        struct insn in;
        struct cspan rest;
        if (!cspan_sub(code, from, to - from, &rest) || !insn_decode(rest, &in)) {
            e->bad = true;
            return;
        }
        emit_point(e, from);
        emit_moved(e, &in, rest, e->from + from + in.len);
        from += in.len;
    }
}

bool stub_make(const struct site *site, struct cspan code, uintptr_t window, uintptr_t stub,
               struct stub *ret)
{
    struct emitter e = {.out = ret, .at = stub, .from = window};
    *ret = (struct stub){0};
    if (site->form == SITE_BEFORE) {
        if (site->len < STUB_JUMP || site->before + 2u != site->len)
            return false;
        emit_range(&e, code, 0, site->before);
        emit_point(&e, site->before);
        emit_enter(&e, site->kind, window + site->len);
    } else if (site->form == SITE_AFTER) {
        if (site->len < STUB_JUMP || site->before != 0)
            return false;
        size_t enter_len = site->kind == SITE_CPUID ? 24 : 15;
        emit_point(&e, 0);
        emit_enter(&e, site->kind, stub + enter_len);
        emit_range(&e, code, 2, site->len);
        emit_point(&e, site->len);
        emit_jump(&e, window + site->len);
    } else {
        return false;
    }
    return !e.bad;
}

bool stub_jump(uintptr_t window, uintptr_t stub, uint8_t ret[STUB_JUMP])
{
    int64_t rel = (int64_t) (stub - (window + STUB_JUMP));
    int32_t rel32 = (int32_t) rel;
    ret[0] = 0xe9;
    memcpy(ret + 1, &rel32, sizeof rel32);
    return rel32 == rel;
}
