/* POSIX threads: mutexes, conditions, locks, barriers, keys, cancellation, stacks, many of them. */
#include "guest_test.h"
#include <limits.h>
#include <sched.h>
#include <semaphore.h>

enum { THREADS = 8, ROUNDS = 20000 };
static int counter;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_t threads[64];

static void run_all(int n, void *(*fn)(void *), void *arg)
{
    for (int i = 0; i < n; i++)
        ZERO(pthread_create(&threads[i], NULL, fn, arg));
    for (int i = 0; i < n; i++)
        ZERO(pthread_join(threads[i], NULL));
}

static struct timespec in_ms(clockid_t clock, long ms)
{
    struct timespec ts;
    OK(clock_gettime(clock, &ts));
    ts.tv_nsec += ms % 1000 * 1000000;
    ts.tv_sec += ms / 1000 + ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;
    return ts;
}

static void *add_under_mutex(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        ZERO(pthread_mutex_lock(arg));
        counter++;
        ZERO(pthread_mutex_unlock(arg));
    }
    return NULL;
}

TEST_CASE(mutex_counter)
{
    counter = 0;
    run_all(THREADS, add_under_mutex, &mutex);
    CHECK_EQ(counter, THREADS * ROUNDS);
}

TEST_CASE(mutex_kinds)
{
    static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
                                PTHREAD_MUTEX_ERRORCHECK};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        pthread_mutex_t m;
        pthread_mutexattr_t a;
        ZERO(pthread_mutexattr_init(&a));
        ZERO(pthread_mutexattr_settype(&a, types[i]));
        ZERO(pthread_mutex_init(&m, &a));
        counter = 0;
        run_all(4, add_under_mutex, &m);
        CHECK_EQ(counter, 4 * ROUNDS);
        ZERO(pthread_mutex_lock(&m));
        if (types[i] == PTHREAD_MUTEX_RECURSIVE) {
            ZERO(pthread_mutex_lock(&m));
            ZERO(pthread_mutex_unlock(&m));
        } else if (types[i] == PTHREAD_MUTEX_ERRORCHECK) {
            CHECK_EQ(pthread_mutex_lock(&m), EDEADLK);
        } else {
            CHECK_EQ(pthread_mutex_trylock(&m), EBUSY);
        }
        ZERO(pthread_mutex_unlock(&m));
        if (types[i] == PTHREAD_MUTEX_ERRORCHECK)
            CHECK_EQ(pthread_mutex_unlock(&m), EPERM);
        ZERO(pthread_mutex_destroy(&m));
    }
}

static void *hold_timed(void *arg)
{
    struct timespec ts = in_ms(CLOCK_REALTIME, 20);
    *(int *) arg = pthread_mutex_timedlock(&mutex, &ts);
    return NULL;
}

TEST_CASE(mutex_timedlock)
{
    pthread_t t;
    int got = -1;
    ZERO(pthread_mutex_lock(&mutex));
    ZERO(pthread_create(&t, NULL, hold_timed, &got));
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(got, ETIMEDOUT);
    ZERO(pthread_mutex_unlock(&mutex));
}

static void *die_with_mutex(void *arg)
{
    ZERO(pthread_mutex_lock(arg));
    return NULL;
}

TEST_CASE(robust_mutex)
{
    pthread_mutex_t m;
    pthread_mutexattr_t a;
    ZERO(pthread_mutexattr_init(&a));
    ZERO(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
    ZERO(pthread_mutex_init(&m, &a));
    for (int i = 0; i < 20; i++) {
        run_all(1, die_with_mutex, &m);
        CHECK_EQ(pthread_mutex_lock(&m), EOWNERDEAD);
        ZERO(pthread_mutex_consistent(&m));
        ZERO(pthread_mutex_unlock(&m));
    }
    run_all(1, die_with_mutex, &m);
    CHECK_EQ(pthread_mutex_lock(&m), EOWNERDEAD);
    ZERO(pthread_mutex_unlock(&m));
    CHECK_EQ(pthread_mutex_lock(&m), ENOTRECOVERABLE);
    ZERO(pthread_mutex_destroy(&m));
}

TEST_CASE(priority_inheritance_mutex)
{
    pthread_mutex_t m;
    pthread_mutexattr_t a;
    ZERO(pthread_mutexattr_init(&a));
    int r = pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
    SKIP_IF(r == ENOSYS || r == ENOTSUP, "no PI futexes here");
    ZERO(r);
    r = pthread_mutex_init(&m, &a);
    SKIP_IF(r == ENOSYS || r == ENOTSUP, "no PI futexes here");
    counter = 0;
    run_all(4, add_under_mutex, &m);
    CHECK_EQ(counter, 4 * ROUNDS);
}

static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;
static void *take_turns(void *arg)
{
    int me = (int) (intptr_t) arg;
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&mutex);
        while (turn % 4 != me)
            pthread_cond_wait(&cond, &mutex);
        turn++;
        pthread_cond_broadcast(&cond);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

TEST_CASE(condition_turns)
{
    turn = 0;
    for (int i = 0; i < 4; i++)
        ZERO(pthread_create(&threads[i], NULL, take_turns, (void *) (intptr_t) i));
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(threads[i], NULL));
    CHECK_EQ(turn, 2000);
}

