/* System V message queues.
 *
 * A sender hands its message to the first waiting receiver that wants it, else appends it to the queue;
 * so nothing that a receiver waits for ever lies in the queue. A receiver's request lies on its stack
 * and is touched only under the queue's mutex, which its thread takes once more before it leaves.
 * Senders that find the queue full sleep on a wait queue and look again.
 */
#include "libos/ipc/msg.h"
#include "libos/base/atomic.h"
#include "libos/ipc/budget.h"
#include "libos/ipc/object.h"
#include "libos/mm/heap.h"
#include "libos/task/process.h"

struct msgq {
    struct ipc_object object;
    struct mutex mutex; /* all below */
    struct list messages, receivers;
    struct waitq senders;
    uint64_t bytes, count, max_bytes;
    int64_t stime, rtime;
    int lspid, lrpid;
};

enum match { ANY, EQUAL, NOT_EQUAL, LOWEST, NUMBER };
struct selector {
    enum match match;
    int64_t type;
    size_t max;
    bool truncate;
};

struct receiver {
    struct list link;
    struct thread *thread;
    const struct selector *wants;
    int pid, result;
    struct msg *got;
    bool done;
};

static uint64_t all_bytes, all_count; /* in all queues; atomic */

/* ---- messages --------------------------------------------------------------------------------- */
struct msg *msg_new(size_t size)
{
    size_t bytes;
    if (ck_add(&bytes, sizeof(struct msg), size) || !ipc_charge(bytes))
        return NULL;
    struct msg *m = alloc_flex(struct msg, data, size);
    if (!m) {
        ipc_uncharge(bytes);
        return NULL;
    }
    m->size = size;
    list_init(&m->link);
    return m;
}

void msg_free(struct msg *m)
{
    ipc_uncharge(sizeof *m + m->size);
    kfree(m);
}

/* ---- queues ----------------------------------------------------------------------------------- */
static void take_out(struct msgq *q, struct msg *m)
{
    list_del(&m->link);
    q->count--;
    q->bytes -= m->size;
    atomic_sub(&all_count, 1);
    atomic_sub(&all_bytes, m->size);
}

static void queue_free(struct ipc_object *o)
{
    struct msgq *q = container_of(o, struct msgq, object);
    struct msg *m;
    list_for_each_safe (m, &q->messages, link) {
        take_out(q, m);
        msg_free(m);
    }
    ipc_uncharge(sizeof *q);
    kfree(q);
}

static struct ipc_class msg_class = {
    .making = MUTEX_INIT(msg_class.making), .limit = IPC_MSGMNI, .free = queue_free};

static struct msgq *queue_of(struct ipc_object *o)
{
    return o ? container_of(o, struct msgq, object) : NULL;
}

static void queue_put(struct msgq *q)
{
    ipc_object_put(&q->object);
}
DEFINE_AUTO(struct msgq, queue_put)

static int queue_make(const struct ipc_get *g, struct ipc_object **ret)
{
    if (!ipc_charge(sizeof(struct msgq)))
        return -ENOMEM;
    struct msgq *q = new_zero(struct msgq);
    if (!q) {
        ipc_uncharge(sizeof *q);
        return -ENOMEM;
    }
    mutex_init(&q->mutex);
    list_init(&q->messages);
    list_init(&q->receivers);
    waitq_init(&q->senders);
    q->max_bytes = ipc_limit(IPC_MSGMNB);
    *ret = &q->object;
    return 0;
}

int msg_get(int key, int flags)
{
    struct ipc_get g = {.key = key, .flags = flags, .make = queue_make};
    return ipc_get(&msg_class, &g);
}

/* ---- sending ---------------------------------------------------------------------------------- */
static bool matches(const struct selector *s, const struct msg *m)
{
    switch (s->match) {
    case EQUAL:
        return m->type == s->type;
    case NOT_EQUAL:
        return m->type != s->type;
    case LOWEST:
        return m->type <= s->type;
    default:
        return true;
    }
}

static void finish_locked(struct receiver *r, int result)
{
    struct thread *t = r->thread;
    list_del(&r->link);
    r->result = result;
    atomic_store(&r->done, true);
    thread_wake(t); /* r cannot go away: its thread needs the mutex first */
}

/* True: a receiver has it. Those who want it and have no room for it are told. */
static bool hand_over_locked(struct msgq *q, struct msg *m)
{
    struct receiver *r;
    list_for_each_safe (r, &q->receivers, link) {
        if (!matches(r->wants, m))
            continue;
        if (m->size > r->wants->max && !r->wants->truncate) {
            finish_locked(r, -E2BIG);
            continue;
        }
        q->rtime = ipc_now();
        q->lrpid = r->pid;
        r->got = m;
        finish_locked(r, 0);
        return true;
    }
    return false;
}

