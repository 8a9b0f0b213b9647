/* Bombs: processes that take of one thing as much as they can get. Each ends with an error code, the
 * system goes on, and when the process is gone everything it had in the kernel is free again: inside
 * the LibOS the objects of the kernel heap (/proc/slabinfo) and its pages are counted before and after.
 */
#include "guest_test.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>

static bool inside(void)
{
    struct utsname u;
    return uname(&u) == 0 && strstr(u.release, "occlum");
}

/* ---- counting --------------------------------------------------------------------------------- */
#define CLASSES 64
struct counts {
    long size[CLASSES], active[CLASSES], sum;
};

static struct counts objects(void)
{
    char line[512];
    struct counts c = {.sum = 0};
    FILE *f = fopen("/proc/slabinfo", "r");
    for (int i = 0; f && i < CLASSES && fgets(line, sizeof line, f);)
        if (sscanf(line, "kmalloc-%ld %ld", &c.size[i], &c.active[i]) == 2)
            c.sum += c.active[i++];
    if (f)
        fclose(f);
    return c;
}

static long used_kb(long *ret_total)
{
    char line[256];
    long total = 0, available = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        sscanf(line, "MemTotal: %ld", &total);
        sscanf(line, "MemFree: %ld", &available);
    }
    if (f)
        fclose(f);
    *ret_total = total;
    return total - available;
}

static bool small_kernel(void)
{
    long total;
    (void) used_kb(&total);
    return inside() && total <= 128 * 1024;
}

static bool small_kernel(void);

/* How many it may take where it is not the whole kernel that is to be exhausted: that is done in an
 * instance with a small one (test/tools/bombs.sh). */
static long most(long otherwise)
{
    return small_kernel() ? 10000000 : otherwise;
}

static bool is_one_of(int e, const int *list)
{
    for (; *list; list++)
        if (e == *list)
            return true;
    printf("unexpected: %s\n", strerror(e));
    return false;
}
#define ENDS_WITH(...) (is_one_of(errno, (const int[]){__VA_ARGS__, 0}) ? 0 : 1)

static void many_files(void)
{
    struct rlimit lim;
    getrlimit(RLIMIT_NOFILE, &lim);
    lim.rlim_cur = small_kernel() ? lim.rlim_max : 1024;
    setrlimit(RLIMIT_NOFILE, &lim);
}

/* Memory of the bomb itself that must not fail. */
static char block[65536];

/* ---- the bombs -------------------------------------------------------------------------------- */
CHILD(descriptors)
{
    many_files();
    while (dup(0) >= 0)
        ;
    return ENDS_WITH(EMFILE, ENOMEM);
}

CHILD(pipes)
{
    int fds[2];
    many_files();
    while (pipe2(fds, O_NONBLOCK) == 0)
        while (write(fds[1], block, sizeof block) > 0)
            ;
    return ENDS_WITH(EMFILE, ENFILE, ENOMEM);
}

CHILD(sockets)
{
    int fds[2];
    many_files();
    while (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0)
        while (write(fds[1], block, sizeof block) > 0)
            ;
    return ENDS_WITH(EMFILE, ENFILE, ENOMEM, ENOBUFS);
}

CHILD(epolls)
{
    many_files();
    int event = eventfd(0, EFD_NONBLOCK), fd;
    struct epoll_event ev = {.events = EPOLLIN};
    while ((fd = epoll_create1(0)) >= 0)
        if (epoll_ctl(fd, EPOLL_CTL_ADD, event, &ev) != 0)
            return ENDS_WITH(ENOMEM, ENOSPC);
    return ENDS_WITH(EMFILE, ENFILE, ENOMEM);
}

CHILD(timerfds)
{
    many_files();
    struct itimerspec soon = {{1000, 0}, {1000, 0}};
    int fd;
    while ((fd = timerfd_create(CLOCK_MONOTONIC, 0)) >= 0)
        timerfd_settime(fd, 0, &soon, NULL);
    return ENDS_WITH(EMFILE, ENFILE, ENOMEM);
}

