/* System V semaphores: sets and operations on them.
 *
 * A call's operations are done together or not at all. One that cannot be done waits in the set's list;
 * whoever changes the set tries the waiting ones in their order and does for them what can be done, so
 * a woken thread only fetches its result. A request lies on the stack of its thread; others touch it
 * only under the set's mutex, which the thread takes once more before it leaves.
 *
 * Lock order: the lock of undo records (sem_undo.c), set->mutex, the class's spin lock.
 */
#include "libos/ipc/sem_priv.h"
#include "libos/base/atomic.h"
#include "libos/ipc/budget.h"
#include "libos/mm/heap.h"

struct sem_request {
    struct list link;
    struct thread *thread;
    const struct linux_sembuf *ops;
    size_t count, blocked; /* blocked: the operation that it waits for */
    struct sem_undo *undo; /* NULL: no SEM_UNDO among them */
    int pid;
    bool alters, done;
    int result;
};

static uint64_t sem_total; /* semaphores in all sets; atomic */

static void set_free(struct ipc_object *o)
{
    struct sem_set *s = container_of(o, struct sem_set, object);
    atomic_sub(&sem_total, s->count);
    ipc_uncharge(sizeof *s + s->count * sizeof s->sem[0]);
    kfree(s);
}

struct ipc_class sem_class = {
    .making = MUTEX_INIT(sem_class.making), .limit = IPC_SEMMNI, .free = set_free};

struct sem_set *sem_set_get(int id)
{
    struct ipc_object *o = ipc_lookup_get(&sem_class, id);
    return o ? container_of(o, struct sem_set, object) : NULL;
}

static void set_put(struct sem_set *s)
{
    ipc_object_put(&s->object);
}
DEFINE_AUTO(struct sem_set, set_put)

/* ---- semget ----------------------------------------------------------------------------------- */
static int set_fits(const struct ipc_object *o, uint64_t count)
{
    return count > container_of(unconst(o), struct sem_set, object)->count ? -EINVAL : 0;
}

static int set_make(const struct ipc_get *g, struct ipc_object **ret)
{
    if (g->size == 0)
        return -EINVAL;
    if (atomic_load(&sem_total) + g->size > ipc_limit(IPC_SEMMNS))
        return -ENOSPC;
    size_t bytes = sizeof(struct sem_set) + g->size * sizeof(struct sem);
    if (!ipc_charge(bytes))
        return -ENOMEM;
    struct sem_set *s = alloc_flex(struct sem_set, sem, g->size);
    if (!s) {
        ipc_uncharge(bytes);
        return -ENOMEM;
    }
    s->count = (uint32_t) g->size;
    mutex_init(&s->mutex);
    list_init(&s->waiting);
    list_init(&s->undos);
    atomic_add(&sem_total, g->size);
    *ret = &s->object;
    return 0;
}

int sem_get(int key, int count, int flags)
{
    if (count < 0 || (uint64_t) count > ipc_limit(IPC_SEMMSL))
        return -EINVAL;
    struct ipc_get g = {
        .key = key, .flags = flags, .size = (uint64_t) count, .fits = set_fits, .make = set_make};
    return ipc_get(&sem_class, &g);
}

/* ---- operations ------------------------------------------------------------------------------- */
enum { MUST_WAIT = 1 };

static int undo_after(const struct sem_request *q, const struct linux_sembuf *op)
{
    return q->undo && (op->flags & LINUX_SEM_UNDO) ? q->undo->adjust[op->num] - op->op : 0;
}

static int do_one(struct sem_set *s, struct sem_request *q, size_t i)
{
    const struct linux_sembuf *op = &q->ops[i];
    struct sem *sem = &s->sem[op->num];
    int value = sem->value + op->op, undo = undo_after(q, op);
    if ((op->op == 0 && sem->value != 0) || value < 0) {
        q->blocked = i;
        return op->flags & IPC_NOWAIT ? -EAGAIN : MUST_WAIT;
    }
    if (value > LINUX_SEMVMX || undo < -LINUX_SEMVMX - 1 || undo > LINUX_SEMVMX)
        return -ERANGE;
    sem->value = value;
    if (q->undo && (op->flags & LINUX_SEM_UNDO))
        q->undo->adjust[op->num] = (int16_t) undo;
    return 0;
}

static void take_back(struct sem_set *s, struct sem_request *q, size_t i)
{
    const struct linux_sembuf *op = &q->ops[i];
    s->sem[op->num].value -= op->op;
    if (q->undo && (op->flags & LINUX_SEM_UNDO))
        q->undo->adjust[op->num] = (int16_t) (q->undo->adjust[op->num] + op->op);
}

