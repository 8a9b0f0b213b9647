/* Tables of System V objects. The spin lock covers slots, keys and permissions; `making` is held over
 * lookup by key and creation, so that two callers with the same key get one object. */
#include "libos/ipc/object.h"
#include "libos/mm/heap.h"
#include "libos/task/process.h"

#define TURNS (INT32_MAX / IPC_INDEX_MAX)

int64_t ipc_now(void)
{
    return clock_realtime_ns() / NSEC_PER_SEC;
}

/* ---- slots and keys --------------------------------------------------------------------------- */
static void prepare_locked(struct ipc_class *c)
{
    for (size_t i = 0; !c->ready && i < IPC_KEY_BUCKETS; i++)
        list_init(&c->keys[i]);
    c->ready = true;
}

static struct list *bucket_of(struct ipc_class *c, int key)
{
    return &c->keys[(uint32_t) key * 0x9e3779b1u >> 26];
}

static struct ipc_object *find_key_get(struct ipc_class *c, int key)
{
    SPIN_GUARD(&c->lock);
    prepare_locked(c);
    struct ipc_object *o;
    list_for_each (o, bucket_of(c, key), key_link)
        if (o->key == key && ref_get_unless_zero(&o->ref))
            return o;
    return NULL;
}

/* Room for one more; `making` is held, so nobody else changes the array. */
static bool grow(struct ipc_class *c)
{
    if (c->count < c->capacity)
        return true;
    uint32_t capacity = MIN(MAX(c->capacity * 2, 16u), IPC_INDEX_MAX);
    struct ipc_object **slots = kzalloc(capacity * sizeof *slots);
    if (!slots)
        return false;
    spin_lock(&c->lock);
    struct ipc_object **old = c->slots;
    for (uint32_t i = 0; i < c->capacity; i++)
        slots[i] = old[i];
    c->slots = slots;
    c->capacity = capacity;
    spin_unlock(&c->lock);
    kfree(old);
    return true;
}

static void insert(struct ipc_class *c, struct ipc_object *o)
{
    SPIN_GUARD(&c->lock);
    uint32_t i = c->first_free;
    while (c->slots[i])
        i++;
    c->first_free = i + 1;
    c->slots[i] = o;
    c->count++;
    o->id = (int) (c->turn * IPC_INDEX_MAX + i);
    c->turn = (c->turn + 1) % TURNS;
    if (o->key != IPC_PRIVATE)
        list_add(bucket_of(c, o->key), &o->key_link);
}

/* ---- the *get calls --------------------------------------------------------------------------- */
static int make(struct ipc_class *c, const struct ipc_get *g)
{
    if (c->count >= MIN(ipc_limit(c->limit), (uint64_t) IPC_INDEX_MAX))
        return -ENOSPC;
    struct ipc_object *o;
    int r = grow(c) ? (g->make)(g, &o) : -ENOMEM;
    if (r < 0)
        return r;
    const struct cred *who = current_cred();
    ref_init(&o->ref);
    list_init(&o->key_link);
    o->class = c;
    o->key = g->key;
    o->uid = o->cuid = who->euid;
    o->gid = o->cgid = who->egid;
    o->mode = (uint32_t) g->flags & 0777;
    o->ctime = ipc_now();
    insert(c, o);
    return o->id;
}

static int reuse(struct ipc_object *o, const struct ipc_get *g)
{
    if ((g->flags & IPC_CREAT) && (g->flags & IPC_EXCL))
        return -EEXIST;
    int r = g->fits ? (g->fits)(o, g->size) : 0;
    if (r == 0)
        r = ipc_permission(o, (unsigned) g->flags);
    return r < 0 ? r : o->id;
}

int ipc_get(struct ipc_class *c, const struct ipc_get *g)
{
    MUTEX_GUARD(&c->making);
    AUTO(ipc_object_put)
    struct ipc_object *o = g->key == IPC_PRIVATE ? NULL : find_key_get(c, g->key);
    if (o)
        return reuse(o, g);
    if (g->key != IPC_PRIVATE && !(g->flags & IPC_CREAT))
        return -ENOENT;
    return make(c, g);
}

