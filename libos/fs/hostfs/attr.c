/* Attributes and links of hostfs. Owners cannot be changed: the runtime acts as one user of the host. */
#include "libos/fs/hostfs/hostfs.h"

int hostfs_getattr(struct inode *i, struct kstat *st)
{
    struct host_stat h;
    int r = hostfs_refresh(i, &h);
    if (r < 0)
        return r;
    st->mode = h.mode;
    st->nlink = (uint32_t) h.nlink;
    st->uid = h.uid;
    st->gid = h.gid;
    st->size = h.size;
    st->blocks = h.blocks;
    st->blksize = h.blksize;
    st->atime_ns = h.atime_ns;
    st->mtime_ns = h.mtime_ns;
    st->ctime_ns = st->btime_ns = h.ctime_ns;
    return 0;
}

static bool owner_stays(const struct inode *i, const struct iattr *a)
{
    return (!(a->valid & ATTR_UID) || a->uid == i->uid) &&
           (!(a->valid & ATTR_GID) || a->gid == i->gid);
}

static int set_times(uint32_t token, const struct iattr *a)
{
    struct host_times t = {
        .atime_ns = a->valid & ATTR_ATIME ? a->atime_ns : INT64_MIN,
        .mtime_ns = a->valid & ATTR_MTIME ? a->mtime_ns : INT64_MIN,
    };
    return (int) hostfs_call_io(HOSTCALL_file_utimens, CSPAN_OF(t), (struct span){0}, token, 0, 0);
}

int hostfs_setattr(struct inode *i, const struct iattr *a)
{
    uint32_t token = hostfs_of(i)->token;
    if (!owner_stays(i, a))
        return -EPERM;
    int r = 0;
    if (a->valid & ATTR_SIZE)
        r = hostfs_call(HOSTCALL_file_truncate, token, a->size);
    if (r == 0 && (a->valid & ATTR_MODE))
        r = hostfs_call(HOSTCALL_file_chmod, token,
                        a->mode & (S_ISDIR(i->mode) ? S_ISVTX | 0777u : 0777u));
    if (r == 0 && (a->valid & (ATTR_ATIME | ATTR_MTIME)))
        r = set_times(token, a);
    struct host_stat st;
    return r < 0 ? r : hostfs_refresh(i, &st);
}

static long hostfs_readlink(struct inode *i, char *buf, size_t size)
{
    uint8_t *p = (uint8_t *) buf;
    long n = hostfs_call_io(HOSTCALL_file_readlink, (struct cspan){0}, (struct span){p, size},
                            hostfs_of(i)->token, 0, 0);
    if (n < 0)
        return n;
    return hostfs_link_ok((struct cspan){p, (size_t) n}) ? n : -EIO;
}

const struct inode_ops hostfs_file_inode_ops = {
    .readlink = hostfs_readlink,
    .getattr = hostfs_getattr,
    .setattr = hostfs_setattr,
    .read_page = hostfs_read_page,
};
