/* Inside the line discipline: what input shows on the terminal. All of it goes through output
 * processing; what finds no room is lost. */
#ifndef FS_TTY_LDISC_ECHO_H
#define FS_TTY_LDISC_ECHO_H
#include "libos/fs/tty/ldisc.h"

void ldisc_echo_raw(struct ldisc *l, uint8_t c);
void ldisc_echo(struct ldisc *l, uint8_t c); /* control characters as ^X (ECHOCTL) */
/* Wipes the picture of c, which was just taken off the end of the edited line. */
void ldisc_rub_out(struct ldisc *l, uint8_t c);
#endif
