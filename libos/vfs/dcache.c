/* The dentry cache; vfs/dcache.h says what holds. Freed memory and inode references are released after
 * the lock is dropped, because releasing an inode may sleep. */
#include "libos/vfs/dcache.h"
#include "libos/vfs/notify.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"

#define BUCKETS     8192u
#define PRUNE_ABOVE 32768u /* dentries; then unused ones go */
#define PRUNE_BATCH 64u

static struct {
    struct spinlock lock;
    struct dentry **bucket; /* BUCKETS chains */
    uint32_t count, hand;
} dcache;

int dcache_init(void)
{
    dcache.bucket = kpages_alloc(BUCKETS * sizeof *dcache.bucket / 4096);
    return dcache.bucket ? 0 : -ENOMEM;
}

void dcache_lock(void)
{
    spin_lock(&dcache.lock);
}

void dcache_unlock(void)
{
    spin_unlock(&dcache.lock);
}

uint32_t dcache_hash(struct qname name)
{
    uint32_t h = DCACHE_HASH_START;
    for (size_t i = 0; i < name.n; i++)
        h = dcache_hash_step(h, name.p[i]);
    return h;
}

static struct dentry **bucket_of(const struct dentry *parent, uint32_t hash)
{
    uint64_t k = ((uintptr_t) parent >> 5) * 0x9e3779b97f4a7c15ull + hash;
    return &dcache.bucket[(k ^ (k >> 29)) % BUCKETS];
}

static bool name_is(const struct dentry *d, struct qname name)
{
    if (d->name_len != name.n)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (d->name[i] != name.p[i])
            return false;
    return true;
}

struct dentry *dcache_peek_locked(struct dentry *parent, struct qname name, uint32_t hash)
{
    for (struct dentry *d = *bucket_of(parent, hash); d; d = d->hash_next)
        if (d->hash == hash && d->parent == parent && name_is(d, name)) {
            if (!(d->flags & DENTRY_REFERENCED))
                d->flags |= DENTRY_REFERENCED;
            return d;
        }
    return NULL;
}

static bool set_name(struct dentry *d, struct qname name)
{
    char *p = d->short_name;
    if (name.n >= sizeof d->short_name && !(p = kzalloc(name.n + 1)))
        return false;
    memcpy(p, name.p, name.n);
    p[name.n] = 0;
    d->name = p;
    d->name_len = (uint32_t) name.n;
    d->hash = dcache_hash(name);
    return true;
}

/* Not hashed; one reference. */
static struct dentry *dentry_new(struct dentry *parent, struct super *s, struct qname name)
{
    struct dentry *d = new_zero(struct dentry);
    if (!d)
        return NULL;
    if (!set_name(d, name)) {
        kfree(d);
        return NULL;
    }
    d->ref = 1;
    d->super = s;
    d->parent = parent ? parent : d;
    if (parent)
        dentry_get(parent);
    return d;
}

struct dentry *dentry_new_root(struct super *s, struct inode *root)
{
    struct dentry *d = dentry_new(NULL, s, QNAME("/"));
    if (d)
        d->inode = root;
    return d;
}

static void hash_locked(struct dentry *d)
{
    struct dentry **b = bucket_of(d->parent, d->hash);
    d->hash_next = *b;
    *b = d;
    d->flags |= DENTRY_HASHED | DENTRY_REFERENCED;
    dcache.count++;
}

static void unhash_locked(struct dentry *d)
{
    if (!(d->flags & DENTRY_HASHED))
        return;
    struct dentry **b = bucket_of(d->parent, d->hash);
    while (*b != d)
        b = &(*b)->hash_next;
    *b = d->hash_next;
    d->hash_next = NULL;
    d->flags &= ~DENTRY_HASHED;
    dcache.count--;
}

void dentry_get(struct dentry *d)
{
    atomic_add(&d->ref, 1);
}

/* Does the file of this deleted name have no other? A file of the image keeps the count it has there. */
static bool was_last_name(const struct dentry *d)
{
    const struct inode *i = inode_real(d->inode);
    return (d->flags & DENTRY_DELETED) && (i->nlink == 0 || (d->inode->flags & INODE_DEAD) ||
                                           ((i->flags & INODE_IMMUTABLE) && i->nlink == 1));
}

/* Frees one that is unreferenced and unhashed; returns the parent whose reference it held. */
static struct dentry *dentry_free(struct dentry *d)
{
    struct dentry *parent = d->parent != d ? d->parent : NULL;
    if (d->inode) {
        if (unlikely(atomic_load(&notify_watchers)) && was_last_name(d))
            notify_self(d->inode, NOTIFY_DELETE_SELF);
        inode_put(d->inode);
    }
    if (d->name != d->short_name)
        kfree(d->name);
    kfree(d);
    return parent;
}

void dentry_put(struct dentry *d)
{
    while (d) {
        uint32_t n = atomic_load(&d->ref);
        while (n > 1)
            if (atomic_cas(&d->ref, &n, n - 1))
                return;
        dcache_lock();
        n = atomic_sub_new(&d->ref, 1);
        check(n < REF_MAX);
        bool dead = n == 0 && !(d->flags & DENTRY_HASHED);
        dcache_unlock();
        d = dead ? dentry_free(d) : NULL;
    }
}

