/* Random system calls: whatever a program asks, the kernel answers, and is still there afterwards.
 *
 * The parent starts children one after the other. A child draws numbers and half-valid arguments from a
 * seed and calls from several threads until its time is over or it has killed itself; how it ends
 * does not matter. The parent has to see every end and must still be able to start the next.
 * By hand: fuzz --child run SECONDS SEED [CALL] prints each child's seed; CALL is called most of the time.
 */
#include "guest_test.h"
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { THREADS = 3, CALLS = 400, ARENA = 64, PATIENCE_S = 4 };

static uint8_t *arena;
static int only_call = -1;

struct rng {
    uint64_t s;
};

static uint64_t draw(struct rng *r)
{
    r->s += 0x9e3779b97f4a7c15ull;
    uint64_t z = r->s;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static uint64_t below(struct rng *r, uint64_t n)
{
    return draw(r) % n;
}

static const char *const paths[] = {
    "a",
    "b",
    "d",
    "d/a",
    "d/../b",
    ".",
    "..",
    "/",
    "",
    "a/",
    "/proc/self/fd",
    "/proc/self/maps",
    "/proc/stat",
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/urandom",
    "/proc/self/mem",
    "link",
    "/tmp",
    "/proc/self",
    "/dev/shm",
    "/proc/self/cwd",
    "/proc/self/status",
    "/proc/meminfo",
    "/proc/self/task",
    "fifo",
    "sock",
    "/proc/mounts",
};

static const uint64_t edges[] = {
    0,
    1,
    2,
    3,
    7,
    8,
    16,
    64,
    128,
    255,
    256,
    511,
    512,
    1023,
    1024,
    4095,
    4096,
    4097,
    65535,
    65536,
    1ull << 20,
    1ull << 28,
    0x7fffffff,
    0x80000000,
    0xfffffffe,
    0xffffffff,
    1ull << 32,
    1ull << 40,
    1ull << 47,
    1ull << 62,
    1ull << 63,
    -1ull,
    -2ull,
    -4096ull,
    -4095ull,
    -100ull,
    0x7fffffffffffffff,
    0x7ffffffffffff000,
    0x00007fffffffffff,
    0xffffff0000ull,
};

static uint64_t any_number(struct rng *r)
{
    switch (below(r, 6)) {
    case 0:
        return draw(r);
    case 1:
        return below(r, 64);
    case 2:
        return 1ull << below(r, 64);
    case 3:
        return below(r, 1u << 16);
    default:
        return edges[below(r, ARRAY_LEN(edges))] + (below(r, 8) == 0 ? draw(r) % 3 - 1 : 0);
    }
}

/* Fills some words of the arena with what structures are made of: numbers, descriptors, pointers. */
static uint64_t any_pointer(struct rng *r)
{
    uint64_t where = below(r, 40);
    if (where == 0)
        return any_number(r);
    if (where == 1)
        return 0;
    if (where == 2)
        return (uintptr_t) arena + ARENA * PAGE - below(r, 64); /* ends in the hole behind it */
    if (where < 12)
        return (uintptr_t) paths[below(r, ARRAY_LEN(paths))];
    uint64_t *p = (uint64_t *) (arena + below(r, ARENA - 2) * PAGE + below(r, 256) * 8);
    for (unsigned i = 0, n = (unsigned) below(r, 16); i < n && where < 34; i++) {
        uint64_t kind = below(r, 4);
        volatile uint64_t *word = &p[i];
        *word = kind == 0   ? (uintptr_t) arena + below(r, ARENA * PAGE)
                : kind == 1 ? below(r, 32)
                : kind == 2 ? any_number(r)
                            : below(r, 32) | below(r, 64) << 32;
    }
    return (uintptr_t) p;
}

static uint64_t any_argument(struct rng *r)
{
    uint64_t kind = below(r, 10);
    if (kind < 4)
        return any_pointer(r);
    if (kind < 7)
        return below(r, 32);
    return any_number(r);
}

/* Calls that would end the child at once or reach beyond it. */
static bool left_out(uint64_t nr)
{
    static const uint16_t calls[] = {
        SYS_exit,   SYS_exit_group, SYS_reboot,       SYS_fork,          SYS_vfork,
        SYS_clone,  SYS_clone3,     SYS_execve,       SYS_pause,         SYS_umount2,
        SYS_chroot, SYS_mount,      SYS_rt_sigreturn, SYS_rt_sigsuspend, SYS_ptrace,
    };
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (calls[i] == nr)
            return true;
    return false;
}

/* Calls on processes: only on itself. */
static bool names_process(uint64_t nr)
{
    static const uint16_t calls[] = {
        SYS_kill,
        SYS_tkill,
        SYS_tgkill,
        SYS_rt_sigqueueinfo,
        SYS_rt_tgsigqueueinfo,
        SYS_prlimit64,
        SYS_pidfd_open,
        SYS_setpgid,
        SYS_process_vm_readv,
        SYS_process_vm_writev,
        SYS_setpriority,
        SYS_sched_setscheduler,
        SYS_sched_setparam,
        SYS_sched_setaffinity,
        SYS_sched_setattr,
    };
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (calls[i] == nr)
            return true;
    return false;
}

static void one_call(struct rng *r)
{
    uint64_t nr = below(r, 30) ? below(r, 336) : 424 + below(r, 30), a[6];
    if (only_call >= 0 && below(r, 4))
        nr = (uint64_t) only_call;
    if (left_out(nr))
        return;
    for (size_t i = 0; i < ARRAY_LEN(a); i++)
        a[i] = any_argument(r);
    bool moves_memory = nr == SYS_mmap || nr == SYS_munmap || nr == SYS_mprotect ||
                        nr == SYS_mremap || nr == SYS_madvise || nr == SYS_brk;
    if (moves_memory && below(r, 8))
        a[0] = (uintptr_t) arena + below(r, ARENA + 8) * PAGE;
    if ((nr == SYS_munmap || nr == SYS_mprotect) && below(r, 8))
        a[1] = below(r, 8) * PAGE;
    if (names_process(nr))
        a[0] = below(r, 4) ? (uint64_t) getpid() : (uint64_t) syscall(SYS_gettid);
    if (nr == SYS_kill || nr == SYS_tkill || nr == SYS_rt_sigqueueinfo)
        a[1] = 34 + below(r, 30);
    if (nr == SYS_tgkill || nr == SYS_rt_tgsigqueueinfo)
        a[1] = a[0], a[2] = 34 + below(r, 30);
    if (nr == SYS_close_range)
        a[0] += 3;
    if (nr == SYS_setpriority)
        a[1] = a[0], a[0] = 0;
    syscall((long) nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void *caller(void *arg)
{
    struct rng r = {(uintptr_t) arg};
    for (int i = 0; i < CALLS; i++)
        one_call(&r);
    return NULL;
}

static void ignore(UNUSED int sig)
{
}

static void prepare(void)
{
    struct sigaction act = {.sa_handler = ignore};
    for (int sig = 34; sig < 65; sig++)
        sigaction(sig, &act, NULL);
    sigaction(SIGALRM, &act, NULL);
    sigaction(SIGPIPE, &act, NULL);
    sigaction(SIGXFSZ, &act, NULL);
    mkdir("/tmp/fuzz", 0777);
    chdir("/tmp/fuzz");
    mkdir("d", 0777);
    symlink("a", "link");
    mkfifo("fifo", 0666);
    for (int fd = 0; fd < 3; fd++)
        dup2(open("/dev/null", O_RDWR), fd);
    open("a", O_RDWR | O_CREAT, 0666);
    open("d", O_RDONLY);
    int fds[2];
    pipe2(fds, O_NONBLOCK);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds);
    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds);
    socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    eventfd(1, EFD_NONBLOCK);
    syscall(SYS_epoll_create1, 0);
    syscall(SYS_timerfd_create, 1, O_NONBLOCK);
    syscall(SYS_memfd_create, "m", 0);
    syscall(SYS_inotify_init1, O_NONBLOCK);
    open("/proc/self/maps", O_RDONLY);
    open("/dev/zero", O_RDWR);
}

CHILD(calls)
{
    if (!in_libos())
        return CHILD_FAILED;
    uint64_t seed = strtoull(argv[0], NULL, 0);
    if (argc > 1)
        only_call = atoi(argv[1]);
    prepare();
    arena =
        mmap(NULL, (ARENA + 8) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(arena + ARENA * PAGE, 8 * PAGE);
    struct itimerval often = {.it_interval = {.tv_usec = 5000}, .it_value = {.tv_usec = 5000}};
    setitimer(ITIMER_REAL, &often, NULL);
    pthread_t t[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, caller, (void *) (seed * THREADS + i));
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    _exit(0);
}

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec * 1e-9;
}

static bool ended(pid_t pid, double until)
{
    while (now() < until) {
        pid_t r = waitpid(pid, NULL, WNOHANG);
        if (r == pid)
            return true;
        CHECK(r == 0);
        usleep(2000);
    }
    return false;
}

static void run_child(uint64_t seed, const char *call)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long) seed);
    char *argv[] = {(char *) test_program, "--child", "calls", text, (char *) call, NULL};
    posix_spawnattr_t attr;
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    pid_t pid;
    CHECK_EQ(posix_spawn(&pid, test_program, NULL, &attr, argv, environ), 0);
    if (ended(pid, now() + PATIENCE_S))
        return;
    OK(kill(pid, SIGKILL));
    CHECK(ended(pid, now() + 60));
}

/* A seed of 0: one that is not the same tomorrow, and silence. */
static void run_for(double seconds, uint64_t first, const char *call)
{
    uint64_t seed = first ? first : (uint64_t) time(NULL) * 1000;
    double end = now() + seconds;
    do {
        if (first) {
            printf("seed %llu\n", (unsigned long long) seed);
            fflush(stdout);
        }
        run_child(seed++, call);
    } while (now() < end);
}

CHILD(run)
{
    run_for(atof(argv[0]), strtoull(argv[1], NULL, 0), argc > 2 ? argv[2] : NULL);
    return 0;
}

TEST_CASE(random_calls)
{
    if (!in_libos())
        SKIP("these calls are only for a kernel that is thrown away afterwards");
    run_for(4, 0, NULL);
}
