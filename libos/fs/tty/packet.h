/* Packet mode of a pseudo-terminal's master (tty_ioctl(2), TIOCPKT): each read begins with a byte that is 0
 * before data, or tells what happened at the other side. All with the pair's mutex held; who notes something
 * wakes the master's queue. */
#ifndef FS_TTY_PACKET_H
#define FS_TTY_PACKET_H
#include "libos/mm/uio.h"

struct linux_termios;
struct pty;

struct packet_mode {
    bool on;
    uint8_t status; /* PACKET_*: what the master has still to be told */
};
enum {
    PACKET_FLUSHREAD = 1,
    PACKET_FLUSHWRITE = 2,
    PACKET_STOP = 4,
    PACKET_START = 8,
    PACKET_NOSTOP = 16,
    PACKET_DOSTOP = 32,
    PACKET_IOCTL = 64,
};

void packet_turn(struct pty *p, bool on);
void packet_note(struct pty *p, uint8_t status);
void packet_note_flow(struct pty *p, bool was_stopped);
void packet_note_termios(struct pty *p, const struct linux_termios *old);
/* What a read of the master gets: a count, -EAGAIN: nothing there, -EFAULT. */
must_check long packet_collect(struct pty *p, struct uio *uio);
#endif
