/* The futex system call itself: every operation, timeouts, errors, sharing, robust lists. */
#include "guest_test.h"
#include <sys/mman.h>

enum {
    WAIT = 0,
    WAKE = 1,
    REQUEUE = 3,
    CMP_REQUEUE = 4,
    WAKE_OP = 5,
    WAIT_BITSET = 9,
    WAKE_BITSET = 10,
    PRIVATE = 128,
    REALTIME = 256,
};

static long futex(void *at, int op, long value, const void *timeout, void *at2, long value3)
{
    return syscall(SYS_futex, at, op, value, timeout, at2, value3);
}

static int word, word2;
static int awake;

struct sleeper {
    int *at;
    int op;
    unsigned bits;
    long result;
    int error;
};
static int started;

static void *sleeper_run(void *arg)
{
    struct sleeper *s = arg;
    struct timespec limit;
    OK(clock_gettime(CLOCK_MONOTONIC, &limit));
    limit.tv_sec += 40;
    __atomic_fetch_add(&started, 1, __ATOMIC_SEQ_CST);
    s->result = futex(s->at, s->op, 0, &limit, NULL, (long) s->bits);
    s->error = errno;
    __atomic_fetch_add(&awake, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static pthread_t threads[8];
static struct sleeper sleepers[8];

static void start(int n, int *at, unsigned bits, int flags)
{
    started = awake = 0;
    for (int i = 0; i < n; i++) {
        sleepers[i] =
            (struct sleeper){.at = at, .op = WAIT_BITSET | flags, .bits = bits ? bits : 1u << i};
        ZERO(pthread_create(&threads[i], NULL, sleeper_run, &sleepers[i]));
    }
    while (__atomic_load_n(&started, __ATOMIC_SEQ_CST) < n)
        sleep_ms(1);
    sleep_ms(30); /* they are about to sleep; waking below counts, so a late one is seen */
}

static void finish(int n)
{
    for (int i = 0; i < n; i++) {
        ZERO(pthread_join(threads[i], NULL));
        CHECK_EQ(sleepers[i].result, 0);
    }
}

/* Wakes until so many have been woken in all: a sleeper may come late. */
static void wake_exactly(int *at, int op, int n, unsigned bits)
{
    int woken = 0;
    for (int i = 0; i < 4000 && woken < n; i++) {
        long r = OK(futex(at, op, n - woken, NULL, NULL, (long) bits));
        woken += (int) r;
        if (r == 0)
            sleep_ms(5);
    }
    CHECK_EQ(woken, n);
}

TEST_CASE(wait_checks_the_value)
{
    word = 5;
    CHECK_ERR(futex(&word, WAIT | PRIVATE, 4, NULL, NULL, 0), EAGAIN);
    CHECK_ERR(futex(&word, WAIT, 4, NULL, NULL, 0), EAGAIN);
    CHECK_EQ(futex(&word, WAKE | PRIVATE, 1, NULL, NULL, 0), 0);
}

TEST_CASE(bad_arguments)
{
    struct timespec bad = {0, 1000000000}, negative = {-1, 0};
    word = 0;
    CHECK_ERR(futex((char *) &word + 1, WAIT, 0, NULL, NULL, 0), EINVAL);
    CHECK_ERR(futex((char *) &word + 1, WAKE, 1, NULL, NULL, 0), EINVAL);
    CHECK_ERR(futex((void *) 8, WAIT | PRIVATE, 0, NULL, NULL, 0), EFAULT);
    CHECK_ERR(futex(&word, WAIT | PRIVATE, 0, &bad, NULL, 0), EINVAL);
    CHECK_ERR(futex(&word, WAIT | PRIVATE, 0, &negative, NULL, 0), EINVAL);
    CHECK_ERR(futex(&word, WAIT | PRIVATE, 0, (void *) 8, NULL, 0), EFAULT);
    CHECK_ERR(futex(&word, 99 | PRIVATE, 0, NULL, NULL, 0), ENOSYS);
    CHECK_ERR(futex(&word, WAIT_BITSET | PRIVATE, 0, NULL, NULL, 0), EINVAL);
    CHECK_ERR(futex(&word, WAKE_BITSET | PRIVATE, 1, NULL, NULL, 0), EINVAL);
}

TEST_CASE(timeouts)
{
    struct timespec rel = {0, 20000000}, until;
    int64_t before = now_ns(CLOCK_MONOTONIC);
    word = 0;
    CHECK_ERR(futex(&word, WAIT | PRIVATE, 0, &rel, NULL, 0), ETIMEDOUT);
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= 20000000);
    OK(clock_gettime(CLOCK_MONOTONIC, &until));
    CHECK_ERR(futex(&word, WAIT_BITSET | PRIVATE, 0, &until, NULL, -1), ETIMEDOUT);
    OK(clock_gettime(CLOCK_REALTIME, &until));
    until.tv_sec -= 10;
    CHECK_ERR(futex(&word, WAIT_BITSET | REALTIME | PRIVATE, 0, &until, NULL, -1), ETIMEDOUT);
}

TEST_CASE(wake_counts)
{
    word = 0;
    start(5, &word, ~0u, PRIVATE);
    wake_exactly(&word, WAKE | PRIVATE, 2, 0);
    for (int i = 0; i < 2000 && __atomic_load_n(&awake, __ATOMIC_SEQ_CST) < 2; i++)
        sleep_ms(1);
    sleep_ms(20);
    CHECK_EQ(__atomic_load_n(&awake, __ATOMIC_SEQ_CST), 2);
    wake_exactly(&word, WAKE | PRIVATE, 3, 0);
    finish(5);
}

TEST_CASE(bitsets)
{
    word = 0;
    start(4, &word, 0, PRIVATE); /* sleeper i waits for bit i */
    CHECK_EQ(futex(&word, WAKE_BITSET | PRIVATE, 100, NULL, NULL, 0xf0), 0);
    wake_exactly(&word, WAKE_BITSET | PRIVATE, 1, 0x4);
    ZERO(pthread_join(threads[2], NULL));
    CHECK_EQ(sleepers[2].result, 0);
    wake_exactly(&word, WAKE_BITSET | PRIVATE, 3, 0xb);
    for (int i = 0; i < 4; i++) {
        if (i != 2)
            ZERO(pthread_join(threads[i], NULL));
    }
}

TEST_CASE(requeue)
{
    word = word2 = 0;
    start(4, &word, ~0u, PRIVATE);
    CHECK_ERR(futex(&word, CMP_REQUEUE | PRIVATE, 1, (void *) 100L, &word2, 77), EAGAIN);
    long moved = 0, r = 0;
    for (int i = 0; i < 4000 && moved < 4; i++) {
        r = OK(futex(&word, CMP_REQUEUE | PRIVATE, moved ? 0 : 1, (void *) 100L, &word2, 0));
        moved += r;
        if (!r)
            sleep_ms(5);
    }
    CHECK_EQ(moved, 4);
    CHECK_EQ(futex(&word, WAKE | PRIVATE, 100, NULL, NULL, 0), 0);
    wake_exactly(&word2, WAKE | PRIVATE, 3, 0);
    finish(4);
    CHECK_EQ(futex(&word, REQUEUE | PRIVATE, 1, (void *) 1L, &word2, 0), 0);
}

TEST_CASE(wake_op)
{
    word = word2 = 0;
    start(1, &word, ~0u, PRIVATE);
    /* word2 += 5; wake one at word, and one at word2 if its old value was 0 */
    long op = 1L << 28 | 0L << 24 | 5 << 12 | 0;
    long r = 0;
    for (int i = 0; i < 4000 && r == 0; i++) {
        word2 = 0;
        r = OK(futex(&word, WAKE_OP | PRIVATE, 1, (void *) 1L, &word2, op));
        CHECK_EQ(word2, 5);
        if (!r)
            sleep_ms(5);
    }
    CHECK_EQ(r, 1);
    finish(1);
    word2 = 12;
    CHECK_EQ(futex(&word, WAKE_OP | PRIVATE, 1, (void *) 1L, &word2, 3L << 28 | 4 << 12), 0);
    CHECK_EQ(word2, 12 & ~4);
    CHECK_EQ(futex(&word, WAKE_OP | PRIVATE, 1, (void *) 1L, &word2, 4L << 28 | 15 << 12), 0);
    CHECK_EQ(word2, 8 ^ 15);
    CHECK_ERR(futex(&word, WAKE_OP | PRIVATE, 1, (void *) 1L, &word2, 7L << 28), ENOSYS);
}

static void on_signal(int sig)
{
    (void) sig;
}

static void *poke(void *arg)
{
    sleep_ms(30);
    ZERO(pthread_kill(*(pthread_t *) arg, SIGUSR1));
    return NULL;
}

TEST_CASE(interrupted)
{
    struct sigaction act = {.sa_handler = on_signal};
    pthread_t t, self = pthread_self();
    OK(sigaction(SIGUSR1, &act, NULL));
    word = 0;
    ZERO(pthread_create(&t, NULL, poke, &self));
    CHECK_ERR(futex(&word, WAIT | PRIVATE, 0, NULL, NULL, 0), EINTR);
    ZERO(pthread_join(t, NULL));
}

TEST_CASE(private_and_shared_between_threads)
{
    word = 0;
    start(2, &word, ~0u, 0); /* shared keys work for private memory, too */
    wake_exactly(&word, WAKE, 2, 0);
    finish(2);
}

TEST_CASE(between_processes)
{
    int fd = (int) OK_OR_SKIP(syscall(SYS_memfd_create, "futex", 0));
    OK(ftruncate(fd, PAGE));
    int *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED);
    pid_t pid = child_start("answers", num(fd), NULL);
    for (int i = 1; i <= 2000; i++) {
        __atomic_store_n(&shared[0], i, __ATOMIC_SEQ_CST);
        OK(futex(&shared[0], WAKE, 1, NULL, NULL, 0));
        for (;;) {
            int v = __atomic_load_n(&shared[16], __ATOMIC_SEQ_CST);
            if (v == i)
                break;
            long r = futex(&shared[16], WAIT, v, NULL, NULL, 0);
            CHECK(r == 0 || errno == EAGAIN || errno == EINTR);
        }
    }
    CHECK_EQ(child_wait(pid), 0);
    OK(munmap(shared, PAGE));
    close(fd);
}

