/* What the memory manager needs of files (struct mm_file_ops), and start-up of the VFS. */
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/vfs/dcache.h"
#include "libos/vfs/file.h"
#include "libos/vfs/memfd.h"
#include "libos/vfs/namei.h"
#include "abi/layout.h"

int inode_read_page(struct inode *inode, uint64_t index, void *dst)
{
    struct inode *i = inode_real(inode);
    if (S_ISCHR(i->mode)) { /* /dev/zero */
        memset(dst, 0, PAGE_SIZE);
        return 0;
    }
    if (index >= (inode_size(i) + PAGE_SIZE - 1) / PAGE_SIZE)
        return -ENXIO;
    if (i->super->flags & SUPER_UNTRUSTED) {
        memset(dst, 0, PAGE_SIZE);
        return i->ops->read_page ? i->ops->read_page(i, index, dst) : -EIO;
    }
    struct cpage *page;
    int r = pages_get(i, index, false, &page);
    if (r < 0)
        return r;
    if (page) {
        memcpy(dst, page->data, PAGE_SIZE);
        cpage_unpin(page);
    } else {
        memset(dst, 0, PAGE_SIZE);
    }
    return 0;
}

static int inode_pass_page(struct inode *inode, uint64_t index, void *dst)
{
    struct inode *i = inode_real(inode);
    bool plain = (i->flags & INODE_IMMUTABLE) && i->ops->read_page && S_ISREG(i->mode);
    return plain && index < (inode_size(i) + PAGE_SIZE - 1) / PAGE_SIZE
               ? pages_pass(i, index, dst)
               : inode_read_page(inode, index, dst);
}

static bool inode_page_at_hand(struct inode *inode, uint64_t index)
{
    struct inode *i = inode_real(inode);
    return !i->ops->read_page || pages_has(i, index);
}

int inode_write_page(struct inode *inode, uint64_t index, const void *src, size_t len)
{
    struct inode *i = inode_real(inode);
    struct cpage *page;
    int r = pages_get(i, index, true, &page);
    if (r < 0)
        return r;
    len = MIN(len, PAGE_SIZE);
    memcpy(page->data, src, len);
    pages_written(i, page, 0, len);
    cpage_unpin(page);
    return 0;
}

static int map_check(struct file *f, int prot, bool shared)
{
    if (f->mode & FILE_PATH)
        return -EBADF;
    if (!(f->mode & FILE_READ))
        return -EACCES;
    if (shared && (prot & PROT_W) && !(f->mode & FILE_WRITE))
        return -EACCES;
    if ((prot & PROT_X) && file_noexec(f))
        return -EPERM;
    return f->ops->mmap ? f->ops->mmap(f, prot, shared) : -ENODEV;
}

static uint64_t map_size(struct inode *i)
{
    return S_ISCHR(i->mode) ? UINT64_MAX : inode_size(i);
}

static int map_sync(struct inode *i, uint64_t first, uint64_t count)
{
    struct inode *real = inode_real(i); /* shared pages are the page cache */
    return real->ops->sync ? real->ops->sync(real) : 0;
}

static int map_home(struct inode *i, uint64_t first, uint64_t count, uintptr_t *ret_addr)
{
    return pages_shared_home(inode_real(i), first, count, ret_addr);
}

static void map_get(struct file *f, bool shared)
{
    file_get(f);
    if (shared && (f->mode & FILE_WRITE))
        atomic_add(&f->inode->writable_maps, 1);
    if (shared && f->ops->mapped)
        f->ops->mapped(f, true);
}

static void map_put(struct file *f, bool shared)
{
    if (shared && (f->mode & FILE_WRITE))
        atomic_sub(&f->inode->writable_maps, 1);
    if (shared && f->ops->mapped)
        f->ops->mapped(f, false);
    file_put(f);
}

static int map_punch(struct file *f, uint64_t offset, uint64_t len)
{
    if (!(f->mode & FILE_WRITE))
        return -EACCES;
    if (!f->ops->fallocate)
        return -EOPNOTSUPP;
    return (int) f->ops->fallocate(f, FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, offset, len);
}

static const struct mm_file_ops file_ops_for_mm = {
    .get = map_get,
    .put = map_put,
    .hold = file_get,
    .inode = file_inode,
    .check = map_check,
    .size = map_size,
    .unique = inode_unique,
    .immutable = inode_immutable,
    .read_page = inode_read_page,
    .pass_page = inode_pass_page,
    .at_hand = inode_page_at_hand,
    .shared_home = map_home,
    .sync = map_sync,
    .punch = map_punch,
};

int vfs_init(void)
{
    mm_file_ops = &file_ops_for_mm;
    mm_anon_shared_file = memfd_anon_shared;
    return dcache_init();
}

int vfs_mount(const char *source, const char *target, const char *type, unsigned long flags,
              const char *options)
{
    if (!mount_root())
        return mount_add(source, NULL, type, flags, options);
    struct mount *root = mount_root();
    struct path p = {root, root->root};
    path_get(&p);
    int r = str_eq(target, "/") ? 0 : -ENOENT;
    if (r < 0) {
        path_put(&p);
        r = path_at(FD_AT_FDCWD, target, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p, NULL);
        if (r < 0)
            return r;
    }
    r = mount_add(source, &p, type, flags, options);
    path_put(&p);
    return r;
}
