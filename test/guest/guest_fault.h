/* Touches memory on purpose and tells which signal that gave, if any. One thread at a time. */
#ifndef GUEST_FAULT_H
#define GUEST_FAULT_H
#include "guest_test.h"

struct fault {
    int sig; /* 0: no fault */
    int code;
    void *addr;
};

static sigjmp_buf fault_leave;
static volatile struct fault fault_seen;

static UNUSED void fault_handler(int sig, siginfo_t *info, UNUSED void *context)
{
    fault_seen.sig = sig;
    fault_seen.code = info->si_code;
    fault_seen.addr = info->si_addr;
    siglongjmp(fault_leave, 1);
}

/* Runs fn(arg) with handlers for all synchronous signals. */
static UNUSED struct fault fault_run(void (*fn)(void *), void *arg)
{
    static const int sigs[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    struct sigaction old[ARRAY_LEN(sigs)];
    struct sigaction act = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO};
    sigemptyset(&act.sa_mask);
    fault_seen = (struct fault){0};
    for (size_t i = 0; i < ARRAY_LEN(sigs); i++)
        OK(sigaction(sigs[i], &act, &old[i]));
    if (sigsetjmp(fault_leave, 1) == 0)
        fn(arg);
    for (size_t i = 0; i < ARRAY_LEN(sigs); i++)
        OK(sigaction(sigs[i], &old[i], NULL));
    return fault_seen;
}

static UNUSED void fault_do_read(void *p)
{
    (void) *(volatile char *) p;
}
static UNUSED void fault_do_write(void *p)
{
    *(volatile char *) p = 1;
}
static UNUSED void fault_do_call(void *p)
{
    void (*fn)(void);
    memcpy(&fn, &p, sizeof fn);
    fn();
}

#define fault_read(p)  fault_run(fault_do_read, (void *) (p))
#define fault_write(p) fault_run(fault_do_write, (void *) (p))
#define fault_call(p)  fault_run(fault_do_call, (void *) (p))
#define CHECK_FAULT(f, want_sig, want_code, want_addr)                                             \
    do {                                                                                           \
        struct fault f_ = (f);                                                                     \
        CHECK_EQ(f_.sig, want_sig);                                                                \
        CHECK_EQ(f_.code, want_code);                                                              \
        CHECK_EQ((uintptr_t) f_.addr, (uintptr_t) (want_addr));                                    \
    } while (0)
#endif
