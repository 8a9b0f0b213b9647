/* Streams of the host as standard input, output and error of a session's first process. */
#ifndef FS_CONSOLE_H
#define FS_CONSOLE_H
#include "libos/vfs/vfs.h"

struct console;

/* The console on the three streams of a session (0: the runtime's own). -EBUSY: the session has one that
 * is still in use; -ENOMEM: the host was told that its streams are not used. The caller owns a reference. */
must_check int console_new(unsigned session, struct console **ret);
void console_put(struct console *c); /* with the last one the host may close the streams */
/* Descriptors 0, 1, 2 of the table; if it is a terminal, it becomes the calling process's. */
must_check int console_install(struct console *c, struct fdtable *t);
/* Its foreground group; 0: none, or no terminal. */
int console_foreground(struct console *c);
/* A terminal is taken away from everybody who has it open; other streams stay as they are. */
void console_hangup(struct console *c);
#endif
