/* Signals and the stack: alternate stacks, overflow, longjmp out of a handler, registers in a storm of signals. */
#include "guest_signal.h"

static char *stack_low, *stack_high;
static volatile int was_on_stack, was_flags;
static void on_alt(int sig)
{
    char here;
    stack_t s;
    (void) sig;
    was_on_stack = &here >= stack_low && &here < stack_high;
    sigaltstack(NULL, &s);
    was_flags = s.ss_flags;
}

TEST_CASE(alternate_stack)
{
    stack_t s = {.ss_size = 65536}, old;
    stack_low = malloc(s.ss_size);
    stack_high = stack_low + s.ss_size;
    s.ss_sp = stack_low;
    OK(sigaltstack(&s, &old));
    CHECK_EQ(old.ss_flags, SS_DISABLE);
    catch_signal(SIGUSR1, on_alt, SA_ONSTACK);
    ZERO(raise(SIGUSR1));
    CHECK(was_on_stack);
    CHECK_EQ(was_flags, SS_ONSTACK);
    catch_signal(SIGUSR1, on_alt, 0);
    ZERO(raise(SIGUSR1));
    CHECK(!was_on_stack);
    CHECK_EQ(was_flags, 0);
    s.ss_size = 100;
    CHECK_ERR(sigaltstack(&s, NULL), ENOMEM);
    s.ss_size = 65536;
    s.ss_flags = 0x40;
    CHECK_ERR(sigaltstack(&s, NULL), EINVAL);
    s.ss_flags = SS_DISABLE;
    OK(sigaltstack(&s, NULL));
    free(stack_low);
}

static volatile char *overflow_guard;
static sigjmp_buf overflow_leave;
static void on_overflow(int sig)
{
    (void) sig;
    siglongjmp(overflow_leave, 1);
}

__attribute__((noinline)) static int recurse(int n)
{
    volatile char frame[4096];
    frame[0] = (char) n;
    overflow_guard = frame;
    return n < 0 ? 0 : recurse(n + 1) + frame[0];
}

static void *overflow(void *arg)
{
    stack_t s = {.ss_sp = malloc(65536), .ss_size = 65536};
    OK(sigaltstack(&s, NULL));
    if (sigsetjmp(overflow_leave, 1) == 0)
        recurse(0);
    else
        *(int *) arg = 1;
    s.ss_flags = SS_DISABLE;
    OK(sigaltstack(&s, NULL));
    free(s.ss_sp);
    return NULL;
}

TEST_CASE(stack_overflow_is_caught)
{
    struct sigaction act = {.sa_handler = on_overflow, .sa_flags = SA_ONSTACK}, old;
    pthread_t t;
    pthread_attr_t attr;
    int caught = 0;
    OK(sigaction(SIGSEGV, &act, &old));
    ZERO(pthread_attr_init(&attr));
    ZERO(pthread_attr_setstacksize(&attr, 262144));
    ZERO(pthread_create(&t, &attr, overflow, &caught));
    ZERO(pthread_join(t, NULL));
    OK(sigaction(SIGSEGV, &old, NULL));
    CHECK(caught);
}

static sigjmp_buf leave;
static void on_leave(int sig)
{
    (void) sig;
    siglongjmp(leave, 1);
}

TEST_CASE(longjmp_out_of_a_handler)
{
    static volatile int rounds;
    sigset_t now;
    catch_signal(SIGUSR1, on_leave, 0);
    rounds = 0;
    while (rounds < 100) {
        if (sigsetjmp(leave, 1) == 0) {
            raise(SIGUSR1);
            CHECK(false);
        }
        rounds++;
    }
    OK(sigprocmask(SIG_SETMASK, NULL, &now));
    CHECK(!sigismember(&now, SIGUSR1));
}

static void *send_many(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        ZERO(pthread_kill(*(pthread_t *) arg, SIGUSR1));
        if (i % 16 == 0)
            sched_yield();
    }
    return NULL;
}

TEST_CASE(storm_keeps_registers)
{
    pthread_t t, self = pthread_self();
    uint64_t h = 1469598103934665603u, want;
    double x = 1.0, y;
    catch_signal(SIGUSR1, on_signal, SA_RESTART);
    for (int pass = 0; pass < 2; pass++) {
        h = 1469598103934665603u;
        x = 1.0;
        if (pass == 1)
            ZERO(pthread_create(&t, NULL, send_many, &self));
        for (int i = 0; i < 20000000; i++) {
            h = (h ^ (uint64_t) i) * 1099511628211u;
            x = x * 1.0000001 + 0.5 / (i + 1);
        }
        if (pass == 0) {
            want = h;
            y = x;
        }
    }
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(h, want);
    CHECK(x == y);
    CHECK(count > 0);
}
