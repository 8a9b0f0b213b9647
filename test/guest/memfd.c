/* memfd and shared memory between processes: contents, seals, several processes, ordering. */
#include "guest_fault.h"
#include <sys/mman.h>

#ifndef F_ADD_SEALS
#define F_ADD_SEALS   1033
#define F_GET_SEALS   1034
#define F_SEAL_SHRINK 2
#define F_SEAL_GROW   4
#define F_SEAL_WRITE  8
#endif

static int make(size_t size, unsigned flags)
{
    int fd = (int) OK_OR_SKIP(syscall(SYS_memfd_create, "shared", flags));
    OK(ftruncate(fd, (off_t) size));
    return fd;
}

static void *map(int fd, size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        test_fail(__FILE__, __LINE__, "mmap of the memfd: %s", strerror(errno));
    return p;
}

TEST_CASE(behaves_like_a_file)
{
    int fd = make(0, 0);
    struct stat st;
    char b[8] = {0}, link[64], name[64] = {0};
    CHECK_EQ(write(fd, "hello", 5), 5);
    CHECK_EQ(pread(fd, b, 8, 0), 5);
    CHECK_STR(b, "hello");
    OK(fstat(fd, &st));
    CHECK(S_ISREG(st.st_mode));
    CHECK_EQ(st.st_size, 5);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    OK(readlink(link, name, sizeof name - 1));
    CHECK_STR(name, "/memfd:shared (deleted)");
    CHECK_EQ(fcntl(fd, F_GETFD), 0);
    close(fd);
    fd = make(0, 1);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    CHECK_ERR(syscall(SYS_memfd_create, "x", 0x8000), EINVAL);
}

TEST_CASE(mapping_is_the_file)
{
    int fd = make(3 * PAGE, 0);
    char c, *p = map(fd, 3 * PAGE);
    CHECK_EQ(p[PAGE], 0);
    p[PAGE] = 'm';
    CHECK_EQ(pread(fd, &c, 1, PAGE), 1);
    CHECK_EQ(c, 'm');
    CHECK_EQ(pwrite(fd, "w", 1, 2 * PAGE), 1);
    CHECK_EQ(p[2 * PAGE], 'w');
    OK(munmap(p, 3 * PAGE));
    close(fd);
}

TEST_CASE(two_processes)
{
    int fd = make(4 * PAGE, 0);
    volatile int *p = map(fd, 4 * PAGE);
    p[0] = 1000;
    pid_t pid = child_start("answer", num(fd), NULL);
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(p[1], 1001);
    CHECK_EQ(p[1024], 77);
    OK(munmap((void *) p, 4 * PAGE));
    close(fd);
}

CHILD(answer)
{
    volatile int *p = map(atoi(argv[0]), 4 * PAGE);
    p[1] = p[0] + 1;
    p[1024] = 77;
    return 0;
}

TEST_CASE(counters_of_many_processes)
{
    enum { CHILDREN = 8, ROUNDS = 20000 };
    int fd = make(PAGE, 0);
    int *p = map(fd, PAGE);
    pid_t pids[CHILDREN];
    for (int i = 0; i < CHILDREN; i++)
        pids[i] = child_start("count", num(fd), num(ROUNDS), NULL);
    for (int i = 0; i < CHILDREN; i++)
        CHECK_EQ(child_wait(pids[i]), 0);
    CHECK_EQ(__atomic_load_n(&p[0], __ATOMIC_SEQ_CST), CHILDREN * ROUNDS);
    OK(munmap(p, PAGE));
    close(fd);
}

CHILD(count)
{
    int *p = map(atoi(argv[0]), PAGE);
    for (int i = 0; i < atoi(argv[1]); i++)
        __atomic_fetch_add(&p[0], 1, __ATOMIC_SEQ_CST);
    return 0;
}

TEST_CASE(survives_its_maker)
{
    int pipes[2];
    char c;
    OK(pipe(pipes));
    int fd = make(PAGE, 0);
    pid_t pid = child_start("fill", num(fd), num(pipes[1]), NULL);
    CHECK_EQ(read(pipes[0], &c, 1), 1);
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(pread(fd, &c, 1, 100), 1);
    CHECK_EQ(c, 'F');
    char *p = map(fd, PAGE);
    CHECK_EQ(p[100], 'F');
    OK(munmap(p, PAGE));
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
}

