/* epoll. An item hangs a waiter on each queue of its file; a wake-up puts the item on the set's ready
 * list. Looking at an item means asking the file, because wake-ups are hints.
 *
 * Locks: `topology` (mutex) for adding sets to sets and for the end of files; set->mutex for items and
 * for looking; set->lock (spin) for the ready list, taken in wake-ups with the file's queue locked.
 * A wake-up may pass through nested sets: queue, set, queue, set ...; the depth limit and the ban on
 * cycles make that an order.
 */
#include "libos/vfs/epoll.h"
#include "libos/base/atomic.h"
#include "libos/base/printf.h"
#include "libos/mm/heap.h"
#include "libos/task/clock.h"
#include "libos/task/thread.h"

#define DEPTH_MAX    5
#define ITEM_WAITERS 4
#define BUCKETS_MIN  8u
#define LOAD_MAX     2u /* items per bucket */
#define EV_EXCLUSIVE (1u << 28)
#define EV_WAKEUP    (1u << 29)
#define EV_ONESHOT   (1u << 30)
#define EV_ET        (1u << 31)
#define EV_PRIVATE   (EV_EXCLUSIVE | EV_WAKEUP | EV_ONESHOT | EV_ET)

struct epoll_set {
    struct mutex mutex;
    struct list *bucket; /* items by descriptor, bucket_count lists; mutex, as the next line */
    uint32_t bucket_count, item_count;
    struct spinlock lock;
    struct list ready;  /* lock */
    struct waitq queue; /* epoll_wait sleepers and outer sets */
    struct file *file;  /* whose priv this is */
};

struct item_waiter {
    struct waiter waiter;
    struct epoll_item *item;
};

struct epoll_item {
    struct list link;       /* set->bucket */
    struct list ready_link; /* set->lock; points to itself: not ready */
    struct list file_link;  /* file->epoll_items; topology */
    struct epoll_set *set;
    struct file *file; /* not a reference: the file's end removes the item */
    int fd;
    uint32_t events; /* set->lock */
    uint64_t data;
    unsigned waiter_count;
    struct item_waiter waiter[ITEM_WAITERS];
};

static struct mutex topology = MUTEX_INIT(topology);
static const struct file_ops epoll_file_ops;

static void mark_ready(struct epoll_item *it)
{
    struct epoll_set *s = it->set;
    spin_lock(&s->lock);
    bool wake = (it->events & ~EV_PRIVATE) && list_empty(&it->ready_link);
    if (wake)
        list_add_tail(&s->ready, &it->ready_link);
    spin_unlock(&s->lock);
    if (wake && !waitq_empty(&s->queue))
        waitq_wake_one(&s->queue, POLL_IN | POLL_RDNORM);
}

static void item_wake(struct waiter *w, uint32_t events)
{
    struct epoll_item *it = container_of(w, struct item_waiter, waiter)->item;
    uint32_t wanted = atomic_load(&it->events);
    if (events & (wanted | POLL_ERR | POLL_HUP))
        mark_ready(it);
}

/* ---- registration ---- */

struct item_table {
    struct poll_table table;
    struct epoll_item *item;
};

static void item_add_queue(struct poll_table *pt, struct waitq *q)
{
    struct epoll_item *it = container_of(pt, struct item_table, table)->item;
    check(it->waiter_count < ITEM_WAITERS);
    struct item_waiter *w = &it->waiter[it->waiter_count++];
    w->waiter = (struct waiter){.fn = item_wake, .exclusive = it->events & EV_EXCLUSIVE};
    w->item = it;
    waitq_add(q, &w->waiter);
}

static struct list *bucket_of(struct epoll_set *s, int fd)
{
    return &s->bucket[(unsigned) fd % s->bucket_count];
}

static struct list *buckets_new(uint32_t count)
{
    struct list *b = kzalloc(count * sizeof *b);
    for (uint32_t i = 0; b && i < count; i++)
        list_init(&b[i]);
    return b;
}