CHILD(inotify)
{
    char name[64];
    long n = 0;
    int fd = inotify_init1(IN_NONBLOCK);
    mkdir("/tmp/bomb", 0700);
    for (; n < most(1000); n++) {
        snprintf(name, sizeof name, "/tmp/bomb/%ld", n);
        int f = open(name, O_CREAT | O_WRONLY, 0600);
        if (f < 0)
            break;
        close(f);
        if (inotify_add_watch(fd, name, IN_ALL_EVENTS) < 0)
            break;
    }
    int r = n == most(1000) ? 0 : ENDS_WITH(ENOSPC, ENOMEM);
    for (; n >= 0; n--) {
        snprintf(name, sizeof name, "/tmp/bomb/%ld", n);
        unlink(name);
    }
    rmdir("/tmp/bomb");
    return r;
}

CHILD(files)
{
    char name[200];
    long n = 0;
    mkdir("/tmp/bomb", 0700);
    for (; n < most(1000); n++) {
        snprintf(name, sizeof name, "/tmp/bomb/%0150ld", n);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0)
            break;
        ssize_t w = write(fd, block, 4096);
        close(fd);
        if (w != 4096)
            break;
    }
    int r = n == most(1000) ? 0 : ENDS_WITH(ENOSPC, ENOMEM);
    for (; n >= 0; n--) {
        snprintf(name, sizeof name, "/tmp/bomb/%0150ld", n);
        unlink(name);
    }
    return rmdir("/tmp/bomb") == 0 ? r : 2;
}

CHILD(mappings)
{
    long n = 0;
    for (; n < most(1000); n++) {
        int prot = n % 2 ? PROT_READ : PROT_READ | PROT_WRITE;
        if (mmap(NULL, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
            break;
    }
    return n == most(1000) ? 0 : ENDS_WITH(ENOMEM);
}

CHILD(timers)
{
    struct sigevent ev = {.sigev_notify = SIGEV_NONE};
    timer_t t;
    long n = 0;
    while (n < most(1000) && syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &t) == 0)
        n++;
    return n == most(1000) ? 0 : ENDS_WITH(EAGAIN, ENOMEM);
}

CHILD(signals)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    long n = 0;
    while (n < most(1000) && sigqueue(getpid(), SIGRTMIN, (union sigval){0}) == 0)
        n++;
    return n == most(1000) ? 0 : ENDS_WITH(EAGAIN);
}

CHILD(locks)
{
    int fd = open("/tmp/bomb_lock", O_RDWR | O_CREAT, 0600);
    long n = 0;
    for (; n < most(1000); n++) {
        struct flock l = {.l_type = F_WRLCK, .l_start = n * 2, .l_len = 1};
        if (fcntl(fd, F_SETLK, &l) != 0)
            break;
        if (n == 20000) /* a list on Linux too */
            break;
    }
    unlink("/tmp/bomb_lock");
    return n == most(1000) || n == 20000 ? 0 : ENDS_WITH(ENOLCK, ENOMEM);
}

static void *stay(void *gate)
{
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

CHILD(threads)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&gate);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_t t;
    long n = 0, max = small_kernel() ? 20000 : 200;
    int r = 0;
    while (n < max && (r = pthread_create(&t, &small, stay, &gate)) == 0)
        n++;
    if (n == max)
        return 0;
    errno = r;
    return ENDS_WITH(EAGAIN, ENOMEM);
}

CHILD(sleeper)
{
    sleep(1000);
    return 0;
}

/* Its children die with it: it kills their group, itself included. */
CHILD(processes)
{
    char *args[] = {(char *) test_program, (char *) "--child", (char *) "sleeper", NULL};
    long n = 0, max = small_kernel() ? 500 : 50;
    pid_t pid;
    int r = 0;
    setpgid(0, 0);
    while (n < max && (r = posix_spawn(&pid, test_program, NULL, NULL, args, environ)) == 0)
        n++;
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    if (n == max)
        return 0;
    errno = r;
    return ENDS_WITH(EAGAIN, ENOMEM);
}