CHILD(answers)
{
    int *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[0]), 0);
    int seen = 0;
    if (shared == MAP_FAILED)
        return 1;
    while (seen < 2000) {
        int v = __atomic_load_n(&shared[0], __ATOMIC_SEQ_CST);
        if (v == seen) {
            futex(&shared[0], WAIT, v, NULL, NULL, 0);
            continue;
        }
        seen = v;
        __atomic_store_n(&shared[16], v, __ATOMIC_SEQ_CST);
        futex(&shared[16], WAKE, 1, NULL, NULL, 0);
    }
    return 0;
}

struct robust_node {
    struct robust_node *next;
    int word;
};
struct robust_head {
    struct robust_node *list;
    long offset;
    struct robust_node *pending;
};

TEST_CASE(robust_list_of_a_dead_process)
{
    int fd = (int) OK_OR_SKIP(syscall(SYS_memfd_create, "robust", 0));
    OK(ftruncate(fd, PAGE));
    int *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED);
    pid_t pid = child_start("dies_with_robust_list", num(fd), NULL);
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(shared[2] & 0x40000000, 0x40000000); /* FUTEX_OWNER_DIED */
    CHECK_EQ(shared[2] & 0x3fffffff, 0);
    OK(munmap(shared, PAGE));
    close(fd);
}

CHILD(dies_with_robust_list)
{
    static struct robust_head head;
    struct robust_node *n = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[0]), 0);
    if (n == MAP_FAILED)
        return 1;
    head.offset = offsetof(struct robust_node, word);
    head.list = n;
    n->next = (struct robust_node *) (void *) &head;
    n->word = getpid();
    if (syscall(SYS_set_robust_list, &head, sizeof head) < 0)
        return 2;
    if (syscall(SYS_set_robust_list, &head, 5L) != -1 || errno != EINVAL)
        return 3;
    syscall(SYS_exit_group, 0);
    return 4;
}