/* Keeps the lists short. Without memory they get longer: slower, not wrong. */
static void buckets_grow(struct epoll_set *s)
{
    uint32_t count = s->bucket_count * 4;
    struct list *old = s->bucket, *fresh = buckets_new(count);
    if (!fresh)
        return;
    uint32_t old_count = s->bucket_count;
    s->bucket = fresh;
    s->bucket_count = count;
    for (uint32_t b = 0; b < old_count; b++) {
        struct epoll_item *it;
        while ((it = list_first(&old[b], struct epoll_item, link)) != NULL) {
            list_del(&it->link);
            list_add_tail(bucket_of(s, it->fd), &it->link);
        }
    }
    kfree(old);
}

static struct epoll_item *item_find(struct epoll_set *s, int fd, const struct file *f)
{
    struct epoll_item *it;
    list_for_each (it, bucket_of(s, fd), link)
        if (it->fd == fd && it->file == f)
            return it;
    return NULL;
}

static void item_look(struct epoll_item *it)
{
    uint32_t now = file_poll(it->file, NULL);
    if (now & (it->events | POLL_ERR | POLL_HUP))
        mark_ready(it);
}

/* set->mutex and topology are held. */
static void item_free(struct epoll_item *it)
{
    for (unsigned i = 0; i < it->waiter_count; i++)
        waitq_del(&it->waiter[i].waiter);
    spin_lock(&it->set->lock);
    list_del(&it->ready_link);
    spin_unlock(&it->set->lock);
    list_del(&it->link);
    list_del(&it->file_link);
    atomic_store(&it->set->item_count, it->set->item_count - 1);
    kfree(it);
}

static struct epoll_set *set_of(const struct file *f)
{
    return f->ops == &epoll_file_ops ? f->priv : NULL;
}

/* Depth of sets below s; DEPTH_MAX + 1 if too deep or `target` is among them. topology is held. */
static int depth_below(struct epoll_set *s, const struct epoll_set *target, int depth)
{
    if (s == target || depth > DEPTH_MAX)
        return DEPTH_MAX + 1;
    int deepest = 0;
    for (uint32_t b = 0; b < s->bucket_count; b++) {
        struct epoll_item *it;
        list_for_each (it, &s->bucket[b], link) {
            struct epoll_set *inner = set_of(it->file);
            if (inner)
                deepest = MAX(deepest, 1 + depth_below(inner, target, depth + 1));
        }
    }
    return MIN(deepest, DEPTH_MAX + 1);
}

/* Levels of sets that f is in. A wake-up goes up through all of them on one kernel stack. */
static int depth_above(const struct file *f, int depth)
{
    int highest = 0;
    struct epoll_item *it;
    if (depth > DEPTH_MAX)
        return 0;
    list_for_each (it, &f->epoll_items, file_link)
        highest = MAX(highest, 1 + depth_above(it->set->file, depth + 1));
    return highest;
}

static int item_add(struct epoll_set *s, int fd, struct file *f, const struct linux_epoll_event *ev)
{
    if (item_find(s, fd, f))
        return -EEXIST;
    struct epoll_item *it = new_zero(struct epoll_item);
    if (!it)
        return -ENOMEM;
    it->set = s;
    it->file = f;
    it->fd = fd;
    it->events = ev->events | POLL_ERR | POLL_HUP;
    it->data = ev->data;
    list_init(&it->ready_link);
    if (s->item_count >= LOAD_MAX * s->bucket_count)
        buckets_grow(s);
    list_add_tail(bucket_of(s, fd), &it->link);
    atomic_store(&s->item_count, s->item_count + 1);
    list_add_tail(&f->epoll_items, &it->file_link);
    atomic_or(&f->mode, FILE_POLLED);
    struct item_table t = {.table.add = item_add_queue, .item = it};
    if (file_poll(f, &t.table) & it->events)
        mark_ready(it);
    return 0;
}

static int item_modify(struct epoll_set *s, int fd, struct file *f,
                       const struct linux_epoll_event *ev)
{
    struct epoll_item *it = item_find(s, fd, f);
    if (!it)
        return -ENOENT;
    if ((it->events | ev->events) & EV_EXCLUSIVE)
        return -EINVAL;
    spin_lock(&s->lock);
    atomic_post(&it->events, ev->events | POLL_ERR | POLL_HUP);
    it->data = ev->data;
    spin_unlock(&s->lock);
    item_look(it);
    return 0;
}

