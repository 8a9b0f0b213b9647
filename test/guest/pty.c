/* Pseudo-terminals: editing, raw input, flow control, window size, sessions, job control, hangup. */
#include "guest_test.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <termios.h>

struct pair {
    int master, slave;
    char name[64];
};

static int open_master(char *name, size_t size)
{
    int n, master = (int) OK(posix_openpt(O_RDWR | O_NOCTTY));
    OK(fcntl(master, F_SETFD, FD_CLOEXEC)); /* a child that holds it would never hang up */
    OK(grantpt(master));
    OK(unlockpt(master));
    OK(ioctl(master, TIOCGPTN, &n));
    snprintf(name, size, "/dev/pts/%d", n);
    return master;
}

static struct pair open_pair(void)
{
    struct pair p;
    p.master = open_master(p.name, sizeof p.name);
    p.slave = (int) OK(open(p.name, O_RDWR | O_NOCTTY));
    return p;
}

static void close_pair(struct pair p)
{
    close(p.slave);
    close(p.master);
}

static short ready(int fd, short events, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    OK(poll(&p, 1, timeout_ms));
    return p.revents;
}

/* What arrives within a while, until it ends with want. EIO: for a moment nobody has the slave open. */
static const char *collect(int fd, const char *want)
{
    static char b[4096];
    size_t n = 0, size = strlen(want), gone = 0;
    while (n < sizeof b - 1 && (n < size || memcmp(b + n - size, want, size) != 0)) {
        if (!(ready(fd, POLLIN, 5000) & POLLIN))
            break;
        ssize_t r = read(fd, b + n, sizeof b - 1 - n);
        if (r < 0 && errno == EIO && ++gone < 500)
            sleep_ms(10);
        else if (r <= 0)
            break;
        n += r > 0 ? (size_t) r : 0;
    }
    b[n] = '\0';
    return b;
}

static void type(int master, const char *s)
{
    CHECK_EQ(write(master, s, strlen(s)), strlen(s));
}

static struct termios change(int fd, tcflag_t local_off, tcflag_t local_on)
{
    struct termios t;
    OK(tcgetattr(fd, &t));
    t.c_lflag = (t.c_lflag & ~local_off) | local_on;
    OK(tcsetattr(fd, TCSANOW, &t));
    return t;
}

TEST_CASE(names)
{
    char name[64];
    struct stat st;
    struct statfs fs;
    int master = (int) OK(posix_openpt(O_RDWR | O_NOCTTY)), n, locked = 0;
    OK(ioctl(master, TIOCGPTN, &n));
    snprintf(name, sizeof name, "/dev/pts/%d", n);
    OK(fstat(master, &st));
    CHECK(S_ISCHR(st.st_mode));
    CHECK_EQ(st.st_rdev, makedev(5, 2));
    OK(stat(name, &st));
    CHECK(S_ISCHR(st.st_mode));
    CHECK_EQ(st.st_rdev, makedev(136, (unsigned) n));
    CHECK_EQ(st.st_uid, getuid());
    OK(statfs("/dev/pts", &fs));
    CHECK_EQ(fs.f_type, 0x1cd1);
    CHECK_ERR(open(name, O_RDWR | O_NOCTTY), EIO); /* locked */
    OK(ioctl(master, TIOCSPTLCK, &locked));
    int slave = (int) OK(open(name, O_RDWR | O_NOCTTY));
    CHECK_STR(ttyname(slave), name);
    OK(chmod(name, 0644));
    OK(fstat(slave, &st));
    CHECK_EQ(st.st_mode & 0777, 0644);
    close(master);
    CHECK_ERR(open(name, O_RDWR | O_NOCTTY), ENOENT);
    close(slave);
    CHECK_ERR(open("/dev/pts/nonsense", O_RDWR), ENOENT);
}

TEST_CASE(peer)
{
    char name[64], link[64];
    int master = open_master(name, sizeof name);
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    OK(slave);
    CHECK_EQ(fcntl(slave, F_GETFD), FD_CLOEXEC);
    snprintf(link, sizeof link, "/proc/self/fd/%d", slave);
    char got[64] = {0};
    OK(readlink(link, got, sizeof got - 1));
    CHECK_STR(got, name);
    type(slave, "peer\n");
    CHECK_STR(collect(master, "\n"), "peer\r\n");
    close(slave);
    close(master);
}