TEST_CASE(condition_timeouts)
{
    struct timespec ts = in_ms(CLOCK_REALTIME, 20);
    pthread_cond_t c;
    pthread_condattr_t a;
    ZERO(pthread_mutex_lock(&mutex));
    CHECK_EQ(pthread_cond_timedwait(&cond, &mutex, &ts), ETIMEDOUT);
    ZERO(pthread_condattr_init(&a));
    ZERO(pthread_condattr_setclock(&a, CLOCK_MONOTONIC));
    ZERO(pthread_cond_init(&c, &a));
    int64_t before = now_ns(CLOCK_MONOTONIC);
    ts = in_ms(CLOCK_MONOTONIC, 30);
    CHECK_EQ(pthread_cond_timedwait(&c, &mutex, &ts), ETIMEDOUT);
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= 30000000);
    ZERO(pthread_mutex_unlock(&mutex));
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static volatile int pair[2];
static void *read_and_write(void *arg)
{
    for (int i = 0; i < 3000; i++) {
        if ((i + (intptr_t) arg) % 8 == 0) {
            ZERO(pthread_rwlock_wrlock(&rwlock));
            pair[0]++;
            pair[1]++;
        } else {
            ZERO(pthread_rwlock_rdlock(&rwlock));
            CHECK_EQ(pair[0], pair[1]);
        }
        ZERO(pthread_rwlock_unlock(&rwlock));
    }
    return NULL;
}

TEST_CASE(read_write_lock)
{
    pair[0] = pair[1] = 0;
    run_all(THREADS, read_and_write, NULL);
    CHECK_EQ(pair[0], THREADS * 375);
}

static pthread_barrier_t barrier;
static int arrived[10];
static void *meet(void *arg)
{
    for (int i = 0; i < 10; i++) {
        __atomic_fetch_add(&arrived[i], 1, __ATOMIC_SEQ_CST);
        int r = pthread_barrier_wait(&barrier);
        CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
        CHECK_EQ(__atomic_load_n(&arrived[i], __ATOMIC_SEQ_CST), THREADS);
        if (r == PTHREAD_BARRIER_SERIAL_THREAD)
            __atomic_fetch_add((int *) arg, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

TEST_CASE(barriers)
{
    int serials = 0;
    memset(arrived, 0, sizeof arrived);
    ZERO(pthread_barrier_init(&barrier, NULL, THREADS));
    run_all(THREADS, meet, &serials);
    CHECK_EQ(serials, 10);
    ZERO(pthread_barrier_destroy(&barrier));
}

static pthread_key_t key;
static int destroyed;
static __thread int thread_local_value = 7;
static __thread char thread_local_zero[5000];
static void destructor(void *p)
{
    __atomic_fetch_add(&destroyed, *(int *) p, __ATOMIC_SEQ_CST);
    free(p);
}
static void *use_key(void *arg)
{
    CHECK(pthread_getspecific(key) == NULL);
    int *p = malloc(sizeof *p);
    *p = 1;
    ZERO(pthread_setspecific(key, p));
    CHECK_EQ(thread_local_value, 7);
    for (size_t i = 0; i < sizeof thread_local_zero; i++)
        CHECK_EQ(thread_local_zero[i], 0);
    memset(thread_local_zero, 1, sizeof thread_local_zero);
    thread_local_value = 100;
    sched_yield();
    CHECK(pthread_getspecific(key) == p);
    CHECK_EQ(thread_local_value, 100);
    return arg;
}

TEST_CASE(thread_local_storage)
{
    destroyed = 0;
    ZERO(pthread_key_create(&key, destructor));
    run_all(16, use_key, NULL);
    CHECK_EQ(destroyed, 16);
    CHECK_EQ(thread_local_value, 7);
    ZERO(pthread_key_delete(key));
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void run_once(void)
{
    sleep_ms(10);
    counter++;
}
static void *call_once(void *arg)
{
    ZERO(pthread_once(&once, run_once));
    CHECK_EQ(counter, 1);
    return arg;
}

TEST_CASE(once_only)
{
    counter = 0;
    run_all(THREADS, call_once, NULL);
}

static int cleaned;
static void cleanup(void *arg)
{
    cleaned += (int) (intptr_t) arg;
}
static void *wait_to_be_cancelled(void *arg)
{
    pthread_cleanup_push(cleanup, (void *) 3);
    pause();
    pthread_cleanup_pop(0);
    return arg;
}
static void *spin_cancelled(void *arg)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;)
        ;
    return arg;
}
static void *cancel_disabled(void *arg)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    sleep_ms(50);
    return arg;
}

TEST_CASE(cancellation)
{
    pthread_t t;
    void *result;
    cleaned = 0;
    for (int i = 0; i < 10; i++) {
        ZERO(pthread_create(&t, NULL, wait_to_be_cancelled, NULL));
        if (i % 2)
            sleep_ms(5);
        ZERO(pthread_cancel(t));
        ZERO(pthread_join(t, &result));
        CHECK(result == PTHREAD_CANCELED);
    }
    CHECK(cleaned > 0 && cleaned % 3 == 0);
    ZERO(pthread_create(&t, NULL, spin_cancelled, NULL));
    sleep_ms(10);
    ZERO(pthread_cancel(t));
    ZERO(pthread_join(t, &result));
    CHECK(result == PTHREAD_CANCELED);
    ZERO(pthread_create(&t, NULL, cancel_disabled, &cleaned));
    sleep_ms(20);
    ZERO(pthread_cancel(t));
    ZERO(pthread_join(t, &result));
    CHECK(result == &cleaned);
}

static sem_t done;
static void *post_done(void *arg)
{
    sem_post(&done);
    return arg;
}

TEST_CASE(detached)
{
    pthread_t t;
    pthread_attr_t a;
    OK(sem_init(&done, 0, 0));
    ZERO(pthread_attr_init(&a));
    ZERO(pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED));
    for (int i = 0; i < 50; i++)
        ZERO(pthread_create(&t, &a, post_done, NULL));
    for (int i = 0; i < 50; i++) {
        while (sem_wait(&done) < 0)
            CHECK_EQ(errno, EINTR);
    }
}