static bool has_room(const struct msgq *q, uint64_t size)
{
    return size + q->bytes <= q->max_bytes && q->count + 1 <= q->max_bytes;
}

/* Until there is room or the queue is gone; the mutex is held on entry and return. */
static int wait_for_room(struct msgq *q, uint64_t size)
{
    struct waiter w;
    waiter_init(&w);
    waitq_add(&q->senders, &w);
    int r = 0;
    while (r == 0 && !q->object.removed && !has_room(q, size)) {
        mutex_unlock(&q->mutex);
        r = thread_sleep(SLEEP_INTERRUPTIBLE, FOREVER);
        mutex_lock(&q->mutex);
    }
    waitq_del(&w);
    return r < 0 ? -ERESTARTNOHAND : 0;
}

static int send(struct msgq *q, struct msg *m, int flags)
{
    MUTEX_GUARD(&q->mutex);
    if (!q->object.removed && !has_room(q, m->size)) {
        int r = flags & IPC_NOWAIT ? -EAGAIN : wait_for_room(q, m->size);
        if (r < 0)
            return r;
    }
    if (q->object.removed)
        return -EIDRM;
    q->stime = ipc_now();
    q->lspid = current_process()->pid;
    if (hand_over_locked(q, m))
        return 0;
    list_add_tail(&q->messages, &m->link);
    q->count++;
    q->bytes += m->size;
    atomic_add(&all_count, 1);
    atomic_add(&all_bytes, m->size);
    return 0;
}

int msg_send(int id, struct msg *m, int flags)
{
    AUTO(queue_put) struct msgq *q = queue_of(ipc_lookup_get(&msg_class, id));
    int r = q ? ipc_permission(&q->object, 0222) : -EINVAL;
    return r < 0 ? r : send(q, m, flags);
}

/* ---- receiving -------------------------------------------------------------------------------- */
static struct selector selector_of(int64_t type, size_t max, int flags)
{
    struct selector s = {.type = type, .max = max, .truncate = flags & LINUX_MSG_NOERROR};
    if (flags & LINUX_MSG_COPY) {
        s.match = NUMBER;
    } else if (type == 0) {
        s.match = ANY;
    } else if (type < 0) {
        s.match = LOWEST;
        s.type = type == INT64_MIN ? INT64_MAX : -type;
    } else {
        s.match = flags & LINUX_MSG_EXCEPT ? NOT_EQUAL : EQUAL;
    }
    return s;
}

static struct msg *find(const struct msgq *q, const struct selector *s)
{
    struct msg *found = NULL, *m;
    int64_t number = 0;
    list_for_each (m, &q->messages, link) {
        if (s->match == NUMBER) {
            if (number++ == s->type)
                return m;
        } else if (s->match == LOWEST) {
            if (m->type <= s->type && (!found || m->type < found->type))
                found = m;
        } else if (matches(s, m)) {
            return m;
        }
    }
    return found;
}

static struct msg *copy_of(const struct msg *m)
{
    struct msg *copy = msg_new(m->size);
    if (copy) {
        copy->type = m->type;
        memcpy(copy->data, m->data, m->size);
    }
    return copy;
}

static int take(struct msgq *q, const struct selector *s, struct msg *m, struct msg **ret)
{
    if (m->size > s->max && !s->truncate)
        return -E2BIG;
    if (s->match == NUMBER)
        return (*ret = copy_of(m)) ? 0 : -ENOMEM;
    take_out(q, m);
    q->rtime = ipc_now();
    q->lrpid = current_process()->pid;
    waitq_wake(&q->senders, ~0u);
    *ret = m;
    return 0;
}

static int wait_for_message(struct msgq *q, const struct selector *s, struct msg **ret)
{
    struct receiver r = {.thread = current(), .wants = s, .pid = current_process()->pid};
    list_add_tail(&q->receivers, &r.link);
    mutex_unlock(&q->mutex);
    int e = 0;
    while (e == 0 && !atomic_load(&r.done))
        e = thread_sleep(SLEEP_INTERRUPTIBLE, FOREVER);
    mutex_lock(&q->mutex);
    if (!r.done) {
        list_del(&r.link);
        return -ERESTARTNOHAND;
    }
    if (r.result == 0)
        *ret = r.got;
    return r.result;
}

/* -EAGAIN: permissions or limits changed, look again. */
static int receive(struct msgq *q, const struct selector *s, int flags, struct msg **ret)
{
    int r = ipc_permission(&q->object, 0444);
    if (r < 0)
        return r;
    MUTEX_GUARD(&q->mutex);
    if (q->object.removed)
        return -EIDRM;
    struct msg *m = find(q, s);
    if (m)
        return take(q, s, m, ret);
    return flags & IPC_NOWAIT ? -ENOMSG : wait_for_message(q, s, ret);
}

