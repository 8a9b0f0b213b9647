/* Shared by the two files of the console: I/O (console.c), making and opening (console_session.c). */
#ifndef FS_CONSOLE_PRIV_H
#define FS_CONSOLE_PRIV_H
#include "libos/fs/console.h"
#include "libos/fs/tty/tty.h"

struct linux_termios;

struct console_stream { /* what an open file reads from and writes to: streams of the host */
    int in, out;
    struct console *console;
};

struct console {
    struct tty tty; /* its references are the console's: one per open file, one of its maker */
    unsigned session;
    bool terminal[3], any;           /* which streams are; set once */
    struct console_stream stream[4]; /* the last: /dev/console and /dev/tty */
    struct inode *inode[3];          /* references */
    uint32_t lflag;                  /* as the guest set it last; a word */
    bool hung_up;                    /* a word; never cleared */
};

extern const struct file_ops console_file_ops;
int console_file_open(struct inode *i, struct file *f); /* /dev/console, /dev/tty */
must_check int console_termios(int stream, struct linux_termios *ret);
#endif
