/* inotify. A watch ties an instance to an inode (a reference); it is on the instance's list and on the
 * inode's. One spin lock covers all watches and event queues: events are rare beside the operations
 * that cause them, and without watches nothing here runs. */
#include "libos/vfs/inotify.h"
#include "libos/base/atomic.h"
#include "libos/base/printf.h"
#include "libos/mm/heap.h"
#include "libos/mm/uaccess.h"
#include "libos/task/process.h"
#include "libos/vfs/notify.h"

#define QUEUE_MAX        16384u /* these three are in /proc/sys/fs/inotify */
#define INSTANCES_MAX    128u   /* of a user */
#define WATCHES_MAX      65536u /* of a user */
#define IN_UNMOUNT       0x2000u
#define IN_Q_OVERFLOW    0x4000u
#define IN_IGNORED       0x8000u
#define IN_ONLYDIR       0x01000000u
#define IN_EXCL_UNLINK   0x04000000u
#define IN_MASK_CREATE   0x10000000u
#define IN_MASK_ADD      0x20000000u
#define IN_ISDIR         0x40000000u
#define IN_ONESHOT       0x80000000u
#define FIONREAD_REQUEST 0x541bu

struct inotify {
    struct list all_link; /* instances */
    uint32_t uid;         /* who made it */
    uint32_t watch_count;
    struct list watches, events;
    struct waitq queue;
    int next_wd;
    uint32_t event_count;
};

struct watch {
    struct list inode_link, instance_link;
    struct inotify *owner;
    struct inode *inode;
    int wd;
    uint32_t mask;
};

struct event_head { /* struct inotify_event */
    int32_t wd;
    uint32_t mask, cookie, len;
};

struct event {
    struct list link;
    struct event_head head;
    uint32_t size;                /* of name: head.len, and at least one for the NUL */
    char name[] counted_by(size); /* padded with zeros to a multiple of 16 */
};

uint32_t notify_watchers;
static struct spinlock inotify_lock;
static struct list instances = LIST_INIT(instances);
static uint32_t next_cookie = 1;

uint32_t notify_cookie(void)
{
    return atomic_add(&next_cookie, 1);
}

static void queue_event_locked(struct inotify *in, int wd, uint32_t mask, struct qname name,
                               uint32_t cookie)
{
    const struct event *last = list_last(&in->events, struct event, link);
    if (last && last->head.wd == wd && last->head.mask == mask && last->head.cookie == cookie &&
        strlen(last->name) == name.n && memcmp(last->name, name.n ? name.p : "", name.n) == 0)
        return; /* the same again */
    if (in->event_count > QUEUE_MAX)
        return;
    bool overflow = in->event_count == QUEUE_MAX;
    size_t n = overflow ? 0 : MIN(name.n, (size_t) NAME_LIMIT);
    uint32_t len = n ? ROUND_UP((uint32_t) n + 1, 16u) : 0;
    struct event *e = alloc_flex(struct event, name, MAX(len, 1u));
    if (!e)
        return;
    e->size = MAX(len, 1u);
    e->head = overflow ? (struct event_head){.wd = -1, .mask = IN_Q_OVERFLOW}
                       : (struct event_head){wd, mask, cookie, len};
    if (n)
        memcpy(e->name, name.p, n);
    in->event_count++;
    list_add_tail(&in->events, &e->link);
    waitq_wake(&in->queue, POLL_IN | POLL_RDNORM);
}

/* Off both lists; the caller puts the inode and frees after unlocking. */
static void watch_unlink_locked(struct watch *w)
{
    list_del(&w->inode_link);
    list_del(&w->instance_link);
    w->owner->watch_count--;
    notify_watchers--;
}

static void watch_free(struct watch *w)
{
    inode_put(w->inode);
    kfree(w);
}

static void free_dead(struct list *dead)
{
    struct watch *w;
    while ((w = list_first(dead, struct watch, instance_link)) != NULL) {
        list_del(&w->instance_link);
        watch_free(w);
    }
}

void notify_emit(struct inode *i, uint32_t mask, struct qname name, const struct inode *what,
                 uint32_t cookie)
{
    struct list dead = LIST_INIT(dead);
    bool unlinked = mask & NOTIFY_UNLINKED;
    mask &= ~(uint32_t) NOTIFY_UNLINKED;
    uint32_t dir = what && S_ISDIR(what->mode) ? IN_ISDIR : 0;
    if (mask & (NOTIFY_DELETE_SELF | NOTIFY_MOVE_SELF))
        dir = 0;
    spin_lock(&inotify_lock);
    struct watch *w;
    if (i->watches)
        list_for_each_safe (w, i->watches, inode_link) {
            if (!(w->mask & mask) || (unlinked && (w->mask & IN_EXCL_UNLINK)))
                continue;
            queue_event_locked(w->owner, w->wd, mask | dir, name, cookie);
            if (!(w->mask & IN_ONESHOT) && !(mask & NOTIFY_DELETE_SELF))
                continue;
            queue_event_locked(w->owner, w->wd, IN_IGNORED, (struct qname){0}, 0);
            watch_unlink_locked(w);
            list_add(&dead, &w->instance_link);
        }
    spin_unlock(&inotify_lock);
    free_dead(&dead);
}

