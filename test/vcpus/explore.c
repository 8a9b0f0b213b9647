/* Enumerates interleavings of the kernel's own code.
 *
 * The sources under test are compiled with -fsanitize=thread, but linked with the functions below instead of
 * the sanitizer's: every atomic access is a call, and each call is a place where another vCPU may come first.
 * vCPUs are contexts on one host thread. An execution is a sequence of decisions (who goes on); the next
 * execution repeats all but the last decision that has an untried answer. Switches that nothing forced are
 * bounded (struct scenario), forced ones are not; with the bound the search is complete. All memory that the
 * kernel changes is put back between executions.
 *
 * What this does not see: orders that only store buffers make (atomics are sequentially consistent here),
 * and plain accesses without a lock, which are not places to switch.
 *
 * A vCPU that spins, or polls without finding work, lets others go first and goes on when one of them changed
 * something. When nobody can go on, time moves to the next timer; when there is none, the scenario has
 * either finished or somebody sleeps for ever, which is the failure this looks for.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "libos/host/host.h"
#include "libos/task/clock.h"
#include "libos/task/mutex.h"
#include "libos/task/sched.h"
#include "test/vcpus/vcpus.h"

enum { DEPTH_MAX = 20000, BOOT_STACK = 64 << 10, IDLE_ROUNDS = 2, STEPS_MAX = 15000 };

struct actor {
    struct vcpu vcpu;
    uintptr_t sp;
    bool outside; /* parked, or not yet started */
    bool kicked;
    bool spins; /* until somebody else changes something */
    unsigned
        idle; /* polls in a row without anything to run; IDLE_ROUNDS: waits like one that spins */
    uint64_t wake; /* of a park that ends by itself; 0: never */
};

/* At a fixed address, because memory of the program is put back between executions and this is not. */
static struct explorer {
    struct actor actor[4];
    unsigned vcpus, current, preemptions;
    bool on, last_round;
    uint64_t now, executions, steps, limit;
    uintptr_t main_sp;
    unsigned depth, known;
    struct {
        uint8_t chosen, count;
    } decision[DEPTH_MAX];
    const struct scenario *scenario;
    uint8_t boot_stack[4][BOOT_STACK];
} *const ex = (struct explorer *) 0x610000000000;

extern char __data_start[], _end[];
static char *saved_memory;

static struct actor *me(void)
{
    return &ex->actor[ex->current];
}

/* ---- who goes on ------------------------------------------------------------------------------ */
static bool able(const struct actor *a)
{
    return (!a->outside || a->kicked) && !a->spins && a->idle < IDLE_ROUNDS;
}

static unsigned choose(unsigned count)
{
    if (count < 2)
        return 0;
    if (ex->depth == DEPTH_MAX)
        fail("too many decisions");
    if (ex->depth == ex->known) {
        ex->decision[ex->known].chosen = 0;
        ex->decision[ex->known++].count = (uint8_t) count;
    }
    if (ex->decision[ex->depth].count != count)
        fail("an execution cannot be repeated");
    return ex->decision[ex->depth++].chosen;
}

static void go_to(unsigned next)
{
    unsigned from = ex->current;
    ex->current = next;
    if (next != from)
        context_switch(&ex->actor[from].sp, ex->actor[next].sp);
}

/* The n-th that is able to, counted from the current one on; count of all if there is no n-th. */
static unsigned nth_able(unsigned n, unsigned *ret)
{
    unsigned found = 0;
    for (unsigned i = 0; i < ex->vcpus; i++) {
        unsigned a = (ex->current + i) % ex->vcpus;
        if (able(&ex->actor[a]) && found++ == n)
            *ret = a;
    }
    return found;
}

static void end_of_execution(void)
{
    uintptr_t unused;
    context_switch(&unused, ex->main_sp);
}

static uint64_t next_event(void)
{
    uint64_t next = (uint64_t) timers_next();
    for (unsigned i = 0; i < ex->vcpus; i++)
        if (ex->actor[i].outside && ex->actor[i].wake)
            next = MIN(next, ex->actor[i].wake);
    return next;
}

/* Nobody is able to go on: time passes, then idle vCPUs look once more, then this is the end. */
static void stand_still(void)
{
    ex->on = false; /* the kernel's functions may be called from here */
    bool finished = ex->scenario->finished();
    uint64_t next = next_event();
    bool passes = next != (uint64_t) FOREVER && !finished;
    if (!passes && ex->last_round) {
        if (!finished)
            fail("somebody waits for ever");
        end_of_execution();
    }
    if (++ex->steps > STEPS_MAX)
        fail("a timer is due and nobody looks");
    if (passes)
        ex->now = MAX(ex->now, next);
    ex->last_round = !passes;
    for (unsigned i = 0; i < ex->vcpus; i++) {
        struct actor *a = &ex->actor[i];
        a->spins = false;
        a->idle = 0;
        a->kicked |= a->outside && a->wake && a->wake <= ex->now;
    }
    ex->on = true;
}