TEST_CASE(listed)
{
    struct pair p = open_pair();
    DIR *d = opendir("/dev/pts");
    struct dirent *e;
    bool found = false;
    CHECK(d);
    while ((e = readdir(d)))
        found |= strcmp(e->d_name, p.name + strlen("/dev/pts/")) == 0 && e->d_type == DT_CHR;
    CHECK(found);
    closedir(d);
    close_pair(p);
}

TEST_CASE(settings)
{
    struct pair p = open_pair();
    struct termios t, u;
    OK(tcgetattr(p.slave, &t));
    CHECK_EQ(t.c_iflag, ICRNL | IXON);
    CHECK_EQ(t.c_oflag, OPOST | ONLCR);
    CHECK_EQ(t.c_lflag, ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN);
    CHECK_EQ(t.c_cc[VINTR], 3);
    CHECK_EQ(t.c_cc[VMIN], 1);
    CHECK_EQ(cfgetospeed(&t), B38400);
    ZERO(cfsetspeed(&t, B115200));
    t.c_lflag &= ~(tcflag_t) ECHO;
    OK(tcsetattr(p.master, TCSADRAIN, &t)); /* both sides have the same */
    OK(tcgetattr(p.slave, &u));
    CHECK_EQ(u.c_lflag, t.c_lflag);
    CHECK_EQ(cfgetospeed(&u), B115200);
    CHECK_ERR(ioctl(p.slave, TCGETS, 8L), EFAULT);
    OK(tcdrain(p.slave));
    close_pair(p);
}

TEST_CASE(line_editing)
{
    static const struct {
        const char *typed, *echo, *line;
    } table[] = {
        {"plain\n", "plain\r\n", "plain\n"},
        {"cr\r", "cr\r\n", "cr\n"},
        {"ab\x7f"
         "c\n",
         "ab\b \bc\r\n", "ac\n"},
        {"\x7f\x7fx\n", "x\r\n", "x\n"},
        {"abc\x15"
         "d\n",
         "abc\b \b\b \b\b \bd\r\n", "d\n"},
        {"ab cd\x17"
         "e\n",
         "ab cd\b \b\b \be\r\n", "ab e\n"},
        {"ab c--\x17.\n", "ab c--\b \b\b \b\b \b.\r\n", "ab .\n"},
        {"a\x16\x03"
         "b\n",
         "a^\b^Cb\r\n",
         "a\x03"
         "b\n"},
        {"a\tb\x7f\x7f"
         "c\n",
         "a\tb\b \b\b\b\b\b\b\b\bc\r\n", "ac\n"},
        {"\x01\x7fz\n", "^A\b \b\b \bz\r\n", "z\n"},
        {"ab\x12"
         "c\n",
         "ab^R\r\nabc\r\n", "abc\n"},
        {"\x1b[A\n", "^[[A\r\n", "\x1b[A\n"},
    };
    struct pair p = open_pair();
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        type(p.master, table[i].typed);
        CHECK_STR(collect(p.slave, "\n"), table[i].line);
        CHECK_STR(collect(p.master, table[i].echo), table[i].echo);
    }
    close_pair(p);
}

TEST_CASE(lines_and_ends)
{
    struct pair p = open_pair();
    char b[16];
    int n;
    change(p.slave, ECHO, 0);
    type(p.master, "one\ntwo\n");
    CHECK_EQ(read(p.slave, b, sizeof b), 4); /* one line at a time */
    CHECK_EQ(read(p.slave, b, 2), 2);
    OK(ioctl(p.slave, FIONREAD, &n));
    CHECK_EQ(n, 2);
    CHECK_EQ(read(p.slave, b, sizeof b), 2);
    type(p.master, "half");
    CHECK_EQ(ready(p.slave, POLLIN, 50), 0); /* not a line yet */
    type(p.master, "\x04");
    CHECK_EQ(read(p.slave, b, sizeof b), 4);
    type(p.master, "\x04");
    CHECK(ready(p.slave, POLLIN, 5000) & POLLIN);
    CHECK_EQ(read(p.slave, b, sizeof b), 0);
    type(p.master, "full\x04");
    CHECK_EQ(read(p.slave, b, 4), 4);
    OK(fcntl(p.slave, F_SETFL, O_NONBLOCK));
    CHECK_ERR(read(p.slave, b, 4), EAGAIN); /* the end went with the bytes before it */
    close_pair(p);
}

