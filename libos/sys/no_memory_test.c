/* Lack of kernel memory at every place: sequences of system calls are run again and again, and each time
 * the next allocation fails. A call then reports an error or does without; nothing crashes (the
 * sanitizers look), nothing is lost: after one more run without failures exactly as many objects live
 * as before. */
#include <asm/unistd_64.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "libos/base/errno.h"
#include "libos/host/posix/unit.h"
#include "libos/vfs/dcache.h"
#include "libos/vfs/mount.h"
#include "test/unit/test.h"

#define FDS_MAX 1024

static bool failed; /* a call of this run has reported lack of memory: the rest is left out */
static const char *sequence_name;

static bool is_lack(long r)
{
    return r == -ENOMEM || r == -ENOSPC || r == -EAGAIN || r == -ENFILE || r == -ENOBUFS ||
           r == -ENOLCK;
}

#define call(nr, ...)                                                                              \
    __extension__({                                                                                \
        long _r = failed ? -ENOMEM : unit_syscall((nr), __VA_ARGS__);                              \
        failed |= is_lack(_r);                                                                     \
        if (_r < 0 && !is_lack(_r))                                                                \
            fail_msg("%s: system call %d: error %ld", sequence_name, (int) (nr), _r);              \
        _r;                                                                                        \
    })
#define quietly(nr, ...) ((void) unit_syscall((nr), __VA_ARGS__))

static uint64_t str(const char *s)
{
    return unit_user_string(s).v;
}

static uint64_t bytes(size_t n)
{
    return unit_user_alloc(n).v;
}

/* ---- the sequences ---------------------------------------------------------------------------- */
static void files(void)
{
    call(__NR_mkdir, str("/d"), 0755);
    long fd = call(__NR_open, str("/d/file"), O_RDWR | O_CREAT | O_EXCL, 0644);
    call(__NR_write, (uint64_t) fd, bytes(10000), 10000);
    call(__NR_pwrite64, (uint64_t) fd, bytes(100), 100, 5000000);
    call(__NR_fallocate, (uint64_t) fd, 0, 100000, 50000);
    call(__NR_ftruncate, (uint64_t) fd, 6000000);
    call(__NR_lseek, (uint64_t) fd, 0, SEEK_SET);
    call(__NR_read, (uint64_t) fd, bytes(10000), 10000);
    call(__NR_setxattr, str("/d/file"), str("user.name"), str("value"), 5, 0);
    call(__NR_getxattr, str("/d/file"), str("user.name"), bytes(100), 100);
    call(__NR_listxattr, str("/d/file"), bytes(100), 100);
    call(__NR_link, str("/d/file"), str("/d/other"));
    call(__NR_rename, str("/d/other"), str("/d/renamed"));
    call(__NR_symlink, str("file"), str("/d/link"));
    call(__NR_readlink, str("/d/link"), bytes(100), 100);
    call(__NR_mknod, str("/d/fifo"), S_IFIFO | 0600, 0);
    call(__NR_chmod, str("/d/link"), 0600);
    long dir = call(__NR_open, str("/d"), O_RDONLY | O_DIRECTORY, 0);
    call(__NR_getdents64, (uint64_t) dir, bytes(4096), 4096);
    call(__NR_fchdir, (uint64_t) dir);
    call(__NR_getcwd, bytes(4096), 4096);
    call(__NR_stat, str("link"), bytes(256));
    call(__NR_chdir, str("/"));
    call(__NR_unlink, str("/d/link"));
}

static void files_end(void)
{
    static const char *const names[] = {"/d/file", "/d/other", "/d/renamed", "/d/link", "/d/fifo"};
    quietly(__NR_chdir, str("/"));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        quietly(__NR_unlink, str(names[i]));
    quietly(__NR_rmdir, str("/d"));
}

static const int *two(uint64_t at)
{
    return unit_guest(UADDR(at));
}

