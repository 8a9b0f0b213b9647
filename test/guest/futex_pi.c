/* Priority-inheritance futexes, their robust variant, and futex_waitv. */
#include "guest_test.h"
#include <sys/mman.h>

#define FUTEX_WAKE            1
#define FUTEX_LOCK_PI         6
#define FUTEX_UNLOCK_PI       7
#define FUTEX_TRYLOCK_PI      8
#define FUTEX_WAIT_REQUEUE_PI 11
#define FUTEX_CMP_REQUEUE_PI  12
#define FUTEX_LOCK_PI2        13
#define FUTEX_PRIVATE_FLAG    128
#define FUTEX_CLOCK_REALTIME  256
#define FUTEX_WAITERS         0x80000000u
#define FUTEX_OWNER_DIED      0x40000000u
#define FUTEX_TID_MASK        0x3fffffffu
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

static long futex(uint32_t *word, int op, uint32_t value, const void *timeout, uint32_t *word2,
                  uint32_t value3)
{
    return syscall(SYS_futex, word, op, value, timeout, word2, value3);
}

static uint32_t load(uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static uint32_t tid(void)
{
    return (uint32_t) syscall(SYS_gettid);
}

/* As a mutex does it: user space first, then the kernel. */
static long lock(uint32_t *word)
{
    uint32_t zero = 0;
    if (__atomic_compare_exchange_n(word, &zero, tid(), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return 0;
    return futex(word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
}

static long unlock(uint32_t *word)
{
    uint32_t mine = tid();
    if (__atomic_compare_exchange_n(word, &mine, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return 0;
    return futex(word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
}

static struct timespec in_ms(clockid_t clock, long ms)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

TEST_CASE(without_contention)
{
    uint32_t w = 0;
    OK(futex(&w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    CHECK_EQ(w, tid());
    CHECK_ERR(futex(&w, FUTEX_LOCK_PI, 0, NULL, NULL, 0), EDEADLK);
    CHECK_ERR(futex(&w, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), EDEADLK);
    OK(futex(&w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    CHECK_EQ(w, 0);
    CHECK_ERR(futex(&w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), EPERM);
    OK(futex(&w, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
    CHECK_EQ(w, tid());
    OK(futex(&w, FUTEX_UNLOCK_PI | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0));
}

TEST_CASE(bad_arguments)
{
    uint32_t w[2] = {0};
    CHECK_ERR(futex((uint32_t *) ((char *) w + 1), FUTEX_LOCK_PI, 0, NULL, NULL, 0), EINVAL);
    CHECK_ERR(futex((uint32_t *) 8, FUTEX_LOCK_PI, 0, NULL, NULL, 0), EFAULT);
    w[0] = 0x3ffffff0; /* nobody's */
    CHECK_ERR(futex(w, FUTEX_LOCK_PI, 0, NULL, NULL, 0), ESRCH);
    w[0] = FUTEX_OWNER_DIED;
    OK(futex(w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    CHECK_EQ(w[0], tid() | FUTEX_OWNER_DIED);
    w[0] = 0;
    CHECK_ERR(futex(w, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0), ENOSYS);
    CHECK_ERR(futex(w, FUTEX_CMP_REQUEUE_PI, 2, NULL, w + 1, 0), EINVAL);
    CHECK_ERR(futex(w, FUTEX_CMP_REQUEUE_PI, 1, NULL, w, 0), EINVAL);
    CHECK_ERR(futex(w, FUTEX_CMP_REQUEUE_PI, 1, NULL, w + 1, 5), EAGAIN);
    CHECK_ERR(futex(w, FUTEX_WAIT_REQUEUE_PI, 5, NULL, w + 1, 0), EAGAIN);
}

/* ---- threads ---- */
static uint32_t a, b, seen;

static void *lock_a(void *arg)
{
    long r = lock(&a);
    seen = load(&a);
    *(int *) arg = r < 0 ? errno : 0;
    if (r == 0)
        CHECK_EQ(unlock(&a), 0);
    return NULL;
}

static void wait_for_bit(uint32_t *word)
{
    while (!(load(word) & FUTEX_WAITERS))
        sched_yield();
}

TEST_CASE(handed_over)
{
    pthread_t t;
    int result = -1;
    a = 0;
    CHECK_EQ(lock(&a), 0);
    ZERO(pthread_create(&t, NULL, lock_a, &result));
    wait_for_bit(&a);
    CHECK_EQ(load(&a), tid() | FUTEX_WAITERS);
    sleep_ms(10);
    CHECK_EQ(result, -1);
    CHECK_EQ(unlock(&a), 0);
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(result, 0);
    CHECK((seen & FUTEX_TID_MASK) != 0 && (seen & FUTEX_TID_MASK) != tid());
    CHECK(!(seen & FUTEX_OWNER_DIED));
    CHECK_EQ(load(&a), 0);
}

static void *try_a(UNUSED void *arg)
{
    CHECK_ERR(futex(&a, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), EAGAIN);
    CHECK_ERR(futex(&a, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), EPERM);
    struct timespec t = in_ms(CLOCK_REALTIME, 20);
    CHECK_ERR(futex(&a, FUTEX_LOCK_PI, 0, &t, NULL, 0), ETIMEDOUT);
    t = in_ms(CLOCK_MONOTONIC, 20);
    CHECK_ERR(futex(&a, FUTEX_LOCK_PI2, 0, &t, NULL, 0), ETIMEDOUT);
    t = in_ms(CLOCK_REALTIME, 20);
    CHECK_ERR(futex(&a, FUTEX_LOCK_PI2 | FUTEX_CLOCK_REALTIME, 0, &t, NULL, 0), ETIMEDOUT);
    t.tv_nsec = -1;
    CHECK_ERR(futex(&a, FUTEX_LOCK_PI, 0, &t, NULL, 0), EINVAL);
    return NULL;
}

TEST_CASE(held_by_another)
{
    pthread_t t;
    a = 0;
    CHECK_EQ(lock(&a), 0);
    ZERO(pthread_create(&t, NULL, try_a, NULL));
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(unlock(&a), 0);
    CHECK_EQ(load(&a), 0);
}

static void *lock_b_then_a(UNUSED void *arg)
{
    CHECK_EQ(lock(&b), 0);
    __atomic_store_n(&seen, 1, __ATOMIC_SEQ_CST);
    CHECK_EQ(lock(&a), 0);
    CHECK_EQ(unlock(&a), 0);
    CHECK_EQ(unlock(&b), 0);
    return NULL;
}

TEST_CASE(circle)
{
    pthread_t t;
    a = b = seen = 0;
    CHECK_EQ(lock(&a), 0);
    ZERO(pthread_create(&t, NULL, lock_b_then_a, NULL));
    wait_for_bit(&a);
    CHECK_ERR(lock(&b), EDEADLK);
    CHECK_EQ(unlock(&a), 0);
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(load(&b) & FUTEX_TID_MASK, 0);
}

static void *lock_a_and_end(UNUSED void *arg)
{
    CHECK_EQ(lock(&a), 0);
    __atomic_store_n(&seen, 1, __ATOMIC_SEQ_CST);
    wait_for_bit(&a);
    return NULL;
}

TEST_CASE(owner_ends)
{
    pthread_t t;
    a = seen = 0;
    ZERO(pthread_create(&t, NULL, lock_a_and_end, NULL));
    while (!load(&seen))
        sched_yield();
    CHECK_EQ(lock(&a), 0);
    CHECK_EQ(load(&a) & (FUTEX_TID_MASK | FUTEX_OWNER_DIED), tid() | FUTEX_OWNER_DIED);
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(futex(&a, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
    CHECK_EQ(load(&a), 0);
}

static int counter;

static void *count_up(UNUSED void *arg)
{
    for (int i = 0; i < 2000; i++) {
        CHECK_EQ(lock(&a), 0);
        counter++;
        if (i % 64 == 0)
            sched_yield();
        CHECK_EQ(unlock(&a), 0);
    }
    return NULL;
}

TEST_CASE(excludes)
{
    pthread_t t[4];
    a = 0;
    counter = 0;
    for (int i = 0; i < 4; i++)
        ZERO(pthread_create(&t[i], NULL, count_up, NULL));
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(t[i], NULL));
    CHECK_EQ(counter, 8000);
    CHECK_EQ(load(&a), 0);
}

/* ---- conditions ---- */
static uint32_t condition;
static int through;

static void *wait_on_condition(UNUSED void *arg)
{
    long r = futex(&condition, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &a, 0);
    if (r < 0)
        CHECK_EQ(errno, 0);
    CHECK_EQ(load(&a) & FUTEX_TID_MASK, tid());
    through++;
    CHECK_EQ(unlock(&a), 0);
    return NULL;
}

TEST_CASE(requeued)
{
    pthread_t t[3];
    a = condition = 0;
    through = 0;
    for (int i = 0; i < 3; i++)
        ZERO(pthread_create(&t[i], NULL, wait_on_condition, NULL));
    CHECK_EQ(lock(&a), 0);
    long moved = 0;
    while (moved < 3) {
        long r = futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *) 10ul, &a, 0);
        moved += OK(r);
        sched_yield();
    }
    CHECK_EQ(moved, 3);
    CHECK_EQ(through, 0);
    CHECK_EQ(load(&a), tid() | FUTEX_WAITERS);
    CHECK_EQ(unlock(&a), 0);
    for (int i = 0; i < 3; i++)
        ZERO(pthread_join(t[i], NULL));
    CHECK_EQ(through, 3);
    CHECK_EQ(load(&a) & FUTEX_TID_MASK, 0);
}

TEST_CASE(requeued_to_a_free_lock)
{
    pthread_t t;
    a = condition = 0;
    through = 0;
    ZERO(pthread_create(&t, NULL, wait_on_condition, NULL));
    while (OK(futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, NULL, &a, 0)) == 0)
        sched_yield();
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(through, 1);
    struct timespec ts = in_ms(CLOCK_MONOTONIC, 20);
    CHECK_ERR(futex(&condition, FUTEX_WAIT_REQUEUE_PI, 0, &ts, &a, 0), ETIMEDOUT);
}

/* ---- libc ---- */
static pthread_mutex_t mutex;

static void make_mutex(int robust)
{
    pthread_mutexattr_t at;
    ZERO(pthread_mutexattr_init(&at));
    int e = pthread_mutexattr_setprotocol(&at, PTHREAD_PRIO_INHERIT);
    SKIP_IF(e == ENOTSUP, "libc without priority inheritance");
    ZERO(e);
    ZERO(pthread_mutexattr_setrobust(&at, robust));
    ZERO(pthread_mutexattr_settype(&at, PTHREAD_MUTEX_ERRORCHECK));
    ZERO(pthread_mutex_init(&mutex, &at));
}

static void *with_mutex(UNUSED void *arg)
{
    for (int i = 0; i < 500; i++) {
        ZERO(pthread_mutex_lock(&mutex));
        counter++;
        if (i % 16 == 0)
            sched_yield();
        ZERO(pthread_mutex_unlock(&mutex));
    }
    return NULL;
}

TEST_CASE(mutex_of_libc)
{
    make_mutex(PTHREAD_MUTEX_STALLED);
    pthread_t t[3];
    counter = 0;
    ZERO(pthread_mutex_lock(&mutex));
    CHECK_EQ(pthread_mutex_lock(&mutex), EDEADLK);
    for (int i = 0; i < 3; i++)
        ZERO(pthread_create(&t[i], NULL, with_mutex, NULL));
    sleep_ms(10);
    CHECK_EQ(counter, 0);
    ZERO(pthread_mutex_unlock(&mutex));
    for (int i = 0; i < 3; i++)
        ZERO(pthread_join(t[i], NULL));
    CHECK_EQ(counter, 1500);
    ZERO(pthread_mutex_destroy(&mutex));
}

static void *keep_mutex(UNUSED void *arg)
{
    ZERO(pthread_mutex_lock(&mutex));
    __atomic_store_n(&seen, 1, __ATOMIC_SEQ_CST);
    sleep_ms(30);
    return NULL;
}

TEST_CASE(robust_mutex_of_libc)
{
    make_mutex(PTHREAD_MUTEX_ROBUST);
    pthread_t t;
    seen = 0;
    ZERO(pthread_create(&t, NULL, keep_mutex, NULL));
    while (!load(&seen))
        sched_yield();
    CHECK_EQ(pthread_mutex_lock(&mutex), EOWNERDEAD); /* waits for it to die */
    ZERO(pthread_join(t, NULL));
    ZERO(pthread_mutex_consistent(&mutex));
    ZERO(pthread_mutex_unlock(&mutex));
    seen = 0;
    ZERO(pthread_create(&t, NULL, keep_mutex, NULL));
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(pthread_mutex_lock(&mutex), EOWNERDEAD); /* it was dead already */
    ZERO(pthread_mutex_unlock(&mutex));
    CHECK_EQ(pthread_mutex_lock(&mutex), ENOTRECOVERABLE);
    ZERO(pthread_mutex_destroy(&mutex));
}

/* ---- processes ---- */
static uint32_t *map_words(const char *path)
{
    int fd = open(path, O_RDWR);
    uint32_t *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return p == MAP_FAILED ? NULL : p;
}

CHILD(own_and_die)
{
    uint32_t *w = map_words(argv[0]);
    if (!w || lock(w) != 0)
        return 1;
    __atomic_store_n(w + 1, 1, __ATOMIC_SEQ_CST);
    wait_for_bit(w);
    sleep_ms(10);
    kill(getpid(), SIGKILL);
    return 2;
}

TEST_CASE(owner_in_another_process_dies)
{
    static char zeros[PAGE];
    const char *path = test_path("words");
    write_file(path, zeros, sizeof zeros);
    uint32_t *w = map_words(path);
    CHECK(w);
    pid_t pid = child_start("own_and_die", path, NULL);
    while (!load(w + 1))
        sched_yield();
    CHECK_EQ(lock(w), 0);
    CHECK_EQ(load(w) & (FUTEX_TID_MASK | FUTEX_OWNER_DIED), tid() | FUTEX_OWNER_DIED);
    CHECK_EQ(child_wait(pid), 128 + SIGKILL);
    CHECK_EQ(futex(w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
    OK(munmap(w, PAGE));
}

/* ---- futex_waitv ---- */
struct wanted {
    uint64_t val, uaddr;
    uint32_t flags, reserved;
};

static uint32_t words[4];

static long waitv(unsigned count, const struct timespec *t)
{
    struct wanted w[4];
    for (unsigned i = 0; i < 4; i++)
        w[i] = (struct wanted){.uaddr = (uintptr_t) &words[i], .flags = 2 | FUTEX_PRIVATE_FLAG};
    return syscall(SYS_futex_waitv, w, count, 0, t, CLOCK_MONOTONIC);
}

static void *wake_third(UNUSED void *arg)
{
    while (futex(&words[2], FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0) == 0)
        sched_yield();
    return NULL;
}

TEST_CASE(any_of_several)
{
    memset(words, 0, sizeof words);
    struct timespec t = in_ms(CLOCK_MONOTONIC, 20);
    OK_OR_SKIP(waitv(1, &t) < 0 && errno == ENOSYS ? -1 : 0);
    t = in_ms(CLOCK_MONOTONIC, 20);
    CHECK_ERR(waitv(4, &t), ETIMEDOUT);
    pthread_t p;
    ZERO(pthread_create(&p, NULL, wake_third, NULL));
    CHECK_EQ(waitv(4, NULL), 2);
    ZERO(pthread_join(p, NULL));
    words[1] = 1;
    CHECK_ERR(waitv(4, NULL), EAGAIN);
    CHECK_ERR(waitv(0, NULL), EINVAL);
    CHECK_ERR(syscall(SYS_futex_waitv, NULL, 1, 0, NULL, CLOCK_MONOTONIC), EINVAL);
    struct wanted bad = {.uaddr = (uintptr_t) words, .flags = 1};
    CHECK_ERR(syscall(SYS_futex_waitv, &bad, 1, 0, NULL, CLOCK_MONOTONIC), EINVAL);
    bad.flags = 2;
    CHECK_ERR(syscall(SYS_futex_waitv, &bad, 1, 1, NULL, CLOCK_MONOTONIC), EINVAL);
    CHECK_ERR(syscall(SYS_futex_waitv, &bad, 129, 0, NULL, CLOCK_MONOTONIC), EINVAL);
    CHECK_ERR(syscall(SYS_futex_waitv, &bad, 1, 0, &t, CLOCK_BOOTTIME), EINVAL);
    bad.reserved = 1;
    CHECK_ERR(syscall(SYS_futex_waitv, &bad, 1, 0, NULL, CLOCK_MONOTONIC), EINVAL);
    bad = (struct wanted){.uaddr = 8, .flags = 2};
    CHECK_ERR(syscall(SYS_futex_waitv, &bad, 1, 0, NULL, CLOCK_MONOTONIC), EFAULT);
}

TEST_CASE(over_fork)
{
    uint32_t *w = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(w != MAP_FAILED);
    pid_t pid = (pid_t) OK_OR_SKIP(fork());
    for (int i = 0; i < 300; i++) {
        if (lock(w) != 0)
            _exit(1);
        w[1]++;
        if (i % 16 == 0)
            sched_yield();
        if (unlock(w) != 0)
            _exit(2);
    }
    if (pid == 0)
        _exit(0);
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(w[1], 600);
    CHECK_EQ(load(w), 0);
    OK(munmap(w, PAGE));
}
