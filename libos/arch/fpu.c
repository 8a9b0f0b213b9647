/* Who owns the vector registers of a vCPU: vcpu->xstate_owner is the user thread whose state they
 * hold (or whose state was saved from them last and not overwritten since). A state in memory is
 * always current for threads that do not run. */
#include "libos/arch/fpu.h"
#include "libos/arch/vcpu.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/base/string.h"
#include "libos/task/thread.h"

void fpu_save_avx512(void *), fpu_restore_avx512(const void *);
void fpu_save_avx(void *), fpu_restore_avx(const void *);
void fpu_save_sse(void *), fpu_restore_sse(const void *);
void fpu_x87_save(void *), fpu_x87_restore(const void *);
void fpu_xsave_all(void *, uint64_t), fpu_xrstor_all(const void *, uint64_t);
uint32_t fpu_xinuse(void);

enum { AREA_MXCSR = 2112, AREA_X87_USED = 2116, AREA_X87 = 2176, MXCSR_INIT = 0x1f80 };
#define XSAVE_LEGACY 512
#define XSAVE_MAX    2688
#define XFRM_KNOWN   0xe7ull /* x87, SSE, AVX, AVX-512 */

static struct {
    uint64_t xfrm;
    uint32_t xsave_size;
    uint8_t init_area[XSTATE_AREA_SIZE] aligned_to(64);
    struct xstate_part parts[8];
} fpu;

static struct {
    uint32_t depth;
    bool saved;
} fpu_nest[VCPU_MAX];

/* XSAVE writes every component that it is asked for, initial ones as zeros: what is no longer all ones
 * afterwards is the component. */
static struct xstate_part measure(unsigned component)
{
    static uint8_t area[XSAVE_MAX] aligned_to(64);
    memset(area, 0xff, sizeof area);
    fpu_xsave_all(area, 1ull << component);
    uint32_t start = XSAVE_LEGACY + 64, end = XSAVE_MAX;
    while (start < end && area[start])
        start++;
    while (end > start && area[end - 1])
        end--;
    return (struct xstate_part){start, end - start};
}

void fpu_init(uint64_t xfrm)
{
    check((xfrm & ~XFRM_KNOWN) == 0); /* the signer allows no others, and XSAVE_MAX ends there */
    fpu.xfrm = xfrm;
    fpu_area_init(fpu.init_area);
    fpu_scrub();
    fpu.xsave_size = XSAVE_LEGACY + 64;
    for (unsigned i = 2; i < ARRAY_SIZE(fpu.parts); i++) {
        if (!(xfrm >> i & 1))
            continue;
        fpu.parts[i] = measure(i);
        fpu.xsave_size = MAX(fpu.xsave_size, fpu.parts[i].offset + fpu.parts[i].size);
    }
}

void fpu_area_init(void *area)
{
    memset(area, 0, XSTATE_AREA_SIZE);
    uint32_t mxcsr = MXCSR_INIT;
    memcpy((uint8_t *) area + AREA_MXCSR, &mxcsr, sizeof mxcsr);
}

/* What XINUSE does not tell: it stays set once x87 was used, and always on AMD. */
enum x87_state {
    X87_CLEAN, /* as a thread starts */
    X87_EMPTY, /* the same for a program, but empty registers have contents */
    X87_USED,
};

static enum x87_state x87_state_of(const uint8_t *xsave)
{
    uint64_t control, any = 0, word;
    __builtin_memcpy(&control, xsave, sizeof control);
    if ((control & 0xffffffffffull) != 0x37f) /* FCW, FSW, abridged FTW: all empty */
        return X87_USED;
    for (unsigned i = 32; i < 160; i += 8) {
        __builtin_memcpy(&word, xsave + i, sizeof word);
        any |= word;
    }
    return any ? X87_EMPTY : X87_CLEAN;
}

static bool x87_in_use(void)
{
    return fpu_xinuse() & 1;
}

void fpu_save(void *area)
{
    uint8_t *a = area;
    if ((fpu.xfrm & 0xe0) == 0xe0)
        fpu_save_avx512(a);
    else if (fpu.xfrm & 4)
        fpu_save_avx(a);
    else
        fpu_save_sse(a);
    uint32_t x87 = x87_in_use();
    if (x87) {
        fpu_x87_save(a + AREA_X87);
        enum x87_state s = x87_state_of(a + AREA_X87);
        this_vcpu()->x87_live = s != X87_CLEAN; /* fpu_restore removes it, for whoever comes */
        x87 = s == X87_USED;
    }
    __builtin_memcpy(a + AREA_X87_USED, &x87, sizeof x87);
}

