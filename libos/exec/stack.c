/* The initial stack, from high to low addresses as on Linux:
 *
 *   top:  8 zero bytes, the file name (AT_EXECFN), environment strings, argument strings,
 *         the platform name, 16 random bytes, padding,
 *   sp:   argc, argv pointers, NULL, envp pointers, NULL, auxiliary vector  (sp is 16-aligned)
 *
 * One heap block holds it all, so that it reaches the new address space with a single copy.
 */
#include "libos/exec/stack.h"
#include "libos/base/ckmath.h"
#include "libos/base/errno.h"
#include "libos/mm/heap.h"
#include "abi/elf.h"

#define STACK_END_ZEROS 8
#define STACK_OWN_AUXV  4

static const char stack_platform[] = "x86_64";

/* Offsets from sp, fixed before anything is written. */
struct stack_plan {
    size_t vector, random, platform, args, envs, execfn, total;
};

static bool stack_plan_make(const struct stack_spec *s, size_t limit, struct stack_plan *ret)
{
    size_t argc, words, strings, fn = strlen(s->execfn) + 1;
    struct stack_plan p = {0};
    if (ck_add(&argc, s->first.count, s->argv.count) || ck_add(&words, argc, s->envp.count) ||
        ck_add(&words, words, 3 + 2 * (s->auxv_count + STACK_OWN_AUXV)) ||
        ck_mul(&p.vector, words, sizeof(uint64_t)) || ck_add(&strings, s->first.n, s->argv.n) ||
        ck_add(&strings, strings, s->envp.n) || ck_add(&strings, strings, fn))
        return false;
    if (strings > limit || p.vector > limit - strings)
        return false;
    size_t tail = sizeof s->random + sizeof stack_platform + strings + STACK_END_ZEROS;
    size_t fixed = p.vector + tail;
    p.total = ROUND_UP(fixed, 16ul);
    p.random = p.total - tail;
    p.platform = p.random + sizeof s->random;
    p.args = p.platform + sizeof stack_platform;
    p.envs = p.args + s->first.n + s->argv.n;
    p.execfn = p.envs + s->envp.n;
    *ret = p;
    return true;
}

struct stack_writer {
    struct span out;
    size_t at; /* next word of the vector */
};

static void put_word(struct stack_writer *w, uint64_t v)
{
    memcpy(w->out.p + w->at, &v, sizeof v);
    w->at += sizeof v;
}

/* Copies strings to offset off and adds one pointer each; base is the address of offset 0. */
static void put_strings(struct stack_writer *w, const struct exec_strings *s, size_t off,
                        uintptr_t base)
{
    if (s->n > 0)
        memcpy(w->out.p + off, s->p, s->n);
    size_t at = 0;
    for (size_t i = 0; i < s->count; i++) {
        put_word(w, base + off + at);
        at += strnlen(s->p + at, s->n - at) + 1;
    }
}

static void put_auxv(struct stack_writer *w, uint64_t type, uint64_t value)
{
    put_word(w, type);
    put_word(w, value);
}

static void stack_fill(struct stack_writer *w, const struct stack_spec *s,
                       const struct stack_plan *p, uintptr_t sp)
{
    put_word(w, s->first.count + s->argv.count);
    put_strings(w, &s->first, p->args, sp);
    put_strings(w, &s->argv, p->args + s->first.n, sp);
    put_word(w, 0);
    put_strings(w, &s->envp, p->envs, sp);
    put_word(w, 0);
    for (size_t i = 0; i < s->auxv_count; i++)
        put_auxv(w, s->auxv[i].type, s->auxv[i].value);
    put_auxv(w, AUX_PLATFORM, sp + p->platform);
    put_auxv(w, AUX_RANDOM, sp + p->random);
    put_auxv(w, AUX_EXECFN, sp + p->execfn);
    put_auxv(w, AUX_NULL, 0);
    memcpy(w->out.p + p->random, s->random, sizeof s->random);
    memcpy(w->out.p + p->platform, stack_platform, sizeof stack_platform);
    memcpy(w->out.p + p->execfn, s->execfn, strlen(s->execfn) + 1);
}

int stack_build(const struct stack_spec *spec, size_t limit, struct stack_image *ret)
{
    struct stack_plan p;
    if (!stack_plan_make(spec, limit, &p))
        return -E2BIG;
    uint8_t *bytes = kzalloc(p.total);
    if (!bytes)
        return -ENOMEM;
    uintptr_t sp = spec->top - p.total;
    struct stack_writer w = {.out = {bytes, p.total}};
    stack_fill(&w, spec, &p, sp);
    *ret = (struct stack_image){
        .p = (char *) bytes,
        .n = p.total,
        .sp = sp,
        .arg_start = sp + p.args,
        .arg_end = sp + p.envs,
        .env_start = sp + p.envs,
        .env_end = sp + p.execfn,
    };
    return 0;
}

void stack_free(struct stack_image *img)
{
    kfree(img->p);
    img->p = NULL;
}