/* All of a request's operations or none. 0, MUST_WAIT or -errno. */
static int do_all(struct sem_set *s, struct sem_request *q)
{
    for (size_t i = 0; i < q->count; i++) {
        int r = do_one(s, q, i);
        if (r == 0)
            continue;
        while (i > 0)
            take_back(s, q, --i);
        return r;
    }
    for (size_t i = 0; i < q->count; i++)
        s->sem[q->ops[i].num].pid = q->pid;
    s->otime = ipc_now();
    return 0;
}

static void finish_locked(struct sem_request *q, int result)
{
    struct thread *t = q->thread;
    list_del(&q->link);
    q->result = result;
    atomic_store(&q->done, true);
    thread_wake(t); /* q cannot go away: its thread needs the mutex first */
}

/* True if one was done that changed something. */
static bool serve_one_locked(struct sem_set *s)
{
    struct sem_request *q;
    list_for_each_safe (q, &s->waiting, link) {
        int r = do_all(s, q);
        if (r == MUST_WAIT)
            continue;
        bool changed = r == 0 && q->alters;
        finish_locked(q, r);
        if (changed)
            return true;
    }
    return false;
}

void sem_update_locked(struct sem_set *s)
{
    while (serve_one_locked(s))
        ;
}

static int wait_for_turn(struct sem_set *s, struct sem_request *q, int64_t deadline_ns)
{
    list_add_tail(&s->waiting, &q->link);
    mutex_unlock(&s->mutex);
    int r = 0;
    while (r == 0 && !atomic_load(&q->done))
        r = thread_sleep(SLEEP_INTERRUPTIBLE, deadline_ns);
    mutex_lock(&s->mutex);
    if (q->done)
        return q->result;
    list_del(&q->link);
    return r == -ETIMEDOUT ? -EAGAIN : -EINTR;
}

static int operate(struct sem_set *s, struct sem_request *q, int64_t deadline_ns)
{
    MUTEX_GUARD(&s->mutex);
    if (s->object.removed)
        return -EIDRM;
    int r = do_all(s, q);
    if (r == MUST_WAIT)
        return wait_for_turn(s, q, deadline_ns);
    if (r == 0 && q->alters)
        sem_update_locked(s);
    return r;
}

int sem_operate(int id, const struct linux_sembuf *ops, size_t count, int64_t deadline_ns)
{
    AUTO(set_put) struct sem_set *s = sem_set_get(id);
    if (!s)
        return -EINVAL;
    struct sem_request q = {
        .thread = current(), .ops = ops, .count = count, .pid = current_process()->pid};
    bool undo = false;
    for (size_t i = 0; i < count; i++) {
        if (ops[i].num >= s->count)
            return -EFBIG;
        q.alters |= ops[i].op != 0;
        undo |= (ops[i].flags & LINUX_SEM_UNDO) && ops[i].op != 0;
    }
    int r = ipc_permission(&s->object, q.alters ? 0222 : 0444);
    if (r == 0 && undo)
        r = sem_undo_find(s, &q.undo);
    return r < 0 ? r : operate(s, &q, deadline_ns);
}

/* ---- semctl ----------------------------------------------------------------------------------- */
/* The set with its mutex held, for who may use it so (mode 0: everybody). */
static int lock_set(int id, unsigned mode, struct sem_set **ret)
{
    struct sem_set *s = sem_set_get(id);
    int r = !s ? -EINVAL : mode ? ipc_permission(&s->object, mode) : 0;
    if (r == 0) {
        mutex_lock(&s->mutex);
        *ret = s;
        if (!s->object.removed)
            return 0;
        mutex_unlock(&s->mutex);
        r = -EIDRM;
    }
    if (s)
        set_put(s);
    return r;
}

static void unlock_set(struct sem_set *s)
{
    mutex_unlock(&s->mutex);
    set_put(s);
}

int sem_stat(int id, bool slot, bool any, struct linux_semid_ds *ret)
{
    AUTO(ipc_object_put)
    struct ipc_object *o = slot ? ipc_slot_get(&sem_class, id) : ipc_lookup_get(&sem_class, id);
    int r = !o ? -EINVAL : any ? 0 : ipc_permission(o, 0444);
    if (r < 0)
        return r;
    struct sem_set *s = container_of(o, struct sem_set, object);
    *ret = (struct linux_semid_ds){.nsems = s->count, .ctime = o->ctime};
    ipc_perm_get(o, &ret->perm);
    MUTEX_GUARD(&s->mutex);
    ret->otime = s->otime;
    return slot ? o->id : 0;
}

int sem_info(bool usage, struct linux_seminfo *ret)
{
    *ret = (struct linux_seminfo){
        .map = (int32_t) ipc_limit(IPC_SEMMNS),
        .mni = (int32_t) ipc_limit(IPC_SEMMNI),
        .mns = (int32_t) ipc_limit(IPC_SEMMNS),
        .mnu = (int32_t) ipc_limit(IPC_SEMMNS),
        .msl = (int32_t) ipc_limit(IPC_SEMMSL),
        .opm = (int32_t) ipc_limit(IPC_SEMOPM),
        .ume = (int32_t) ipc_limit(IPC_SEMOPM),
        .usz = usage ? ipc_used(&sem_class) : 20,
        .vmx = LINUX_SEMVMX,
        .aem = usage ? (int32_t) atomic_load(&sem_total) : LINUX_SEMVMX,
    };
    return ipc_highest(&sem_class);
}

