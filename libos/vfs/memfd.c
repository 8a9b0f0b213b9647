/* memfd and anonymous shared memory: nameless RAM files of one internal super. Seals are bits in the
 * inode; F_SEAL_SEAL is set from the start where sealing was not asked for. */
#include "libos/vfs/memfd.h"
#include "libos/base/atomic.h"
#include "libos/base/printf.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"

#define MEMFD_INODE_MODE (S_IFREG | 0777)

struct memfd {
    struct inode inode;
    char name[256];
};

static struct super memfd_super = {.magic = 0x01021994};
static uint64_t memfd_next_ino = 1;

static void memfd_inode_free(struct inode *i)
{
    inode_fini(i);
    kfree(container_of(i, struct memfd, inode));
}

static const struct super_ops memfd_super_ops = {.inode_free = memfd_inode_free};

/* Seals make setattr differ: growing and shrinking may be forbidden. */
static int memfd_setattr(struct inode *i, const struct iattr *a)
{
    if (a->valid & ATTR_SIZE) {
        int r = memfd_may_resize(i, a->size);
        if (r < 0)
            return r;
    }
    return inode_setattr_simple(i, a);
}

static const struct inode_ops memfd_inode_ops = {.setattr = memfd_setattr};

static int memfd_get_name(struct memfd *m, const char *name)
{
    if (strlen(name) > 249)
        return -EINVAL;
    fmt_str(m->name, sizeof m->name, "/memfd:%s", name);
    return 0;
}

int memfd_new(const char *name, bool sealable, struct file **ret)
{
    static uint8_t ready;
    if (!atomic_swap(&ready, 1))
        super_init(&memfd_super, &memfd_super_ops, "tmpfs");
    struct memfd *m = new_zero(struct memfd);
    if (!m)
        return -ENOMEM;
    inode_init(&m->inode, &memfd_super, MEMFD_INODE_MODE);
    m->inode.ops = &memfd_inode_ops;
    m->inode.nlink = 0;
    m->inode.ino = atomic_add(&memfd_next_ino, 1);
    m->inode.seals = sealable ? 0 : SEAL_SEAL;
    inode_owner_init(&m->inode, NULL, MEMFD_INODE_MODE);
    int r = memfd_get_name(m, name);
    struct file *f =
        r < 0 ? NULL : file_new_pathless(&m->inode, &regular_file_ops, NULL, O_RDWR, 0);
    if (!f) {
        inode_put(&m->inode);
        return r < 0 ? r : -ENOMEM;
    }
    *ret = f;
    return 0;
}

struct file *memfd_anon_shared(uint64_t size)
{
    struct file *f;
    if (memfd_new("zero", false, &f) < 0)
        return NULL;
    f->inode->size = size;
    return f;
}

int memfd_new_object(const char *name, uint64_t size, struct file **ret)
{
    int r = memfd_new("", false, ret);
    if (r < 0)
        return r;
    struct inode *i = (*ret)->inode;
    str_copy(container_of(i, struct memfd, inode)->name, name, sizeof((struct memfd *) 0)->name);
    i->size = size;
    return 0;
}

static bool is_memfd(const struct inode *i)
{
    return i->super == &memfd_super;
}

const char *memfd_name(const struct inode *i)
{
    return is_memfd(i) ? container_of(i, struct memfd, inode)->name : NULL;
}

long memfd_seals(struct file *f)
{
    return is_memfd(f->inode) ? (long) f->inode->seals : -EINVAL;
}

long memfd_add_seals(struct file *f, unsigned seals)
{
    struct inode *i = f->inode;
    if (!is_memfd(i))
        return -EINVAL;
    if (!(f->mode & FILE_WRITE))
        return -EPERM;
    if (seals & ~(SEAL_SEAL | SEAL_SHRINK | SEAL_GROW | SEAL_WRITE | SEAL_FUTURE_WRITE | SEAL_EXEC))
        return -EINVAL;
    MUTEX_GUARD(&i->mutex);
    if (i->seals & SEAL_SEAL)
        return -EPERM;
    if ((seals & SEAL_WRITE) && atomic_load(&i->writable_maps))
        return -EBUSY;
    i->seals |= seals;
    return 0;
}

int memfd_may_write(const struct inode *i, uint64_t pos, uint64_t len)
{
    if (likely(!(i->seals & ~SEAL_SEAL)))
        return 0;
    if (i->seals & (SEAL_WRITE | SEAL_FUTURE_WRITE))
        return -EPERM;
    return (i->seals & SEAL_GROW) && pos + len > i->size ? -EPERM : 0;
}

int memfd_may_resize(const struct inode *i, uint64_t size)
{
    if (size < i->size && (i->seals & SEAL_SHRINK))
        return -EPERM;
    if (size > i->size && (i->seals & SEAL_GROW))
        return -EPERM;
    return 0;
}

int memfd_may_map(const struct inode *i, int prot, bool shared, bool writable)
{
    bool may_write = shared && writable;
    return (i->seals & (SEAL_WRITE | SEAL_FUTURE_WRITE)) && may_write && (prot & PROT_W) ? -EPERM
                                                                                         : 0;
}