/* ---- lookup ----------------------------------------------------------------------------------- */
struct ipc_object *ipc_slot_get(struct ipc_class *c, int index)
{
    SPIN_GUARD(&c->lock);
    if (index < 0 || (uint32_t) index >= c->capacity)
        return NULL;
    struct ipc_object *o = c->slots[index];
    return o && ref_get_unless_zero(&o->ref) ? o : NULL;
}

struct ipc_object *ipc_lookup_get(struct ipc_class *c, int id)
{
    struct ipc_object *o = id < 0 ? NULL : ipc_slot_get(c, id % (int) IPC_INDEX_MAX);
    if (o && o->id != id) {
        ipc_object_put(o);
        return NULL;
    }
    return o;
}

struct ipc_object *ipc_next_get(struct ipc_class *c, uint32_t *index)
{
    for (; *index < c->capacity; ++*index) {
        struct ipc_object *o = ipc_slot_get(c, (int) *index);
        if (!o)
            continue;
        ++*index;
        return o;
    }
    return NULL;
}

void ipc_object_put(struct ipc_object *o)
{
    if (ref_put_last(&o->ref))
        o->class->free(o);
}

int ipc_highest(struct ipc_class *c)
{
    SPIN_GUARD(&c->lock);
    uint32_t i = c->capacity;
    while (i > 1 && !c->slots[i - 1])
        i--;
    return i > 0 ? (int) i - 1 : 0;
}

int ipc_used(struct ipc_class *c)
{
    SPIN_GUARD(&c->lock);
    return (int) c->count;
}

/* ---- permissions ------------------------------------------------------------------------------ */
static bool in_group(const struct cred *c, uint32_t gid)
{
    return c->egid == gid || cred_in_groups(c, gid);
}

int ipc_permission(struct ipc_object *o, unsigned mode)
{
    const struct cred *c = current_cred();
    SPIN_GUARD(&o->class->lock);
    unsigned wanted = (mode >> 6 | mode >> 3 | mode) & 7, granted = o->mode;
    if (c->euid == o->uid || c->euid == o->cuid)
        granted >>= 6;
    else if (in_group(c, o->gid) || in_group(c, o->cgid))
        granted >>= 3;
    return (wanted & ~granted) && !cred_capable(c, CAP_IPC_OWNER) ? -EACCES : 0;
}

int ipc_owner(struct ipc_object *o)
{
    const struct cred *c = current_cred();
    SPIN_GUARD(&o->class->lock);
    bool may = c->euid == o->uid || c->euid == o->cuid || cred_capable(c, CAP_SYS_ADMIN);
    return may ? 0 : -EPERM;
}

void ipc_perm_get(struct ipc_object *o, struct linux_ipc_perm *ret)
{
    SPIN_GUARD(&o->class->lock);
    *ret = (struct linux_ipc_perm){.key = o->key,
                                   .uid = o->uid,
                                   .gid = o->gid,
                                   .cuid = o->cuid,
                                   .cgid = o->cgid,
                                   .mode = o->mode,
                                   .seq = (uint16_t) ((uint32_t) o->id / IPC_INDEX_MAX)};
}

void ipc_perm_set(struct ipc_object *o, const struct linux_ipc_perm *perm)
{
    SPIN_GUARD(&o->class->lock);
    o->uid = perm->uid;
    o->gid = perm->gid;
    o->mode = (o->mode & ~0777u) | (perm->mode & 0777);
    o->ctime = ipc_now();
}

void ipc_touch(struct ipc_object *o)
{
    SPIN_GUARD(&o->class->lock);
    o->ctime = ipc_now();
}

/* ---- removal ---------------------------------------------------------------------------------- */
void ipc_hide(struct ipc_object *o)
{
    SPIN_GUARD(&o->class->lock);
    list_del(&o->key_link);
    o->key = IPC_PRIVATE;
}

bool ipc_remove(struct ipc_object *o)
{
    struct ipc_class *c = o->class;
    spin_lock(&c->lock);
    bool mine = !o->removed;
    if (mine) {
        o->removed = true;
        list_del(&o->key_link);
        uint32_t i = (uint32_t) o->id % IPC_INDEX_MAX;
        c->slots[i] = NULL;
        c->first_free = MIN(c->first_free, i);
        c->count--;
    }
    spin_unlock(&c->lock);
    if (mine)
        ipc_object_put(o);
    return mine;
}
