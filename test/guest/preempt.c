/* Preemption: programs that never enter the kernel must not stop others, and can always be killed. */
#include "guest_test.h"
#include <sched.h>

static volatile int stop;
static volatile unsigned long turns[8];

static void *busy(void *arg)
{
    volatile unsigned long *n = arg;
    while (!stop)
        (*n)++;
    return NULL;
}

TEST_CASE(busy_threads_share)
{
    enum { BUSY = 6 };
    pthread_t t[BUSY];
    stop = 0;
    memset((void *) turns, 0, sizeof turns);
    for (int i = 0; i < BUSY; i++)
        ZERO(pthread_create(&t[i], NULL, busy, (void *) &turns[i]));
    for (int i = 0; i < BUSY; i++) {
        unsigned long before = turns[i];
        for (int k = 0; k < 3000 && turns[i] == before; k++)
            sleep_ms(5);
        CHECK(turns[i] != before);
    }
    stop = 1;
    for (int i = 0; i < BUSY; i++)
        ZERO(pthread_join(t[i], NULL));
}

CHILD(spins)
{
    volatile unsigned long n = 0;
    for (;;)
        n++;
    return 0;
}

TEST_CASE(busy_processes_leave_room)
{
    enum { BUSY = 6 };
    pid_t pids[BUSY];
    for (int i = 0; i < BUSY; i++)
        pids[i] = child_start("spins", NULL);
    for (int i = 0; i < 20; i++)
        sleep_ms(5);
    for (int i = 0; i < BUSY; i++)
        OK(kill(pids[i], i % 2 ? SIGKILL : SIGTERM));
    for (int i = 0; i < BUSY; i++)
        CHECK_EQ(child_wait(pids[i]), 128 + (i % 2 ? SIGKILL : SIGTERM));
}

static volatile int got_signal;
static void on_signal(int sig)
{
    got_signal = sig;
}

CHILD(spins_until_signal)
{
    struct sigaction act = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &act, NULL);
    if (write(atoi(argv[0]), "r", 1) != 1)
        return 1;
    while (!got_signal)
        ;
    return 31;
}

TEST_CASE(handler_interrupts_a_loop)
{
    int ends[2];
    char c;
    OK(pipe(ends));
    pid_t pid = child_start("spins_until_signal", num(ends[1]), NULL);
    CHECK_EQ(read(ends[0], &c, 1), 1);
    OK(kill(pid, SIGUSR1));
    CHECK_EQ(child_wait(pid), 31);
    close(ends[0]);
    close(ends[1]);
}

static void *set_flag(void *arg)
{
    __atomic_store_n((int *) arg, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

TEST_CASE(spin_wait_for_another_thread)
{
    for (int i = 0; i < 50; i++) {
        pthread_t t;
        int flag = 0;
        ZERO(pthread_create(&t, NULL, set_flag, &flag));
        while (!__atomic_load_n(&flag, __ATOMIC_SEQ_CST))
            ;
        ZERO(pthread_join(t, NULL));
    }
}

/* All general and vector registers are live in the loop; ticks must not disturb them. */
static void *check_registers(void *arg)
{
    uint64_t a = (uint64_t) (uintptr_t) arg, b = a * 3, c = a ^ 0x5555, d = ~a;
    double x = (double) a, y = x / 3, z = x * 7;
    for (long i = 0; i < 30000000; i++) {
        a = a * 6364136223846793005u + 1;
        b ^= a;
        c += b >> 3;
        d = (d << 1) | (d >> 63);
        x = x * 0.9999999 + 1;
        y = y * 0.9999998 + 2;
        z = z * 0.9999997 + 3;
    }
    double *out = malloc(2 * sizeof *out);
    out[0] = x + y + z;
    out[1] = (double) ((a ^ b ^ c ^ d) >> 12);
    return out;
}

TEST_CASE(registers_survive_ticks)
{
    pthread_t t[4];
    double *want = check_registers((void *) 77);
    for (int i = 0; i < 4; i++)
        ZERO(pthread_create(&t[i], NULL, check_registers, (void *) 77));
    for (int i = 0; i < 4; i++) {
        void *got;
        ZERO(pthread_join(t[i], &got));
        CHECK(((double *) got)[0] == want[0] && ((double *) got)[1] == want[1]);
        free(got);
    }
    free(want);
}

TEST_CASE(yielding)
{
    for (int i = 0; i < 1000; i++)
        ZERO(sched_yield());
}
