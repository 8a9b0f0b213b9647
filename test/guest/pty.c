/* Pseudo-terminals: names, settings, editing, raw input, translation, flow control, hangup. */
#include "guest_pty.h"
#include <sys/epoll.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

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

struct old_termio { /* struct termio, which not every C library has */
    unsigned short c_iflag, c_oflag, c_cflag, c_lflag;
    unsigned char c_line, c_cc[8];
};

/* System V's requests see the low half of the flags and the first characters; the rest stays. */
TEST_CASE(old_settings)
{
    struct pair p = open_pair();
    struct termios t, after;
    struct old_termio old;
    OK(tcgetattr(p.slave, &t));
    OK(ioctl(p.slave, TCGETA, &old));
    CHECK_EQ(old.c_iflag, t.c_iflag & 0xffff);
    CHECK_EQ(old.c_lflag, t.c_lflag & 0xffff);
    CHECK_EQ(memcmp(old.c_cc, t.c_cc, 8), 0);
    old.c_lflag &= (unsigned short) ~ECHO;
    old.c_cc[VINTR] = 'x';
    OK(ioctl(p.slave, TCSETA, &old));
    OK(tcgetattr(p.master, &after));
    CHECK_EQ(after.c_lflag, t.c_lflag & ~(tcflag_t) ECHO);
    CHECK_EQ(after.c_iflag, t.c_iflag);
    CHECK_EQ(after.c_cc[VINTR], 'x');
    CHECK_EQ(after.c_cc[VLNEXT], t.c_cc[VLNEXT]);
    type(p.master, "lost");
    OK(ioctl(p.slave, TCSETAW, &old));
    OK(ioctl(p.slave, TCSETAF, &old)); /* input is thrown away */
    type(p.master, "kept\n");
    CHECK_STR(collect(p.slave, "\n"), "kept\n");
    CHECK_ERR(ioctl(p.slave, TCSETA, (void *) 8), EFAULT);
    CHECK_ERR(ioctl(p.slave, TCGETA, (void *) 8), EFAULT);
    close_pair(p);
}

TEST_CASE(frozen_settings)
{
    struct pair p = open_pair();
    struct termios t, after, frozen, none = {0};
    OK(ioctl(p.slave, TIOCGLCKTRMIOS, &frozen));
    CHECK_EQ(frozen.c_lflag, 0);
    frozen.c_lflag = ECHO;
    frozen.c_cc[VINTR] = 1;
    OK(ioctl(p.slave, TIOCSLCKTRMIOS, &frozen));
    OK(tcgetattr(p.slave, &t));
    after = t;
    after.c_lflag ^= ECHO | ICANON;
    after.c_cc[VINTR] ^= 1;
    after.c_cc[VQUIT] ^= 1;
    OK(tcsetattr(p.slave, TCSANOW, &after));
    OK(tcgetattr(p.slave, &after));
    CHECK_EQ(after.c_lflag, t.c_lflag ^ ICANON);
    CHECK_EQ(after.c_cc[VINTR], t.c_cc[VINTR]);
    CHECK_EQ(after.c_cc[VQUIT], t.c_cc[VQUIT] ^ 1);
    OK(ioctl(p.slave, TIOCSLCKTRMIOS, &none));
    OK(tcsetattr(p.slave, TCSANOW, &t));
    close_pair(p);
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
