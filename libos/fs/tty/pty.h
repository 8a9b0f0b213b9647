/* Pseudo-terminals: a pair of files with a line discipline between them.
 *
 * A pair is alive while its master is open; then /dev/pts has its name. With the master gone all that is
 * left of it is slave files that read an end and refuse the rest, and its number is free once they
 * are closed. References: one per master and slave file and per inode of the name.
 */
#ifndef FS_TTY_PTY_H
#define FS_TTY_PTY_H
#include "libos/fs/tty/ldisc.h"
#include "libos/fs/tty/packet.h"
#include "libos/fs/tty/tty.h"

#define PTY_MAX   256
#define PTY_MAJOR 136

struct pty {
    struct tty tty; /* its reference count is the pair's */
    int number;
    struct mutex mutex; /* all below; copies to and from user memory happen under it */
    struct ldisc line;
    struct linux_termios frozen; /* nobody may change what is set here (TIOCSLCKTRMIOS) */
    struct packet_mode packet;
    struct linux_winsize size;
    unsigned slaves; /* open slave files */
    bool locked;     /* no slave may be opened (TIOCSPTLCK) */
    bool exclusive;
    bool slave_gone;  /* there were slaves; a master that has read everything gets EIO */
    bool master_gone; /* hung up */
    struct waitq slave_queue, master_queue;
    uint32_t mode, uid, gid; /* of the name */
    int64_t atime_ns, mtime_ns, ctime_ns;
};

/* New names get this; devpts' mount options set it. */
struct pty_defaults {
    uint32_t mode, gid;
};
extern struct pty_defaults pty_defaults;

/* By number; a reference, or NULL if there is no living pair. */
struct pty *pty_lookup_get(int number);
int pty_next(int number); /* the first living pair from number on, or -1 */

static inline void pty_put(struct pty *p)
{
    tty_put(&p->tty);
}
DEFINE_AUTO(struct pty, pty_put)

/* f, whose inode is the name of p, becomes a slave file. */
must_check int pty_open_slave(struct pty *p, struct file *f);
bool pty_file_is_master(const struct file *f);
long pty_ioctl(struct file *f, unsigned cmd, uint64_t arg);
#endif
