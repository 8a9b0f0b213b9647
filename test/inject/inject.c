/* Memory bugs on demand, for one test kernel that is never shipped (scripts/inject.mk): system call
 * afs_syscall(n), a number no program uses, commits bug n of bugs.def and returns 0 if the kernel
 * survived. Compiled with exactly the flags of the shipped enclave; opaque() hides values from the
 * optimiser, so that the checks have to work at run time.
 */
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/base/ref.h"
#include "libos/base/string.h"
#include "libos/mm/heap.h"
#include "libos/sys/syscall.h"

#define opaque(x)                                                                                  \
    __extension__({                                                                                \
        __typeof__(x) _o = (x);                                                                    \
        __asm__ volatile("" : "+r"(_o) : : "memory");                                              \
        _o;                                                                                        \
    })
#define keep(p) __asm__ volatile("" : : "r"(p) : "memory")

struct counted {
    size_t count;
    uint32_t items[] counted_by(count);
};

struct inner {
    uint8_t name[16];
    uint64_t next;
};

static void bug_array_overflow(void)
{
    uint32_t a[8] = {0};
    keep(a);
    a[opaque(8)] = 1;
    keep(a);
}

static void bug_counted_overflow(void)
{
    struct counted *c = alloc_flex(struct counted, items, 4);
    check(c);
    c->count = 4;
    c->items[opaque(4)] = 1;
}

static void bug_member_overflow(void)
{
    struct inner in = {0};
    keep(&in);
    in.name[opaque(16)] = 1;
    keep(&in);
}

static void bug_object_size(void)
{
    uint8_t a[16];
    keep(a);
    uint8_t *p = a;
    *(p + 16) = (uint8_t) opaque(1);
    keep(a);
}

static void bug_frame_smash(void)
{
    uint8_t a[64];
    memset(a, 0x41, opaque((size_t) 96));
    keep(a);
}

static void bug_double_free(void)
{
    void *p = kzalloc(64);
    kfree(p);
    kfree(opaque(p));
}

static void bug_interior_free(void)
{
    uint8_t *p = kzalloc(256);
    kfree(opaque(p + 16));
}

static void bug_foreign_free(void)
{
    uint64_t local = 0;
    kfree(opaque((void *) &local));
}

static void bug_large_overflow(void)
{
    uint8_t *p = kzalloc(65536);
    check(p);
    opaque(p)[opaque(65536 + 4095)] = 1;
    kfree(p);
}

static void recurse(unsigned n)
{
    uint8_t frame[512];
    keep(frame);
    if (opaque(n) > 0)
        recurse(n - 1);
    keep(frame);
}

static void bug_stack_exhausted(void)
{
    recurse(1000);
}

static long takes_two(long a, long b)
{
    return a + b;
}

static void bug_wrong_function_type(void)
{
    void (*fn)(void) = (void (*)(void)) takes_two;
    opaque(fn)();
}

static void bug_null_pointer(void)
{
    struct inner *p = opaque((struct inner *) NULL);
    p->next = 1;
}

static void bug_wild_pointer(void)
{
    *opaque((uint64_t *) 0xfe00001000ul) = 1; /* inside the enclave, mapped by nobody */
}

static const uint64_t constant[4] = {1, 2, 3, 4};

static void bug_write_to_const(void)
{
    *opaque((uint64_t *) (uintptr_t) constant) = 9;
}

static void bug_ref_overflow(void)
{
    struct ref r = {opaque(REF_MAX)};
    ref_get(&r);
}

static void bug_ref_resurrection(void)
{
    struct ref r = {opaque(0u)};
    ref_get(&r);
}

static void bug_bad_shift(void)
{
    uint64_t v = 1ull << opaque(64);
    keep(&v);
}

static void bug_small_overflow(void)
{
    uint8_t *p = kzalloc(32);
    check(p);
    opaque(p)[opaque(32)] = 1;
    kfree(p);
}

/* As any kernel does, this one goes on to allocate. */
static void bug_use_after_free(void)
{
    uint8_t *p = kzalloc(32), *q = opaque(p);
    kfree(p);
    q[0] = 1;
    for (int i = 0; i < 256; i++)
        keep(kzalloc(32));
}

static void (*const bugs[])(void) = {
#define BUG(name, must, why) bug_##name,
#include "test/inject/bugs.def"
#undef BUG
};

SYSCALL(afs_syscall, unsigned, n)
{
    if (n >= ARRAY_SIZE(bugs))
        return -EINVAL;
    bugs[n]();
    return 0;
}
