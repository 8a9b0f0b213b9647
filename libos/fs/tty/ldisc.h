/* The line discipline of a pseudo-terminal: what lies between the bytes a terminal sends and the bytes
 * a program reads, and back. A pure state machine: no locks, no sleeping, no processes; the owner
 * serializes all calls and does the waking and signalling.
 *
 * Input is a ring with freely running positions tail <= line <= head. In canonical mode [tail, line)
 * are finished lines, whose last bytes have a mark in `ends`, and [line, head) is the line being
 * edited; an end of file is a marked NUL, which is never read. Without ICANON all of [tail, head) can be
 * read. Output, echo included, is a second ring that the other side reads.
 */
#ifndef FS_TTY_LDISC_H
#define FS_TTY_LDISC_H
#include "abi/linux/termios.h"
#include "libos/mm/uio.h"

#define LDISC_IN   16384u
#define LDISC_OUT  16384u
#define LDISC_LINE 4096u /* the longest line, its end included; what is beyond is lost */

struct ldisc {
    struct linux_termios2 termios;
    uint32_t tail, line, head;
    uint32_t out_tail, out_head;
    uint32_t column, line_column; /* of the cursor; where the echo of the edited line begins */
    bool literal;                 /* the next byte is data whatever it is (LNEXT) */
    bool stopped;                 /* no output until START */
    uint64_t ends[LDISC_IN / 64];
    uint8_t in[LDISC_IN], out[LDISC_OUT];
};

void ldisc_init(struct ldisc *l);
/* Takes over settings. What is already there becomes a line, or plain bytes. */
void ldisc_set_termios(struct ldisc *l, const struct linux_termios2 *t);

/* From the terminal. receive wants room for a byte and returns the signal that the foreground group has
 * to get, or 0. */
uint32_t ldisc_room(const struct ldisc *l);
int ldisc_receive(struct ldisc *l, uint8_t c);

/* For the program. read returns a count, 0 at an end of file, -EAGAIN: nothing there, -EFAULT. */
must_check long ldisc_read(struct ldisc *l, struct uio *uio);
uint32_t ldisc_available(const struct ldisc *l); /* bytes that reads would return */
bool ldisc_readable(const struct ldisc *l);      /* as poll sees it: VMIN counts */

/* From the program: as much of uio as has room; 0: none, or stopped. -EFAULT if nothing moved. */
must_check long ldisc_write(struct ldisc *l, struct uio *uio);
bool ldisc_writable(const struct ldisc *l);
/* To the terminal: -EAGAIN: nothing there. */
must_check long ldisc_collect(struct ldisc *l, struct uio *uio);
uint32_t ldisc_collectable(const struct ldisc *l);
void ldisc_send(struct ldisc *l, uint8_t c); /* past all processing: START and STOP of TCXONC */

void ldisc_flush_input(struct ldisc *l);
void ldisc_flush_output(struct ldisc *l);
#endif
