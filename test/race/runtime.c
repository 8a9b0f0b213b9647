/* Data races of the kernel: the runtime for a kernel compiled with -fsanitize=thread (make TSAN=1).
 *
 * The sanitizer's own runtime needs a libc, thread-local storage at FS and a layout of its own, none of which
 * exist in an enclave. This one does the same with what the kernel has: happens-before by vector clocks. Its
 * actors are vCPUs, not kernel threads: a thread moves to another vCPU through the run queues' locks, so what
 * orders it is seen like everything else, and a vCPU orders what it does itself.
 *
 *   cells    what each vCPU did last to 8 bytes of kernel memory. Direct-mapped: an address that meets
 *            another one's cell takes it, and races are missed, never invented
 *   clocks   what is known of the other vCPUs: per vCPU, and per atomic variable. Variables share one of
 *            SYNC_COUNT clocks by address, which again can only hide a race
 *   race     two accesses that overlap, one of them a write, not both atomic, and the later vCPU has not
 *            heard of the earlier one's clock
 *
 * Not seen: user memory (a program's races are its own), memory of the host, assembly (user copies, vector
 * state), libos/arch and libos/host/enclave, atomic_fence. An exception inside this file does its accesses
 * unseen. This file is not instrumented and calls nothing that is, but the log, with `busy` set.
 *
 * A race is a line of the log at once and exit status RACE_STATUS at the end. For lines of source:
 * llvm-symbolizer-19 --obj=build/tsan/lib/libos.elf ADDRESS, the one after the call in question. */
#include "libos/arch/vcpu.h"
#include "libos/base/atomic.h"
#include "libos/base/log.h"
#include "libos/base/symbols.h"

enum { CPUS = 4, CELL_COUNT = 1 << 17, SYNC_COUNT = 1 << 16, REPORTS_MAX = 64, RANGE_MAX = 256 };
enum { IS_WRITE = 1, IS_ATOMIC = 2, KINDS = 4 }; /* how an access is done */
enum { RACE_STATUS = 66 };                       /* as ThreadSanitizer's */

struct access {
    uint32_t clock; /* of the vCPU when it did this; 0: never */
    uint32_t pc;    /* from the kernel's base */
    uint8_t bytes;  /* of the 8, as bits */
};

struct cell {
    uint32_t lock, word;
    struct access last[CPUS][KINDS];
};

struct race { /* the other side of one */
    int cpu, how;
    uint32_t pc;
};

struct clock {
    uint32_t lock, time[CPUS];
};

static struct cell cells[CELL_COUNT];
static struct clock syncs[SYNC_COUNT];
static struct clock clocks[CPUS];
static bool busy[CPUS];
static struct {
    uint32_t lock, count; /* count: changes under lock */
    uint32_t pc[REPORTS_MAX][2];
} reports;

static void take(uint32_t *lock)
{
    while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
        cpu_relax();
}

static void drop(uint32_t *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

/* The vCPU that may look now, or -1: before it exists, or in an exception inside this file. */
static int begin(void)
{
    const struct vcpu *v = this_vcpu();
    if (!v)
        return -1;
    if (v->index >= CPUS)
        __builtin_trap(); /* what it orders would not be seen */
    if (busy[v->index])
        return -1;
    busy[v->index] = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (clocks[v->index].time[v->index] == 0)
        clocks[v->index].time[v->index] = 1;
    return (int) v->index;
}

static void end(int me)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    busy[me] = false;
}

/* ---- reports ---------------------------------------------------------------------------------- */
static bool is_new(uint32_t pc, uint32_t other)
{
    take(&reports.lock);
    bool seen = reports.count == REPORTS_MAX;
    for (uint32_t i = 0; i < reports.count && !seen; i++)
        seen = (reports.pc[i][0] == pc && reports.pc[i][1] == other) ||
               (reports.pc[i][0] == other && reports.pc[i][1] == pc);
    if (!seen) {
        reports.pc[reports.count][0] = pc;
        reports.pc[reports.count++][1] = other;
    }
    drop(&reports.lock);
    return !seen;
}

static void report(uintptr_t at, int me, uint32_t pc, int what, const struct race *other)
{
    static const char *const kind[KINDS] = {"read", "write", "atomic read", "atomic write"};
    if (!is_new(pc, other->pc))
        return;
    size_t here = 0, there = 0;
    const char *f = symbol_find(KERNEL_BASE + pc, &here);
    const char *g = symbol_find(KERNEL_BASE + other->pc, &there);
    log_error("data race at %#lx: vcpu %d %s in %s+%#lx (%#lx), vcpu %d %s in %s+%#lx (%#lx)", at,
              me, kind[what], f ? f : "?", here, KERNEL_BASE + pc, other->cpu, kind[other->how],
              g ? g : "?", there, KERNEL_BASE + other->pc);
}