TEST_CASE(input_translation)
{
    struct pair p = open_pair();
    struct termios t = change(p.slave, ECHO | ICANON | ISIG, 0);
    t.c_iflag = INLCR;
    OK(tcsetattr(p.slave, TCSANOW, &t));
    type(p.master, "a\nb\r");
    CHECK_STR(collect(p.slave, "b\r"), "a\rb\r");
    t.c_iflag = IGNCR | ISTRIP;
    OK(tcsetattr(p.slave, TCSANOW, &t));
    type(p.master, "a\r\xe2\n");
    CHECK_STR(collect(p.slave, "\n"), "ab\n");
    t.c_lflag |= ICANON | ECHONL;
    OK(tcsetattr(p.slave, TCSANOW, &t));
    type(p.master, "unseen\n");
    CHECK_STR(collect(p.master, "\n"), "\r\n");
    close_pair(p);
}

TEST_CASE(output_translation)
{
    struct pair p = open_pair();
    struct termios t;
    OK(tcgetattr(p.slave, &t));
    t.c_oflag = OPOST | XTABS;
    OK(tcsetattr(p.slave, TCSANOW, &t));
    type(p.slave, "a\tb\n");
    CHECK_STR(collect(p.master, "\n"), "a       b\n");
    t.c_oflag = OPOST | OCRNL;
    OK(tcsetattr(p.slave, TCSANOW, &t));
    type(p.slave, "x\ry.");
    CHECK_STR(collect(p.master, "."), "x\ny.");
    close_pair(p);
}

TEST_CASE(raw_reads)
{
    struct pair p = open_pair();
    struct termios t;
    char b[16];
    OK(tcgetattr(p.slave, &t));
    cfmakeraw(&t);
    t.c_cc[VMIN] = 3;
    t.c_cc[VTIME] = 0;
    OK(tcsetattr(p.slave, TCSANOW, &t));
    type(p.master, "ab");
    CHECK_EQ(ready(p.slave, POLLIN, 50), 0);
    type(p.master, "\x03");
    CHECK(ready(p.slave, POLLIN, 5000) & POLLIN);
    CHECK_EQ(read(p.slave, b, sizeof b), 3);
    CHECK_EQ(b[2], 3);
    t.c_cc[VMIN] = 0;
    OK(tcsetattr(p.slave, TCSANOW, &t));
    CHECK_EQ(read(p.slave, b, sizeof b), 0); /* at once */
    t.c_cc[VTIME] = 2;
    OK(tcsetattr(p.slave, TCSANOW, &t));
    int64_t start = now_ns(CLOCK_MONOTONIC);
    CHECK_EQ(read(p.slave, b, sizeof b), 0);
    CHECK(now_ns(CLOCK_MONOTONIC) - start >= 150000000);
    t.c_cc[VMIN] = 5;
    t.c_cc[VTIME] = 1;
    OK(tcsetattr(p.slave, TCSANOW, &t));
    type(p.master, "xy");
    CHECK_EQ(read(p.slave, b, sizeof b), 2); /* the gap ended it */
    close_pair(p);
}

TEST_CASE(mode_change_keeps_input)
{
    struct pair p = open_pair();
    change(p.slave, ECHO, 0);
    type(p.master, "abc");
    change(p.slave, ICANON, 0);
    CHECK_STR(collect(p.slave, "abc"), "abc");
    type(p.master, "raw");
    CHECK(ready(p.slave, POLLIN, 5000) & POLLIN);
    change(p.slave, 0, ICANON);
    CHECK(ready(p.slave, POLLIN, 5000) & POLLIN);
    CHECK_STR(collect(p.slave, "raw"), "raw");
    close_pair(p);
}

TEST_CASE(flush)
{
    struct pair p = open_pair();
    int n = -1;
    type(p.master, "gone\n");
    CHECK(ready(p.slave, POLLIN, 5000) & POLLIN);
    OK(tcflush(p.slave, TCIFLUSH));
    OK(ioctl(p.slave, FIONREAD, &n));
    CHECK_EQ(n, 0);
    CHECK_ERR(tcflush(p.slave, 77), EINVAL);
    close_pair(p);
}