static void pipes(void)
{
    uint64_t a = bytes(8), b = bytes(8);
    call(__NR_pipe2, a, O_NONBLOCK);
    call(__NR_pipe2, b, O_NONBLOCK);
    if (failed)
        return;
    call(__NR_write, (uint64_t) two(a)[1], bytes(30000), 30000);
    call(__NR_splice, (uint64_t) two(a)[0], 0, (uint64_t) two(b)[1], 0, 5000, 0);
    call(__NR_fcntl, (uint64_t) two(a)[1], F_SETPIPE_SZ, 1u << 18);
    call(__NR_read, (uint64_t) two(a)[0], bytes(5000), 5000);
    call(__NR_dup, (uint64_t) two(a)[0]);
    call(__NR_dup3, (uint64_t) two(a)[0], 600, O_CLOEXEC);
    call(__NR_fcntl, (uint64_t) two(a)[0], F_DUPFD, 900);
}

static void send_descriptor(int over, int fd)
{
    const struct {
        size_t len;
        int level, type, fd, pad;
    } control = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS, fd, 0};
    struct iovec iov = {(void *) (uintptr_t) bytes(100), 100};
    struct msghdr m = {.msg_iov = (void *) (uintptr_t) unit_user_bytes(&iov, sizeof iov).v,
                       .msg_iovlen = 1,
                       .msg_control =
                           (void *) (uintptr_t) unit_user_bytes(&control, sizeof control).v,
                       .msg_controllen = sizeof control};
    call(__NR_sendmsg, (uint64_t) over, unit_user_bytes(&m, sizeof m).v, 0);
    call(__NR_sendmsg, (uint64_t) over, unit_user_bytes(&m, sizeof m).v, 0);
}