static void *touch_stack(void *arg)
{
    size_t size = (size_t) (uintptr_t) arg;
    volatile char top;
    volatile char *p = &top;
    for (size_t at = 0; at < size; at += PAGE)
        p[-(ptrdiff_t) at] = 1;
    return NULL;
}

TEST_CASE(stack_sizes)
{
    static const size_t sizes[] = {65536, 1 << 20, 8 << 20, 64 << 20};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        pthread_attr_t a;
        pthread_t t;
        ZERO(pthread_attr_init(&a));
        ZERO(pthread_attr_setstacksize(&a, sizes[i]));
        ZERO(pthread_create(&t, &a, touch_stack, (void *) (sizes[i] - 32768)));
        ZERO(pthread_join(t, NULL));
    }
}

TEST_CASE(stack_of_the_main_thread)
{
    touch_stack((void *) (size_t) (2 << 20));
}

static void *return_arg(void *arg)
{
    return arg;
}

TEST_CASE(create_and_join_many)
{
    for (int i = 0; i < 1000; i++) {
        pthread_t t;
        void *got;
        ZERO(pthread_create(&t, NULL, return_arg, (void *) (intptr_t) i));
        ZERO(pthread_join(t, &got));
        CHECK_EQ((intptr_t) got, i);
    }
}

static int gate[2];
static void *wait_at_gate(void *arg)
{
    char c;
    CHECK_EQ(read(gate[0], &c, 1), 0);
    return arg;
}

TEST_CASE(two_hundred_at_once)
{
    pthread_t t[200];
    pthread_attr_t a;
    OK(pipe(gate));
    ZERO(pthread_attr_init(&a));
    ZERO(pthread_attr_setstacksize(&a, 65536));
    for (int i = 0; i < 200; i++)
        ZERO(pthread_create(&t[i], &a, wait_at_gate, NULL));
    close(gate[1]);
    for (int i = 0; i < 200; i++)
        ZERO(pthread_join(t[i], NULL));
    close(gate[0]);
}

static void *make_threads(void *arg)
{
    for (int i = 0; i < 50; i++) {
        pthread_t t;
        ZERO(pthread_create(&t, NULL, return_arg, NULL));
        ZERO(pthread_join(t, NULL));
    }
    return arg;
}

TEST_CASE(threads_make_threads)
{
    run_all(THREADS, make_threads, NULL);
}

static void *sum_floats(void *arg)
{
    double s = 0, k = (double) (intptr_t) arg;
    for (int i = 1; i < 300000; i++)
        s += k / i;
    double *out = malloc(sizeof *out);
    *out = s;
    return out;
}

TEST_CASE(floating_point_in_threads)
{
    double want[8];
    for (int i = 0; i < 8; i++) {
        double *p = sum_floats((void *) (intptr_t) (i + 1));
        want[i] = *p;
        free(p);
    }
    for (int i = 0; i < 8; i++)
        ZERO(pthread_create(&threads[i], NULL, sum_floats, (void *) (intptr_t) (i + 1)));
    for (int i = 0; i < 8; i++) {
        void *p;
        ZERO(pthread_join(threads[i], &p));
        CHECK(*(double *) p == want[i]);
        free(p);
    }
}
