/* System V shared memory.
 *
 * A segment is a nameless RAM file whose pages move into the shared window with the first attach, so it
 * has one address for all (docs/limits.md). Each attach opens a file of its own on that inode; the
 * mappings' references on such files are what nattch counts (file_ops.mapped), wherever they come from
 * and go to: attach, fork, split, detach, munmap, exec, exit.
 *
 * A segment that was removed while attached keeps its identifier, loses its key, and goes with the last
 * detach. The class's spin lock covers counters and times; it is never held over calls into mm.
 */
#include "libos/ipc/shm.h"
#include "abi/layout.h"
#include "abi/linux/resource.h"
#include "libos/base/atomic.h"
#include "libos/ipc/budget.h"
#include "libos/ipc/object.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/task/process.h"
#include "libos/vfs/memfd.h"

enum { MAP_SHARED_ = 1 };

struct segment {
    struct ipc_object object;
    struct file *memory; /* a reference, for the inode */
    uint64_t size;
    int64_t atime, dtime; /* class lock, as all below */
    int cpid, lpid;
    uint64_t attached; /* mappings, and shm_attach calls that are on their way */
};

static uint64_t total_pages; /* of all segments; atomic */

static uint64_t pages_of(uint64_t size)
{
    return size / PAGE_SIZE + (size % PAGE_SIZE != 0);
}

static void segment_free(struct ipc_object *o)
{
    struct segment *s = container_of(o, struct segment, object);
    file_put(s->memory);
    atomic_sub(&total_pages, pages_of(s->size));
    ipc_uncharge(sizeof *s);
    kfree(s);
}

static struct ipc_class shm_class = {
    .making = MUTEX_INIT(shm_class.making), .limit = IPC_SHMMNI, .free = segment_free};

static struct segment *segment_of(struct ipc_object *o)
{
    return o ? container_of(o, struct segment, object) : NULL;
}

static void segment_put(struct segment *s)
{
    ipc_object_put(&s->object);
}
DEFINE_AUTO(struct segment, segment_put)

/* ---- shmget ----------------------------------------------------------------------------------- */
static int segment_fits(const struct ipc_object *o, uint64_t size)
{
    return size > container_of(unconst(o), struct segment, object)->size ? -EINVAL : 0;
}

static int segment_new(const struct ipc_get *g, struct segment **ret)
{
    if (!ipc_charge(sizeof(struct segment)))
        return -ENOMEM;
    char name[24];
    fmt_str(name, sizeof name, "/SYSV%08x", (unsigned) g->key);
    struct segment *s = new_zero(struct segment);
    int r = s ? memfd_new_object(name, g->size, &s->memory) : -ENOMEM;
    if (r < 0) {
        ipc_uncharge(sizeof *s);
        kfree(s);
        return r;
    }
    s->size = g->size;
    s->cpid = current_process()->pid;
    *ret = s;
    return 0;
}

static int segment_make(const struct ipc_get *g, struct ipc_object **ret)
{
    if (g->size == 0 || g->size > ipc_limit(IPC_SHMMAX) || g->size > INT64_MAX - PAGE_SIZE)
        return -EINVAL;
    if (g->flags & LINUX_SHM_HUGETLB)
        return -ENOMEM; /* as with an empty pool */
    uint64_t pages = pages_of(g->size);
    if (atomic_load(&total_pages) + pages > ipc_limit(IPC_SHMALL))
        return -ENOSPC;
    struct segment *s;
    int r = segment_new(g, &s);
    if (r < 0)
        return r;
    atomic_add(&total_pages, pages);
    *ret = &s->object;
    return 0;
}

int shm_get(int key, uint64_t size, int flags)
{
    struct ipc_get g = {
        .key = key, .flags = flags, .size = size, .fits = segment_fits, .make = segment_make};
    return ipc_get(&shm_class, &g);
}

/* ---- mappings --------------------------------------------------------------------------------- */
static void attached(struct segment *s)
{
    SPIN_GUARD(&shm_class.lock);
    s->attached++;
}

/* The last one takes a removed segment with it. */
static void detached(struct segment *s)
{
    spin_lock(&shm_class.lock);
    bool last = --s->attached == 0 && (s->object.mode & LINUX_SHM_DEST);
    spin_unlock(&shm_class.lock);
    if (last)
        (void) ipc_remove(&s->object); /* false: removed again meanwhile */
}

