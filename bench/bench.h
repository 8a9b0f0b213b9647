/*
 * Benchmarks: ordinary Linux programs that print "name value unit" lines. measure() finds how often to
 * run an operation so that a batch takes some milliseconds, throws the first batches away and prints
 * the median of the rest. Arguments select benchmarks by name. CHILD_ROLE programs run themselves again.
 */
#ifndef BENCH_H
#define BENCH_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
enum { BATCHES = 11, BATCH_NS = 4000000 };

extern char **environ;
static int bench_argc;
static char **bench_argv;

static UNUSED int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

__attribute__((noreturn)) static UNUSED void die(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", bench_argv ? bench_argv[0] : "bench", what, strerror(errno));
    exit(1);
}

#define MUST(e)                                                                                    \
    __extension__({                                                                                \
        long must_ = (long) (e);                                                                   \
        if (must_ < 0)                                                                             \
            die(#e);                                                                               \
        must_;                                                                                     \
    })

static UNUSED bool wanted(const char *name)
{
    for (int i = 1; i < bench_argc; i++) {
        if (strcmp(bench_argv[i], name) == 0)
            return true;
    }
    return bench_argc <= 1;
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static UNUSED double median(double *v, int n)
{
    qsort(v, (size_t) n, sizeof *v, compare_double);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static UNUSED void print_value(const char *name, double value, const char *unit)
{
    printf("%s %.4g %s\n", name, value, unit);
    fflush(stdout);
}

/* One operation's time; unit is "ns", "us" or "ms". run(n) does it n times. */
static UNUSED void measure(const char *name, const char *unit, void (*run)(long n))
{
    double scale = strcmp(unit, "ms") == 0 ? 1e6 : strcmp(unit, "us") == 0 ? 1e3 : 1, v[BATCHES];
    long n = 1;
    if (!wanted(name))
        return;
    for (;;) { /* also the warm-up */
        int64_t t = now_ns();
        run(n);
        t = now_ns() - t;
        if (t >= BATCH_NS)
            break;
        n = t < BATCH_NS / 16 ? n * 8 : (long) ((double) n * 1.2 * BATCH_NS / (double) t) + 1;
    }
    for (int i = -2; i < BATCHES; i++) {
        int64_t t = now_ns();
        run(n);
        t = now_ns() - t;
        if (i >= 0)
            v[i] = (double) t / (double) n / scale;
    }
    print_value(name, median(v, BATCHES), unit);
}

static UNUSED pid_t start_self(const char *role, const char *a, const char *b, const char *c)
{
    char *argv[] = {bench_argv[0], (char *) "--child", (char *) role, (char *) a,
                    (char *) b,    (char *) c,         NULL};
    pid_t pid;
    errno = posix_spawn(&pid, bench_argv[0], NULL, NULL, argv, environ);
    if (errno)
        die("posix_spawn");
    return pid;
}

static UNUSED const char *num(long n)
{
    static char texts[8][24];
    static unsigned turn;
    char *t = texts[turn++ % 8];
    snprintf(t, sizeof texts[0], "%ld", n);
    return t;
}
#endif