int epoll_ctl(struct file *ep, int op, int fd, struct file *f,
              const struct linux_epoll_event *event)
{
    struct epoll_set *s = set_of(ep);
    if (!f->ops->poll)
        return -EPERM;
    if (!s || f == ep)
        return -EINVAL;
    struct epoll_set *inner = set_of(f);
    uint32_t allowed = POLL_IN | POLL_OUT | POLL_ERR | POLL_HUP | EV_WAKEUP | EV_ET | EV_EXCLUSIVE;
    if (op != EPOLL_OP_DEL && (event->events & EV_EXCLUSIVE) &&
        (inner || op == EPOLL_OP_MOD || (event->events & ~allowed)))
        return -EINVAL;
    MUTEX_GUARD(&topology);
    if (op == EPOLL_OP_ADD && inner && depth_above(ep, 1) + depth_below(inner, s, 1) >= DEPTH_MAX)
        return -ELOOP;
    mutex_lock(&s->mutex);
    int r = -EINVAL;
    if (op == EPOLL_OP_ADD) {
        r = item_add(s, fd, f, event);
    } else if (op == EPOLL_OP_MOD) {
        r = item_modify(s, fd, f, event);
    } else if (op == EPOLL_OP_DEL) {
        struct epoll_item *it = item_find(s, fd, f);
        r = it ? 0 : -ENOENT;
        if (it)
            item_free(it);
    }
    mutex_unlock(&s->mutex);
    return r;
}

void epoll_release_file(struct file *f)
{
    MUTEX_GUARD(&topology);
    struct epoll_item *it;
    while ((it = list_first(&f->epoll_items, struct epoll_item, file_link)) != NULL) {
        struct mutex *m = &it->set->mutex;
        mutex_lock(m);
        item_free(it);
        mutex_unlock(m);
    }
}

int epoll_count(const struct file *ep)
{
    const struct epoll_set *s = set_of(ep);
    return s ? (int) atomic_load(&s->item_count) : 0;
}

/* ---- waiting ---- */

/* Takes ready items one by one; those still ready and level-triggered go back to the end. */
static int collect(struct epoll_set *s, struct linux_epoll_event *ret, int max)
{
    MUTEX_GUARD(&s->mutex);
    struct list again = LIST_INIT(again);
    int n = 0;
    while (n < max) {
        spin_lock(&s->lock);
        struct epoll_item *it = list_first(&s->ready, struct epoll_item, ready_link);
        if (it)
            list_del(&it->ready_link);
        spin_unlock(&s->lock);
        if (!it)
            break;
        uint32_t events = file_poll(it->file, NULL) & it->events & ~EV_PRIVATE;
        if (!events)
            continue;
        ret[n++] = (struct linux_epoll_event){events, it->data};
        spin_lock(&s->lock);
        if (it->events & EV_ONESHOT)
            atomic_post(&it->events, it->events & EV_PRIVATE);
        else if (!(it->events & EV_ET) && list_empty(&it->ready_link))
            list_add_tail(&again, &it->ready_link);
        spin_unlock(&s->lock);
    }
    spin_lock(&s->lock);
    struct epoll_item *it;
    list_for_each_safe (it, &again, ready_link) {
        list_del(&it->ready_link);
        list_add_tail(&s->ready, &it->ready_link);
    }
    spin_unlock(&s->lock);
    return n;
}

static bool any_ready(struct epoll_set *s)
{
    SPIN_GUARD(&s->lock);
    return !list_empty(&s->ready);
}

long epoll_wait(struct file *ep, struct linux_epoll_event *ret, int max, int64_t deadline_ns)
{
    struct epoll_set *s = set_of(ep);
    if (!s || max <= 0)
        return -EINVAL;
    for (;;) {
        int n = any_ready(s) ? collect(s, ret, max) : 0;
        if (n > 0 || deadline_ns <= 0)
            return n;
        struct waiter w;
        waiter_init(&w);
        w.exclusive = true;
        waitq_add(&s->queue, &w);
        int r = 0;
        while (!any_ready(s) && r == 0)
            r = thread_sleep(SLEEP_INTERRUPTIBLE, deadline_ns);
        waitq_del(&w);
        if (r == -ETIMEDOUT)
            return 0;
        if (r < 0)
            return r;
    }
}

