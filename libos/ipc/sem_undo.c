/* SEM_UNDO: what a process has done to semaphores and is to be undone when it ends.
 *
 * One lock guards the lists of all processes and is taken before a set's mutex; records are looked up
 * once per system call and changed under the set's mutex alone. A removed set leaves its records to
 * their processes, which free them at the next look or at exit. CLONE_SYSVSEM between processes is not
 * followed: each process has its own records.
 */
#include "libos/ipc/budget.h"
#include "libos/ipc/sem_priv.h"
#include "libos/mm/heap.h"

static struct mutex undo_lock = MUTEX_INIT(undo_lock);

static void undo_free(struct sem_undo *u)
{
    ipc_uncharge(sizeof *u + u->count * sizeof u->adjust[0]);
    kfree(u);
}

static struct sem_undo *undo_new(struct sem_set *s)
{
    size_t bytes = sizeof(struct sem_undo) + s->count * sizeof(int16_t);
    if (!ipc_charge(bytes))
        return NULL;
    struct sem_undo *u = alloc_flex(struct sem_undo, adjust, s->count);
    if (!u) {
        ipc_uncharge(bytes);
        return NULL;
    }
    u->count = s->count;
    u->set = s;
    return u;
}

/* Frees what removed sets left on the way. */
static struct sem_undo *find(struct process *p, const struct sem_set *s)
{
    struct sem_undo *found = NULL;
    for (struct sem_undo **link = &p->sem_undos; *link;) {
        struct sem_undo *u = *link;
        if (!u->set) {
            *link = u->next;
            undo_free(u);
            continue;
        }
        found = u->set == s ? u : found;
        link = &u->next;
    }
    return found;
}

int sem_undo_find(struct sem_set *s, struct sem_undo **ret)
{
    struct process *p = current_process();
    MUTEX_GUARD(&undo_lock);
    *ret = find(p, s);
    if (*ret)
        return 0;
    if (s->object.removed) /* set under this lock */
        return -EIDRM;
    struct sem_undo *u = undo_new(s);
    if (!u)
        return -ENOMEM;
    u->next = p->sem_undos;
    p->sem_undos = u;
    mutex_lock(&s->mutex);
    list_add(&s->undos, &u->set_link);
    mutex_unlock(&s->mutex);
    *ret = u;
    return 0;
}

void sem_undo_clear_locked(struct sem_set *s, uint32_t first, uint32_t count)
{
    struct sem_undo *u;
    list_for_each (u, &s->undos, set_link)
        for (uint32_t i = first; i < first + count; i++)
            u->adjust[i] = 0;
}

bool sem_undo_remove_set(struct sem_set *s)
{
    MUTEX_GUARD(&undo_lock);
    mutex_lock(&s->mutex);
    bool mine = ipc_remove(&s->object);
    struct sem_undo *u;
    list_for_each_safe (u, &s->undos, set_link) {
        list_del(&u->set_link);
        u->set = NULL;
    }
    mutex_unlock(&s->mutex);
    return mine;
}

static void give_back(struct sem_undo *u, int pid)
{
    struct sem_set *s = u->set;
    MUTEX_GUARD(&s->mutex);
    list_del(&u->set_link);
    for (uint32_t i = 0; i < u->count; i++) {
        if (!u->adjust[i])
            continue;
        int value = s->sem[i].value + u->adjust[i];
        s->sem[i].value = MIN(MAX(value, 0), LINUX_SEMVMX);
        s->sem[i].pid = pid;
    }
    sem_update_locked(s);
}

void sem_process_exit(struct process *p)
{
    if (!p->sem_undos)
        return;
    MUTEX_GUARD(&undo_lock);
    struct sem_undo *u;
    while ((u = p->sem_undos)) {
        p->sem_undos = u->next;
        if (u->set)
            give_back(u, p->pid);
        undo_free(u);
    }
}
