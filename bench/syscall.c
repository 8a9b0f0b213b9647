/* Entering and leaving the kernel: the cheapest calls, the clock, a signal to oneself. */
#include "bench.h"

static void libc_call(long n)
{
    while (n--)
        syscall(SYS_getppid);
}

static void raw_call(long n)
{
    while (n--) {
        long r;
        __asm__ volatile("syscall" : "=a"(r) : "a"(SYS_getppid) : "rcx", "r11", "memory");
    }
}

static void clock_call(long n)
{
    struct timespec ts;
    while (n--)
        clock_gettime(CLOCK_MONOTONIC, &ts);
}

static void yield_call(long n)
{
    while (n--)
        syscall(SYS_sched_yield);
}

static void on_signal(int sig)
{
    (void) sig;
}

static void signal_self(long n)
{
    while (n--)
        raise(SIGUSR1);
}

int main(int argc, char **argv)
{
    struct sigaction act = {.sa_handler = on_signal};
    bench_argc = argc;
    bench_argv = argv;
    MUST(sigaction(SIGUSR1, &act, NULL));
    measure("syscall_libc", "ns", libc_call);
    measure("syscall_raw", "ns", raw_call);
    measure("clock_gettime", "ns", clock_call);
    measure("sched_yield", "ns", yield_call);
    measure("signal_self", "ns", signal_self);
    return 0;
}