TEST_CASE(flow_control)
{
    struct pair p = open_pair();
    change(p.slave, ECHO, 0);
    OK(fcntl(p.slave, F_SETFL, O_NONBLOCK));
    type(p.master, "\x13");
    sleep_ms(50);
    CHECK_ERR(write(p.slave, "x", 1), EAGAIN);
    type(p.master, "\x11");
    CHECK(ready(p.slave, POLLOUT, 5000) & POLLOUT);
    CHECK_EQ(write(p.slave, "x", 1), 1);
    OK(tcflow(p.slave, TCOOFF));
    CHECK_ERR(write(p.slave, "x", 1), EAGAIN);
    OK(tcflow(p.slave, TCOON));
    CHECK_EQ(write(p.slave, "y", 1), 1);
    CHECK_STR(collect(p.master, "y"), "xy");
    close_pair(p);
}

TEST_CASE(full_output_blocks)
{
    struct pair p = open_pair();
    static char b[4096];
    size_t total = 0, got = 0;
    ssize_t n;
    OK(fcntl(p.slave, F_SETFL, O_NONBLOCK));
    OK(fcntl(p.master, F_SETFL, O_NONBLOCK));
    memset(b, 'x', sizeof b);
    while ((n = write(p.slave, b, sizeof b)) > 0)
        total += (size_t) n;
    CHECK_EQ(errno, EAGAIN);
    CHECK(total >= 4096);
    CHECK_EQ(ready(p.slave, POLLOUT, 0) & POLLOUT, 0);
    while (ready(p.master, POLLIN, 200) & POLLIN && (n = read(p.master, b, sizeof b)) > 0)
        got += (size_t) n;
    CHECK_EQ(got, total);
    CHECK(ready(p.slave, POLLOUT, 5000) & POLLOUT);
    close_pair(p);
}

TEST_CASE(slave_gone)
{
    struct pair p = open_pair();
    char b[16];
    type(p.slave, "last\n");
    close(p.slave);
    CHECK(ready(p.master, POLLIN, 5000) & POLLHUP);
    CHECK_EQ(read(p.master, b, sizeof b), 6);
    CHECK_ERR(read(p.master, b, sizeof b), EIO);
    int again = (int) OK(open(p.name, O_RDWR | O_NOCTTY));
    OK(fcntl(p.master, F_SETFL, O_NONBLOCK));
    CHECK_ERR(read(p.master, b, sizeof b), EAGAIN);
    CHECK_EQ(ready(p.master, POLLIN, 0), 0);
    close(again);
    close(p.master);
}

TEST_CASE(master_gone)
{
    struct pair p = open_pair();
    char b[16];
    struct termios t;
    type(p.master, "lost\n");
    close(p.master);
    CHECK_EQ(ready(p.slave, POLLIN, 5000) & (POLLIN | POLLHUP), POLLIN | POLLHUP);
    CHECK_EQ(read(p.slave, b, sizeof b), 0);
    CHECK_ERR(write(p.slave, "x", 1), EIO);
    CHECK_ERR(tcgetattr(p.slave, &t), EIO);
    close(p.slave);
}

static void *close_later(void *fd)
{
    sleep_ms(100);
    close(*(int *) fd);
    return NULL;
}

TEST_CASE(master_gone_while_reading)
{
    struct pair p = open_pair();
    pthread_t t;
    char b[16];
    ZERO(pthread_create(&t, NULL, close_later, &p.master));
    CHECK_ERR(read(p.slave, b, sizeof b), EIO);
    ZERO(pthread_join(t, NULL));
    close(p.slave);
}

TEST_CASE(epoll_readiness)
{
    struct pair p = open_pair();
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.fd = p.slave};
    int ep = (int) OK(epoll_create1(0));
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, p.slave, &e));
    CHECK_EQ(epoll_wait(ep, &e, 1, 0), 0);
    type(p.master, "x\n");
    CHECK_EQ(epoll_wait(ep, &e, 1, 5000), 1);
    CHECK(e.events & EPOLLIN);
    close(ep);
    close_pair(p);
}

TEST_CASE(not_controlling)
{
    struct pair p = open_pair();
    int v;
    pid_t fg = -1;
    CHECK_ERR(ioctl(p.slave, TIOCGPGRP, &v), ENOTTY);
    CHECK_ERR(ioctl(p.slave, TIOCGSID, &v), ENOTTY);
    CHECK_ERR(tcsetpgrp(p.slave, getpgrp()), ENOTTY);
    OK(ioctl(p.master, TIOCGPGRP, &fg));
    CHECK_EQ(fg, 0);
    close_pair(p);
}

/* ---- sessions: the child leads one and talks to us through its terminal ---- */

