/* Packet mode: what changes at the slave's side is collected in one byte, opposites replacing each other, until
 * the master reads it. Programs that forward terminals (screen, rlogind) keep the outer terminal in step by it. */
#include "libos/fs/tty/packet.h"
#include "libos/fs/tty/pty.h"

#define CONTROL(c) ((c) &0x1f)

void packet_turn(struct pty *p, bool on)
{
    if (on && !p->packet.on)
        p->packet.status = 0;
    p->packet.on = on;
}

void packet_note(struct pty *p, uint8_t status)
{
    uint8_t opposite = 0;
    if (status & (PACKET_STOP | PACKET_START))
        opposite = (PACKET_STOP | PACKET_START) & ~status;
    if (status & (PACKET_NOSTOP | PACKET_DOSTOP))
        opposite |= (PACKET_NOSTOP | PACKET_DOSTOP) & ~status;
    if (p->packet.on)
        p->packet.status = (uint8_t) ((p->packet.status & ~opposite) | status);
}

void packet_note_flow(struct pty *p, bool was_stopped)
{
    if (p->line.stopped != was_stopped)
        packet_note(p, p->line.stopped ? PACKET_STOP : PACKET_START);
}

/* Do the usual keys stop the output? */
static bool usual_flow(const struct linux_termios *t)
{
    return (t->iflag & TTY_IXON) && t->cc[TTY_VSTOP] == CONTROL('S') &&
           t->cc[TTY_VSTART] == CONTROL('Q');
}

void packet_note_termios(struct pty *p, const struct linux_termios *old)
{
    const struct linux_termios *new = &p->line.termios.base;
    bool external = new->lflag &TTY_EXTPROC, was_external = old->lflag &TTY_EXTPROC;
    if (usual_flow(old) != usual_flow(new))
        packet_note(p, usual_flow(new) ? PACKET_DOSTOP : PACKET_NOSTOP);
    if (external != was_external || (external && memcmp(old, new, sizeof *new) != 0))
        packet_note(p, PACKET_IOCTL);
}

long packet_collect(struct pty *p, struct uio *uio)
{
    if (!p->packet.on)
        return ldisc_collect(&p->line, uio);
    uint8_t status = p->packet.status;
    if (status == 0 && ldisc_collectable(&p->line) == 0)
        return -EAGAIN;
    int r = uio_put(uio, &status, 1);
    if (r < 0)
        return r;
    p->packet.status = 0;
    if (status || uio->left == 0)
        return 1;
    long n = ldisc_collect(&p->line, uio);
    return n < 0 ? n : 1 + n;
}
