/* Advisory locks. One mutex covers all of them, because deadlock detection looks across files; locks
 * are few and held operations short. Per inode there is a list of held locks, split and merged so that
 * one owner's POSIX or OFD ranges of a type neither overlap nor touch. */
#include "libos/vfs/lock.h"
#include "libos/base/atomic.h"
#include "libos/base/printf.h"
#include "libos/mm/heap.h"
#include "libos/task/process.h"

#define HELD_MAX 262144u /* of all processes: the kernel's memory has to last */

struct held {
    struct list link;
    enum lock_kind kind;
    const void *owner;
    int type, pid;
    uint64_t start, end;
};

struct lock_list {
    struct list link; /* locks.lists */
    const struct inode *inode;
    struct list held;
    struct waitq queue; /* whoever waits for any lock of this inode */
};

struct blocked { /* for deadlock detection and /proc/locks */
    struct list link;
    const struct held *wanted;
    const struct lock_list *list;
    const void *waits_for;
};

static struct {
    struct mutex mutex; /* all below, and the lists of all inodes */
    struct list blocked, lists;
    uint32_t held;
} locks = {.mutex = MUTEX_INIT(locks.mutex),
           .blocked = LIST_INIT(locks.blocked),
           .lists = LIST_INIT(locks.lists)};

static struct lock_list *list_of(struct inode *i)
{
    if (!i->locks && (i->locks = new_zero(struct lock_list))) {
        i->locks->inode = i;
        list_init(&i->locks->held);
        waitq_init(&i->locks->queue);
        list_add_tail(&locks.lists, &i->locks->link);
    }
    return i->locks;
}

void lock_fini(struct inode *i)
{
    if (!i->locks)
        return;
    MUTEX_GUARD(&locks.mutex);
    list_del(&i->locks->link);
    kfree(TAKE(i->locks));
}

static const void *owner_of(const struct file *f, enum lock_kind kind)
{
    return kind == LOCK_POSIX ? (const void *) current_process()->files : f;
}

static bool same_world(enum lock_kind a, enum lock_kind b)
{
    return (a == LOCK_FLOCK) == (b == LOCK_FLOCK); /* flock does not see record locks */
}

static struct held *conflict(const struct lock_list *l, const void *owner,
                             const struct lock_range *r)
{
    struct held *h;
    list_for_each (h, &l->held, link)
        if (h->owner != owner && same_world(h->kind, r->kind) && h->start <= r->end &&
            r->start <= h->end && (h->type == LOCK_WRITE || r->type == LOCK_WRITE))
            return h;
    return NULL;
}

static struct held *held_new(struct lock_list *l, const struct held *like, uint64_t start,
                             uint64_t end)
{
    struct held *h = locks.held < HELD_MAX ? new_zero(struct held) : NULL;
    if (!h)
        return NULL;
    *h = *like;
    h->start = start;
    h->end = end;
    list_add_tail(&l->held, &h->link);
    locks.held++;
    return h;
}

static void held_free(struct held *h)
{
    list_del(&h->link);
    locks.held--;
    kfree(h);
}

/* Takes the range away from what the owner holds; a lock in the middle is split. */
static int carve(struct lock_list *l, const void *owner, const struct lock_range *r)
{
    struct held *h;
    list_for_each_safe (h, &l->held, link) {
        if (h->owner != owner || h->kind != r->kind || h->end < r->start || r->end < h->start)
            continue;
        if (h->start < r->start && h->end > r->end) {
            if (!held_new(l, h, r->end + 1, h->end))
                return -ENOLCK;
            h->end = r->start - 1;
        } else if (h->start < r->start) {
            h->end = r->start - 1;
        } else if (h->end > r->end) {
            h->start = r->end + 1;
        } else {
            held_free(h);
        }
    }
    return 0;
}

/* Neighbours of the same owner and type become one with h. */
static void merge_into(struct lock_list *l, struct held *h)
{
    struct held *o;
    list_for_each_safe (o, &l->held, link) {
        bool same = o != h && o->owner == h->owner && o->kind == h->kind && o->type == h->type;
        if (!same || (o->end + 1 != h->start && h->end + 1 != o->start))
            continue;
        h->start = MIN(h->start, o->start);
        h->end = MAX(h->end, o->end);
        held_free(o);
    }
}

static int grant(struct file *f, struct lock_list *l, const struct held *wanted,
                 const struct lock_range *r)
{
    int e = carve(l, wanted->owner, r);
    if (e == 0 && r->type != LOCK_NONE) {
        struct held *h = held_new(l, wanted, r->start, r->end);
        e = h ? 0 : -ENOLCK;
        if (h)
            merge_into(l, h);
        atomic_or(&f->mode, FILE_LOCKS);
    }
    waitq_wake(&l->queue, ~0u); /* the owner may have given up or downgraded something */
    return e;
}