/* ---- accesses --------------------------------------------------------------------------------- */
static bool conflict(int a, int b)
{
    return ((a | b) & IS_WRITE) && !(a & b & IS_ATOMIC);
}

/* A vCPU's earlier access to other bytes of the word stays if it was at the same time. */
static void remember(struct access *a, uint32_t clock, uint8_t bytes, uint32_t pc)
{
    if (a->clock == clock)
        bytes |= a->bytes;
    *a = (struct access){.clock = clock, .pc = pc, .bytes = bytes};
}

/* The last access of another vCPU that races with this one; false: none does. */
static bool find_race(const struct cell *c, int me, uint8_t bytes, int what, struct race *ret)
{
    for (int i = 0; i < CPUS; i++)
        for (int how = 0; how < KINDS; how++) {
            const struct access *a = &c->last[i][how];
            if (i == me || !conflict(what, how) || !(a->bytes & bytes) ||
                a->clock <= clocks[me].time[i])
                continue;
            *ret = (struct race){.cpu = i, .how = how, .pc = a->pc};
            return true;
        }
    return false;
}

static void cell_claim(struct cell *c, uint32_t word)
{
    if (c->word == word)
        return;
    for (int i = 0; i < CPUS; i++)
        for (int how = 0; how < KINDS; how++)
            c->last[i][how].clock = 0;
    c->word = word;
}

static void access_word(int me, uint32_t word, uint8_t bytes, uint32_t pc, int what)
{
    struct cell *c = &cells[word % CELL_COUNT];
    struct race other;
    take(&c->lock);
    cell_claim(c, word);
    bool race = find_race(c, me, bytes, what, &other);
    remember(&c->last[me][what], clocks[me].time[me], bytes, pc);
    drop(&c->lock);
    if (race)
        report(KERNEL_BASE + word * 8ul, me, pc, what, &other);
}

static bool in_kernel(uintptr_t p)
{
    return p >= KERNEL_BASE && p < KERNEL_END;
}

static void access_range(int me, uintptr_t p, size_t size, uintptr_t pc, int what)
{
    uintptr_t last = p + MIN(size, (size_t) RANGE_MAX);
    while (p < last) {
        size_t in = p % 8, n = MIN(8 - in, last - p);
        access_word(me, (uint32_t) ((p - KERNEL_BASE) / 8), (uint8_t) (((1u << n) - 1) << in),
                    (uint32_t) (pc - KERNEL_BASE), what);
        p += n;
    }
}

static void plain(const void *p, size_t size, void *pc, int what)
{
    if (!in_kernel((uintptr_t) p))
        return;
    int me = begin();
    if (me < 0)
        return;
    access_range(me, (uintptr_t) p, size, (uintptr_t) pc, what);
    end(me);
}

/* ---- synchronisation -------------------------------------------------------------------------- */
static struct clock *sync_of(const volatile void *p)
{
    return &syncs[((uintptr_t) p / 4 ^ (uintptr_t) p >> 20) % SYNC_COUNT];
}

static void join(struct clock *to, const struct clock *from)
{
    for (int i = 0; i < CPUS; i++)
        to->time[i] = MAX(to->time[i], from->time[i]);
}

static bool acquires(int order)
{
    return order != __ATOMIC_RELAXED && order != __ATOMIC_RELEASE;
}

static bool releases(int order)
{
    return order >= __ATOMIC_RELEASE;
}

/* Around an atomic operation: nobody else's operation on the variable comes between it and its clock. */
static int atomic_begin(const volatile void *p)
{
    int me = in_kernel((uintptr_t) p) ? begin() : -1;
    if (me >= 0)
        take(&sync_of(p)->lock);
    return me;
}

static void atomic_end(int me, const volatile void *p, size_t size, int order, int what, void *pc)
{
    if (me < 0)
        return;
    struct clock *s = sync_of(p);
    if (acquires(order))
        join(&clocks[me], s);
    access_range(me, (uintptr_t) p, size, (uintptr_t) pc, what | IS_ATOMIC);
    if (releases(order) && (what & IS_WRITE)) {
        join(s, &clocks[me]);
        clocks[me].time[me]++;
    }
    drop(&s->lock);
    end(me);
}

/* ---- what the compiler calls ------------------------------------------------------------------ */
#define PC __builtin_return_address(0)
#define API(type, name, ...)                                                                       \
    type name(__VA_ARGS__);                                                                        \
    type name(__VA_ARGS__)