/* An outer set or poll asks: is any item really ready? Level-triggered leftovers are looked at. */
static uint32_t epoll_poll(struct file *f, struct poll_table *pt)
{
    struct epoll_set *s = f->priv;
    poll_wait(pt, &s->queue);
    if (!any_ready(s))
        return 0;
    MUTEX_GUARD_NESTED(&s->mutex); /* inside that of a set that holds this one */
    for (;;) {
        spin_lock(&s->lock);
        struct epoll_item *it = list_first(&s->ready, struct epoll_item, ready_link);
        spin_unlock(&s->lock);
        if (!it)
            return 0;
        if (file_poll(it->file, NULL) & it->events & ~EV_PRIVATE)
            return POLL_IN | POLL_RDNORM;
        spin_lock(&s->lock);
        list_del(&it->ready_link);
        spin_unlock(&s->lock);
    }
}

static void set_free(struct epoll_set *s)
{
    kfree(s->bucket);
    kfree(s);
}

static void epoll_release(struct file *f)
{
    struct epoll_set *s = f->priv;
    MUTEX_GUARD(&topology);
    mutex_lock(&s->mutex);
    for (uint32_t b = 0; b < s->bucket_count; b++) {
        struct epoll_item *it;
        while ((it = list_first(&s->bucket[b], struct epoll_item, link)) != NULL)
            item_free(it);
    }
    mutex_unlock(&s->mutex);
    set_free(s);
}

static void epoll_fdinfo(struct file *f, struct text *t)
{
    struct epoll_set *s = f->priv;
    MUTEX_GUARD(&s->mutex);
    for (uint32_t b = 0; b < s->bucket_count; b++) {
        struct epoll_item *it;
        list_for_each (it, &s->bucket[b], link)
            text_add(t, "tfd: %8d events: %8x data: %16lx\n", it->fd, it->events,
                     (unsigned long) it->data);
    }
}

static const struct file_ops epoll_file_ops = {
    .poll = epoll_poll,
    .release = epoll_release,
    .fdinfo = epoll_fdinfo,
    .name = "anon_inode:[eventpoll]",
};

int epoll_new(struct file **ret)
{
    struct epoll_set *s = new_zero(struct epoll_set);
    struct list *bucket = buckets_new(BUCKETS_MIN);
    if (!s || !bucket) {
        kfree(s);
        kfree(bucket);
        return -ENOMEM;
    }
    s->bucket = bucket;
    s->bucket_count = BUCKETS_MIN;
    mutex_init(&s->mutex);
    waitq_init(&s->queue);
    list_init(&s->ready);
    struct inode *i = anon_inode();
    struct file *f = file_new_pathless(i, &epoll_file_ops, s, O_RDWR, FILE_STREAM);
    if (!f) {
        inode_put(i);
        set_free(s);
        return -ENOMEM;
    }
    s->file = f;
    *ret = f;
    return 0;
}

/* ---- poll and select ---- */

#define CHUNK_WAITERS 32
struct poll_chunk {
    struct poll_chunk *next;
    unsigned count;
    struct waiter waiter[CHUNK_WAITERS];
};

static struct waiter *session_waiter(struct poll_session *s)
{
    if (s->count < POLL_SESSION_INLINE)
        return &s->inline_waiters[s->count++];
    struct poll_chunk *c = s->chunks;
    if (!c || c->count == CHUNK_WAITERS) {
        c = new_zero(struct poll_chunk);
        if (!c)
            return NULL;
        c->next = s->chunks;
        s->chunks = c;
    }
    return &c->waiter[c->count++];
}

static void session_add(struct poll_table *pt, struct waitq *q)
{
    struct poll_session *s = container_of(pt, struct poll_session, table);
    struct waiter *w = session_waiter(s);
    if (!w) {
        s->failed = true;
        return;
    }
    waiter_init(w);
    waitq_add(q, w);
}

void poll_session_init(struct poll_session *s)
{
    s->table.add = session_add;
    s->count = 0;
    s->chunks = NULL;
    s->failed = false;
}

void poll_session_fini(struct poll_session *s)
{
    for (unsigned i = 0; i < s->count; i++)
        waitq_del(&s->inline_waiters[i]);
    while (s->chunks) {
        struct poll_chunk *c = s->chunks;
        s->chunks = c->next;
        for (unsigned i = 0; i < c->count; i++)
            waitq_del(&c->waiter[i]);
        kfree(c);
    }
}