static void schedule(void)
{
    if (++ex->steps > STEPS_MAX)
        fail("no end");
    unsigned next = 0;
    while (nth_able(0, &next) == 0)
        stand_still();
    bool free = able(me()); /* to go on: then a switch is a preemption */
    unsigned count = nth_able(0, &next);
    unsigned n = free && ex->preemptions == ex->scenario->preemptions ? 0 : choose(count);
    ex->preemptions += free && n > 0;
    nth_able(n, &next);
    go_to(next);
}

/* ---- what the kernel's code calls ------------------------------------------------------------- */
void step(void)
{
    if (ex->on)
        schedule();
}

/* Something changed: whoever spins looks again. */
static void changed(void)
{
    if (!ex->on)
        return;
    for (unsigned i = 0; i < ex->vcpus; i++) {
        struct actor *a = &ex->actor[i];
        if (i != ex->current)
            a->spins = false;
        if (me()->vcpu.current && i != ex->current)
            a->idle = 0;
    }
    if (me()->vcpu.current) {
        me()->idle = 0;
        ex->last_round = false;
    }
}

void cpu_relax(void)
{
    if (!ex->on)
        return;
    me()->spins = true;
    schedule();
}

struct vcpu *this_vcpu(void)
{
    return &me()->vcpu;
}

uint64_t tsc_read(void)
{
    return ex->now;
}

uint64_t rdtsc_ordered(void)
{
    return ex->now;
}

void time_goes_to(int64_t ns)
{
    ex->now = MAX(ex->now, (uint64_t) ns);
    changed();
}

void host_events_poll(void)
{
    me()->idle++;
    schedule();
}

void host_events_tick(void)
{
}

void host_kick(unsigned cpu)
{
    ex->actor[cpu].kicked = true;
    step();
}

void host_park(uint64_t ns)
{
    struct actor *a = me();
    a->outside = true;
    a->wake = ns == UINT64_MAX ? 0 : ex->now + ns;
    schedule();
    a->outside = a->kicked = false;
    a->idle = 0;
}

noreturn_fn void fail(const char *what)
{
    printf("%s: execution %lu: %s\n", ex->scenario->name, (unsigned long) ex->executions, what);
    fflush(stdout);
    _exit(1);
}

void panic(const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fail(text);
}

/* Plain accesses and function calls are no places to switch. */
#define ACCESS(name)                                                                               \
    void __tsan_##name(void *p);                                                                   \
    void __tsan_##name(void *p)                                                                    \
    {                                                                                              \
    }                                                                                              \
    void __tsan_##name(void *p)
ACCESS(read1);
ACCESS(read2);
ACCESS(read4);
ACCESS(read8);
ACCESS(read16);
ACCESS(write1);
ACCESS(write2);
ACCESS(write4);
ACCESS(write8);
ACCESS(write16);
ACCESS(unaligned_read2);
ACCESS(unaligned_read4);
ACCESS(unaligned_read8);
ACCESS(unaligned_read16);
ACCESS(unaligned_write2);
ACCESS(unaligned_write4);
ACCESS(unaligned_write8);
ACCESS(unaligned_write16);
ACCESS(read_write1);
ACCESS(read_write2);
ACCESS(read_write4);
ACCESS(read_write8);
ACCESS(func_entry);
ACCESS(func_exit);
ACCESS(init);
void *__tsan_memset(void *p, int c, size_t n);
void *__tsan_memset(void *p, int c, size_t n)
{
    return memset(p, c, n);
}
void *__tsan_memcpy(void *p, const void *q, size_t n);
void *__tsan_memcpy(void *p, const void *q, size_t n)
{
    return memcpy(p, q, n);
}
void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
}
void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order)
{
}

#define RMW(bits, name, builtin)                                                                   \
    uint##bits##_t __tsan_atomic##bits##_##name(uint##bits##_t *p, uint##bits##_t v, int order);   \
    uint##bits##_t __tsan_atomic##bits##_##name(uint##bits##_t *p, uint##bits##_t v, int order)    \
    {                                                                                              \
        step();                                                                                    \
        uint##bits##_t old = builtin(p, v, __ATOMIC_SEQ_CST);                                      \
        changed();                                                                                 \
        return old;                                                                                \
    }
