/* Packet mode of a pseudo-terminal's master: data after a 0, and what happens at the other side. */
#include "guest_pty.h"

static int packet(int master, int on)
{
    return ioctl(master, TIOCPKT, &on);
}

/* The next read: its first byte, and what follows in data. */
static int next(int master, char *data, size_t size)
{
    unsigned char buf[256];
    long n = read(master, buf, sizeof buf);
    if (n < 0)
        return -errno;
    CHECK(n > 0 && (size_t) n <= size);
    memcpy(data, buf + 1, (size_t) n - 1);
    data[n - 1] = 0;
    return buf[0];
}

static struct pair open_packet_pair(void)
{
    struct pair p = open_pair();
    OK(packet(p.master, 1));
    return p;
}

static short events(int master)
{
    struct pollfd p = {.fd = master, .events = POLLIN | POLLPRI};
    OK(poll(&p, 1, 0));
    return p.revents;
}

TEST_CASE(data)
{
    char text[256];
    int on = 1;
    struct pair p = open_pair();
    int master = p.master, slave = p.slave;
    OK(ioctl(master, TIOCGPKT, &on));
    CHECK_EQ(on, 0);
    OK(packet(master, 1));
    OK(ioctl(master, TIOCGPKT, &on));
    CHECK_EQ(on, 1);
    CHECK_ERR(packet(slave, 1), ENOTTY);
    CHECK_ERR(ioctl(master, TIOCPKT, NULL), EFAULT);
    type(slave, "hello");
    CHECK_EQ(events(master), POLLIN);
    CHECK_EQ(next(master, text, sizeof text), TIOCPKT_DATA);
    CHECK_STR(text, "hello");
    type(slave, "ab");
    char one;
    CHECK_EQ(read(master, &one, 1), 1); /* room for the 0 only: the data stays */
    CHECK_EQ(one, 0);
    CHECK_EQ(next(master, text, sizeof text), TIOCPKT_DATA);
    CHECK_STR(text, "ab");
    OK(packet(master, 0));
    type(slave, "x");
    CHECK_EQ(read(master, &one, 1), 1);
    CHECK_EQ(one, 'x');
    close_pair(p);
}

TEST_CASE(flushes)
{
    char text[256];
    struct pair p = open_packet_pair();
    int master = p.master, slave = p.slave;
    OK(tcflush(slave, TCIFLUSH));
    CHECK_EQ(events(master), POLLIN | POLLPRI);
    CHECK_EQ(next(master, text, sizeof text), TIOCPKT_FLUSHREAD);
    CHECK_EQ(events(master), 0);
    OK(tcflush(slave, TCIOFLUSH));
    CHECK_EQ(next(master, text, sizeof text), TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE);
    struct termios t;
    OK(tcgetattr(slave, &t));
    OK(tcsetattr(slave, TCSAFLUSH, &t));
    CHECK_EQ(next(master, text, sizeof text), TIOCPKT_FLUSHREAD);
    close_pair(p);
}

TEST_CASE(flow)
{
    char text[256];
    struct termios t;
    struct pair p = open_packet_pair();
    int master = p.master, slave = p.slave;
    OK(tcflow(slave, TCOOFF));
    CHECK_EQ(next(master, text, sizeof text), TIOCPKT_STOP);
    OK(tcflow(slave, TCOON));
    CHECK_EQ(next(master, text, sizeof text), TIOCPKT_START);
    OK(tcflow(slave, TCOOFF)); /* the later one replaces the earlier */
    OK(tcflow(slave, TCOON));
    CHECK_EQ(next(master, text, sizeof text), TIOCPKT_START);
    type(master, "\x13"); /* the key */
    CHECK_EQ(next(master, text, sizeof text), TIOCPKT_STOP);
    type(master, "\x11");
    CHECK_EQ(next(master, text, sizeof text), TIOCPKT_START);
    OK(tcgetattr(slave, &t));
    t.c_iflag &= ~(tcflag_t) IXON;
    OK(tcsetattr(slave, TCSANOW, &t));
    CHECK_EQ(next(master, text, sizeof text), TIOCPKT_NOSTOP);
    t.c_iflag |= IXON;
    OK(tcsetattr(slave, TCSANOW, &t));
    CHECK_EQ(next(master, text, sizeof text), TIOCPKT_DOSTOP);
    close_pair(p);
}

TEST_CASE(settings)
{
    char text[256];
    struct termios t;
    struct pair p = open_packet_pair();
    int master = p.master, slave = p.slave;
    OK(tcgetattr(slave, &t));
    t.c_lflag &= ~(tcflag_t) ECHO;
    OK(tcsetattr(slave, TCSANOW, &t));
    CHECK_EQ(events(master), 0); /* told only with EXTPROC */
    t.c_lflag |= EXTPROC;
    OK(tcsetattr(slave, TCSANOW, &t));
    CHECK_EQ(next(master, text, sizeof text), TIOCPKT_IOCTL);
    t.c_lflag |= ECHO;
    OK(tcsetattr(slave, TCSANOW, &t));
    CHECK_EQ(next(master, text, sizeof text), TIOCPKT_IOCTL);
    t.c_lflag &= ~(tcflag_t) EXTPROC;
    OK(tcsetattr(slave, TCSANOW, &t));
    CHECK_EQ(next(master, text, sizeof text), TIOCPKT_IOCTL);
    close_pair(p);
}