static int lead(const char *name)
{
    if (setsid() < 0)
        return -1;
    int fd = open(name, O_RDWR);
    if (fd >= 0) {
        dup2(fd, 0);
        dup2(fd, 1);
    }
    return fd;
}

static void report(const char *s)
{
    (void) write(1, s, strlen(s));
}

CHILD(session)
{
    if (setsid() < 0 || open("/dev/tty", O_RDWR) >= 0 || errno != ENXIO)
        return 1;
    close(open(argv[0], O_RDWR | O_NOCTTY));
    if (open("/dev/tty", O_RDWR) >= 0)
        return 2;
    int fd = open(argv[0], O_RDWR), tty = open("/dev/tty", O_RDWR);
    if (fd < 0 || tty < 0)
        return 3;
    if (tcgetsid(fd) != getpid() || tcgetpgrp(tty) != getpid())
        return 4;
    if (write(tty, "hello\n", 6) != 6 || ioctl(fd, TIOCSCTTY, 0) != 0)
        return 5;
    if (tcsetpgrp(fd, 1) != -1 || (errno != EPERM && errno != ESRCH))
        return 6;
    if (tcsetpgrp(fd, -1) != -1 || errno != EINVAL)
        return 7;
    signal(SIGHUP, SIG_IGN);
    if (ioctl(fd, TIOCNOTTY) != 0 || open("/dev/tty", O_RDWR) >= 0 || errno != ENXIO)
        return 8;
    if (ioctl(fd, TIOCNOTTY) != -1 || errno != ENOTTY)
        return 9;
    if (ioctl(fd, TIOCSCTTY, 0) != 0 || open("/dev/tty", O_RDWR) < 0)
        return 10;
    return 0;
}

TEST_CASE(controlling_terminal)
{
    char name[64];
    int master = open_master(name, sizeof name);
    pid_t pid = child_start("session", name, NULL);
    CHECK_STR(collect(master, "\n"), "hello\r\n");
    CHECK_EQ(child_wait(pid), 0);
    close(master);
}

CHILD(victim)
{
    if (lead(argv[0]) < 0)
        return 1;
    report("ready\n");
    return park();
}

TEST_CASE(keyboard_signals)
{
    static const struct {
        const char *key, *echo;
        int sig;
    } keys[] = {{"\x03", "^C", SIGINT}, {"\x1c", "^\\", SIGQUIT}};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char name[64];
        int master = open_master(name, sizeof name);
        pid_t pid = child_start("victim", name, NULL);
        CHECK_STR(collect(master, "\n"), "ready\r\n");
        type(master, keys[i].key);
        CHECK_EQ(child_wait(pid), 128 + keys[i].sig);
        CHECK_STR(collect(master, keys[i].echo), keys[i].echo);
        close(master);
    }
}

static volatile sig_atomic_t winch;

static void on_winch(int sig)
{
    winch = sig;
}

CHILD(sized)
{
    struct winsize w;
    char text[32];
    signal(SIGWINCH, on_winch);
    sigset_t block, old;
    sigemptyset(&block);
    sigaddset(&block, SIGWINCH);
    sigprocmask(SIG_BLOCK, &block, &old);
    if (lead(argv[0]) < 0)
        return 1;
    report("ready\n");
    while (!winch)
        sigsuspend(&old);
    if (ioctl(0, TIOCGWINSZ, &w) < 0)
        return 2;
    snprintf(text, sizeof text, "%dx%d\n", w.ws_col, w.ws_row);
    report(text);
    return read(0, text, 1) == 1 ? 0 : 3;
}

TEST_CASE(window_size)
{
    char name[64];
    struct winsize w = {.ws_row = 40, .ws_col = 132};
    int master = open_master(name, sizeof name);
    pid_t pid = child_start("sized", name, NULL);
    CHECK_STR(collect(master, "\n"), "ready\r\n");
    OK(ioctl(master, TIOCSWINSZ, &w));
    CHECK_STR(collect(master, "\n"), "132x40\r\n");
    type(master, "\n");
    CHECK_EQ(child_wait(pid), 0);
    close(master);
}

/* A job of the session: a child in a group of its own. */
static pid_t start_job(const char *role)
{
    posix_spawnattr_t attr;
    pid_t pid;
    char *argv[] = {(char *) test_program, (char *) "--child", (char *) role, NULL};
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attr, 0);
    if (posix_spawn(&pid, test_program, NULL, &attr, argv, environ) != 0)
        return -1;
    posix_spawnattr_destroy(&attr);
    return pid;
}

