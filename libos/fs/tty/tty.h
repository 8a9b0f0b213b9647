/* Terminals as job control sees them: which session a terminal controls and which process group is in
 * its foreground. The console and the slave sides of pseudo-terminals have a struct tty in them.
 *
 * A process does not point to its controlling terminal, it keeps the terminal's link number
 * (process->tty_link). Breaking the bond for a whole session is giving the terminal a new number: all old
 * ones find nothing. So no process holds a reference and none has to be searched for.
 */
#ifndef FS_TTY_TTY_H
#define FS_TTY_TTY_H
#include "libos/base/ref.h"
#include "libos/task/process.h"
#include "libos/vfs/file.h"

struct tty;
struct tty_ops {
    /* Makes f, opened through /dev/tty, a file of this terminal; takes what it needs. */
    int (*open)(struct tty *t, struct file *f);
    void (*free)(struct tty *t); /* the last reference is gone; NULL: static */
};

struct tty {
    struct ref ref;
    const struct tty_ops *ops;
    uint64_t rdev;
    struct list all; /* tty lock, like all below */
    uint64_t link;   /* what the processes it controls have in tty_link; 0: it is not in the list */
    int sid, pgid;   /* session and foreground group; 0: none */
};

void tty_init(struct tty *t, const struct tty_ops *ops, uint64_t rdev);
void tty_get(struct tty *t);
void tty_put(struct tty *t);
DEFINE_AUTO(struct tty, tty_put)
struct tty *tty_current_get(void); /* the caller's controlling terminal, or NULL */

/* A terminal was opened: it becomes the controlling one of a session leader without one. */
void tty_opened(struct tty *t, const struct file *f);
/* Makes it the caller's whatever the rules are; for the first process. */
void tty_take(struct tty *t);
/* May a process of the caller's group do what sig (SIGTTIN, SIGTTOU) is sent for? 0, -EIO, or
 * -ERESTARTSYS with the signal on its way. */
must_check int tty_check(struct tty *t, int sig);
void tty_signal(struct tty *t, int sig); /* to the foreground group */
int tty_foreground(struct tty *t);
/* The terminal is gone: the session leader gets SIGHUP and SIGCONT, the session has none any more. */
void tty_hangup(struct tty *t);
/* p, which ends, leads a session: its foreground group learns of it, its terminal is free again. */
void tty_leader_exit(struct process *p);

/* The requests about sessions and groups. master: of the file at the other side. TTY_OTHER: not one of
 * these. */
#define TTY_OTHER 1
must_check long tty_job_ioctl(struct tty *t, struct file *f, bool master, unsigned cmd,
                              uint64_t arg);
#endif
