/* Many threads and processes doing the same things at once, on all CPUs: mappings, faults, births,
 * deaths, signals, wake-ups, migration. Every case checks sums or patterns, and that it ends at all. */
#include "guest_test.h"
#include <sched.h>
#include <sys/mman.h>

enum { THREADS = 8 };

static void run_threads(void *(*fn)(void *), int count)
{
    pthread_t t[THREADS];
    for (long i = 0; i < count; i++)
        ZERO(pthread_create(&t[i], NULL, fn, (void *) i));
    for (int i = 0; i < count; i++) {
        void *result;
        ZERO(pthread_join(t[i], &result));
        CHECK_EQ((long) result, 0);
    }
}

static int cpu_count(cpu_set_t *ret_set)
{
    OK(sched_getaffinity(0, sizeof *ret_set, ret_set));
    return CPU_COUNT(ret_set);
}

/* ---- memory ----------------------------------------------------------------------------------- */
static void *map_and_unmap(void *arg)
{
    long me = (long) arg;
    for (int round = 0; round < 60; round++) {
        size_t size = (size_t) (1 + (round + me) % 7) * PAGE;
        char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(p != MAP_FAILED);
        for (size_t i = 0; i < size; i += PAGE) {
            CHECK_EQ(p[i], 0);
            p[i] = (char) (me + 1);
        }
        OK(mprotect(p, size, PROT_READ));
        for (size_t i = 0; i < size; i += PAGE)
            CHECK_EQ(p[i], me + 1);
        OK(munmap(p, size));
    }
    return NULL;
}

TEST_CASE(mappings)
{
    run_threads(map_and_unmap, THREADS);
}

enum { SHARED_PAGES = 200 };
static volatile char *shared_pages;
static pthread_barrier_t shared_start;

static void *fault_in(UNUSED void *arg)
{
    (void) pthread_barrier_wait(&shared_start);
    for (int i = 0; i < SHARED_PAGES; i++)
        __atomic_fetch_add((volatile int *) (shared_pages + (size_t) i * PAGE), 1,
                           __ATOMIC_SEQ_CST);
    return NULL;
}

TEST_CASE(same_pages_faulted_by_all)
{
    for (int round = 0; round < 5; round++) {
        size_t size = SHARED_PAGES * PAGE;
        char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(p != MAP_FAILED);
        shared_pages = p;
        ZERO(pthread_barrier_init(&shared_start, NULL, THREADS));
        run_threads(fault_in, THREADS);
        for (int i = 0; i < SHARED_PAGES; i++)
            CHECK_EQ(*(int *) (p + (size_t) i * PAGE), THREADS);
        OK(munmap(p, size));
    }
}

/* One thread takes a page away and gives it back while others hand it to system calls. */
static volatile int flicker_stop;
static char *flicker_page;

static void *flicker_user(UNUSED void *arg)
{
    int fd[2];
    OK(pipe(fd));
    while (!flicker_stop) {
        ssize_t n = write(fd[1], flicker_page, 64);
        char b[64];
        CHECK(n == 64 || (n < 0 && errno == EFAULT));
        if (n == 64)
            CHECK_EQ(read(fd[0], b, sizeof b), 64);
    }
    close(fd[0]);
    close(fd[1]);
    return NULL;
}

