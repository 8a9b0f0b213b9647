/* fork(): the child's memory is a copy, whoever writes first, however deep the family is. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/prctl.h>
#include "guest_test.h"

#define BIG (8ul << 20)

static unsigned char data[3 * PAGE];
static int counter = 1;

static pid_t forked(void)
{
    fflush(stdout);
    return (pid_t) OK(fork());
}

static void *big_thread(void *arg)
{
    unsigned char *p =
        mmap(NULL, 80ul << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    for (size_t i = 0; i < 80ul << 20; i += PAGE * 64)
        p[i] = 1;
    return arg;
}

/* Leaves pages behind in many places before the first copy of a page is made. */
CHILD(spreads_out)
{
    pthread_t t[8];
    void *r;
    for (int i = 0; i < 8; i++)
        if (pthread_create(&t[i], NULL, big_thread, t) != 0)
            return 1;
    for (int i = 0; i < 8; i++)
        if (pthread_join(t[i], &r) != 0 || r != t)
            return 2;
    return 0;
}

TEST_CASE(after_large_processes)
{
    for (int i = 0; i < 3; i++)
        CHECK_EQ(child_wait(child_start("spreads_out", NULL)), 0);
    pid_t pid = forked();
    if (pid == 0) {
        memset(data, 1, sizeof data);
        _exit(5);
    }
    CHECK_EQ(child_wait(pid), 5);
}

TEST_CASE(child_exits)
{
    pid_t pid = forked();
    if (pid == 0)
        _exit(7);
    CHECK_EQ(child_wait(pid), 7);
}

TEST_CASE(ids)
{
    pid_t me = getpid();
    pid_t pid = forked();
    if (pid == 0)
        _exit(getppid() == me && getpid() != me && syscall(SYS_gettid) == getpid() ? 0 : 1);
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(getpid(), me);
}

static bool all(const volatile unsigned char *p, size_t n, unsigned char v)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != v)
            return false;
    return true;
}

