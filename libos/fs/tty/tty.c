/* Controlling terminals, foreground groups, and /dev/tty.
 *
 * tty_lock (spin, taken before no other but the heap's) guards the list and the links. Signals are
 * sent after it is dropped: a group that changed in between gets or misses one, as it would have a
 * moment earlier.
 */
#include "libos/fs/tty/tty.h"
#include "abi/linux/signal.h"
#include "abi/linux/termios.h"
#include "libos/fs/tty/tty_info.h"
#include "libos/mm/uaccess.h"
#include "libos/task/job.h"
#include "libos/task/signal.h"
#include "libos/vfs/registry.h"

static struct spinlock tty_lock = SPINLOCK_INIT;
static struct list tty_list = LIST_INIT(tty_list);
static uint64_t last_link;

void tty_init(struct tty *t, const struct tty_ops *ops, uint64_t rdev)
{
    ref_init(&t->ref);
    t->ops = ops;
    t->rdev = rdev;
    SPIN_GUARD(&tty_lock);
    t->link = ++last_link;
    list_add_tail(&tty_list, &t->all);
}

void tty_get(struct tty *t)
{
    ref_get(&t->ref);
}

void tty_put(struct tty *t)
{
    spin_lock(&tty_lock); /* whoever finds it in the list gets a reference that counts */
    bool last = ref_put_last(&t->ref);
    if (last)
        list_del(&t->all);
    spin_unlock(&tty_lock);
    if (last && t->ops->free)
        t->ops->free(t);
}

static struct tty *find_locked(const struct process *p)
{
    struct tty *t;
    if (p->tty_link == 0)
        return NULL;
    list_for_each (t, &tty_list, all)
        if (t->link == p->tty_link)
            return t;
    return NULL;
}

struct tty *tty_current_get(void)
{
    SPIN_GUARD(&tty_lock);
    struct tty *t = find_locked(current_process());
    if (t)
        tty_get(t);
    return t;
}

void tty_of_process(struct process *p, uint64_t *ret_rdev, int *ret_pgid)
{
    SPIN_GUARD(&tty_lock);
    const struct tty *t = find_locked(p);
    *ret_rdev = t ? t->rdev : 0;
    *ret_pgid = t && t->pgid ? t->pgid : -1;
}

/* ---- the bond between a session and a terminal ---- */

static bool leads_session(const struct process *p)
{
    return p->sid == p->pid;
}

static void bind_locked(struct tty *t, struct process *leader)
{
    t->sid = leader->sid;
    t->pgid = leader->pgid;
    leader->tty_link = t->link;
}

static void unbind_locked(struct tty *t)
{
    t->link = ++last_link;
    t->sid = t->pgid = 0;
}

void tty_opened(struct tty *t, const struct file *f)
{
    struct process *p = current_process();
    if ((f->flags & O_NOCTTY) || !(f->mode & FILE_READ) || !leads_session(p))
        return;
    SPIN_GUARD(&tty_lock);
    if (!find_locked(p) && t->sid == 0)
        bind_locked(t, p);
}

void tty_take(struct tty *t)
{
    SPIN_GUARD(&tty_lock);
    bind_locked(t, current_process());
}

static int steal_check_locked(const struct tty *t, const struct file *f, uint64_t arg)
{
    bool admin = capable(CAP_SYS_ADMIN);
    if (t->sid && !(arg == 1 && admin))
        return -EPERM;
    return (f->mode & FILE_READ) || admin ? 0 : -EPERM;
}

static long set_controlling(struct tty *t, const struct file *f, uint64_t arg)
{
    struct process *p = current_process();
    SPIN_GUARD(&tty_lock);
    if (leads_session(p) && t->sid == p->sid)
        return 0;
    if (!leads_session(p) || find_locked(p))
        return -EPERM;
    int r = steal_check_locked(t, f, arg);
    if (r < 0)
        return r;
    if (t->sid)
        unbind_locked(t);
    bind_locked(t, p);
    return 0;
}

static void send(int pgid, int sig)
{
    if (pgid > 0)
        signal_send_pgrp(pgid, sig);
}

static long give_up(struct tty *t)
{
    struct process *p = current_process();
    int pgid = 0;
    spin_lock(&tty_lock);
    bool mine = find_locked(p) == t, leader = leads_session(p);
    if (mine && leader) {
        pgid = t->pgid;
        unbind_locked(t);
    }
    if (mine)
        p->tty_link = 0;
    spin_unlock(&tty_lock);
    send(pgid, SIGHUP);
    send(pgid, SIGCONT);
    return mine ? 0 : -ENOTTY;
}