void fpu_restore(const void *area)
{
    const uint8_t *a = area;
    if ((fpu.xfrm & 0xe0) == 0xe0)
        fpu_restore_avx512(a);
    else if (fpu.xfrm & 4)
        fpu_restore_avx(a);
    else
        fpu_restore_sse(a);
    struct vcpu *v = this_vcpu();
    uint32_t x87;
    __builtin_memcpy(&x87, a + AREA_X87_USED, sizeof x87);
    if (unlikely(x87))
        fpu_x87_restore(a + AREA_X87);
    else if (unlikely(v->x87_live))
        fpu_x87_restore(fpu.init_area + AREA_X87); /* FNINIT would leave the data registers */
    v->x87_live = x87;
}

void fpu_scrub(void)
{
    fpu_restore(fpu.init_area);
}

void fpu_switch_out(struct thread *t)
{
    fpu_save(t->xsave);
}

void fpu_switch_in(struct thread *t)
{
    struct vcpu *v = this_vcpu();
    if (v->xstate_owner == t && t->last_cpu == (int) v->index)
        return;
    fpu_restore(t->xsave);
    v->xstate_owner = t;
}

void fpu_forget(struct thread *t)
{
    struct vcpu *v = this_vcpu();
    if (v->xstate_owner == t)
        v->xstate_owner = NULL;
}

void fpu_begin(void)
{
    struct vcpu *v = this_vcpu();
    if (fpu_nest[v->index].depth++ > 0)
        return;
    struct thread *t = v->current;
    fpu_nest[v->index].saved = t && t->xsave && v->xstate_owner == t;
    if (fpu_nest[v->index].saved)
        fpu_save(t->xsave);
}

void fpu_end(void)
{
    struct vcpu *v = this_vcpu();
    check(fpu_nest[v->index].depth > 0);
    if (--fpu_nest[v->index].depth > 0)
        return;
    if (fpu_nest[v->index].saved)
        fpu_restore(v->current->xsave);
    else
        v->xstate_owner = NULL;
}

/* Not inlined, so that scripts/check-opcodes knows where these instructions are. */
__attribute__((noinline)) uint32_t fpu_sse_exceptions(void)
{
    uint32_t mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    return mxcsr & ~(mxcsr >> 7) & 0x3f;
}

__attribute__((noinline)) uint32_t fpu_x87_exceptions(void)
{
    uint16_t status, control;
    __asm__ volatile("fnstsw %0; fnstcw %1" : "=m"(status), "=m"(control));
    return (uint32_t) status & ~(uint32_t) control & 0x3f;
}

/* ---- XSAVE images, for signal frames --------------------------------------------------------- */
size_t xstate_size(void)
{
    return fpu.xsave_size;
}

uint64_t xstate_mask(void)
{
    return fpu.xfrm;
}

struct xstate_part xstate_part(unsigned component)
{
    return component < ARRAY_SIZE(fpu.parts) ? fpu.parts[component] : (struct xstate_part){0};
}

void xstate_save(void *area)
{
    memset(area, 0, fpu.xsave_size);
    fpu_xsave_all(area, fpu.xfrm);
}

int xstate_restore(const void *area)
{
    const uint8_t *a = area;
    uint64_t bv, zero[7];
    uint32_t mxcsr;
    memcpy(&bv, a + XSAVE_LEGACY, sizeof bv);
    memcpy(zero, a + XSAVE_LEGACY + 8, sizeof zero);
    memcpy(&mxcsr, a + 24, sizeof mxcsr);
    if ((bv & ~fpu.xfrm) || (mxcsr & ~0xffffu))
        return -EINVAL;
    for (size_t i = 0; i < ARRAY_SIZE(zero); i++)
        if (zero[i])
            return -EINVAL;
    fpu_xrstor_all(area, fpu.xfrm);
    this_vcpu()->xstate_owner = current();
    return 0;
}

void xstate_reset(void)
{
    fpu_scrub();
    this_vcpu()->xstate_owner = current();
}