void notify_unmount(const struct super *s)
{
    struct list dead = LIST_INIT(dead);
    spin_lock(&inotify_lock);
    struct inotify *in;
    list_for_each (in, &instances, all_link) {
        struct watch *w;
        list_for_each_safe (w, &in->watches, instance_link) {
            if (w->inode->super != s)
                continue;
            queue_event_locked(in, w->wd, IN_UNMOUNT, (struct qname){0}, 0);
            queue_event_locked(in, w->wd, IN_IGNORED, (struct qname){0}, 0);
            watch_unlink_locked(w);
            list_add(&dead, &w->instance_link);
        }
    }
    spin_unlock(&inotify_lock);
    free_dead(&dead);
}

void notify_dentry_emit(struct dentry *d, struct inode *i, uint32_t mask)
{
    if (!d)
        return;
    notify_emit(i, mask, (struct qname){0}, i, 0);
    dcache_lock();
    struct dentry *parent = d->parent;
    char name[NAME_LIMIT + 1];
    size_t n = MIN((size_t) d->name_len, (size_t) NAME_LIMIT);
    memcpy(name, d->name, n);
    dentry_get(parent);
    if (d->flags & DENTRY_DELETED)
        mask |= NOTIFY_UNLINKED;
    dcache_unlock();
    if (parent != d)
        notify_emit(parent->inode, mask, (struct qname){name, n}, i, 0);
    dentry_put(parent);
}

/* By inode through the inode's list: an instance may have very many watches, an inode has few. */
static struct watch *watch_of_inode_locked(const struct inotify *in, const struct inode *i)
{
    struct watch *w;
    list_for_each (w, i->watches, inode_link)
        if (w->owner == in)
            return w;
    return NULL;
}

static struct watch *watch_by_number_locked(const struct inotify *in, int wd)
{
    struct watch *w;
    list_for_each (w, &in->watches, instance_link)
        if (w->wd == wd)
            return w;
    return NULL;
}

static uint32_t user_watches_locked(uint32_t uid)
{
    uint32_t n = 0;
    const struct inotify *in;
    list_for_each (in, &instances, all_link)
        n += in->uid == uid ? in->watch_count : 0;
    return n;
}

/* The inode's list head, made once and kept until the inode goes. */
static int watches_init(struct inode *i)
{
    struct list *head = new_zero(struct list);
    if (!head)
        return -ENOMEM;
    list_init(head);
    spin_lock(&inotify_lock);
    if (!i->watches)
        i->watches = TAKE(head);
    spin_unlock(&inotify_lock);
    kfree(head);
    return 0;
}

static const struct file_ops inotify_file_ops;

int inotify_add(struct file *f, struct inode *i, uint32_t mask)
{
    if (f->ops != &inotify_file_ops || !(mask & 0xfff))
        return -EINVAL;
    if ((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE))
        return -EINVAL;
    if ((mask & IN_ONLYDIR) && !inode_is_dir(i))
        return -ENOTDIR;
    struct inotify *in = f->priv;
    struct watch *fresh = new_zero(struct watch);
    if (!fresh || (!i->watches && watches_init(i) < 0)) {
        kfree(fresh);
        return -ENOMEM;
    }
    uint32_t keep = mask & (0xfff | IN_EXCL_UNLINK | IN_ONESHOT);
    spin_lock(&inotify_lock);
    struct watch *w = watch_of_inode_locked(in, i);
    int wd;
    if (w && (mask & IN_MASK_CREATE)) {
        wd = -EEXIST;
    } else if (w) {
        w->mask = mask & IN_MASK_ADD ? w->mask | keep : keep;
        wd = w->wd;
    } else if (user_watches_locked(in->uid) >= WATCHES_MAX) {
        wd = -ENOSPC;
    } else {
        w = TAKE(fresh);
        inode_get(i);
        wd = ++in->next_wd;
        w->inode = i;
        w->owner = in;
        w->wd = wd;
        w->mask = keep;
        list_add(i->watches, &w->inode_link);
        list_add(&in->watches, &w->instance_link);
        in->watch_count++;
        notify_watchers++;
    }
    spin_unlock(&inotify_lock);
    kfree(fresh);
    return wd;
}

