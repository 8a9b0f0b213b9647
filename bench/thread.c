/* Threads: create and join, futex round trip, mutex, condition variable. */
#include "bench.h"

static void *nothing(void *arg)
{
    return arg;
}

static void create_join(long n)
{
    while (n--) {
        pthread_t t;
        if (pthread_create(&t, NULL, nothing, NULL))
            die("pthread_create");
        pthread_join(t, NULL);
    }
}

static int ball[2];

static void futex_wait(int *at, int value)
{
    syscall(SYS_futex, at, 128, value, NULL, NULL, 0);
}
static void futex_wake(int *at)
{
    syscall(SYS_futex, at, 129, 1, NULL, NULL, 0);
}

/* Waits until *at is no longer old; the new value is the result. */
static int await(int *at, int old)
{
    int v;
    while ((v = __atomic_load_n(at, __ATOMIC_ACQUIRE)) == old)
        futex_wait(at, old);
    return v;
}

static void *answer(void *arg)
{
    int seen = 0;
    while ((seen = await(&ball[0], seen)) >= 0) {
        __atomic_store_n(&ball[1], seen, __ATOMIC_RELEASE);
        futex_wake(&ball[1]);
    }
    return arg;
}

static void futex_round_trips(long n)
{
    while (n--) {
        int old = ball[0];
        __atomic_store_n(&ball[0], (old + 1) & 0xffffff, __ATOMIC_RELEASE);
        futex_wake(&ball[0]);
        await(&ball[1], old);
    }
}

static void futex_round_trip(void)
{
    pthread_t t;
    if (pthread_create(&t, NULL, answer, NULL))
        die("pthread_create");
    measure("futex_rtt", "ns", futex_round_trips);
    __atomic_store_n(&ball[0], -1, __ATOMIC_RELEASE);
    futex_wake(&ball[0]);
    pthread_join(t, NULL);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;

static void pass_turn(int mine, int next)
{
    pthread_mutex_lock(&mutex);
    while (turn != mine && turn != -1)
        pthread_cond_wait(&cond, &mutex);
    if (turn != -1)
        turn = next;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
}

static void *other_player(void *arg)
{
    while (__atomic_load_n(&turn, __ATOMIC_RELAXED) != -1)
        pass_turn(1, 0);
    return arg;
}

static void cond_round_trips(long n)
{
    while (n--)
        pass_turn(0, 1);
}

static void cond_round_trip(void)
{
    pthread_t t;
    if (pthread_create(&t, NULL, other_player, NULL))
        die("pthread_create");
    measure("cond_rtt", "ns", cond_round_trips);
    pthread_mutex_lock(&mutex);
    turn = -1;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
    pthread_join(t, NULL);
}

static void lock_unlock(long n)
{
    while (n--) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
}

int main(int argc, char **argv)
{
    bench_argc = argc;
    bench_argv = argv;
    measure("thread_create_join", "us", create_join);
    if (wanted("futex_rtt"))
        futex_round_trip();
    if (wanted("cond_rtt"))
        cond_round_trip();
    measure("mutex_uncontended", "ns", lock_unlock);
    return 0;
}