CHILD(job_reads)
{
    char b[16];
    ssize_t n = read(0, b, sizeof b);
    return n == 3 ? 7 : 1;
}

CHILD(job_sleeps)
{
    report("job\n");
    return park();
}

static bool stopped_by(pid_t pid, int sig)
{
    int status;
    return waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == sig;
}

CHILD(shell)
{
    signal(SIGTTOU, SIG_IGN);
    if (lead(argv[0]) < 0)
        return 1;
    pid_t job = start_job("job_reads");
    if (job < 0 || !stopped_by(job, SIGTTIN)) /* it reads in the background */
        return 2;
    if (tcsetpgrp(0, job) < 0 || tcgetpgrp(0) != job || kill(-job, SIGCONT) < 0)
        return 3;
    report("reading\n");
    if (child_wait(job) != 7) /* the read went on */
        return 4;
    job = start_job("job_sleeps");
    if (job < 0 || tcsetpgrp(0, job) < 0)
        return 5;
    if (!stopped_by(job, SIGTSTP)) /* ^Z */
        return 6;
    if (tcsetpgrp(0, getpgrp()) < 0 || tcgetpgrp(0) != getpgrp())
        return 7;
    kill(-job, SIGCONT);
    kill(-job, SIGKILL);
    return child_wait(job) == 128 + SIGKILL ? 0 : 8;
}

TEST_CASE(job_control)
{
    char name[64];
    int master = open_master(name, sizeof name);
    pid_t pid = child_start("shell", name, NULL);
    CHECK_STR(collect(master, "\n"), "reading\r\n");
    type(master, "in\n");
    CHECK_STR(collect(master, "job\r\n"), "in\r\njob\r\n");
    sleep_ms(100);
    type(master, "\x1a");
    CHECK_EQ(child_wait(pid), 0);
    close(master);
}

CHILD(job_writes)
{
    report("background\n");
    return 0;
}

CHILD(shell_tostop)
{
    struct termios t;
    signal(SIGTTOU, SIG_IGN);
    if (lead(argv[0]) < 0 || tcgetattr(0, &t) < 0)
        return 1;
    t.c_lflag |= TOSTOP;
    if (tcsetattr(0, TCSANOW, &t) < 0)
        return 2;
    signal(SIGTTOU, SIG_DFL);
    pid_t job = start_job("job_writes");
    if (!stopped_by(job, SIGTTOU))
        return 3;
    kill(job, SIGKILL);
    return child_wait(job) == 128 + SIGKILL ? 0 : 4;
}

TEST_CASE(background_output)
{
    char name[64];
    int master = open_master(name, sizeof name);
    CHECK_EQ(child_wait(child_start("shell_tostop", name, NULL)), 0);
    close(master);
}

TEST_CASE(hangup_kills_the_session)
{
    char name[64];
    int master = open_master(name, sizeof name);
    pid_t pid = child_start("victim", name, NULL);
    CHECK_STR(collect(master, "\n"), "ready\r\n");
    close(master);
    CHECK_EQ(child_wait(pid), 128 + SIGHUP);
}

CHILD(job_hup)
{
    sigset_t s;
    int sig, fd = 3;
    sigemptyset(&s);
    sigaddset(&s, SIGHUP);
    sigprocmask(SIG_BLOCK, &s, NULL);
    report("job\n");
    if (sigwait(&s, &sig) != 0)
        return 1;
    (void) write(fd, "hup", 3);
    return 0;
}

CHILD(leader_leaves)
{
    signal(SIGTTOU, SIG_IGN);
    char go;
    if (lead(argv[0]) < 0)
        return 1;
    pid_t job = start_job("job_hup");
    if (job < 0 || tcsetpgrp(0, job) < 0)
        return 2;
    return read(4, &go, 1) == 1 ? 0 : 3;
}

