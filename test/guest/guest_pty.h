/* Pseudo-terminals: a master and its slave, what is typed at one and collected at the other. */
#ifndef GUEST_PTY_H
#define GUEST_PTY_H
#include "guest_test.h"
#include <sys/ioctl.h>
#include <termios.h>

struct pair {
    int master, slave;
    char name[64];
};

static UNUSED int open_master(char *name, size_t size)
{
    int n, master = (int) OK(posix_openpt(O_RDWR | O_NOCTTY));
    OK(fcntl(master, F_SETFD, FD_CLOEXEC)); /* a child that holds it would never hang up */
    OK(grantpt(master));
    OK(unlockpt(master));
    OK(ioctl(master, TIOCGPTN, &n));
    snprintf(name, size, "/dev/pts/%d", n);
    return master;
}

static UNUSED struct pair open_pair(void)
{
    struct pair p;
    p.master = open_master(p.name, sizeof p.name);
    p.slave = (int) OK(open(p.name, O_RDWR | O_NOCTTY));
    return p;
}

static UNUSED void close_pair(struct pair p)
{
    close(p.slave);
    close(p.master);
}

/* What arrives within a while, until it ends with want. EIO: for a moment nobody has the slave open. */
static UNUSED const char *collect(int fd, const char *want)
{
    static char b[4096];
    size_t n = 0, size = strlen(want), gone = 0;
    while (n < sizeof b - 1 && (n < size || memcmp(b + n - size, want, size) != 0)) {
        if (!ready(fd, POLLIN, 5000))
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

static UNUSED void type(int master, const char *s)
{
    CHECK_EQ(write(master, s, strlen(s)), strlen(s));
}

static UNUSED struct termios change(int fd, tcflag_t local_off, tcflag_t local_on)
{
    struct termios t;
    OK(tcgetattr(fd, &t));
    t.c_lflag = (t.c_lflag & ~local_off) | local_on;
    OK(tcsetattr(fd, TCSANOW, &t));
    return t;
}
#endif
