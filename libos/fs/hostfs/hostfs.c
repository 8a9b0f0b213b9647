/* Mounts and inodes of hostfs. A mount takes its source from the measured configuration only: the list is
 * filled by boot before any process exists and never changes afterwards.
 *
 * An inode's attributes are what the host said last; whoever needs a size or a mode to be current asks
 * again (hostfs_refresh). Its number is the host's, with the device's index in bits 48 and up; numbers
 * that do not fit are shown as they are, and their inodes are not shared.
 */
#include "libos/fs/hostfs/hostfs.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/vfs/mount_option.h"
#include "libos/vfs/registry.h"

#define SOURCES_MAX 16
#define SOURCE_SIZE 256u
#define INO_BITS    48

static struct {
    const char *source;
    bool read_only;
} allowed[SOURCES_MAX];
static unsigned allowed_count;

int hostfs_allow(const char *source, bool read_only)
{
    if (allowed_count == SOURCES_MAX)
        return -ENOSPC;
    allowed[allowed_count].source = source;
    allowed[allowed_count++].read_only = read_only;
    return 0;
}

static struct hostfs_super *hostfs_super(const struct super *s)
{
    return container_of(s, struct hostfs_super, super);
}

/* The device's index, or -1 when there are too many. */
static int device_index(struct hostfs_super *h, uint64_t dev)
{
    SPIN_GUARD(&h->lock);
    for (unsigned i = 0; i < h->device_count; i++)
        if (h->devices[i] == dev)
            return (int) i;
    if (h->device_count == HOSTFS_DEVICES)
        return -1;
    h->devices[h->device_count] = dev;
    return (int) h->device_count++;
}

/* Is the number one of this file's own? Then it may be found by it. */
static bool number(struct super *s, const struct host_stat *st, uint64_t *ret_ino)
{
    int index = device_index(hostfs_super(s), st->dev);
    bool own = index >= 0 && st->ino < (uint64_t) 1 << INO_BITS;
    *ret_ino = own ? st->ino | (uint64_t) index << INO_BITS : st->ino;
    return own;
}

static int update(struct inode *i, const struct host_stat *st)
{
    if ((st->mode & S_IFMT) != (i->mode & S_IFMT))
        return -EIO;
    i->mode = st->mode;
    i->nlink = (uint32_t) st->nlink;
    i->uid = st->uid;
    i->gid = st->gid;
    i->atime_ns = st->atime_ns;
    i->mtime_ns = st->mtime_ns;
    i->ctime_ns = i->btime_ns = st->ctime_ns;
    atomic_store(&i->size, st->size);
    return 0;
}

int hostfs_refresh(struct inode *i, struct host_stat *ret)
{
    long r = hostfs_call_io(HOSTCALL_file_stat, (struct cspan){0},
                            (struct span){(uint8_t *) ret, sizeof *ret}, hostfs_of(i)->token, 0, 0);
    if (r == 0)
        r = hostfs_stat_check(ret);
    return r < 0 ? (int) r : update(i, ret);
}

static const struct file_ops *file_ops_of(uint32_t mode)
{
    if (S_ISREG(mode))
        return &hostfs_file_ops;
    return S_ISDIR(mode) ? NULL : &hostfs_refused_ops;
}

int hostfs_wrap(struct super *s, uint32_t token, const struct host_stat *st, struct inode **ret)
{
    uint64_t ino;
    bool shared = number(s, st, &ino) && S_ISREG(st->mode);
    struct inode *known = shared ? inode_by_ino_get(s, ino) : NULL;
    if (known) {
        hostfs_token_close(token);
        *ret = known;
        return update(known, st);
    }
    struct hostfs_inode *h = new_zero(struct hostfs_inode);
    if (!h) {
        hostfs_token_close(token);
        return -ENOMEM;
    }
    struct inode *i = &h->inode;
    inode_init(i, s, st->mode);
    h->token = token;
    i->ino = ino;
    i->ops = S_ISDIR(st->mode) ? &hostfs_dir_ops : &hostfs_file_inode_ops;
    i->fops = file_ops_of(st->mode);
    *ret = shared ? inode_by_ino_insert(i) : i;
    return update(*ret, st);
}

static void hostfs_inode_free(struct inode *i)
{
    struct hostfs_inode *h = hostfs_of(i);
    inode_fini(i);
    hostfs_token_close(h->token);
    hostfs_positions_free(&h->positions);
    kfree(h);
}

static void hostfs_put(struct super *s)
{
    kfree(hostfs_super(s));
}

static int hostfs_statfs(struct super *s, struct linux_statfs *ret)
{
    struct host_statfs h;
    long r = hostfs_call_io(HOSTCALL_file_statfs, (struct cspan){0}, SPAN_OF(h),
                            hostfs_of(s->root)->token, 0, 0);
    return r < 0 ? (int) r : hostfs_statfs_check(&h, ret);
}

static int hostfs_sync(struct super *s)
{
    return hostfs_call(HOSTCALL_file_sync, hostfs_of(s->root)->token, HOST_SYNC_SUPER);
}

static const struct super_ops hostfs_super_ops = {
    .inode_free = hostfs_inode_free,
    .put = hostfs_put,
    .statfs = hostfs_statfs,
    .sync = hostfs_sync,
};

static int open_root(struct super *s, const char *source)
{
    struct host_stat st;
    uint32_t token;
    struct cspan in = {(const uint8_t *) source, strlen(source)};
    int r = hostfs_call_token(HOSTCALL_file_root, in, 0, 0, &st, &token);
    if (r < 0)
        return r;
    if (!S_ISDIR(st.mode)) {
        hostfs_token_close(token);
        return -ENOTDIR;
    }
    return hostfs_wrap(s, token, &st, &s->root);
}

static int hostfs_mount(const char *source, const char *options, unsigned long flags,
                        struct super **ret)
{
    char dir[SOURCE_SIZE];
    unsigned n = 0;
    long named = mount_option(options, "dir", dir, sizeof dir); /* Occlum's name for the source */
    if (named < 0 && named != -ENOENT)
        return (int) named;
    source = named >= 0 ? dir : source;
    while (n < allowed_count && !str_eq(allowed[n].source, source))
        n++;
    if (n == allowed_count)
        return -EACCES;
    struct hostfs_super *h = new_zero(struct hostfs_super);
    if (!h)
        return -ENOMEM;
    super_init(&h->super, &hostfs_super_ops, "hostfs");
    h->super.flags = SUPER_UNCACHED | SUPER_NO_ATIME | SUPER_UNTRUSTED |
                     (allowed[n].read_only || (flags & MOUNT_RDONLY) ? SUPER_READONLY : 0u);
    int r = open_root(&h->super, source);
    if (r < 0) {
        super_put(&h->super);
        return r;
    }
    *ret = &h->super;
    return 0;
}

FILESYSTEM(hostfs, hostfs_type);
const struct fs_type hostfs_type = {.name = "hostfs", .mount = hostfs_mount};
