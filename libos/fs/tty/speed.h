/* Line speeds: the code in c_cflag and the number. Nothing here has a speed, programs only want back
 * what they set. */
#ifndef FS_TTY_SPEED_H
#define FS_TTY_SPEED_H
#include "abi/linux/termios.h"

/* Fills in ispeed and ospeed from the codes, unless a code says that they hold by themselves. */
void speed_decode(struct linux_termios2 *t);
#endif