TEST_CASE(leader_exit_hangs_up_the_foreground)
{
    char name[64], b[8];
    int told[2], go[2];
    OK(pipe(told));
    OK(pipe(go));
    OK(dup2(told[1], 103)); /* out of the way of what follows */
    OK(dup2(go[0], 104));
    close(told[1]);
    close(go[0]);
    int master = open_master(name, sizeof name);
    posix_spawn_file_actions_t fa;
    ZERO(posix_spawn_file_actions_init(&fa));
    ZERO(posix_spawn_file_actions_adddup2(&fa, 103, 3));
    ZERO(posix_spawn_file_actions_adddup2(&fa, 104, 4));
    char *argv[] = {(char *) test_program, (char *) "--child", (char *) "leader_leaves", name,
                    NULL};
    pid_t pid;
    ZERO(posix_spawn(&pid, test_program, &fa, NULL, argv, environ));
    close(103);
    close(104);
    CHECK_STR(collect(master, "\n"), "job\r\n");
    CHECK_EQ(write(go[1], "x", 1), 1);
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(ready(told[0], POLLIN, 5000) & POLLIN, POLLIN);
    CHECK_EQ(read(told[0], b, sizeof b), 3);
    ZERO(posix_spawn_file_actions_destroy(&fa));
    close(told[0]);
    close(go[1]);
    close(master);
}

/* ---- the console: what test/tools/console.sh runs with a terminal as its standard streams ---- */

CHILD(console)
{
    struct winsize w;
    int n = -1, tty = open("/dev/tty", O_RDWR);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGWINCH, on_winch);
    if (!isatty(0) || !ttyname(0) || tty < 0 || tcgetsid(tty) != getsid(0))
        return 1;
    printf("on %s\n", ttyname(0));
    if (tcgetpgrp(0) != getpgrp() || ioctl(0, TIOCGWINSZ, &w) < 0)
        return 2;
    printf("size %dx%d\n", w.ws_col, w.ws_row);
    while (!winch)
        sleep_ms(10);
    if (ioctl(0, TIOCGWINSZ, &w) < 0)
        return 3;
    printf("size %dx%d\n", w.ws_col, w.ws_row);
    pid_t job = start_job("job_reads");
    if (job < 0 || !stopped_by(job, SIGTTIN) || tcsetpgrp(0, job) < 0)
        return 4;
    kill(-job, SIGCONT);
    printf("reading\n");
    if (child_wait(job) != 7)
        return 5;
    job = start_job("job_sleeps");
    if (job < 0 || tcsetpgrp(0, job) < 0 || !stopped_by(job, SIGTSTP))
        return 6;
    kill(-job, SIGCONT);
    printf("continued\n");
    if (child_wait(job) != 128 + SIGINT)
        return 7;
    tcsetpgrp(0, getpgrp());
    change(0, ICANON | ECHO, 0);
    printf("raw\n");
    while (n < 2 && ioctl(0, FIONREAD, &n) == 0)
        sleep_ms(10);
    char b[4];
    printf("%d bytes\n", (int) read(0, b, sizeof b));
    return 0;
}

/* Runs a command on a terminal of its own: becomes the leader of its session. */
CHILD(on_terminal)
{
    if (lead(argv[0]) < 0)
        return 1;
    dup2(0, 2);
    execv(argv[1], argv + 1);
    return 2;
}

static int expect(int master, const char *want)
{
    const char *got = collect(master, want);
    size_t n = strlen(got), size = strlen(want);
    if (n >= size && strcmp(got + n - size, want) == 0)
        return 0;
    printf("the terminal shows \"%s\", not \"%s\"\n", got, want);
    return 1;
}

/* The person at the terminal: "pty --child terminal COMMAND...", where COMMAND runs the role console. */
CHILD(terminal)
{
    char name[64],
        *args[16] = {(char *) test_program, (char *) "--child", (char *) "on_terminal", name};
    struct winsize w = {.ws_row = 30, .ws_col = 100};
    int master = open_master(name, sizeof name);
    pid_t pid;
    for (int i = 0; i < argc && i < 10; i++)
        args[i + 4] = argv[i];
    ioctl(master, TIOCSWINSZ, &w);
    if (posix_spawn(&pid, test_program, NULL, NULL, args, environ) != 0)
        return 1;
    int bad = expect(master, "size 100x30\r\n");
    w.ws_row = 31;
    ioctl(master, TIOCSWINSZ, &w);
    bad |= expect(master, "size 100x31\r\nreading\r\n");
    type(master, "in\n");
    bad |= expect(master, "job\r\n");
    sleep_ms(100);
    type(master, "\x1a");
    bad |= expect(master, "continued\r\n");
    type(master, "\x03");
    bad |= expect(master, "raw\r\n");
    type(master, "\x04\x16");
    bad |= expect(master, "2 bytes\r\n");
    if (bad)
        kill(pid, SIGKILL);
    int status = child_wait(pid);
    printf("the console's exit status is %d\n", status);
    return bad || status ? 1 : 0;
}