CHILD(fill)
{
    char *p = map(atoi(argv[0]), PAGE);
    p[100] = 'F';
    return write(atoi(argv[1]), "x", 1) == 1 ? 0 : 1;
}

TEST_CASE(seals)
{
    int fd = make(PAGE, 2); /* MFD_ALLOW_SEALING */
    int seals = fcntl(fd, F_GET_SEALS);
    SKIP_IF(seals < 0 && errno == EINVAL && in_libos(), "no seals here");
    CHECK_EQ(seals, 0);
    OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
    CHECK_ERR(ftruncate(fd, 10), EPERM);
    CHECK_ERR(ftruncate(fd, 2 * PAGE), EPERM);
    CHECK_EQ(pwrite(fd, "x", 1, 0), 1);
    OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    CHECK_ERR(pwrite(fd, "x", 1, 0), EPERM);
    CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    close(fd);
    fd = make(PAGE, 0);
    CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
    close(fd);
}

TEST_CASE(mapped_twice)
{
    int fd = (int) OK(memfd_create("twice", 0));
    OK(ftruncate(fd, 4 * PAGE));
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *q = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *r = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
    CHECK(p != MAP_FAILED && q != MAP_FAILED && r != MAP_FAILED);
    strcpy(p + PAGE, "seen by all");
    CHECK_STR(q + PAGE, "seen by all");
    CHECK_STR(r, "seen by all");
    strcpy(q + 3 * PAGE, "end");
    OK(munmap(p, 2 * PAGE));
    CHECK_STR(q + PAGE, "seen by all");
    CHECK_STR(r, "seen by all");
    OK(munmap(r, PAGE));
    q[PAGE] = 'S';
    CHECK_STR(q + PAGE, "Seen by all");
    CHECK_STR(q + 3 * PAGE, "end");
    p = mmap(q, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    CHECK(p == q);
    OK(munmap(q, 4 * PAGE));
    CHECK_ERR(msync(q, PAGE, MS_ASYNC), ENOMEM);
    CHECK_ERR(msync(q + 3 * PAGE, PAGE, MS_ASYNC), ENOMEM);
    OK(close(fd));
}

TEST_CASE(sealed_after_the_mapping_is_gone)
{
    int fd = (int) OK(memfd_create("seal", MFD_ALLOW_SEALING));
    OK(ftruncate(fd, 2 * PAGE));
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    strcpy(p, "content");
    CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
    char *q = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    OK(munmap(p, 2 * PAGE));
    CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY); /* q could be made writable */
    CHECK_STR(q, "content");
    OK(munmap(q, PAGE));
    char *own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    own[0] = 'C';
    OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
    CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK);
    CHECK_ERR(write(fd, "x", 1), EPERM);
    CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    CHECK_EQ(errno, EPERM);
    CHECK_STR(own, "Content");
    char buf[8];
    CHECK_EQ(pread(fd, buf, 7, 0), 7);
    CHECK(memcmp(buf, "content", 7) == 0);
    OK(munmap(own, PAGE));
    OK(close(fd));
}

/* ---- code ------------------------------------------------------------------------------------- */
/* mov $value, %eax; ret */
static void put_code(uint8_t *at, uint8_t value)
{
    const uint8_t code[] = {0xb8, value, 0, 0, 0, 0xc3};
    memcpy(at, code, sizeof code);
}

static int call(const void *at)
{
    int (*fn)(void);
    memcpy(&fn, &at, sizeof fn);
    return fn();
}