TEST_CASE(page_taken_away_from_system_calls)
{
    pthread_t t[3];
    flicker_stop = 0;
    flicker_page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(flicker_page != MAP_FAILED);
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        ZERO(pthread_create(&t[i], NULL, flicker_user, NULL));
    for (int i = 0; i < 60; i++) {
        OK(mprotect(flicker_page, PAGE, PROT_NONE));
        sched_yield();
        OK(mprotect(flicker_page, PAGE, PROT_READ));
        CHECK(mmap(flicker_page, PAGE, PROT_READ | PROT_WRITE,
                   MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == flicker_page);
        sched_yield();
    }
    flicker_stop = 1;
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        ZERO(pthread_join(t[i], NULL));
    OK(munmap(flicker_page, PAGE));
}

/* ---- births and deaths ------------------------------------------------------------------------ */
static int born;

static void *be_born(UNUSED void *arg)
{
    __atomic_fetch_add(&born, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void *make_threads(UNUSED void *arg)
{
    for (int i = 0; i < 40; i++) {
        pthread_t t;
        ZERO(pthread_create(&t, NULL, be_born, NULL));
        if (i % 4 == 3)
            ZERO(pthread_detach(t));
        else
            ZERO(pthread_join(t, NULL));
    }
    return NULL;
}

TEST_CASE(threads_from_threads)
{
    born = 0;
    run_threads(make_threads, THREADS);
    for (int i = 0; i < 2000 && __atomic_load_n(&born, __ATOMIC_SEQ_CST) < THREADS * 40; i++)
        sleep_ms(1);
    CHECK_EQ(born, THREADS * 40);
}

CHILD(leave)
{
    return atoi(argv[0]);
}

static void *make_processes(void *arg)
{
    long me = (long) arg;
    for (int i = 0; i < 6; i++) {
        char status[16],
            *argv[] = {(char *) test_program, (char *) "--child", (char *) "leave", status, NULL};
        snprintf(status, sizeof status, "%ld", me * 10 + i);
        pid_t pid;
        ZERO(posix_spawn(&pid, test_program, NULL, NULL, argv, environ));
        CHECK_EQ(child_wait(pid), me * 10 + i);
    }
    return NULL;
}

TEST_CASE(processes_from_threads)
{
    run_threads(make_processes, THREADS);
}

/* Threads in every kind of sleep and none; one of them ends the process or becomes another program. */
static pthread_mutex_t never = PTHREAD_MUTEX_INITIALIZER;
static int never_pipe[2];

static void *linger(void *arg)
{
    char b;
    switch ((long) arg % 6) {
    case 0:
        return (void *) (long) pthread_mutex_lock(&never);
    case 1:
        return (void *) read(never_pipe[0], &b, 1);
    case 2:
        sleep(1000);
        return NULL;
    case 3:
        for (;;)
            sched_yield();
    case 4:
        for (;;)
            (void) map_and_unmap(arg);
    default:
        for (volatile unsigned long n = 0;; n++)
            ;
    }
}

static void start_lingering(void)
{
    OK(pipe(never_pipe));
    ZERO(pthread_mutex_lock(&never));
    for (long i = 0; i < THREADS; i++) {
        pthread_t t;
        ZERO(pthread_create(&t, NULL, linger, (void *) i));
    }
}

static void *end_it(void *how)
{
    if (how)
        execl(test_program, test_program, "--child", "leave", "23", NULL);
    _exit(23);
}

/* The end: 0 exit_group, 1 exec, 2 exit_group and 3 exec by another thread, 4 by the parent. */
CHILD(crowd)
{
    int how = atoi(argv[0]);
    start_lingering();
    if (how < 2)
        end_it(how ? argv : NULL);
    pthread_t t;
    if (how < 4)
        ZERO(pthread_create(&t, NULL, end_it, how == 3 ? argv : NULL));
    return park();
}

TEST_CASE(crowds_end)
{
    for (int round = 0; round < 4; round++) {
        pid_t pids[5];
        for (int how = 0; how < 5; how++)
            pids[how] = child_start("crowd", num(how), NULL);
        sleep_ms(round);
        OK(kill(pids[4], SIGKILL));
        for (int how = 0; how < 5; how++)
            CHECK_EQ(child_wait(pids[how]), how < 4 ? 23 : 128 + SIGKILL);
    }
}

/* ---- signals ---------------------------------------------------------------------------------- */
static _Thread_local volatile int handled;
static int handled_total, signal_targets_left;
static pthread_t signal_target[THREADS];

static void count_signal(UNUSED int sig)
{
    handled++;
    __atomic_fetch_add(&handled_total, 1, __ATOMIC_SEQ_CST);
}

static void *take_signals(void *arg)
{
    long me = (long) arg;
    struct timespec ts = {.tv_nsec = 300000};
    while (handled < 50) { /* a lost signal would hang here */
        if (me % 3 == 0)
            nanosleep(&ts, NULL);
        else if (me % 3 == 1)
            sched_yield();
    }
    __atomic_fetch_sub(&signal_targets_left, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

TEST_CASE(signals_to_threads)
{
    struct sigaction a = {.sa_handler = count_signal}, old;
    OK(sigaction(SIGUSR1, &a, &old));
    signal_targets_left = THREADS;
    for (long i = 0; i < THREADS; i++)
        ZERO(pthread_create(&signal_target[i], NULL, take_signals, (void *) i));
    while (__atomic_load_n(&signal_targets_left, __ATOMIC_SEQ_CST) > 0) {
        for (int i = 0; i < THREADS; i++)
            (void) pthread_kill(signal_target[i], SIGUSR1); /* ESRCH: done already */
        sched_yield();
    }
    for (int i = 0; i < THREADS; i++)
        ZERO(pthread_join(signal_target[i], NULL));
    CHECK(handled_total >= THREADS * 50);
    OK(sigaction(SIGUSR1, &old, NULL));
}

/* ---- wake-ups --------------------------------------------------------------------------------- */
/* A token goes round; every thread sleeps until it is its turn, each in another way. */
enum { LAPS = 400 };
static int ring[THREADS][2];

static void *pass_on(void *arg)
{
    long me = (long) arg;
    for (int lap = 0; lap < LAPS; lap++) {
        int token;
        CHECK_EQ(read(ring[me][0], &token, sizeof token), sizeof token);
        CHECK_EQ(token, lap * THREADS + me);
        token++;
        CHECK_EQ(write(ring[(me + 1) % THREADS][1], &token, sizeof token), sizeof token);
    }
    return NULL;
}

TEST_CASE(token_ring)
{
    int token = 0;
    for (int i = 0; i < THREADS; i++)
        OK(pipe(ring[i]));
    CHECK_EQ(write(ring[0][1], &token, sizeof token), sizeof token);
    run_threads(pass_on, THREADS);
    CHECK_EQ(read(ring[0][0], &token, sizeof token), sizeof token);
    CHECK_EQ(token, LAPS * THREADS);
    for (int i = 0; i < THREADS; i++) {
        close(ring[i][0]);
        close(ring[i][1]);
    }
}

static pthread_mutex_t box_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t box_change = PTHREAD_COND_INITIALIZER;
static int box_items, box_taken;

static void *produce_or_consume(void *arg)
{
    for (int i = 0; i < 500; i++) {
        ZERO(pthread_mutex_lock(&box_lock));
        if ((long) arg % 2) {
            box_items++;
        } else {
            while (box_items == 0) {
                struct timespec until;
                OK(clock_gettime(CLOCK_REALTIME, &until));
                until.tv_nsec = (until.tv_nsec + 100000) % 1000000000; /* sometimes past: fine */
                int r = pthread_cond_timedwait(&box_change, &box_lock, &until);
                CHECK(r == 0 || r == ETIMEDOUT);
            }
            box_items--;
            box_taken++;
        }
        ZERO(pthread_cond_signal(&box_change));
        ZERO(pthread_mutex_unlock(&box_lock));
    }
    return NULL;
}

TEST_CASE(producers_and_consumers)
{
    box_items = box_taken = 0;
    run_threads(produce_or_consume, THREADS);
    CHECK_EQ(box_items, 0);
    CHECK_EQ(box_taken, THREADS / 2 * 500);
}

/* ---- migration -------------------------------------------------------------------------------- */
static int nth_cpu(const cpu_set_t *set, int n)
{
    for (int cpu = 0;; cpu++) {
        if (CPU_ISSET(cpu, set) && n-- == 0)
            return cpu;
    }
}

static void *wander(void *arg)
{
    cpu_set_t all;
    int n = cpu_count(&all);
    double sum = 0;
    for (int i = 0; i < 200; i++) {
        cpu_set_t one;
        CPU_ZERO(&one);
        int cpu = nth_cpu(&all, (i + (int) (long) arg) % n);
        CPU_SET(cpu, &one);
        OK(sched_setaffinity(0, sizeof one, &one));
        CHECK_EQ(sched_getcpu(), cpu);
        sum += 0.5; /* lives in a vector register */
    }
    CHECK(sum == 100.0);
    return NULL;
}

TEST_CASE(pinned_here_and_there)
{
    run_threads(wander, THREADS);
}

/* Values in all vector registers over file reads, for which the kernel uses them itself, and switches. */
static void *keep_registers(void *arg)
{
    char b[PAGE];
    uint64_t seed = (uint64_t) (long) arg + 1;
    for (int i = 0; i < 60; i++) {
        uint64_t in[4] = {seed * 3, seed * 5, seed * 7 + (uint64_t) i, ~seed}, out[4];
        int fd = open(test_program, O_RDONLY);
        CHECK(fd >= 0);
        long n = SYS_pread64, r;
        register long r10 __asm__("r10") = (long) (PAGE * (unsigned) (i % 4));
        __asm__ volatile("movdqu (%[in]), %%xmm0; movdqu 16(%[in]), %%xmm7\n\t"
                         "movdqu (%[in]), %%xmm15; movdqu 16(%[in]), %%xmm8\n\t"
                         "syscall\n\t"
                         "pxor %%xmm15, %%xmm0; pxor %%xmm8, %%xmm7\n\t"
                         "por %%xmm7, %%xmm0; movdqu %%xmm0, (%[out])\n\t"
                         "movdqu %%xmm15, 16(%[out])"
                         : "=a"(r)
                         : "a"(n), "D"((long) fd), "S"(b), "d"(sizeof b),
                           "r"(r10), [in] "r"(in), [out] "r"(out)
                         : "rcx", "r11", "memory", "xmm0", "xmm7", "xmm8", "xmm15");
        CHECK(r > 0);
        CHECK(out[0] == 0 && out[1] == 0 && out[2] == in[0] && out[3] == in[1]);
        sched_yield();
        close(fd);
    }
    return NULL;
}

TEST_CASE(vector_registers)
{
    run_threads(keep_registers, THREADS);
}
