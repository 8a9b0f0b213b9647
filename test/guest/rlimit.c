/* Resource limits and what getrusage says. Limits are set in children, so that the others keep theirs. */
#include "guest_test.h"
#include <sys/mman.h>
#include <sys/resource.h>

#define MB (1024ul * 1024)

static void set_limit(int resource, rlim_t value)
{
    struct rlimit lim = {value, value};
    if (setrlimit(resource, &lim) != 0)
        _exit(100);
}

static void *anon(size_t size, int prot)
{
    return mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* What a process has mapped at its start differs between systems: limits are relative to that. */
static size_t mapped_now(int column)
{
    size_t v[7] = {0};
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f ||
        fscanf(f, "%zu %zu %zu %zu %zu %zu %zu", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6) != 7)
        _exit(101);
    fclose(f);
    return v[column] * PAGE;
}

CHILD(as)
{
    size_t now = mapped_now(0);
    set_limit(RLIMIT_AS, now + 64 * MB);
    void *p = anon(48 * MB, PROT_READ);
    if (p == MAP_FAILED)
        return 1;
    if (anon(32 * MB, PROT_READ) != MAP_FAILED || errno != ENOMEM)
        return 2;
    if (mremap(p, 48 * MB, 128 * MB, MREMAP_MAYMOVE) != MAP_FAILED || errno != ENOMEM)
        return 3;
    if (munmap(p, 48 * MB) != 0 || anon(32 * MB, PROT_READ) == MAP_FAILED)
        return 4;
    return sbrk(64 * MB) == (void *) -1 ? 0 : 5;
}

TEST_CASE(address_space)
{
    CHECK_EQ(child_wait(child_start("as", NULL)), 0);
}

CHILD(data)
{
    set_limit(RLIMIT_DATA, mapped_now(5) + 32 * MB);
    if (anon(64 * MB, PROT_READ) == MAP_FAILED) /* not data */
        return 1;
    if (anon(16 * MB, PROT_READ | PROT_WRITE) == MAP_FAILED)
        return 2;
    if (anon(32 * MB, PROT_READ | PROT_WRITE) != MAP_FAILED || errno != ENOMEM)
        return 3;
    return malloc(64 * MB) == NULL ? 0 : 4;
}

TEST_CASE(data_segment)
{
    CHECK_EQ(child_wait(child_start("data", NULL)), 0);
}

static bool not_root(void)
{
    return setresgid(1000, 1000, 1000) == 0 && setresuid(4711, 4711, 4711) == 0;
}

CHILD(memlock)
{
    if (geteuid() != 0)
        return 0;
    set_limit(RLIMIT_MEMLOCK, 64 * 1024);
    if (!not_root())
        return 1;
    char *p = anon(MB, PROT_READ | PROT_WRITE);
    if (mlock(p, 32 * 1024) != 0)
        return 2;
    if (mlock(p, 32 * 1024) != 0) /* the same again is not more */
        return 3;
    if (mlock(p + 512 * 1024, 64 * 1024) != -1 || errno != ENOMEM)
        return 4;
    if (munlock(p, 32 * 1024) != 0 || mlock(p + 512 * 1024, 64 * 1024) != 0)
        return 5;
    return 0;
}

TEST_CASE(locked_memory)
{
    CHECK_EQ(child_wait(child_start("memlock", NULL)), 0);
}

static void *wait_for_gate(void *gate)
{
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

CHILD(nproc)
{
    if (geteuid() != 0)
        return 0;
    set_limit(RLIMIT_NPROC, 4);
    if (!not_root())
        return 1;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&gate);
    pthread_t t[5];
    int n = 0, r = 0;
    while (n < 5 && (r = pthread_create(&t[n], NULL, wait_for_gate, &gate)) == 0)
        n++;
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < n; i++)
        pthread_join(t[i], NULL);
    return n == 3 && r == EAGAIN ? 0 : 10 + n;
}

TEST_CASE(threads_of_a_user)
{
    CHECK_EQ(child_wait(child_start("nproc", NULL)), 0);
}

CHILD(nofile)
{
    set_limit(RLIMIT_NOFILE, 16);
    int fd, last = -1;
    while ((fd = dup(0)) >= 0)
        last = fd;
    return errno == EMFILE && last == 15 && dup2(0, 16) == -1 && errno == EBADF ? 0 : 1;
}

TEST_CASE(descriptors)
{
    CHECK_EQ(child_wait(child_start("nofile", NULL)), 0);
}