/* As compilers at run time have it: one mapping to write, one to run. */
TEST_CASE(code_is_written_and_run)
{
    enum { SIZE = 64 * 1024 };
    int fd = (int) OK(memfd_create("code", 0));
    OK(ftruncate(fd, SIZE));
    uint8_t *run = mmap(NULL, SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    uint8_t *write = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(run != MAP_FAILED && write != MAP_FAILED);
    for (uint8_t i = 1; i < 16; i++) {
        put_code(write + i * 4096, i);
        CHECK_EQ(call(run + i * 4096), i);
        put_code(write + i * 4096, (uint8_t) (i + 100));
        CHECK_EQ(call(run + i * 4096), i + 100);
    }
    OK(ftruncate(fd, 4096)); /* and again after it was shorter */
    OK(ftruncate(fd, SIZE));
    put_code(write + 8192, 77);
    CHECK_EQ(call(run + 8192), 77);
    OK(munmap(run, SIZE));
    OK(munmap(write, SIZE));
    close(fd);
}

CHILD(runs_data)
{
    enum { SIZE = 64 * 1024 };
    int fd = (int) OK(memfd_create("data", 0));
    OK(ftruncate(fd, SIZE));
    uint8_t *data = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(data != MAP_FAILED);
    for (int i = 0; i < 16; i++)
        put_code(data + i * 4096, 1);
    return call(data + 4096);
}

/* Where code was, data are. */
TEST_CASE(data_is_not_run)
{
    int status;
    pid_t pid = child_start("runs_data", NULL);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
}

enum { NEIGHBOUR = 8 << 20 }; /* no room is left behind objects of this size */

CHILD(holds_a_mapping)
{
    char *p = map(make(NEIGHBOUR, 0), NEIGHBOUR), c;
    memset(p, 'n', PAGE);
    memset(p + NEIGHBOUR - PAGE, 'n', PAGE);
    CHECK_EQ(argc, 2);
    CHECK_EQ(write(atoi(argv[0]), "x", 1), 1);
    return read(atoi(argv[1]), &c, 1) != 0; /* until the parent has seen enough */
}

static pid_t start_neighbour(int *ret_stop)
{
    int ready[2], stop[2];
    char c, ready_name[16], stop_name[16];
    OK(pipe(ready));
    OK(pipe(stop));
    OK(fcntl(stop[1], F_SETFD, FD_CLOEXEC));
    snprintf(ready_name, sizeof ready_name, "%d", ready[1]);
    snprintf(stop_name, sizeof stop_name, "%d", stop[0]);
    pid_t pid = child_start("holds_a_mapping", ready_name, stop_name, NULL);
    close(ready[1]);
    close(stop[0]);
    CHECK_EQ(read(ready[0], &c, 1), 1);
    close(ready[0]);
    *ret_stop = stop[1];
    return pid;
}

/* Around a shared mapping is nothing of another process. */
TEST_CASE(nobody_is_next_to_it)
{
    int stop[2], status;
    pid_t before = start_neighbour(&stop[0]);
    char *p = map(make(NEIGHBOUR, 0), NEIGHBOUR);
    unsigned char in;
    pid_t after = start_neighbour(&stop[1]);
    p[0] = p[NEIGHBOUR - 1] = 1;
    if (mincore(p - PAGE, PAGE, &in) <
        0) /* else something of this process is there, as may be on Linux */
        CHECK_FAULT(fault_write(p - 1), SIGSEGV, SEGV_MAPERR, p - 1);
    if (mincore(p + NEIGHBOUR, PAGE, &in) < 0)
        CHECK_FAULT(fault_write(p + NEIGHBOUR), SIGSEGV, SEGV_MAPERR, p + NEIGHBOUR);
    for (int i = 0; i < 2; i++)
        close(stop[i]);
    CHECK_EQ(waitpid(before, &status, 0), before);
    CHECK_EQ(status, 0);
    CHECK_EQ(waitpid(after, &status, 0), after);
    CHECK_EQ(status, 0);
    OK(munmap(p, NEIGHBOUR));
}

static double cpu_seconds(void)
{
    struct timespec t;
    OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t));
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* What a program does not touch of a large object costs it nothing, also when the object goes. */
TEST_CASE(untouched_memory_is_free)
{
    const size_t size = 512 << 20;
    double start = cpu_seconds();
    for (int i = 0; i < 40; i++) {
        int fd = make(size, 0);
        char *p = map(fd, size);
        for (size_t at = 0; at < size; at += size / 4) {
            CHECK_EQ(p[at], 0);
            p[at] = (char) i;
        }
        OK(munmap(p, size));
        OK(close(fd));
    }
    CHECK(cpu_seconds() - start < 1.0);
}