void tty_hangup(struct tty *t)
{
    spin_lock(&tty_lock);
    int sid = t->sid, pgid = t->pgid;
    unbind_locked(t);
    spin_unlock(&tty_lock);
    struct process *leader = sid ? process_lookup_get(sid) : NULL;
    if (!leader)
        return;
    leader->tty_old_pgid = pgid;
    signal_send_process(leader, SIGHUP);
    signal_send_process(leader, SIGCONT);
    process_put(leader);
}

void tty_leader_exit(struct process *p)
{
    if (!leads_session(p))
        return;
    spin_lock(&tty_lock);
    struct tty *t = find_locked(p);
    int pgid = t ? t->pgid : p->tty_old_pgid;
    if (t)
        unbind_locked(t);
    p->tty_link = 0;
    spin_unlock(&tty_lock);
    send(pgid, SIGHUP);
    if (!t)
        send(pgid, SIGCONT);
}

/* ---- foreground and background ---- */

int tty_foreground(struct tty *t)
{
    return atomic_load(&t->pgid);
}

void tty_signal(struct tty *t, int sig)
{
    send(tty_foreground(t), sig);
}

static bool ignores(struct process *p, int sig)
{
    SPIN_GUARD(&p->lock);
    return (current()->sigmask & sigbit(sig)) ||
           p->sighand->action[sig - 1].handler == SIG_HANDLER_IGN;
}

int tty_check(struct tty *t, int sig)
{
    struct process *p = current_process();
    spin_lock(&tty_lock);
    bool background = find_locked(p) == t && t->pgid && t->pgid != p->pgid;
    spin_unlock(&tty_lock);
    if (!background)
        return 0;
    if (ignores(p, sig))
        return sig == SIGTTIN ? -EIO : 0;
    if (job_group_orphaned(p->pgid))
        return -EIO;
    signal_send_pgrp(p->pgid, sig);
    return -ERESTARTSYS;
}

static bool is_mine(const struct tty *t)
{
    SPIN_GUARD(&tty_lock);
    return find_locked(current_process()) == t;
}

static long get_foreground(struct tty *t, bool master, uint64_t arg)
{
    if (!master && !is_mine(t))
        return -ENOTTY;
    return put_user(UADDR(arg), tty_foreground(t));
}

static long get_session(struct tty *t, bool master, uint64_t arg)
{
    int sid = atomic_load(&t->sid);
    if ((!master && !is_mine(t)) || !sid)
        return -ENOTTY;
    return put_user(UADDR(arg), sid);
}

static int group_check(int pgid)
{
    if (pgid < 0)
        return -EINVAL;
    if (job_group_in_session(pgid, current_process()->sid))
        return 0;
    struct linux_siginfo none = {0};
    return signal_send_group(pgid, &none, false) < 0 ? -ESRCH : -EPERM;
}

static long set_foreground(struct tty *t, uint64_t arg)
{
    int pgid, r = tty_check(t, SIGTTOU);
    if (r < 0)
        return r == -EIO ? -ENOTTY : r;
    if (!is_mine(t) || atomic_load(&t->sid) != current_process()->sid)
        return -ENOTTY;
    if (get_user(&pgid, UADDR(arg)) < 0)
        return -EFAULT;
    r = group_check(pgid);
    if (r == 0)
        atomic_store(&t->pgid, pgid);
    return r;
}

long tty_job_ioctl(struct tty *t, struct file *f, bool master, unsigned cmd, uint64_t arg)
{
    switch (cmd) {
    case TIOCSCTTY:
        return master ? -ENOTTY : set_controlling(t, f, arg);
    case TIOCNOTTY:
        return master ? -ENOTTY : give_up(t);
    case TIOCGPGRP:
        return get_foreground(t, master, arg);
    case TIOCSPGRP:
        return set_foreground(t, arg);
    case TIOCGSID:
        return get_session(t, master, arg);
    default:
        return TTY_OTHER;
    }
}

/* ---- /dev/tty ---- */

static int dev_tty_open(struct inode *i, struct file *f)
{
    AUTO(tty_put) struct tty *t = tty_current_get();
    if (!t)
        return -ENXIO;
    f->mode |= FILE_STREAM;
    return t->ops->open(t, f);
}

static const struct file_ops dev_tty_ops = {.open = dev_tty_open};

DEVICE(tty, 0666, tty_device);
const struct device_type tty_device = {
    .name = "tty", .mode = 0666, .major = 5, .minor = 0, .ops = &dev_tty_ops};