/* Both sides write the same places; each sees only its own. */
TEST_CASE(copies_are_private)
{
    unsigned char *heap = malloc(BIG), *map = mmap(NULL, BIG, PROT_READ | PROT_WRITE,
                                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char local[512];
    CHECK(map != MAP_FAILED);
    memset(heap, 1, BIG);
    memset(map, 2, BIG);
    memset(data, 3, sizeof data);
    memset(local, 4, sizeof local);
    int to[2], from[2];
    OK(pipe(to));
    OK(pipe(from));
    char c = 'x';
    pid_t pid = forked();
    if (pid == 0) {
        if (read(to[0], &c, 1) != 1)
            _exit(1);
        bool same = all(heap, BIG, 1) && all(map, BIG, 2) && all(data, sizeof data, 3) &&
                    all(local, sizeof local, 4);
        memset(heap, 11, BIG);
        memset(map, 12, BIG / 2);
        memset(data, 13, sizeof data);
        memset(local, 14, sizeof local);
        if (write(from[1], &c, 1) != 1 || read(to[0], &c, 1) != 1)
            _exit(2);
        same = same && all(heap, BIG, 11) && all(map, BIG / 2, 12) &&
               all(map + BIG / 2, BIG / 2, 2) && all(data, sizeof data, 13) &&
               all(local, sizeof local, 14);
        _exit(same ? 0 : 3);
    }
    memset(heap + BIG / 2, 21, BIG / 2);
    memset(data, 23, sizeof data);
    memset(local, 24, sizeof local);
    CHECK_EQ(write(to[1], &c, 1), 1);
    CHECK_EQ(read(from[0], &c, 1), 1);
    CHECK(all(heap, BIG / 2, 1));
    CHECK(all(heap + BIG / 2, BIG / 2, 21));
    CHECK(all(map, BIG, 2));
    CHECK(all(data, sizeof data, 23));
    CHECK(all(local, sizeof local, 24));
    memset(map, 22, BIG);
    CHECK_EQ(write(to[1], &c, 1), 1);
    CHECK_EQ(child_wait(pid), 0);
    CHECK(all(map, BIG, 22) && all(heap, BIG / 2, 1) && all(data, sizeof data, 23));
    free(heap);
    OK(munmap(map, BIG));
    for (int i = 0; i < 2; i++) {
        OK(close(to[i]));
        OK(close(from[i]));
    }
}

/* A family tree in which every member changes the same word and page. */
static int tree(int depth)
{
    int mine = depth * 100 + 7;
    counter = mine;
    memset(data, depth, sizeof data);
    for (int i = 0; depth > 0 && i < 3; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(tree(depth - 1));
        if (pid < 0)
            return 2;
        usleep(200);
        if (counter != mine || !all(data, sizeof data, (unsigned char) depth))
            return 3;
        int st;
        if (i % 2 == 0 && (waitpid(pid, &st, 0) != pid || st != 0))
            return 4;
    }
    int st = 0;
    while (wait(&st) > 0)
        if (st != 0)
            return 5;
    return counter == mine && all(data, sizeof data, (unsigned char) depth) ? 0 : 6;
}

TEST_CASE(family_tree)
{
    CHECK_EQ(tree(4), 0);
}

TEST_CASE(many_children_at_once)
{
    pid_t pids[64];
    int go[2];
    char c;
    OK(pipe(go));
    for (int i = 0; i < 64; i++) {
        pids[i] = forked();
        if (pids[i] == 0) {
            counter = i;
            OK(close(go[1]));
            if (read(go[0], &c, 1) != 0)
                _exit(100);
            _exit(counter == i ? i : 101);
        }
    }
    OK(close(go[0]));
    OK(close(go[1]));
    for (int i = 63; i >= 0; i--)
        CHECK_EQ(child_wait(pids[i]), i);
}

TEST_CASE(parent_dies_first)
{
    int report[2];
    OK(pipe(report));
    pid_t pid = forked();
    if (pid == 0) {
        counter = 5;
        pid_t grandchild = fork();
        if (grandchild == 0) {
            usleep(20000);
            int value = counter;
            _exit(write(report[1], &value, sizeof value) == sizeof value ? 0 : 1);
        }
        counter = 6;
        _exit(0);
    }
    CHECK_EQ(child_wait(pid), 0);
    OK(close(report[1]));
    int value = 0;
    CHECK_EQ(read(report[0], &value, sizeof value), sizeof value);
    CHECK_EQ(value, 5);
    OK(close(report[0]));
}

TEST_CASE(maps_after_fork)
{
    unsigned char *page =
        mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(page, 9, 4 * PAGE);
    int go[2], done[2];
    char c = 0;
    OK(pipe(go));
    OK(pipe(done));
    pid_t pid = forked();
    if (pid == 0) {
        munmap(page, PAGE);
        mprotect(page + PAGE, PAGE, PROT_READ);
        unsigned char *again = mmap(page + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        bool zero = again == page + 2 * PAGE && all(again, PAGE, 0);
        madvise(page + 3 * PAGE, PAGE, MADV_DONTNEED);
        zero = zero && all(page + 3 * PAGE, PAGE, 0);
        unsigned char *far =
            mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(far, 77, BIG);
        if (write(done[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
            _exit(1);
        _exit(zero && all(far, BIG, 77) && all(page + PAGE, PAGE, 9) ? 0 : 2);
    }
    CHECK_EQ(read(done[0], &c, 1), 1);
    CHECK(all(page, 4 * PAGE, 9));
    memset(page, 8, 4 * PAGE);
    unsigned char *far =
        mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(all(far, BIG, 0));
    memset(far, 66, BIG);
    CHECK_EQ(write(go[1], &c, 1), 1);
    CHECK_EQ(child_wait(pid), 0);
    CHECK(all(page, 4 * PAGE, 8) && all(far, BIG, 66));
    OK(munmap(far, BIG));
    OK(munmap(page, 4 * PAGE));
}

/* Pages that fork write-protected, and that nobody shares any more or somebody still does. */
TEST_CASE(advice_after_fork)
{
    unsigned char *p = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 7, BIG);
    pid_t pid = forked();
    if (pid == 0)
        _exit(0);
    CHECK_EQ(child_wait(pid), 0);
    OK(madvise(p, BIG / 2, MADV_DONTNEED));
    CHECK(all(p, BIG / 2, 0) && all(p + BIG / 2, BIG / 2, 7));
    int go[2];
    char c = 0;
    OK(pipe(go));
    pid = forked();
    if (pid == 0) {
        if (madvise(p, BIG, MADV_DONTNEED) < 0 || read(go[0], &c, 1) != 1)
            _exit(1);
        _exit(all(p, BIG, 0) ? 0 : 2);
    }
    CHECK(all(p + BIG / 2, BIG / 2, 7));
    OK(mprotect(p + BIG / 2, PAGE, PROT_READ));
    OK(mprotect(p + BIG / 2, PAGE, PROT_READ | PROT_WRITE));
    OK(madvise(p + BIG / 2, PAGE, MADV_DONTNEED));
    CHECK_EQ(p[BIG / 2], 0);
    CHECK_EQ(write(go[1], &c, 1), 1);
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(p[BIG - 1], 7);
    OK(munmap(p, BIG));
    OK(close(go[0]));
    OK(close(go[1]));
}

/* What one side unmapped is gone there and only there. */
TEST_CASE(unmapped_faults)
{
    unsigned char *page =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[0] = 5;
    pid_t pid = forked();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        munmap(page, PAGE);
        usleep(1000);
        _exit(*(volatile unsigned char *) page);
    }
    usleep(500);
    page[0] = 6;
    CHECK_EQ(child_wait(pid), 128 + SIGSEGV);
    CHECK_EQ(page[0], 6);
    OK(munmap(page, PAGE));
}

TEST_CASE(shared_memory_stays_shared)
{
    volatile int *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    *p = 1;
    pid_t pid = forked();
    if (pid == 0) {
        *p = 2;
        _exit(0);
    }
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(*p, 2);
}

static void *other_thread(void *arg)
{
    volatile bool *stop = arg;
    while (!*stop)
        counter++;
    return NULL;
}

/* Only the calling thread is in the child. */
TEST_CASE(from_a_threaded_process)
{
    volatile bool stop = false;
    pthread_t t;
    ZERO(pthread_create(&t, NULL, other_thread, (void *) &stop));
    for (int i = 0; i < 10; i++) {
        pid_t pid = forked();
        if (pid == 0) {
            counter = -5;
            usleep(300);
            _exit(counter == -5 ? 3 : 4);
        }
        CHECK_EQ(child_wait(pid), 3);
    }
    stop = true;
    ZERO(pthread_join(t, NULL));
}

TEST_CASE(child_execs)
{
    pid_t pid = forked();
    if (pid == 0) {
        execl(test_program, test_program, "--child", "answer", (char *) NULL);
        _exit(1);
    }
    CHECK_EQ(child_wait(pid), 42);
}

CHILD(answer)
{
    return 42;
}

TEST_CASE(two_busy_sides_take_turns)
{
    pid_t pid = forked();
    if (pid == 0) {
        for (volatile long i = 0; i < 100000000; i++)
            ;
        _exit(0);
    }
    for (volatile long i = 0; i < 50000000; i++)
        ;
    CHECK_EQ(child_wait(pid), 0);
}

TEST_CASE(registers_and_signals_are_inherited)
{
    sigset_t set, got;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    OK(raise(SIGUSR1));
    double x = 1.5, y = x * 3;
    pid_t pid = forked();
    if (pid == 0) {
        sigprocmask(SIG_BLOCK, NULL, &got);
        bool ok = sigismember(&got, SIGUSR1) == 1;
        sigpending(&got); /* pending signals are not inherited */
        _exit(ok && sigismember(&got, SIGUSR1) == 0 && y == 4.5 ? 0 : 1);
    }
    CHECK_EQ(child_wait(pid), 0);
    signal(SIGUSR1, SIG_IGN);
    OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

TEST_CASE(fork_advice)
{
    unsigned char *p =
        mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 1, 3 * PAGE);
    OK(madvise(p, PAGE, MADV_WIPEONFORK));
    OK(madvise(p + PAGE, PAGE, MADV_DONTFORK));
    pid_t pid = forked();
    if (pid == 0) {
        unsigned char vec;
        bool gone = mincore(p + PAGE, PAGE, &vec) < 0 && errno == ENOMEM;
        _exit(all(p, PAGE, 0) && gone && all(p + 2 * PAGE, PAGE, 1) ? 0 : 1);
    }
    CHECK_EQ(child_wait(pid), 0);
    CHECK(all(p, 3 * PAGE, 1));
    OK(munmap(p, 3 * PAGE));
}

/* A message goes round and each side writes many pages for it. */
TEST_CASE(talking_and_writing)
{
    unsigned char *p = malloc(64 * PAGE);
    int to[2], from[2];
    OK(pipe(to));
    OK(pipe(from));
    pid_t pid = forked();
    unsigned char c = 0;
    if (pid == 0) {
        for (int i = 0; i < 200; i++) {
            if (read(to[0], &c, 1) != 1)
                _exit(1);
            memset(p, c, 64 * PAGE);
            if (write(from[1], &c, 1) != 1 || !all(p, 64 * PAGE, c))
                _exit(2);
        }
        _exit(0);
    }
    for (int i = 0; i < 200; i++) {
        c = (unsigned char) i;
        memset(p, ~c, 64 * PAGE);
        CHECK_EQ(write(to[1], &c, 1), 1);
        CHECK_EQ(read(from[0], &c, 1), 1);
        CHECK(all(p, 64 * PAGE, (unsigned char) ~i));
    }
    CHECK_EQ(child_wait(pid), 0);
    free(p);
}

/* vfork inside a fork family, and a child that grows its heap. */
TEST_CASE(vfork_in_a_family)
{
    pid_t pid = forked();
    if (pid == 0) {
        char *p = malloc(1000000);
        memset(p, 1, 1000000);
        pid_t inner = vfork();
        if (inner == 0) {
            execl(test_program, test_program, "--child", "answer", (char *) NULL);
            _exit(1);
        }
        _exit(inner > 0 && child_wait(inner) == 42 && p[999999] == 1 ? 0 : 1);
    }
    char *q = malloc(2000000);
    memset(q, 2, 2000000);
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(q[1999999], 2);
    free(q);
}