int inotify_remove(struct file *f, int wd)
{
    if (f->ops != &inotify_file_ops)
        return -EINVAL;
    struct inotify *in = f->priv;
    spin_lock(&inotify_lock);
    struct watch *w = watch_by_number_locked(in, wd);
    if (w) {
        watch_unlink_locked(w);
        queue_event_locked(in, wd, IN_IGNORED, (struct qname){0}, 0);
    }
    spin_unlock(&inotify_lock);
    if (!w)
        return -EINVAL;
    watch_free(w);
    return 0;
}

static struct event *event_take(struct inotify *in, size_t room, bool *too_small)
{
    SPIN_GUARD(&inotify_lock);
    struct event *e = list_first(&in->events, struct event, link);
    *too_small = e && sizeof e->head + e->head.len > room;
    if (!e || *too_small)
        return NULL;
    list_del(&e->link);
    in->event_count--;
    return e;
}

static long inotify_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct inotify *in = f->priv;
    size_t done = 0;
    for (;;) {
        bool too_small;
        struct event *e = event_take(in, uio->left, &too_small);
        if (e) {
            size_t n = sizeof e->head + e->head.len;
            int r = uio_put(uio, &e->head, sizeof e->head);
            if (r == 0)
                r = uio_put(uio, e->name, e->head.len);
            kfree(e);
            if (r < 0)
                return done ? (long) done : r;
            done += n;
            continue;
        }
        if (done)
            return (long) done;
        if (too_small)
            return -EINVAL;
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        if (wait_event(&in->queue, !list_empty(&in->events), SLEEP_INTERRUPTIBLE, FOREVER) < 0)
            return -ERESTARTSYS;
    }
}

static uint32_t inotify_poll(struct file *f, struct poll_table *pt)
{
    struct inotify *in = f->priv;
    poll_wait(pt, &in->queue);
    SPIN_GUARD(&inotify_lock);
    return list_empty(&in->events) ? 0 : POLL_IN | POLL_RDNORM;
}

static long inotify_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
    if (cmd != FIONREAD_REQUEST)
        return -ENOTTY;
    struct inotify *in = f->priv;
    int n = 0;
    spin_lock(&inotify_lock);
    const struct event *e;
    list_for_each (e, &in->events, link)
        n += (int) (sizeof e->head + e->head.len);
    spin_unlock(&inotify_lock);
    return put_user(UADDR(arg), n);
}

static void inotify_release(struct file *f)
{
    struct inotify *in = f->priv;
    for (;;) {
        spin_lock(&inotify_lock);
        struct watch *w = list_first(&in->watches, struct watch, instance_link);
        if (w)
            watch_unlink_locked(w);
        spin_unlock(&inotify_lock);
        if (!w)
            break;
        watch_free(w);
    }
    spin_lock(&inotify_lock);
    list_del(&in->all_link);
    spin_unlock(&inotify_lock);
    struct event *e;
    while ((e = list_first(&in->events, struct event, link)) != NULL) {
        list_del(&e->link);
        kfree(e);
    }
    kfree(in);
}

static void inotify_fdinfo(struct file *f, struct text *t)
{
    const struct inotify *in = f->priv;
    SPIN_GUARD(&inotify_lock);
    const struct watch *w;
    list_for_each (w, &in->watches, instance_link)
        text_add(t, "inotify wd:%x ino:%lx sdev:%lx mask:%x ignored_mask:0\n", (unsigned) w->wd,
                 (unsigned long) w->inode->ino, (unsigned long) inode_dev(w->inode), w->mask);
}

static const struct file_ops inotify_file_ops = {
    .read = inotify_read,
    .poll = inotify_poll,
    .ioctl = inotify_ioctl,
    .release = inotify_release,
    .fdinfo = inotify_fdinfo,
    .name = "anon_inode:[inotify]",
};

/* Into the list of all, unless its user has enough of them. */
static bool enlist(struct inotify *in)
{
    SPIN_GUARD(&inotify_lock);
    uint32_t n = 0;
    const struct inotify *o;
    list_for_each (o, &instances, all_link)
        n += o->uid == in->uid;
    if (n >= INSTANCES_MAX)
        return false;
    list_add(&instances, &in->all_link);
    return true;
}

int inotify_new(unsigned o_flags, struct file **ret)
{
    struct inotify *in = new_zero(struct inotify);
    if (!in)
        return -ENOMEM;
    in->uid = current_cred()->uid;
    if (!enlist(in)) {
        kfree(in);
        return -EMFILE;
    }
    list_init(&in->watches);
    list_init(&in->events);
    waitq_init(&in->queue);
    struct inode *i = anon_inode();
    struct file *f =
        file_new_pathless(i, &inotify_file_ops, in, O_RDONLY | (o_flags & O_NONBLOCK), FILE_STREAM);
    if (!f) {
        inode_put(i);
        spin_lock(&inotify_lock);
        list_del(&in->all_link);
        spin_unlock(&inotify_lock);
        kfree(in);
        return -ENOMEM;
    }
    *ret = f;
    return 0;
}
