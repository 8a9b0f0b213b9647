/* Credentials: what follows for capabilities when ids change or a program starts, and the groups.
 * Called from system calls and exec; reads and writes are under proc->lock.
 */
#include "libos/task/cred.h"
#include "libos/mm/heap.h"
#include "libos/task/process.h"

#define CAPS_FILE                                                                                  \
    (CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_DAC_READ_SEARCH) |               \
     CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_LINUX_IMMUTABLE) |                    \
     CAP_BIT(CAP_MKNOD))

bool capable(int cap)
{
    struct process *p = current_process();
    return !p || cred_capable(&p->cred, cap);
}

/* Leaving root drops capabilities; the effective uid, and for files the file-system uid, switch the
 * effective set. */
static void fix_capabilities(const struct cred *old, struct cred *c)
{
    bool was_root = !old->uid || !old->euid || !old->suid;
    if (c->securebits & SECURE_NO_SETUID_FIXUP)
        return;
    if (was_root && c->uid && c->euid && c->suid) {
        if (!(c->securebits & SECURE_KEEP_CAPS))
            c->cap_permitted = c->cap_effective = 0;
        c->cap_ambient = 0;
    }
    if (!old->euid && c->euid)
        c->cap_effective = 0;
    else if (old->euid && !c->euid)
        c->cap_effective = c->cap_permitted;
    else if (!old->fsuid && c->fsuid)
        c->cap_effective &= ~CAPS_FILE;
    else if (old->fsuid && !c->fsuid)
        c->cap_effective |= c->cap_permitted & CAPS_FILE;
}

void cred_commit(struct process *p, struct cred *c)
{
    SPIN_GUARD(&p->lock);
    fix_capabilities(&p->cred, c);
    if (c->euid != p->cred.euid || c->egid != p->cred.egid || c->fsuid != p->cred.fsuid ||
        c->fsgid != p->cred.fsgid) {
        p->dumpable = false;
        p->pdeath_signal = 0;
    }
    p->cred = *c;
}

void cred_exec(struct cred *c)
{
    bool rooted = !(c->securebits & SECURE_NOROOT) && (!c->uid || !c->euid);
    if (rooted) {
        c->cap_permitted = c->cap_inheritable | c->cap_bounding;
        c->cap_effective = c->euid ? c->cap_ambient : c->cap_permitted;
    } else {
        c->cap_permitted = c->cap_effective = c->cap_ambient;
    }
    c->suid = c->fsuid = c->euid;
    c->sgid = c->fsgid = c->egid;
    c->securebits &= ~(uint32_t) SECURE_KEEP_CAPS;
}

/* ---- groups ----------------------------------------------------------------------------------- */
struct groups *groups_new(uint32_t count)
{
    struct groups *g = kzalloc(sizeof *g + count * sizeof g->id[0]);
    if (!g)
        return NULL;
    ref_init(&g->ref);
    g->count = count;
    return g;
}

void groups_put(struct groups *g)
{
    if (ref_put_last(&g->ref))
        kfree(g);
}

struct groups *process_groups_get(struct process *p)
{
    SPIN_GUARD(&p->lock);
    if (p->groups)
        ref_get(&p->groups->ref);
    return p->groups;
}

void process_groups_set(struct process *p, struct groups *g)
{
    spin_lock(&p->lock);
    struct groups *old = p->groups;
    p->groups = g;
    spin_unlock(&p->lock);
    if (old)
        groups_put(old);
}

bool groups_have(const struct groups *g, uint32_t gid)
{
    for (uint32_t i = 0; g && i < g->count; i++)
        if (g->id[i] == gid)
            return true;
    return false;
}

bool process_in_group(struct process *p, uint32_t gid)
{
    SPIN_GUARD(&p->lock);
    return groups_have(p->groups, gid);
}
