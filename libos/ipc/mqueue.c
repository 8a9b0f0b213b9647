/* POSIX message queues: the queue itself and the operations on its open files.
 *
 * Senders of a full and receivers of an empty queue sleep on one wait queue and look again; poll hangs
 * there too. A process may ask to be told when a message comes to the empty queue while nobody waits in
 * receive: once, and until it closes a descriptor of the queue.
 */
#include "libos/ipc/mqueue_priv.h"
#include "libos/base/printf.h"
#include "libos/task/process.h"
#include "libos/task/signal.h"

void mqueue_init(struct mqueue *q, uint64_t max_count, uint64_t max_size)
{
    mutex_init(&q->mutex);
    list_init(&q->messages);
    waitq_init(&q->queue);
    q->max_count = max_count;
    q->max_size = max_size;
}

static void take_out(struct mqueue *q, struct msg *m)
{
    list_del(&m->link);
    q->count--;
    q->bytes -= m->size;
}

void mqueue_drain(struct mqueue *q)
{
    struct msg *m;
    list_for_each_safe (m, &q->messages, link) {
        take_out(q, m);
        msg_free(m);
    }
}

static int queue_for(struct file *f, uint32_t mode, struct mqueue **ret)
{
    if (f->ops != &mqueue_file_ops || !(f->mode & mode))
        return -EBADF;
    *ret = mqueue_of(f->inode);
    return 0;
}

int mqueue_message_size(struct file *f, uint64_t *ret)
{
    struct mqueue *q;
    int r = queue_for(f, FILE_READ | FILE_WRITE, &q);
    if (r == 0)
        *ret = q->max_size;
    return r;
}

/* ---- notification ----------------------------------------------------------------------------- */
enum { LETTER_WOKEN = 1, LETTER_REMOVED = 2 };

/* The letter that is to be posted once the queue is unlocked. */
static struct mqueue_letter forget_locked(struct mqueue *q, uint8_t why)
{
    process_put(TAKE(q->notified));
    struct mqueue_letter l = q->letter;
    q->letter = (struct mqueue_letter){0};
    l.bytes[sizeof l.bytes - 1] = why;
    return l;
}

static void post(const struct mqueue_letter *l)
{
    if (!l->to)
        return;
    (void) l->deliver(l->to, CSPAN_OF(l->bytes)); /* a full socket loses it, as on Linux */
    file_put(l->to);
}

static struct mqueue_letter tell_locked(struct mqueue *q)
{
    if (q->event.notify == SIGEV_SIGNAL) {
        struct linux_siginfo info = siginfo_user(q->event.signo, SI_MESGQ);
        info.rt.value = q->event.value;
        (void) signal_send(q->notified, &info); /* a full queue loses it, as on Linux */
    }
    return forget_locked(q, LETTER_WOKEN);
}