#define PLAIN(n)                                                                                   \
    API(void, __tsan_read##n, void *p)                                                             \
    {                                                                                              \
        plain(p, n, PC, 0);                                                                        \
    }                                                                                              \
    API(void, __tsan_write##n, void *p)                                                            \
    {                                                                                              \
        plain(p, n, PC, IS_WRITE);                                                                 \
    }                                                                                              \
    API(void, __tsan_unaligned_read##n, void *p)                                                   \
    {                                                                                              \
        plain(p, n, PC, 0);                                                                        \
    }                                                                                              \
    API(void, __tsan_unaligned_write##n, void *p)                                                  \
    {                                                                                              \
        plain(p, n, PC, IS_WRITE);                                                                 \
    }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

#define UPDATE(bits, name)                                                                         \
    API(uint##bits##_t, __tsan_atomic##bits##_##name, volatile uint##bits##_t *p,                  \
        uint##bits##_t v, int order)                                                               \
    {                                                                                              \
        int me = atomic_begin(p);                                                                  \
        uint##bits##_t old = PASTE(__atomic_, name)(p, v, __ATOMIC_SEQ_CST);                       \
        atomic_end(me, p, sizeof *p, order, IS_WRITE, PC);                                         \
        return old;                                                                                \
    }
#define ATOMIC(bits)                                                                               \
    API(uint##bits##_t, __tsan_atomic##bits##_load, const volatile uint##bits##_t *p, int order)   \
    {                                                                                              \
        int me = atomic_begin(p);                                                                  \
        uint##bits##_t v = __atomic_load_n(p, __ATOMIC_SEQ_CST);                                   \
        atomic_end(me, p, sizeof *p, order, 0, PC);                                                \
        return v;                                                                                  \
    }                                                                                              \
    API(void, __tsan_atomic##bits##_store, volatile uint##bits##_t *p, uint##bits##_t v,           \
        int order)                                                                                 \
    {                                                                                              \
        int me = atomic_begin(p);                                                                  \
        __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                  \
        atomic_end(me, p, sizeof *p, order, IS_WRITE, PC);                                         \
    }                                                                                              \
    API(uint##bits##_t, __tsan_atomic##bits##_exchange, volatile uint##bits##_t *p,                \
        uint##bits##_t v, int order)                                                               \
    {                                                                                              \
        int me = atomic_begin(p);                                                                  \
        uint##bits##_t old = __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                          \
        atomic_end(me, p, sizeof *p, order, IS_WRITE, PC);                                         \
        return old;                                                                                \
    }                                                                                              \
    UPDATE(bits, fetch_add)                                                                        \
    UPDATE(bits, fetch_sub)                                                                        \
    UPDATE(bits, fetch_and)                                                                        \
    UPDATE(bits, fetch_or)                                                                         \
    UPDATE(bits, fetch_xor)                                                                        \
    API(uint##bits##_t, __tsan_atomic##bits##_compare_exchange_val, volatile uint##bits##_t *p,    \
        uint##bits##_t expected, uint##bits##_t v, int order, int failed)                          \
    {                                                                                              \
        int me = atomic_begin(p);                                                                  \
        uint##bits##_t old = expected;                                                             \
        bool done =                                                                                \
            __atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);    \
        atomic_end(me, p, sizeof *p, done ? order : failed, done ? IS_WRITE : 0, PC);              \
        return old;                                                                                \
    }
ATOMIC(8)
ATOMIC(16)
ATOMIC(32)
ATOMIC(64)

/* Fences order what relaxed atomics say, and the kernel's are all of the kind that only a store buffer needs. */
API(void, __tsan_atomic_thread_fence, int order)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
API(void, __tsan_atomic_signal_fence, int order)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}
API(void, __tsan_init, void)
{
}

/* Copies by the compiler and by name (the link wraps those) alike. */
void *__real_memcpy(void *restrict to, const void *restrict from, size_t size);
void *__real_memmove(void *to, const void *from, size_t size);
void *__real_memset(void *to, int c, size_t size);
int __real_memcmp(const void *a, const void *b, size_t size);

#define COPIES(prefix)                                                                             \
    API(void *, prefix##memcpy, void *restrict to, const void *restrict from, size_t size)         \
    {                                                                                              \
        plain(from, size, PC, 0);                                                                  \
        plain(to, size, PC, IS_WRITE);                                                             \
        return __real_memcpy(to, from, size);                                                      \
    }                                                                                              \
    API(void *, prefix##memmove, void *to, const void *from, size_t size)                          \
    {                                                                                              \
        plain(from, size, PC, 0);                                                                  \
        plain(to, size, PC, IS_WRITE);                                                             \
        return __real_memmove(to, from, size);                                                     \
    }                                                                                              \
    API(void *, prefix##memset, void *to, int c, size_t size)                                      \
    {                                                                                              \
        plain(to, size, PC, IS_WRITE);                                                             \
        return __real_memset(to, c, size);                                                         \
    }
COPIES(__tsan_)
COPIES(__wrap_)
API(int, __wrap_memcmp, const void *a, const void *b, size_t size)
{
    plain(a, size, PC, 0);
    plain(b, size, PC, 0);
    return __real_memcmp(a, b, size);
}

/* ---- the end: a run with a race has failed ---------------------------------------------------- */
void __real_host_shutdown(int status);
API(void, __wrap_host_shutdown, int status)
{
    __real_host_shutdown(atomic_peek(&reports.count) > 0 ? RACE_STATUS : status);
}