/* Takes up to PRUNE_BATCH unused dentries off the hash; returns them chained. */
static struct dentry *prune_locked(void)
{
    struct dentry *victims = NULL;
    uint32_t taken = 0;
    for (uint32_t steps = 0; steps < BUCKETS && taken < PRUNE_BATCH; steps++) {
        struct dentry **b = &dcache.bucket[dcache.hand++ % BUCKETS];
        while (*b) {
            struct dentry *d = *b;
            bool busy = atomic_load(&d->ref) || d->flags & DENTRY_REFERENCED;
            d->flags &= ~DENTRY_REFERENCED;
            if (busy) {
                b = &d->hash_next;
                continue;
            }
            *b = d->hash_next;
            d->flags &= ~DENTRY_HASHED;
            dcache.count--;
            d->hash_next = victims;
            victims = d;
            taken++;
        }
    }
    return victims;
}

static void free_chain(struct dentry *d)
{
    while (d) {
        struct dentry *next = d->hash_next;
        d->hash_next = NULL;
        struct dentry *parent = dentry_free(d);
        if (parent)
            dentry_put(parent);
        d = next;
    }
}

void dcache_shrink(void)
{
    dcache_lock();
    int64_t left = dcache.count; /* others may add names faster than this takes them */
    dcache_unlock();
    /* the first round that finds nothing may just have taken away second chances */
    for (unsigned idle = 0; idle < 2 && left > 0; left -= PRUNE_BATCH) {
        dcache_lock();
        struct dentry *victims = prune_locked();
        dcache_unlock();
        idle = victims ? 0 : idle + 1;
        free_chain(victims);
    }
}

int dcache_lookup_mutex(struct dentry *dir, struct qname name, uint32_t hash, struct dentry **ret)
{
    bool cached = !(dir->super->flags & SUPER_UNCACHED);
    dcache_lock();
    struct dentry *d = cached ? dcache_peek_locked(dir, name, hash) : NULL;
    if (d)
        dentry_get(d);
    dcache_unlock();
    if (d) {
        *ret = d;
        return 0;
    }
    if (!dir->inode->ops->lookup)
        return -ENOTDIR;
    if (dir->inode->flags & INODE_DEAD)
        return -ENOENT;
    struct inode *inode = NULL;
    int r = dir->inode->ops->lookup(dir->inode, name, &inode);
    if (r < 0 && r != -ENOENT)
        return r;
    d = dentry_new(dir, dir->super, name);
    if (!d) {
        if (r == 0)
            inode_put(inode);
        return -ENOMEM;
    }
    d->inode = r == 0 ? inode : NULL;
    struct dentry *victims = NULL;
    if (cached) {
        dcache_lock();
        hash_locked(d);
        if (dcache.count > PRUNE_ABOVE)
            victims = prune_locked();
        dcache_unlock();
        free_chain(victims);
    }
    *ret = d;
    return 0;
}

int dcache_lookup(struct dentry *dir, struct qname name, uint32_t hash, struct dentry **ret)
{
    MUTEX_GUARD(&dir->inode->mutex);
    return dcache_lookup_mutex(dir, name, hash, ret);
}

void dcache_instantiate(struct dentry *d, struct inode *i)
{
    dcache_lock();
    check(!d->inode);
    d->inode = i;
    dcache_unlock();
}

void dcache_delete(struct dentry *d)
{
    dcache_lock();
    unhash_locked(d);
    d->flags |= DENTRY_DELETED;
    dcache_unlock();
}

void dcache_drop(struct dentry *d)
{
    dcache_lock();
    unhash_locked(d);
    dcache_unlock();
}

/* Exchanges names and parents; both keep their parent references, which swap along. */
static void swap_places_locked(struct dentry *a, struct dentry *b)
{
    struct dentry tmp = *a;
    bool a_short = a->name == a->short_name, b_short = b->name == b->short_name;
    a->parent = b->parent;
    a->hash = b->hash;
    a->name_len = b->name_len;
    a->name = b_short ? a->short_name : b->name;
    memcpy(a->short_name, b->short_name, sizeof a->short_name);
    b->parent = tmp.parent;
    b->hash = tmp.hash;
    b->name_len = tmp.name_len;
    b->name = a_short ? b->short_name : tmp.name;
    memcpy(b->short_name, tmp.short_name, sizeof b->short_name);
}

int dcache_move(struct dentry *d, struct dentry *target, bool exchange)
{
    dcache_lock();
    bool d_hashed = d->flags & DENTRY_HASHED, target_hashed = target->flags & DENTRY_HASHED;
    unhash_locked(d);
    unhash_locked(target);
    swap_places_locked(d, target);
    if (d_hashed)
        hash_locked(d);
    if (exchange && target_hashed)
        hash_locked(target);
    if (!exchange)
        target->flags |= DENTRY_DELETED;
    dcache_unlock();
    return 0;
}

void dcache_purge(struct super *s)
{
    for (bool again = true; again;) { /* a child keeps its parent: several rounds */
        struct dentry *victims = NULL;
        dcache_lock();
        for (uint32_t i = 0; i < BUCKETS; i++)
            for (struct dentry **b = &dcache.bucket[i]; *b;) {
                struct dentry *d = *b;
                if (d->super != s || atomic_load(&d->ref)) {
                    b = &d->hash_next;
                    continue;
                }
                *b = d->hash_next;
                d->flags &= ~DENTRY_HASHED;
                dcache.count--;
                d->hash_next = victims;
                victims = d;
            }
        dcache_unlock();
        again = victims != NULL;
        free_chain(victims);
    }
}

bool dcache_is_below_locked(const struct dentry *d, const struct dentry *ancestor)
{
    for (;; d = d->parent) {
        if (d == ancestor)
            return true;
        if (d->parent == d)
            return false;
    }
}
