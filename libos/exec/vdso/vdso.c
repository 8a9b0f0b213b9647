/* Guest code: runs in every process, without entering the kernel. Time is a linear function of the
 * TSC, the same one the kernel uses, so the two never disagree. Clocks of processes and threads are
 * left to the kernel. No writable data, no relocations, no vector registers.
 */
#include "abi/vdso.h"
#include "libos/arch/vcpu_offsets.h"

#define NS 1000000000ull

enum { NR_TIME = 201, NR_GETTIMEOFDAY = 96, NR_CLOCK_GETTIME = 228, NR_CLOCK_GETRES = 229 };

struct timespec {
    int64_t sec, nsec;
};
struct timeval {
    int64_t sec, usec;
};
struct timezone {
    int32_t minutes_west, dst;
};

extern const struct vdso_data vdso_page __attribute__((visibility("hidden")));
long vdso_syscall(long a, long b, long c, long number);

int __vdso_clock_gettime(int clock, struct timespec *ts);
int __vdso_clock_getres(int clock, struct timespec *ts);
int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz);
int64_t __vdso_time(int64_t *t);
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

static inline uint64_t mono_ns(void)
{
    uint32_t low, high;
    /* ordered, or a later read of memory could be older than the time */
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    uint64_t tsc = (uint64_t) high << 32 | low;
    if (__builtin_expect(tsc < vdso_page.tsc_base, 0))
        return 1;
    unsigned __int128 scaled = (unsigned __int128) (tsc - vdso_page.tsc_base) * vdso_page.mult;
    return (uint64_t) (scaled >> vdso_page.shift) + 1;
}

static inline uint64_t real_ns(void)
{
    return mono_ns() + (uint64_t) vdso_page.boot_real_ns;
}

/* Bits of the clocks that follow from the TSC. */
#define CLOCKS_REAL ((1u << 0) | (1u << 5) | (1u << 11))            /* and COARSE, TAI */
#define CLOCKS_MONO ((1u << 1) | (1u << 4) | (1u << 6) | (1u << 7)) /* RAW, COARSE, BOOT */
#define CLOCKS_FINE ((1u << 0) | (1u << 1) | (1u << 4) | (1u << 7) | (1u << 11)) /* 1 ns */

static inline int clock_in(int clock, unsigned set)
{
    return (unsigned) clock < 32 && (set >> clock & 1);
}

int __vdso_clock_gettime(int clock, struct timespec *ts)
{
    uint64_t ns;
    if (clock_in(clock, CLOCKS_MONO))
        ns = mono_ns();
    else if (clock_in(clock, CLOCKS_REAL))
        ns = real_ns();
    else
        return (int) vdso_syscall(clock, (long) ts, 0, NR_CLOCK_GETTIME);
    ts->sec = (int64_t) (ns / NS);
    ts->nsec = (int64_t) (ns % NS);
    return 0;
}

int __vdso_clock_getres(int clock, struct timespec *ts)
{
    if (!clock_in(clock, CLOCKS_FINE))
        return (int) vdso_syscall(clock, (long) ts, 0, NR_CLOCK_GETRES);
    if (ts)
        *ts = (struct timespec){0, 1};
    return 0;
}

int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz)
{
    if (tv) {
        uint64_t ns = real_ns();
        tv->sec = (int64_t) (ns / NS);
        tv->usec = (int64_t) (ns % NS / 1000);
    }
    if (tz)
        *tz = (struct timezone){0, 0};
    return 0;
}

int64_t __vdso_time(int64_t *t)
{
    int64_t now = (int64_t) (real_ns() / NS);
    if (t)
        *t = now;
    return now;
}

long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
    unsigned index;
    (void) unused;
    __asm__ volatile("movl %%gs:%c1, %0" : "=r"(index) : "i"(GS_INDEX));
    if (cpu)
        *cpu = index;
    if (node)
        *node = 0;
    return 0;
}

#define ALIAS(name) __attribute__((weak, alias("__vdso_" #name)))
int clock_gettime(int clock, struct timespec *ts) ALIAS(clock_gettime);
int clock_getres(int clock, struct timespec *ts) ALIAS(clock_getres);
int gettimeofday(struct timeval *tv, struct timezone *tz) ALIAS(gettimeofday);
int64_t time(int64_t *t) ALIAS(time);
long getcpu(unsigned *cpu, unsigned *node, void *unused) ALIAS(getcpu);