/* ---- room ------------------------------------------------------------------------------------- */
/* What there is no room for leaves nothing behind, and the caller can go on. */
TEST_CASE(no_room_for_a_file)
{
    if (!inside()) /* it might take all that the machine has */
        return;
    long total;
    int fd = memfd_create("large", 0);
    CHECK(fd >= 0);
    OK(ftruncate(fd, 5));
    long had = used_kb(&total);
    CHECK_ERR(fallocate(fd, 0, 0, 1ll << 44), ENOSPC);
    CHECK_ERR(fallocate(fd, 0, 0, (total - 4096) * 1024ll), ENOSPC);
    struct stat st;
    OK(fstat(fd, &st));
    CHECK_EQ(st.st_size, 5);
    CHECK(used_kb(&total) < had + 4096);
    OK(fallocate(fd, 0, 0, 8 * PAGE));
    CHECK(used_kb(&total) >= had + 32);
    close(fd);
}

/* ---- caches ----------------------------------------------------------------------------------- */
static long drop_caches(const char *what)
{
    int fd = (int) OK(open("/proc/sys/vm/drop_caches", O_WRONLY));
    long n = write(fd, what, strlen(what));
    int e = errno;
    close(fd);
    errno = e;
    return n;
}

/* On Linux the names that others are using would go, too: only what it refuses is tried there. */
TEST_CASE(names_nobody_uses_are_dropped)
{
    enum { NAMES = 4000 };
    char path[64];
    struct counts before = objects();
    for (int i = 0; i < NAMES; i++) {
        snprintf(path, sizeof path, "missing-%d", i);
        CHECK_ERR(access(path, F_OK), ENOENT);
    }
    CHECK_ERR(drop_caches("0"), EINVAL);
    CHECK_ERR(drop_caches("5"), EINVAL);
    CHECK_ERR(drop_caches("all"), EINVAL);
    if (!inside())
        return;
    CHECK(objects().sum > before.sum + NAMES / 2);
    CHECK_EQ(drop_caches("3\n"), 2);
    CHECK(objects().sum < before.sum + NAMES / 10);
    CHECK_EQ(access("/proc/self/exe", X_OK), 0); /* what is needed again is found again */
}

/* ---- the cases -------------------------------------------------------------------------------- */
/* The first runs fill what the kernel keeps: caches, spare threads. The next must leave nothing. */
static void bomb(const char *role)
{
    for (int i = 0; i < 2; i++)
        CHECK_EQ(child_wait(child_start(role, NULL)), 0);
    struct counts had = objects();
    long total, had_kb = used_kb(&total);
    CHECK_EQ(child_wait(child_start(role, NULL)), 0);
    if (!inside())
        return;
    struct counts have = objects();
    long have_kb = used_kb(&total);
    /* the table of process numbers has parts for 64 each, made when a number is first used */
    if (have.sum <= had.sum + 100 && have_kb <= had_kb + 1024)
        return;
    for (int i = 0; i < CLASSES; i++)
        if (have.active[i] != had.active[i])
            printf("objects of %ld bytes: %ld, were %ld\n", have.size[i], have.active[i],
                   had.active[i]);
    test_fail(__FILE__, __LINE__, "%s: %ld objects before, %ld after; %ld kB, %ld kB", role,
              had.sum, have.sum, had_kb, have_kb);
}

#define BOMB(name)                                                                                 \
    TEST_CASE(bomb_##name)                                                                         \
    {                                                                                              \
        bomb(#name);                                                                               \
    }

BOMB(descriptors)
BOMB(pipes)
BOMB(sockets)
BOMB(epolls)
BOMB(timerfds)
BOMB(inotify)
BOMB(files)
BOMB(mappings)
BOMB(timers)
BOMB(signals)
BOMB(locks)
BOMB(threads)
BOMB(processes)