static int check_event(const struct linux_sigevent *ev)
{
    switch (ev->notify) {
    case SIGEV_NONE:
    case SIGEV_THREAD:
        return 0;
    case SIGEV_SIGNAL:
        return ev->signo >= 0 && ev->signo <= SIG_COUNT ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

static int notify_locked(struct mqueue *q, const struct linux_sigevent *ev,
                         const struct mqueue_letter *letter)
{
    struct process *me = current_process();
    if (q->notified)
        return -EBUSY;
    process_get(me);
    q->notified = me;
    q->event = *ev;
    if (letter)
        q->letter = *letter;
    return 0;
}

/* The calling process is told no more. */
static void withdraw(struct mqueue *q)
{
    struct mqueue_letter l = {0};
    mutex_lock(&q->mutex);
    if (q->notified && q->notified == current_process())
        l = forget_locked(q, LETTER_REMOVED);
    mutex_unlock(&q->mutex);
    post(&l);
}

int mqueue_notify(struct file *f, const struct linux_sigevent *ev,
                  const struct mqueue_letter *letter)
{
    struct mqueue *q;
    int r = ev ? check_event(ev) : 0;
    if (r == 0)
        r = queue_for(f, FILE_READ | FILE_WRITE, &q);
    if (r < 0)
        return r;
    if (!ev) {
        withdraw(q);
        return 0;
    }
    MUTEX_GUARD(&q->mutex);
    return notify_locked(q, ev, letter);
}

static void queue_flush(struct file *f)
{
    withdraw(mqueue_of(f->inode));
}

/* ---- messages --------------------------------------------------------------------------------- */
static int sleep_locked(struct mqueue *q, const struct file *f, int64_t deadline_ns)
{
    if (f->flags & O_NONBLOCK)
        return -EAGAIN;
    struct waiter w;
    waiter_init(&w);
    waitq_add(&q->queue, &w);
    mutex_unlock(&q->mutex);
    int r = thread_sleep(SLEEP_INTERRUPTIBLE, deadline_ns);
    mutex_lock(&q->mutex);
    waitq_del(&w);
    return r == -EINTR ? -ERESTARTSYS : r;
}

static struct mqueue_letter insert_locked(struct mqueue *q, struct msg *m)
{
    struct mqueue_letter letter = {0};
    struct list *before = q->messages.prev;
    while (before != &q->messages && list_entry(before, struct msg, link)->type < m->type)
        before = before->prev;
    list_insert(&m->link, before, before->next);
    q->count++;
    q->bytes += m->size;
    if (q->count == 1 && q->receivers == 0 && q->notified)
        letter = tell_locked(q);
    waitq_wake(&q->queue, POLL_IN | POLL_RDNORM);
    return letter;
}

static int send_locked(struct mqueue *q, struct file *f, struct msg *m, int64_t deadline_ns,
                       struct mqueue_letter *ret_letter)
{
    while (q->count >= q->max_count) {
        int r = sleep_locked(q, f, deadline_ns);
        if (r < 0)
            return r;
    }
    *ret_letter = insert_locked(q, m);
    inode_touch(f->inode, ATTR_MTIME | ATTR_CTIME);
    return 0;
}

int mqueue_send(struct file *f, struct msg *m, int64_t deadline_ns)
{
    struct mqueue *q;
    int r = queue_for(f, FILE_WRITE, &q);
    if (r < 0)
        return r;
    if (m->size > q->max_size)
        return -EMSGSIZE;
    struct mqueue_letter letter = {0};
    mutex_lock(&q->mutex);
    r = send_locked(q, f, m, deadline_ns, &letter);
    mutex_unlock(&q->mutex);
    post(&letter);
    return r;
}

int mqueue_receive(struct file *f, size_t max, int64_t deadline_ns, struct msg **ret)
{
    struct mqueue *q;
    int r = queue_for(f, FILE_READ, &q);
    if (r < 0)
        return r;
    if (max < q->max_size)
        return -EMSGSIZE;
    MUTEX_GUARD(&q->mutex);
    while (q->count == 0) {
        q->receivers++;
        r = sleep_locked(q, f, deadline_ns);
        q->receivers--;
        if (r < 0)
            return r;
    }
    struct msg *m = list_first(&q->messages, struct msg, link);
    take_out(q, m);
    waitq_wake(&q->queue, POLL_OUT | POLL_WRNORM);
    inode_touch(f->inode, ATTR_ATIME);
    *ret = m;
    return 0;
}

int mqueue_attr(struct file *f, const struct linux_mq_attr *new, struct linux_mq_attr *ret_old)
{
    struct mqueue *q;
    if (new && (new->flags & ~(int64_t) O_NONBLOCK))
        return -EINVAL;
    int r = queue_for(f, FILE_READ | FILE_WRITE, &q);
    if (r < 0)
        return r;
    MUTEX_GUARD(&q->mutex);
    *ret_old = (struct linux_mq_attr){.flags = f->flags & O_NONBLOCK,
                                      .maxmsg = (int64_t) q->max_count,
                                      .msgsize = (int64_t) q->max_size,
                                      .curmsgs = (int64_t) q->count};
    if (new)
        f->flags = (f->flags & ~(unsigned) O_NONBLOCK) | ((unsigned) new->flags &O_NONBLOCK);
    return 0;
}

/* ---- the file --------------------------------------------------------------------------------- */
static long queue_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct mqueue *q = mqueue_of(f->inode);
    char text[100];
    mutex_lock(&q->mutex);
    bool signal = q->notified && q->event.notify == SIGEV_SIGNAL;
    int n =
        (int) fmt_str(text, sizeof text, "QSIZE:%-10lu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n",
                      (unsigned long) q->bytes, q->notified ? q->event.notify : 0,
                      signal ? q->event.signo : 0, q->notified ? q->notified->pid : 0);
    mutex_unlock(&q->mutex);
    if (*pos >= (uint64_t) n)
        return 0;
    size_t count = MIN(uio->left, (size_t) n - *pos);
    int r = uio_put(uio, text + *pos, count);
    if (r < 0)
        return r;
    *pos += count;
    return (long) count;
}

static uint32_t queue_poll(struct file *f, struct poll_table *pt)
{
    struct mqueue *q = mqueue_of(f->inode);
    poll_wait(pt, &q->queue);
    MUTEX_GUARD(&q->mutex);
    return (q->count > 0 ? POLL_IN | POLL_RDNORM : 0) |
           (q->count < q->max_count ? POLL_OUT | POLL_WRNORM : 0);
}

const struct file_ops mqueue_file_ops = {
    .read = queue_read,
    .poll = queue_poll,
    .flush = queue_flush,
    .name = "mqueue",
};
