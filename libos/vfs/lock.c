/* Advisory locks. One mutex covers all of them, because deadlock detection looks across files; locks
 * are few and held operations short. Per inode there is a list of held locks, split and merged so that
 * one owner's POSIX or OFD ranges never overlap. */
#include "libos/vfs/lock.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/task/process.h"

struct held {
    struct list link;
    enum lock_kind kind;
    const void *owner;
    int type, pid;
    uint64_t start, end;
};

struct lock_list {
    struct list held;
    struct waitq queue; /* whoever waits for any lock of this inode */
};

struct blocked { /* a waiting POSIX owner, for deadlock detection */
    struct list link;
    const void *owner, *waits_for;
};

static struct {
    struct mutex mutex;
    struct list blocked;
} locks = {.mutex = MUTEX_INIT(locks.mutex), .blocked = LIST_INIT(locks.blocked)};

static struct lock_list *list_of(struct inode *i)
{
    if (!i->locks && (i->locks = new_zero(struct lock_list))) {
        list_init(&i->locks->held);
        waitq_init(&i->locks->queue);
    }
    return i->locks;
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
    struct held *h = new_zero(struct held);
    if (!h)
        return NULL;
    *h = *like;
    h->start = start;
    h->end = end;
    list_add_tail(&l->held, &h->link);
    return h;
}

static void held_free(struct held *h)
{
    list_del(&h->link);
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

static int grant(struct file *f, struct lock_list *l, const void *owner, const struct lock_range *r)
{
    int e = carve(l, owner, r);
    if (e == 0 && r->type != LOCK_NONE) {
        struct held like = {.kind = r->kind,
                            .owner = owner,
                            .type = r->type,
                            .pid = r->kind == LOCK_OFD ? -1 : current_process()->pid};
        e = held_new(l, &like, r->start, r->end) ? 0 : -ENOLCK;
        atomic_or(&f->mode, FILE_LOCKS);
    }
    waitq_wake(&l->queue, ~0u); /* the owner may have given up or downgraded something */
    return e;
}

/* Would waiting for `holder` close a circle of waiting owners? */
static bool deadlock(const void *me, const void *holder)
{
    for (int depth = 0; depth < 64; depth++) {
        if (holder == me)
            return true;
        struct blocked *b;
        const void *next = NULL;
        list_for_each (b, &locks.blocked, link)
            if (b->owner == holder)
                next = b->waits_for;
        if (!next)
            return false;
        holder = next;
    }
    return false;
}

/* The mutex is held on entry and return. */
static int wait_for_release(struct lock_list *l, const void *me, const struct held *in_the_way)
{
    struct blocked b = {.owner = me, .waits_for = in_the_way->owner};
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

int lock_set(struct file *f, const struct lock_range *r, bool wait)
{
    MUTEX_GUARD(&locks.mutex);
    struct lock_list *l = list_of(f->inode);
    if (!l)
        return -ENOLCK;
    const void *owner = owner_of(f, r->kind);
    const struct held *in_the_way;
    while (r->type != LOCK_NONE && (in_the_way = conflict(l, owner, r))) {
        if (!wait)
            return -EAGAIN;
        if (r->kind == LOCK_POSIX && deadlock(owner, in_the_way->owner))
            return -EDEADLK;
        int e = wait_for_release(l, owner, in_the_way);
        if (e < 0)
            return e;
    }
    return grant(f, l, owner, r);
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