static void segment_mapped(struct file *f, bool comes)
{
    struct segment *s = f->priv;
    const struct process *p = current()->proc;
    spin_lock(&shm_class.lock);
    *(comes ? &s->atime : &s->dtime) = ipc_now();
    s->lpid = p ? p->pid : s->lpid;
    spin_unlock(&shm_class.lock);
    if (comes)
        attached(s);
    else
        detached(s);
}

static int segment_mmap(struct file *f, int prot, bool shared)
{
    return prot & PROT_X ? -EACCES : 0; /* shared pages are never executable */
}

static void segment_release(struct file *f)
{
    segment_put(f->priv);
}

static const struct file_ops segment_file_ops = {
    .mmap = segment_mmap,
    .mapped = segment_mapped,
    .release = segment_release,
    .name = "SYSV",
};

static int open_segment(struct segment *s, unsigned o_flags, struct file **ret)
{
    struct inode *i = s->memory->inode;
    struct file *f = file_new_pathless(i, &segment_file_ops, s, o_flags, 0);
    if (!f)
        return -ENOMEM;
    inode_get(i);
    ref_get(&s->object.ref);
    *ret = f;
    return 0;
}

static long attach_file(struct segment *s, struct file *f, uint64_t addr, int prot)
{
    struct mm *mm = current_mm();
    long home = mm_map(mm, 0, s->size, prot, MAP_SHARED_, f, 0);
    if (home < 0 || addr == 0 || (uint64_t) home == addr)
        return home;
    log_once(LOG_WARN, "shmat: a second address for a segment: EINVAL (docs/limits.md)");
    (void) mm_detach(mm, f); /* another thread may have unmapped it */
    return -EINVAL;
}

static int check_attach(uint64_t *addr, int flags)
{
    if (*addr % PAGE_SIZE) {
        if (!(flags & LINUX_SHM_RND))
            return -EINVAL;
        *addr -= *addr % PAGE_SIZE;
    }
    return *addr == 0 && (flags & LINUX_SHM_REMAP) ? -EINVAL : 0;
}

static int find_segment(int id, int flags, struct segment **ret)
{
    AUTO(segment_put) struct segment *s = segment_of(ipc_lookup_get(&shm_class, id));
    unsigned mode =
        (flags & LINUX_SHM_RDONLY ? 0444u : 0666u) | (flags & LINUX_SHM_EXEC ? 0111 : 0);
    int r = s ? ipc_permission(&s->object, mode) : -EINVAL;
    if (r < 0)
        return r;
    spin_lock(&shm_class.lock);
    bool gone = s->object.removed;
    s->attached += !gone;
    spin_unlock(&shm_class.lock);
    if (gone)
        return -EIDRM;
    *ret = TAKE(s);
    return 0;
}

long shm_attach(int id, uint64_t addr, int flags)
{
    int r = check_attach(&addr, flags);
    AUTO(segment_put) struct segment *s = NULL;
    if (r == 0)
        r = find_segment(id, flags, &s);
    if (r < 0)
        return r;
    bool reads = flags & LINUX_SHM_RDONLY;
    int prot = PROT_R | (reads ? 0 : PROT_W) | (flags & LINUX_SHM_EXEC ? PROT_X : 0);
    AUTO(file_put) struct file *f = NULL;
    long home = open_segment(s, reads ? O_RDONLY : O_RDWR, &f);
    if (home == 0)
        home = attach_file(s, f, addr, prot);
    detached(s); /* find_segment's */
    return home;
}

int shm_detach(uint64_t addr)
{
    struct mm *mm = current_mm();
    struct mm_area a;
    if (addr % PAGE_SIZE || !mm_area_at(mm, addr, &a))
        return -EINVAL;
    AUTO(file_put) struct file *f = a.file;
    bool ours = f && f->ops == &segment_file_ops && a.start - a.offset == addr;
    return ours ? mm_detach(mm, f) : -EINVAL;
}

/* ---- shmctl ----------------------------------------------------------------------------------- */
static void fill_locked(const struct segment *s, struct linux_shmid_ds *ret)
{
    *ret = (struct linux_shmid_ds){
        .segsz = s->size,
        .atime = s->atime,
        .dtime = s->dtime,
        .ctime = s->object.ctime,
        .cpid = s->cpid,
        .lpid = s->lpid,
        .nattch = s->attached,
    };
}

int shm_stat(int id, bool slot, bool any, struct linux_shmid_ds *ret)
{
    AUTO(segment_put)
    struct segment *s =
        segment_of(slot ? ipc_slot_get(&shm_class, id) : ipc_lookup_get(&shm_class, id));
    int r = !s ? -EINVAL : any ? 0 : ipc_permission(&s->object, 0444);
    if (r < 0)
        return r;
    spin_lock(&shm_class.lock);
    fill_locked(s, ret);
    spin_unlock(&shm_class.lock);
    ipc_perm_get(&s->object, &ret->perm);
    return slot ? s->object.id : 0;
}

