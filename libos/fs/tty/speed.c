/* The speeds that have a code. */
#include "libos/fs/tty/speed.h"

static const uint32_t speeds[32] = {
    0,      50,     75,      110,     134,     150,     200,     300,     600,     1200,    1800,
    2400,   4800,   9600,    19200,   38400,   0,       57600,   115200,  230400,  460800,  500000,
    576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000,
};

static uint32_t decode(uint32_t code, uint32_t given)
{
    if (code == TTY_BOTHER)
        return given;
    return speeds[(code & 15) | (code & TTY_BOTHER ? 16 : 0)];
}

void speed_decode(struct linux_termios2 *t)
{
    uint32_t out = t->base.cflag & TTY_CBAUD, in = t->base.cflag >> TTY_IBSHIFT & TTY_CBAUD;
    t->ospeed = decode(out, t->ospeed);
    t->ispeed = in ? decode(in, t->ispeed) : t->ospeed;
}