int sem_set_perm(int id, const struct linux_ipc_perm *perm)
{
    AUTO(set_put) struct sem_set *s = sem_set_get(id);
    int r = s ? ipc_owner(&s->object) : -EINVAL;
    if (r == 0)
        ipc_perm_set(&s->object, perm);
    return r;
}

int sem_remove(int id)
{
    AUTO(set_put) struct sem_set *s = sem_set_get(id);
    int r = s ? ipc_owner(&s->object) : -EINVAL;
    if (r < 0)
        return r;
    if (!sem_undo_remove_set(s))
        return -EIDRM;
    MUTEX_GUARD(&s->mutex);
    struct sem_request *q;
    list_for_each_safe (q, &s->waiting, link)
        finish_locked(q, -EIDRM);
    return 0;
}

static int waiters_locked(const struct sem_set *s, int number, bool for_zero)
{
    int n = 0;
    const struct sem_request *q;
    list_for_each (q, &s->waiting, link) {
        const struct linux_sembuf *op = &q->ops[q->blocked];
        n += op->num == number && (op->op == 0) == for_zero;
    }
    return n;
}

static int query_locked(const struct sem_set *s, int cmd, int number)
{
    if (number < 0 || (uint32_t) number >= s->count)
        return -EINVAL;
    switch (cmd) {
    case LINUX_SEM_GETVAL:
        return s->sem[number].value;
    case LINUX_SEM_GETPID:
        return s->sem[number].pid;
    default:
        return waiters_locked(s, number, cmd == LINUX_SEM_GETZCNT);
    }
}

int sem_query(int id, int cmd, int number)
{
    struct sem_set *s;
    int r = lock_set(id, 0444, &s);
    if (r < 0)
        return r;
    r = query_locked(s, cmd, number);
    unlock_set(s);
    return r;
}

static int set_value_locked(struct sem_set *s, int number, int value)
{
    if (number < 0 || (uint32_t) number >= s->count)
        return -EINVAL;
    sem_undo_clear_locked(s, (uint32_t) number, 1);
    s->sem[number] = (struct sem){.value = value, .pid = current_process()->pid};
    ipc_touch(&s->object);
    sem_update_locked(s);
    return 0;
}

int sem_set_value(int id, int number, int value)
{
    if (value < 0 || value > LINUX_SEMVMX)
        return -ERANGE;
    struct sem_set *s;
    int r = lock_set(id, 0222, &s);
    if (r < 0)
        return r;
    r = set_value_locked(s, number, value);
    unlock_set(s);
    return r;
}

int sem_count(int id, bool writing)
{
    AUTO(set_put) struct sem_set *s = sem_set_get(id);
    int r = s ? ipc_permission(&s->object, writing ? 0222 : 0444) : -EINVAL;
    return r < 0 ? r : (int) s->count;
}

int sem_get_all(int id, uint16_t *values, size_t count)
{
    struct sem_set *s;
    int r = lock_set(id, 0444, &s);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < s->count && i < count; i++)
        values[i] = (uint16_t) s->sem[i].value;
    unlock_set(s);
    return 0;
}

int sem_set_all(int id, const uint16_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i] > LINUX_SEMVMX)
            return -ERANGE;
    struct sem_set *s;
    int r = lock_set(id, 0222, &s);
    if (r < 0)
        return r;
    sem_undo_clear_locked(s, 0, s->count);
    for (uint32_t i = 0; i < s->count && i < count; i++)
        s->sem[i] = (struct sem){.value = values[i], .pid = current_process()->pid};
    ipc_touch(&s->object);
    sem_update_locked(s);
    unlock_set(s);
    return 0;
}

/* ---- /proc/sysvipc/sem ------------------------------------------------------------------------ */
int sem_proc_text(struct text *t)
{
    text_add(t, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      "
                "ctime\n");
    struct ipc_object *o;
    for (uint32_t i = 0; (o = ipc_next_get(&sem_class, &i)); ipc_object_put(o)) {
        const struct sem_set *s = container_of(o, struct sem_set, object);
        struct linux_ipc_perm p;
        ipc_perm_get(o, &p);
        text_add(t, "%10d %10d  %4o %10u %5u %5u %5u %5u %10lu %10lu\n", p.key, o->id, p.mode,
                 s->count, p.uid, p.gid, p.cuid, p.cgid, (unsigned long) s->otime,
                 (unsigned long) o->ctime);
    }
    return 0;
}