#define ATOMICS(bits)                                                                              \
    uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t *p, int order);                 \
    uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t *p, int order)                  \
    {                                                                                              \
        step();                                                                                    \
        return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                               \
    }                                                                                              \
    void __tsan_atomic##bits##_store(uint##bits##_t *p, uint##bits##_t v, int order);              \
    void __tsan_atomic##bits##_store(uint##bits##_t *p, uint##bits##_t v, int order)               \
    {                                                                                              \
        step();                                                                                    \
        __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                  \
        changed();                                                                                 \
    }                                                                                              \
    int __tsan_atomic##bits##_compare_exchange_strong(uint##bits##_t *p, uint##bits##_t *expected, \
                                                      uint##bits##_t v, int order, int failed);    \
    int __tsan_atomic##bits##_compare_exchange_strong(uint##bits##_t *p, uint##bits##_t *expected, \
                                                      uint##bits##_t v, int order, int failed)     \
    {                                                                                              \
        step();                                                                                    \
        int ok =                                                                                   \
            __atomic_compare_exchange_n(p, expected, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);    \
        if (ok)                                                                                    \
            changed();                                                                             \
        return ok;                                                                                 \
    }                                                                                              \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                     \
        uint##bits##_t *p, uint##bits##_t expected, uint##bits##_t v, int order, int failed);      \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                     \
        uint##bits##_t *p, uint##bits##_t expected, uint##bits##_t v, int order, int failed)       \
    {                                                                                              \
        __tsan_atomic##bits##_compare_exchange_strong(p, &expected, v, order, failed);             \
        return expected;                                                                           \
    }                                                                                              \
    RMW(bits, exchange, __atomic_exchange_n)                                                       \
    RMW(bits, fetch_add, __atomic_fetch_add)                                                       \
    RMW(bits, fetch_sub, __atomic_fetch_sub)                                                       \
    RMW(bits, fetch_or, __atomic_fetch_or)                                                         \
    RMW(bits, fetch_and, __atomic_fetch_and)                                                       \
    uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t *p, int order)
ATOMICS(8);
ATOMICS(16);
ATOMICS(32);
ATOMICS(64);

/* ---- executions ------------------------------------------------------------------------------- */
void actor_begin(void);
void actor_begin(void)
{
    me()->outside = me()->kicked = false;
    sched_run_vcpu();
}

static void actor_init(unsigned i)
{
    struct actor *a = &ex->actor[i];
    *a = (struct actor){.outside = i > 0};
    a->vcpu.index = i;
    uintptr_t *sp = (uintptr_t *) (ex->boot_stack[i] + BOOT_STACK);
    *--sp = 0;
    *--sp = 0;
    *--sp = (uintptr_t) actor_begin;
    sp -= 6;
    memset(sp, 0, 6 * sizeof *sp);
    a->sp = (uintptr_t) sp;
}

void test_memory_reset(void);
static void execute(const struct scenario *s)
{
    memcpy(__data_start, saved_memory, (size_t) (_end - __data_start));
    test_memory_reset();
    ex->now = 1; /* clock_mono_ns() is the same number then */
    ex->depth = ex->preemptions = ex->current = 0;
    ex->steps = 0;
    ex->last_round = false;
    ex->vcpus = s->vcpus;
    for (unsigned i = 0; i < s->vcpus; i++)
        actor_init(i);
    clock_init(0, 0, 1000000000);
    sched_init(s->vcpus);
    s->setup();
    ex->on = true;
    context_switch(&ex->main_sp, ex->actor[0].sp);
    ex->on = false;
    ex->executions++;
}

/* False: every decision had all its answers. */
static bool next_decisions(void)
{
    while (ex->known > 0 &&
           ex->decision[ex->known - 1].chosen + 1 == ex->decision[ex->known - 1].count)
        ex->known--;
    if (ex->known == 0)
        return false;
    ex->decision[ex->known - 1].chosen++;
    return true;
}

static void crashed(int sig)
{
    fail("it crashed");
}

static void explore(const struct scenario *s)
{
    ex->scenario = s;
    static char stack[16384];
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    struct sigaction sa = {.sa_handler = crashed, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGILL, &sa, NULL);
    size_t size = (size_t) (_end - __data_start);
    saved_memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(saved_memory, __data_start, size);
    bool more = true;
    while (more && ex->executions < ex->limit) {
        execute(s);
        more = next_decisions();
    }
    printf("%s: %lu executions, %s with %u preemptions\n", s->name, (unsigned long) ex->executions,
           more ? "not all" : "all", s->preemptions);
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv)
{
    void *p = mmap(ex, sizeof *ex, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (p != ex || mmap((void *) TEST_MEMORY, TEST_MEMORY_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
        return 2;
    ex->limit = argc > 2 ? strtoul(argv[2], NULL, 10) : UINT64_MAX;
    mutex_spins = 0; /* sleeping is what can go wrong */
    int failed = 0, ran = 0;
    for (size_t i = 0; i < scenario_count; i++) {
        if (argc > 1 && strcmp(argv[1], "all") != 0 && strcmp(argv[1], scenarios[i].name) != 0)
            continue;
        int status = 0;
        pid_t pid = fork();
        if (pid == 0)
            explore(&scenarios[i]);
        waitpid(pid, &status, 0);
        if (WIFSIGNALED(status))
            printf("%s: ended by signal %d\n", scenarios[i].name, WTERMSIG(status));
        failed |= status != 0;
        ran++;
    }
    return failed || ran == 0;
}