CHILD(fsize)
{
    set_limit(RLIMIT_FSIZE, 1000);
    int fd = open("/tmp/rlimit_fsize", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char text[600] = {0};
    if (fd < 0 || write(fd, text, 600) != 600 || write(fd, text, 600) != 400)
        return 1;
    if (argc > 0) { /* ignored: an error instead */
        signal(SIGXFSZ, SIG_IGN);
        if (write(fd, text, 1) != -1 || errno != EFBIG || ftruncate(fd, 2000) != -1 ||
            errno != EFBIG)
            return 2;
        unlink("/tmp/rlimit_fsize");
        return 0;
    }
    unlink("/tmp/rlimit_fsize");
    (void) !write(fd, text, 1);
    return 3;
}

TEST_CASE(file_size)
{
    CHECK_EQ(child_wait(child_start("fsize", "ignore", NULL)), 0);
    CHECK_EQ(child_wait(child_start("fsize", NULL)), 128 + SIGXFSZ);
}

/* Files grow in other ways than by writing; one that is longer already may be cut. */
CHILD(fsize_grow)
{
    int fd = open("/tmp/rlimit_fsize", O_RDWR | O_CREAT | O_TRUNC, 0600);
    unlink("/tmp/rlimit_fsize");
    if (fd < 0 || ftruncate(fd, 9000))
        return 1;
    set_limit(RLIMIT_FSIZE, 6000);
    if (argc == 0) {
        (void) !fallocate(fd, 0, 8999, 2);
        return 2;
    }
    signal(SIGXFSZ, SIG_IGN);
    if (fallocate(fd, 0, 7000, 2000)) /* no longer than it is */
        return 3;
    if (fallocate(fd, 0, 8999, 2) != -1 || errno != EFBIG)
        return 4;
    if (ftruncate(fd, 8000) || ftruncate(fd, 8001) != -1 || errno != EFBIG)
        return 5;
    if (ftruncate(fd, 100) || fallocate(fd, 0, 0, 6000) || fallocate(fd, 0, 0, 6001) != -1)
        return 6;
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_size == 6000 ? 0 : 7;
}

TEST_CASE(file_size_without_writing)
{
    CHECK_EQ(child_wait(child_start("fsize_grow", "ignore", NULL)), 0);
    CHECK_EQ(child_wait(child_start("fsize_grow", NULL)), 128 + SIGXFSZ);
}

static volatile sig_atomic_t xcpu;

static void on_xcpu(int sig)
{
    xcpu = sig;
}

CHILD(cpu)
{
    struct rlimit lim = {1, 2};
    signal(SIGXCPU, on_xcpu);
    if (setrlimit(RLIMIT_CPU, &lim) != 0)
        return 1;
    while (!xcpu)
        ;
    (void) !write(1, "x", 1);
    for (;;)
        ;
}

TEST_CASE(cpu_time)
{
    int fds[2];
    char c = 0;
    OK(pipe(fds));
    int saved = dup(1);
    OK(dup2(fds[1], 1));
    pid_t pid = child_start("cpu", NULL);
    OK(dup2(saved, 1));
    close(saved);
    close(fds[1]);
    CHECK_EQ(child_wait(pid), 128 + SIGKILL);
    CHECK_EQ(read(fds[0], &c, 1), 1); /* SIGXCPU came first */
    CHECK_EQ(c, 'x');
    close(fds[0]);
}

CHILD(nice)
{
    if (geteuid() != 0)
        return 0;
    set_limit(RLIMIT_NICE, 0);
    if (setpriority(PRIO_PROCESS, 0, 5) != 0 || !not_root())
        return 1;
    if (setpriority(PRIO_PROCESS, 0, 6) != 0 || getpriority(PRIO_PROCESS, 0) != 6)
        return 2;
    if (setpriority(PRIO_PROCESS, 0, 5) != -1 || errno != EACCES)
        return 3;
    if (setpriority(PRIO_PROCESS, getppid(), 10) != -1 || errno != EPERM)
        return 4;
    return getpriority(PRIO_PROCESS, 0) == 6 ? 0 : 5;
}

TEST_CASE(niceness)
{
    CHECK_EQ(child_wait(child_start("nice", NULL)), 0);
}

/* ---- getrusage -------------------------------------------------------------------------------- */
static double seconds(struct timeval t)
{
    return (double) t.tv_sec + (double) t.tv_usec / 1e6;
}

CHILD(compute)
{
    struct rusage ru = {0};
    for (volatile unsigned i = 0; seconds(ru.ru_utime) + seconds(ru.ru_stime) < 0.3; i++)
        if (i % 1000000 == 0)
            getrusage(RUSAGE_SELF, &ru);
    return ru.ru_utime.tv_usec + ru.ru_utime.tv_sec * 1000000 > ru.ru_stime.tv_usec ? 0 : 1;
}

CHILD(calls)
{
    static char data[MB];
    struct rusage ru = {0};
    int zero = open("/dev/zero", O_RDONLY);
    while (seconds(ru.ru_utime) + seconds(ru.ru_stime) < 0.3) {
        for (int i = 0; i < 20; i++)
            if (read(zero, data, sizeof data) != sizeof data)
                return 2;
        getrusage(RUSAGE_SELF, &ru);
    }
    return seconds(ru.ru_stime) > seconds(ru.ru_utime) ? 0 : 1;
}

TEST_CASE(user_and_system_time)
{
    CHECK_EQ(child_wait(child_start("compute", NULL)), 0);
    CHECK_EQ(child_wait(child_start("calls", NULL)), 0);
}

CHILD(memory)
{
    char *p = anon(40 * MB, PROT_READ | PROT_WRITE);
    for (size_t i = 0; i < 40 * MB; i += PAGE)
        p[i] = 1;
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    return ru.ru_maxrss >= 40 * 1024 && ru.ru_minflt > 0 ? 0 : 1;
}

TEST_CASE(peak_memory)
{
    struct rusage ru;
    CHECK_EQ(child_wait(child_start("memory", NULL)), 0);
    OK(getrusage(RUSAGE_CHILDREN, &ru));
    CHECK(ru.ru_maxrss >= 40 * 1024);
    CHECK(ru.ru_minflt > 0);
}

TEST_CASE(voluntary_switches)
{
    struct rusage before, after;
    OK(getrusage(RUSAGE_THREAD, &before));
    for (int i = 0; i < 10; i++)
        usleep(1000);
    OK(getrusage(RUSAGE_THREAD, &after));
    CHECK(after.ru_nvcsw - before.ru_nvcsw >= 10);
}