int msg_receive(int id, int64_t type, size_t max, int flags, struct msg **ret)
{
    if ((flags & LINUX_MSG_COPY) && ((flags & LINUX_MSG_EXCEPT) || !(flags & IPC_NOWAIT)))
        return -EINVAL;
    AUTO(queue_put) struct msgq *q = queue_of(ipc_lookup_get(&msg_class, id));
    if (!q)
        return -EINVAL;
    struct selector s = selector_of(type, max, flags);
    int r;
    do
        r = receive(q, &s, flags, ret);
    while (r == -EAGAIN);
    return r;
}

/* ---- msgctl ----------------------------------------------------------------------------------- */
int msg_stat(int id, bool slot, bool any, struct linux_msqid_ds *ret)
{
    AUTO(queue_put)
    struct msgq *q = queue_of(slot ? ipc_slot_get(&msg_class, id) : ipc_lookup_get(&msg_class, id));
    int r = !q ? -EINVAL : any ? 0 : ipc_permission(&q->object, 0444);
    if (r < 0)
        return r;
    MUTEX_GUARD(&q->mutex);
    *ret = (struct linux_msqid_ds){
        .stime = q->stime,
        .rtime = q->rtime,
        .ctime = q->object.ctime,
        .cbytes = q->bytes,
        .qnum = q->count,
        .qbytes = q->max_bytes,
        .lspid = q->lspid,
        .lrpid = q->lrpid,
    };
    ipc_perm_get(&q->object, &ret->perm);
    return slot ? q->object.id : 0;
}

int msg_info(bool usage, struct linux_msginfo *ret)
{
    uint64_t mni = ipc_limit(IPC_MSGMNI), mnb = ipc_limit(IPC_MSGMNB);
    *ret = (struct linux_msginfo){
        .pool = usage ? ipc_used(&msg_class) : (int32_t) (mni * mnb / 1024),
        .map = (int32_t) (usage ? atomic_load(&all_count) : mnb),
        .max = (int32_t) ipc_limit(IPC_MSGMAX),
        .mnb = (int32_t) mnb,
        .mni = (int32_t) mni,
        .ssz = 16,
        .tql = (int32_t) (usage ? atomic_load(&all_bytes) : mnb),
        .seg = 0xffff,
    };
    return ipc_highest(&msg_class);
}

int msg_set(int id, const struct linux_ipc_perm *perm, uint64_t qbytes)
{
    AUTO(queue_put) struct msgq *q = queue_of(ipc_lookup_get(&msg_class, id));
    int r = q ? ipc_owner(&q->object) : -EINVAL;
    if (r < 0)
        return r;
    if (qbytes > ipc_limit(IPC_MSGMNB) && !capable(CAP_SYS_RESOURCE))
        return -EPERM;
    MUTEX_GUARD(&q->mutex);
    ipc_perm_set(&q->object, perm);
    q->max_bytes = qbytes;
    struct receiver *w;
    list_for_each_safe (w, &q->receivers, link)
        finish_locked(w, -EAGAIN);
    waitq_wake(&q->senders, ~0u);
    return 0;
}

int msg_remove(int id)
{
    AUTO(queue_put) struct msgq *q = queue_of(ipc_lookup_get(&msg_class, id));
    int r = q ? ipc_owner(&q->object) : -EINVAL;
    if (r < 0)
        return r;
    MUTEX_GUARD(&q->mutex);
    if (!ipc_remove(&q->object))
        return -EIDRM;
    struct receiver *w;
    list_for_each_safe (w, &q->receivers, link)
        finish_locked(w, -EIDRM);
    waitq_wake(&q->senders, ~0u);
    return 0;
}

/* ---- /proc/sysvipc/msg ------------------------------------------------------------------------ */
int msg_proc_text(struct text *t)
{
    text_add(t, "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  "
                "cgid      stime      rtime      ctime\n");
    struct ipc_object *o;
    for (uint32_t i = 0; (o = ipc_next_get(&msg_class, &i)); ipc_object_put(o)) {
        const struct msgq *q = queue_of(o);
        struct linux_ipc_perm p;
        ipc_perm_get(o, &p);
        text_add(t, "%10d %10d  %4o  %10lu %10lu %5u %5u %5u %5u %5u %5u %10lu %10lu %10lu\n",
                 p.key, o->id, p.mode, (unsigned long) q->bytes, (unsigned long) q->count,
                 (unsigned) q->lspid, (unsigned) q->lrpid, p.uid, p.gid, p.cuid, p.cgid,
                 (unsigned long) q->stime, (unsigned long) q->rtime, (unsigned long) o->ctime);
    }
    return 0;
}