/* Would waiting for `holder` close a circle of waiting POSIX owners? */
static bool deadlock(const void *me, const void *holder)
{
    for (int depth = 0; depth < 64; depth++) {
        if (holder == me)
            return true;
        const struct blocked *b;
        const void *next = NULL;
        list_for_each (b, &locks.blocked, link)
            if (b->wanted->kind == LOCK_POSIX && b->wanted->owner == holder)
                next = b->waits_for;
        if (!next)
            return false;
        holder = next;
    }
    return false;
}

/* The mutex is held on entry and return. */
static int wait_for_release(struct lock_list *l, const struct held *wanted,
                            const struct held *in_the_way)
{
    struct blocked b = {.wanted = wanted, .list = l, .waits_for = in_the_way->owner};
    struct waiter w;
    waiter_init(&w);
    waitq_add(&l->queue, &w);
    list_add(&locks.blocked, &b.link);
    mutex_unlock(&locks.mutex);
    int r = thread_sleep(SLEEP_INTERRUPTIBLE, FOREVER);
    mutex_lock(&locks.mutex);
    list_del(&b.link);
    waitq_del(&w);
    return r < 0 ? -ERESTARTSYS : 0;
}

/* flock changes a lock by giving up the old one first, for good: two that want to go from shared to
 * exclusive would wait for each other otherwise. True: it is held as wanted already. */
static bool give_up_flock(struct lock_list *l, const void *owner, int type)
{
    struct held *h;
    list_for_each_safe (h, &l->held, link) {
        if (h->kind != LOCK_FLOCK || h->owner != owner)
            continue;
        if (h->type == type)
            return true;
        held_free(h);
        waitq_wake(&l->queue, ~0u);
    }
    return false;
}

int lock_set(struct file *f, const struct lock_range *r, bool wait)
{
    MUTEX_GUARD(&locks.mutex);
    struct lock_list *l = list_of(f->inode);
    if (!l)
        return -ENOLCK;
    const struct held wanted = {.kind = r->kind,
                                .owner = owner_of(f, r->kind),
                                .type = r->type,
                                .start = r->start,
                                .end = r->end,
                                .pid = r->kind == LOCK_OFD ? -1 : current_process()->pid};
    if (r->kind == LOCK_FLOCK && give_up_flock(l, wanted.owner, r->type))
        return 0;
    const struct held *in_the_way;
    while (r->type != LOCK_NONE && (in_the_way = conflict(l, wanted.owner, r))) {
        if (!wait)
            return -EAGAIN;
        if (r->kind == LOCK_POSIX && deadlock(wanted.owner, in_the_way->owner))
            return -EDEADLK;
        int e = wait_for_release(l, &wanted, in_the_way);
        if (e < 0)
            return e;
    }
    return grant(f, l, &wanted, r);
}

void lock_test(struct file *f, struct lock_range *r)
{
    MUTEX_GUARD(&locks.mutex);
    const struct held *h =
        f->inode->locks ? conflict(f->inode->locks, owner_of(f, r->kind), r) : NULL;
    if (!h) {
        r->type = LOCK_NONE;
        return;
    }
    r->type = h->type;
    r->start = h->start;
    r->end = h->end;
    r->pid = h->pid;
}

static void release(struct inode *i, const void *owner, bool posix)
{
    MUTEX_GUARD(&locks.mutex);
    if (!i->locks)
        return;
    struct held *h;
    list_for_each_safe (h, &i->locks->held, link)
        if (h->owner == owner && (h->kind == LOCK_POSIX) == posix)
            held_free(h);
    waitq_wake(&i->locks->queue, ~0u);
}

void lock_release_file(struct file *f)
{
    release(f->inode, f, false);
}

void lock_flush(struct file *f, const struct fdtable *table)
{
    release(f->inode, table, true);
}

/* ---- /proc/locks ------------------------------------------------------------------------------ */
static void line_add(struct text *t, unsigned number, const char *arrow, const struct held *h,
                     const struct inode *i)
{
    static const char *const kinds[] = {"FLOCK ", "POSIX ", "OFDLCK"};
    static const char *const types[] = {"READ", "WRITE", "UNLCK"};
    uint64_t dev = inode_dev(i);
    text_add(t, "%u: %s%s ADVISORY  %s %d %02x:%02x:%lu %lu ", number, arrow, kinds[h->kind],
             types[h->type], h->pid, (unsigned) linux_major(dev), (unsigned) linux_minor(dev),
             (unsigned long) i->ino, (unsigned long) h->start);
    if (h->end >= INT64_MAX)
        text_add(t, "EOF\n");
    else
        text_add(t, "%lu\n", (unsigned long) h->end);
}

int lock_proc_text(struct text *t)
{
    unsigned number = 1;
    MUTEX_GUARD(&locks.mutex);
    const struct lock_list *l;
    list_for_each (l, &locks.lists, link) {
        const struct held *h;
        list_for_each (h, &l->held, link) {
            line_add(t, number, "", h, l->inode);
            const struct blocked *b;
            list_for_each (b, &locks.blocked, link)
                if (b->list == l && b->waits_for == h->owner &&
                    same_world(b->wanted->kind, h->kind))
                    line_add(t, number, "-> ", b->wanted, l->inode);
            number++;
        }
    }
    return 0;
}
