/* Credentials: who has which, what follows for capabilities when ids change or a program starts, and the
 * groups. Called from system calls, clone and exec. Only a thread itself replaces its credentials, under
 * proc->lock because others look.
 */
#include "libos/task/cred.h"
#include "libos/mm/heap.h"
#include "libos/task/process.h"

#define CAPS_FILE                                                                                  \
    (CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_DAC_READ_SEARCH) |               \
     CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_LINUX_IMMUTABLE) |                    \
     CAP_BIT(CAP_MKNOD))

/* ---- references ------------------------------------------------------------------------------- */
static const struct cred kernel_cred = {
    .cap_effective = CAPS_ALL, .cap_permitted = CAPS_ALL, .cap_bounding = CAPS_ALL};

const struct cred *current_cred(void)
{
    const struct cred *c = current()->cred;
    return c ? c : &kernel_cred;
}

bool capable(int cap)
{
    return cred_capable(current_cred(), cap);
}

const struct cred *cred_get(const struct cred *c)
{
    struct cred *own = unconst(c);
    ref_get(&own->ref);
    return c;
}

void cred_put(const struct cred *c)
{
    struct cred *own = unconst(c);
    if (!ref_put_last(&own->ref))
        return;
    if (own->groups)
        groups_put(own->groups);
    kfree(own);
}

const struct cred *process_cred_get(struct process *p)
{
    SPIN_GUARD(&p->lock);
    return cred_get(p->cred);
}

const struct cred *thread_cred_get(struct thread *t)
{
    SPIN_GUARD(&t->proc->lock);
    return cred_get(t->cred);
}

uint32_t process_uid(struct process *p)
{
    SPIN_GUARD(&p->lock);
    return p->cred->uid;
}

void cred_copy_values(struct cred *dst, const struct cred *src)
{
    const size_t first = offsetof(struct cred, groups); /* others change the count before it */
    memcpy((uint8_t *) dst + first, (const uint8_t *) src + first, sizeof *dst - first);
}

static struct cred *copy_of(const struct cred *from)
{
    struct cred *c = new_zero(struct cred);
    if (!c)
        return NULL;
    cred_copy_values(c, from);
    ref_init(&c->ref);
    if (c->groups)
        ref_get(&c->groups->ref);
    return c;
}

struct cred *cred_new_root(void)
{
    return copy_of(&kernel_cred);
}

struct cred *cred_copy(void)
{
    return copy_of(current_cred());
}

/* ---- changes ---------------------------------------------------------------------------------- */
/* The calling thread's, and what its process shows if it is the leader. The process may be looked into by others
 * no more if the ids change. */
static void install(const struct cred *c, bool changes)
{
    struct thread *me = current();
    struct process *p = me->proc;
    const struct cred *old = me->cred, *shown = NULL;
    spin_lock(&p->lock);
    if (changes) {
        p->dumpable = false;
        p->pdeath_signal = 0;
    }
    me->cred = c;
    if (p->leader == me) {
        shown = p->cred;
        p->cred = cred_get(c);
    }
    spin_unlock(&p->lock);
    cred_put(old);
    if (shown)
        cred_put(shown);
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

static bool changes_ids(const struct cred *old, const struct cred *c)
{
    return c->euid != old->euid || c->egid != old->egid || c->fsuid != old->fsuid ||
           c->fsgid != old->fsgid;
}

void cred_commit(struct cred *c)
{
    const struct cred *old = current_cred();
    fix_capabilities(old, c);
    install(c, changes_ids(old, c));
}

void cred_commit_exec(const struct cred *c)
{
    const struct cred *old = current_cred();
    install(c,
            c->euid != old->euid || c->egid != old->egid || c->uid != c->euid || c->gid != c->egid);
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

void cred_set_groups(struct cred *c, struct groups *g)
{
    if (c->groups)
        groups_put(c->groups);
    c->groups = g;
}

bool cred_in_groups(const struct cred *c, uint32_t gid)
{
    for (uint32_t i = 0; c->groups && i < c->groups->count; i++)
        if (c->groups->id[i] == gid)
            return true;
    return false;
}