int shm_limits(struct linux_shminfo *ret)
{
    *ret = (struct linux_shminfo){
        .max = ipc_limit(IPC_SHMMAX),
        .min = 1,
        .mni = ipc_limit(IPC_SHMMNI),
        .seg = ipc_limit(IPC_SHMMNI),
        .all = ipc_limit(IPC_SHMALL),
    };
    return ipc_highest(&shm_class);
}

static uint64_t resident_pages(void)
{
    uint64_t sum = 0;
    struct ipc_object *o;
    for (uint32_t i = 0; (o = ipc_next_get(&shm_class, &i)); ipc_object_put(o)) {
        const struct segment *s = segment_of(o);
        sum += s->memory->inode->pages.home ? pages_of(s->size) : 0;
    }
    return sum;
}

int shm_usage(struct linux_shm_info *ret)
{
    *ret = (struct linux_shm_info){.used_ids = ipc_used(&shm_class),
                                   .tot = atomic_load(&total_pages),
                                   .rss = resident_pages()};
    return ipc_highest(&shm_class);
}

int shm_set_perm(int id, const struct linux_ipc_perm *perm)
{
    AUTO(segment_put) struct segment *s = segment_of(ipc_lookup_get(&shm_class, id));
    int r = s ? ipc_owner(&s->object) : -EINVAL;
    if (r == 0)
        ipc_perm_set(&s->object, perm);
    return r;
}

static int may_lock(struct segment *s, bool lock)
{
    if (capable(CAP_IPC_LOCK))
        return 0;
    const struct process *p = current_process();
    uint32_t euid = current_cred()->euid;
    if (euid != s->object.uid && euid != s->object.cuid)
        return -EPERM;
    return lock && p->rlimits[RLIMIT_MEMLOCK].cur == 0 ? -EPERM : 0;
}

int shm_lock(int id, bool lock)
{
    AUTO(segment_put) struct segment *s = segment_of(ipc_lookup_get(&shm_class, id));
    int r = s ? may_lock(s, lock) : -EINVAL;
    if (r < 0)
        return r;
    SPIN_GUARD(&shm_class.lock); /* its pages stay in memory anyway */
    s->object.mode =
        (s->object.mode & ~(uint32_t) LINUX_SHM_LOCKED) | (lock ? LINUX_SHM_LOCKED : 0);
    return 0;
}

int shm_remove(int id)
{
    AUTO(segment_put) struct segment *s = segment_of(ipc_lookup_get(&shm_class, id));
    int r = s ? ipc_owner(&s->object) : -EINVAL;
    if (r < 0)
        return r;
    ipc_hide(&s->object);
    spin_lock(&shm_class.lock);
    bool in_use = s->attached > 0;
    s->object.mode |= LINUX_SHM_DEST;
    spin_unlock(&shm_class.lock);
    if (!in_use)
        (void) ipc_remove(&s->object); /* false: the last detach was faster */
    return 0;
}

/* ---- /proc/sysvipc/shm ------------------------------------------------------------------------ */
int shm_proc_text(struct text *t)
{
    text_add(t, "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  "
                "cuid  cgid      atime      dtime      ctime                   rss                 "
                " swap\n");
    struct ipc_object *o;
    for (uint32_t i = 0; (o = ipc_next_get(&shm_class, &i)); ipc_object_put(o)) {
        const struct segment *s = segment_of(o);
        struct linux_shmid_ds d;
        spin_lock(&shm_class.lock);
        fill_locked(s, &d);
        spin_unlock(&shm_class.lock);
        ipc_perm_get(o, &d.perm);
        uint64_t rss = s->memory->inode->pages.home ? pages_of(s->size) * PAGE_SIZE : 0;
        text_add(
            t, "%10d %10d  %4o %21lu %5u %5u  %5lu %5u %5u %5u %5u %10lu %10lu %10lu %21lu %21lu\n",
            d.perm.key, o->id, d.perm.mode, (unsigned long) d.segsz, (unsigned) d.cpid,
            (unsigned) d.lpid, (unsigned long) d.nattch, d.perm.uid, d.perm.gid, d.perm.cuid,
            d.perm.cgid, (unsigned long) d.atime, (unsigned long) d.dtime, (unsigned long) d.ctime,
            (unsigned long) rss, 0ul);
    }
    return 0;
}