static void sockets(void)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < ARRAY_SIZE(types) && !failed; i++) {
        uint64_t pair = bytes(8);
        call(__NR_socketpair, AF_UNIX, (uint64_t) types[i] | SOCK_NONBLOCK, 0, pair);
        if (failed)
            return;
        send_descriptor(two(pair)[0], two(pair)[1]);
        call(__NR_recvfrom, (uint64_t) two(pair)[1], bytes(50), 50, 0, 0, 0);
    }
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "/socket"};
    uint64_t at = unit_user_bytes(&name, sizeof name).v;
    long l = call(__NR_socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    call(__NR_bind, (uint64_t) l, at, sizeof name);
    call(__NR_listen, (uint64_t) l, 5);
    long c = call(__NR_socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    call(__NR_connect, (uint64_t) c, at, sizeof name);
    call(__NR_sendto, (uint64_t) c, bytes(20000), 20000, 0, 0, 0);
    long s = call(__NR_accept4, (uint64_t) l, 0, 0, SOCK_NONBLOCK);
    call(__NR_recvfrom, (uint64_t) s, bytes(500), 500, 0, 0, 0);
}

static void sockets_end(void)
{
    quietly(__NR_unlink, str("/socket"));
}

static void readiness(void)
{
    uint64_t p = bytes(8);
    call(__NR_pipe2, p, O_NONBLOCK);
    long e = call(__NR_epoll_create1, 0), outer = call(__NR_epoll_create1, EPOLL_CLOEXEC);
    if (failed)
        return;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
    uint64_t uev = unit_user_bytes(&ev, sizeof ev).v;
    call(__NR_epoll_ctl, (uint64_t) e, EPOLL_CTL_ADD, (uint64_t) two(p)[0], uev);
    call(__NR_epoll_ctl, (uint64_t) outer, EPOLL_CTL_ADD, (uint64_t) e, uev);
    call(__NR_write, (uint64_t) two(p)[1], bytes(10), 10);
    call(__NR_epoll_wait, (uint64_t) outer, bytes(120), 10, 0);
    call(__NR_epoll_ctl, (uint64_t) e, EPOLL_CTL_MOD, (uint64_t) two(p)[0], uev);
    struct pollfd many[40];
    for (int i = 0; i < 40; i++)
        many[i] = (struct pollfd){.fd = i % 2 ? two(p)[0] : (int) e, .events = POLLIN};
    call(__NR_poll, unit_user_bytes(many, sizeof many).v, 40, 0);
    call(__NR_select, 900, bytes(128), bytes(128), bytes(128), bytes(16));
}

static void descriptors_of_events(void)
{
    const struct {
        int64_t interval[2], value[2];
    } later = {{100, 0}, {100, 0}};
    call(__NR_eventfd2, 3, 0);
    long t = call(__NR_timerfd_create, 1, 0);
    call(__NR_timerfd_settime, (uint64_t) t, 0, unit_user_bytes(&later, sizeof later).v, 0);
    uint64_t set = 1u << 9;
    call(__NR_signalfd4, (uint64_t) -1, unit_user_bytes(&set, sizeof set).v, 8, 0);
    call(__NR_memfd_create, str("memory"), 0);
    long in = call(__NR_inotify_init1, IN_NONBLOCK);
    call(__NR_mkdir, str("/watched"), 0755);
    call(__NR_inotify_add_watch, (uint64_t) in, str("/watched"), IN_ALL_EVENTS);
    call(__NR_open, str("/watched/new"), O_CREAT | O_RDWR, 0644);
    call(__NR_rename, str("/watched/new"), str("/watched/newer"));
}

static void descriptors_of_events_end(void)
{
    quietly(__NR_unlink, str("/watched/new"));
    quietly(__NR_unlink, str("/watched/newer"));
    quietly(__NR_rmdir, str("/watched"));
}

static void locks(void)
{
    long fd = call(__NR_open, str("/locked"), O_RDWR | O_CREAT, 0644);
    struct flock whole = {.l_type = F_WRLCK, .l_len = 100}, hole = {.l_type = F_UNLCK},
                 read = {.l_type = F_RDLCK, .l_start = 10, .l_len = 10};
    hole.l_start = 40;
    hole.l_len = 10;
    call(__NR_flock, (uint64_t) fd, 2);
    call(__NR_fcntl, (uint64_t) fd, F_SETLK, unit_user_bytes(&whole, sizeof whole).v);
    call(__NR_fcntl, (uint64_t) fd, F_SETLK, unit_user_bytes(&hole, sizeof hole).v);
    call(__NR_fcntl, (uint64_t) fd, F_SETLK, unit_user_bytes(&read, sizeof read).v);
}

static void locks_end(void)
{
    quietly(__NR_unlink, str("/locked"));
}

static void mounts(void)
{
    call(__NR_mkdir, str("/mnt"), 0755);
    call(__NR_mount, str("none"), str("/mnt"), str("ramfs"), 0, str("size=1m"));
    call(__NR_open, str("/mnt/a"), O_RDWR | O_CREAT, 0644);
    call(__NR_stat, str("/mnt/a"), bytes(256));
}

static void mounts_end(void)
{
    quietly(__NR_umount2, str("/mnt"), 0);
    quietly(__NR_rmdir, str("/mnt"));
}

/* ---- running them ----------------------------------------------------------------------------- */
static const struct sequence {
    const char *name;
    void (*run)(void), (*end)(void);
} sequences[] = {
    {"files", files, files_end},
    {"pipes", pipes, NULL},
    {"sockets", sockets, sockets_end},
    {"readiness", readiness, NULL},
    {"descriptors of events", descriptors_of_events, descriptors_of_events_end},
    {"locks", locks, locks_end},
    {"mounts", mounts, mounts_end},
};

/* Runs it, the nth allocation failing (0: none), and takes everything away again. True: it failed. */
static bool run_one(const struct sequence *s, unsigned nth)
{
    sequence_name = s->name;
    failed = false;
    unit_fail_alloc(nth);
    s->run();
    bool reached = nth > 0 && !unit_fail_pending();
    unit_fail_alloc(0);
    if (failed && nth == 0)
        fail_msg("%s: lack of memory without a reason", s->name);
    for (uint64_t fd = 0; fd < FDS_MAX; fd++)
        quietly(__NR_close, fd);
    if (s->end)
        s->end();
    unit_run_others();
    unit_user_reset();
    dcache_purge(mount_root()->root->super); /* names that are only remembered */
    return reached;
}

TEST(no_memory_at_any_place)
{
    unit_process();
    for (size_t i = 0; i < ARRAY_SIZE(sequences); i++) {
        const struct sequence *s = &sequences[i];
        for (int warm = 0; warm < 2; warm++)
            run_one(s, 0);
        size_t live = unit_alloc_count();
        unsigned n = 1;
        for (; run_one(s, n); n++) {
            run_one(s, 0); /* caches are as before again */
            if (unit_alloc_count() != live)
                fail_msg("%s: allocation %u failed: %zu objects live, were %zu", s->name, n,
                         unit_alloc_count(), live);
        }
        assert_true(n > 3); /* the sequence does allocate */
    }
}
