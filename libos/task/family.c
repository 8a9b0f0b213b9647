/* Parents and children, process groups, sessions. Everything here is under process_table_lock.
 *
 * A group's members are linked at the pid slot with the group's number, so signals to a group and
 * waits for one cost what the group has. A session is only counted at its slot: nothing iterates it.
 */
#include "libos/task/family.h"
#include "libos/task/job.h"

void family_add_child_locked(struct process *parent, struct process *child)
{
    child->parent = parent;
    list_add_tail(&parent->children, &child->sibling);
}

void family_join_group_locked(struct process *p, int pgid)
{
    struct pid_slot *s = pid_slot_locked(pgid);
    check(s);
    list_del(&p->group_link);
    p->pgid = pgid;
    list_add_tail(&s->group, &p->group_link);
}

void family_join_session_locked(struct process *p, int sid)
{
    struct pid_slot *s = pid_slot_locked(sid), *old = pid_slot_locked(p->sid);
    check(s);
    if (old)
        old->sessions--;
    p->sid = sid;
    s->sessions++;
}

void family_leave_locked(struct process *p)
{
    struct pid_slot *s = pid_slot_locked(p->sid);
    check(s && s->sessions > 0);
    s->sessions--;
    list_del(&p->group_link);
}

void family_reap_locked(struct process *p)
{
    check(p->state == PROCESS_ZOMBIE);
    p->state = PROCESS_REAPED;
    list_del(&p->sibling);
    family_leave_locked(p);
    struct pid_slot *s = pid_slot_locked(p->pid);
    check(s && s->proc == p);
    s->proc = NULL;
    pid_free_locked(p->pid);
}

/* A group is orphaned if no member has a parent in the same session but another group: nobody is left
 * who could continue it after a stop. */
bool family_group_orphaned_locked(int pgid, const struct process *except)
{
    struct pid_slot *s = pid_slot_locked(pgid);
    if (!s)
        return true;
    struct process *p;
    list_for_each (p, &s->group, group_link) {
        if (p == except || p->state != PROCESS_LIVE)
            continue;
        if (p->outside)
            return false;
        if (!p->parent)
            continue;
        if (p->parent->pgid != pgid && p->parent->sid == p->sid)
            return false;
    }
    return true;
}

/* ---- what the system calls use ---------------------------------------------------------------- */
static int setpgid_target_locked(int pid, struct process **ret)
{
    struct process *me = current_process();
    struct pid_slot *s = pid_slot_locked(pid);
    struct process *p = s ? s->proc : NULL;
    if (!p && process_of_task_locked(pid)) /* a thread that is not the first */
        return -EINVAL;
    if (!p || p->state != PROCESS_LIVE || (p != me && p->parent != me))
        return -ESRCH;
    if (p != me && p->sid != me->sid)
        return -EPERM;
    if (p != me && p->did_exec)
        return -EACCES;
    if (p->sid == p->pid)
        return -EPERM;
    *ret = p;
    return 0;
}

int job_setpgid(int pid, int pgid)
{
    if (pgid < 0)
        return -EINVAL;
    SPIN_GUARD(&process_table_lock);
    struct process *p = NULL;
    int r = setpgid_target_locked(pid ? pid : current_process()->pid, &p);
    if (r < 0)
        return r;
    if (pgid == 0)
        pgid = p->pid;
    if (pgid != p->pid) {
        struct pid_slot *s = pid_slot_locked(pgid);
        struct process *member = s ? list_first(&s->group, struct process, group_link) : NULL;
        if (!member || member->sid != p->sid)
            return -EPERM;
    }
    family_join_group_locked(p, pgid);
    return 0;
}

static int job_ids_locked(int pid, struct process **ret)
{
    *ret = process_of_task_locked(pid ? pid : current_process()->pid);
    return *ret ? 0 : -ESRCH;
}

int job_getpgid(int pid)
{
    SPIN_GUARD(&process_table_lock);
    struct process *p = NULL;
    int r = job_ids_locked(pid, &p);
    return r < 0 ? r : p->pgid;
}

int job_getsid(int pid)
{
    SPIN_GUARD(&process_table_lock);
    struct process *p = NULL;
    int r = job_ids_locked(pid, &p);
    return r < 0 ? r : p->sid;
}

int job_setsid(void)
{
    SPIN_GUARD(&process_table_lock);
    struct process *p = current_process();
    struct pid_slot *s = pid_slot_locked(p->pid);
    if (p->sid == p->pid || !list_empty(&s->group))
        return -EPERM;
    family_join_session_locked(p, p->pid);
    family_join_group_locked(p, p->pid);
    p->tty_link = 0;
    p->tty_old_pgid = 0;
    return p->pid;
}

bool job_group_in_session(int pgid, int sid)
{
    SPIN_GUARD(&process_table_lock);
    struct pid_slot *s = pid_slot_locked(pgid);
    struct process *member = s ? list_first(&s->group, struct process, group_link) : NULL;
    return member && member->sid == sid;
}

bool job_group_orphaned(int pgid)
{
    SPIN_GUARD(&process_table_lock);
    return family_group_orphaned_locked(pgid, NULL);
}
