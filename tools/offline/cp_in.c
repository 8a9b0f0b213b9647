/* occlum cp: into a volume, a file or a whole tree: content with its holes, modes, times, links, attributes, FIFOs and
 * devices. A tree is merged into a directory that is there; a file replaces the content of one. All of it is one commit
 * if it fits into one: when the command says that it failed, a part may be there. */
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/offline/cp.h"

#define XATTR_MAX 65536

struct in {
    struct fsys *f;
    struct cow *c;
    const struct cp *a;
    struct cp_links links;
};

static int64_t ns_of(struct timespec t)
{
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static int attributes_in(const struct in *in, struct cow_inode *i, const struct stat *st)
{
    struct cow_attr a;
    cow_attr_get(in->c, i, &a);
    a.mode = (a.mode & S_IFMT) | (st->st_mode & (in->a->owners ? 07777 : 0777));
    a.uid = in->a->owners ? st->st_uid : a.uid;
    a.gid = in->a->owners ? st->st_gid : a.gid;
    a.atime_ns = ns_of(st->st_atim);
    a.mtime_ns = ns_of(st->st_mtim);
    a.ctime_ns = volume_now();
    return cow_attr_set(in->c, i, &a);
}

/* What programs inside can have: access lists and the like mean something to another kernel. */
static int xattrs_in(const struct in *in, struct cow_inode *i, int fd)
{
    static char names[XATTR_MAX];
    static uint8_t value[XATTR_MAX];
    ssize_t size = flistxattr(fd, names, sizeof names);
    if (size < 0)
        return errno == EOPNOTSUPP ? 0 : -errno;
    for (ssize_t at = 0; at < size; at += (ssize_t) strlen(names + at) + 1) {
        ssize_t n = fgetxattr(fd, names + at, value, sizeof value);
        if (strncmp(names + at, "system.", 7) == 0)
            continue;
        int r = n < 0 ? -errno
                      : cow_xattr_set(in->c, i, names + at, (struct cspan){value, (size_t) n}, 0);
        if (r < 0)
            return r;
    }
    return 0;
}

/* From off to the next hole: what was written there. */
static int data_in(const struct in *in, struct cow_inode *i, int fd, off_t off, off_t end)
{
    static uint8_t buf[COW_IO_BLOCKS * COW_BLOCK];
    while (off < end) {
        size_t want = (size_t) (end - off) < sizeof buf ? (size_t) (end - off) : sizeof buf;
        ssize_t got = pread(fd, buf, want, off);
        if (got <= 0)
            return got < 0 ? -errno : 0;
        long r = volume_write(in->f, (struct fsys_node *) i, buf, (size_t) got, (uint64_t) off);
        if (r < got)
            return r < 0 ? (int) r : -ENOSPC;
        off += got;
    }
    return 0;
}

static int content_in(const struct in *in, struct cow_inode *i, int fd, off_t size)
{
    off_t at = 0, end;
    int r = cow_truncate(in->c, i, 0);
    while (r == 0 && at < size && (at = lseek(fd, at, SEEK_DATA)) >= 0) {
        end = lseek(fd, at, SEEK_HOLE);
        r = end < 0 ? -errno : data_in(in, i, fd, at, end);
        at = end;
    }
    if (r == 0 && at < 0 && errno != ENXIO) /* ENXIO: a hole to the end */
        r = -errno;
    return r == 0 ? cow_truncate(in->c, i, (uint64_t) size) : r;
}

/* What has the name now, if it is of the same type; else a new one. */
static int make_in(const struct in *in, struct cow_inode *dir, struct cow_name name,
                   const struct stat *st, const char *target, struct cow_inode **ret)
{
    const struct cow_new new = {.mode = st->st_mode & (S_IFMT | 0777),
                                .rdev =
                                    S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode) ? st->st_rdev : 0,
                                .target = target,
                                .now_ns = volume_now()};
    struct cow_attr a;
    int r = cow_lookup(in->c, dir, name, ret);
    if (r != 0)
        return r == -ENOENT ? cow_make(in->c, dir, name, &new, ret) : r;
    cow_attr_get(in->c, *ret, &a);
    if ((a.mode & S_IFMT) == (st->st_mode & S_IFMT) && !S_ISLNK(a.mode))
        return 0;
    cow_put(in->c, *ret);
    if (S_ISDIR(a.mode) != S_ISDIR(st->st_mode))
        return S_ISDIR(a.mode) ? -EISDIR : -ENOTDIR;
    r = cow_unlink(in->c, dir, name, volume_now());
    return r == 0 ? cow_make(in->c, dir, name, &new, ret) : r;
}

/* 1: it is another name of a file that was copied already. */
static int linked_in(struct in *in, struct cow_inode *dir, struct cow_name name,
                     const struct stat *st)
{
    const struct cp_link *first = st->st_nlink > 1 && !S_ISDIR(st->st_mode)
                                      ? cp_link_find(&in->links, st->st_dev, st->st_ino)
                                      : NULL;
    struct cow_inode *i, *old;
    if (!first)
        return 0;
    int r = cow_get(in->c, first->to, &i);
    if (r == 0 && cow_lookup(in->c, dir, name, &old) == 0) {
        cow_put(in->c, old);
        r = cow_unlink(in->c, dir, name, volume_now());
    }
    if (r == 0)
        r = cow_link(in->c, dir, name, i, volume_now());
    cow_put(in->c, i);
    return r < 0 ? r : 1;
}

static int copy_in(struct in *in, int from, const char *source, struct cow_inode *dir,
                   struct cow_name name, int depth);

static int entries_in(struct in *in, int fd, struct cow_inode *i, int depth)
{
    int copy = dup(fd), r = 0;
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *e;
    if (!d)
        return -errno;
    while (r == 0 && (errno = 0, e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            r = copy_in(in, fd, e->d_name, i, (struct cow_name){e->d_name, strlen(e->d_name)},
                        depth + 1);
    if (r == 0 && errno)
        r = -errno;
    closedir(d);
    return r;
}

/* Of a file or directory that is open: everything but its name. */
static int open_in(struct in *in, int fd, struct cow_inode *i, const struct stat *st, int depth)
{
    int r =
        S_ISDIR(st->st_mode) ? entries_in(in, fd, i, depth) : content_in(in, i, fd, st->st_size);
    return r == 0 ? xattrs_in(in, i, fd) : r;
}

static int body_in(struct in *in, int from, const char *source, struct cow_inode *dir,
                   struct cow_name name, const struct stat *st, int depth)
{
    char target[4096];
    struct cow_inode *i;
    int fd = -1, r = 0;
    if (S_ISLNK(st->st_mode)) {
        ssize_t n = readlinkat(from, source, target, sizeof target - 1);
        r = n < 0 ? -errno : 0;
        target[n < 0 ? 0 : n] = 0;
    } else if (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)) {
        fd = openat(from, source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        r = fd < 0 ? -errno : 0;
    }
    if (r == 0)
        r = make_in(in, dir, name, st, target, &i);
    if (r == 0) {
        if (st->st_nlink > 1 && !S_ISDIR(st->st_mode)) {
            struct cow_attr a;
            cow_attr_get(in->c, i, &a);
            cp_link_add(&in->links, st->st_dev, st->st_ino, a.ino, NULL);
        }
        r = fd >= 0 ? open_in(in, fd, i, st, depth) : 0;
        if (r == 0)
            r = attributes_in(in, i, st);
        cow_put(in->c, i);
    }
    if (fd >= 0)
        close(fd);
    return r;
}

static int copy_in(struct in *in, int from, const char *source, struct cow_inode *dir,
                   struct cow_name name, int depth)
{
    struct stat st;
    if (depth > CP_DEPTH_MAX)
        return -ELOOP;
    if (fstatat(from, source, &st, in->a->recursive ? AT_SYMLINK_NOFOLLOW : 0) < 0)
        return -errno;
    if (S_ISSOCK(st.st_mode) || (S_ISCHR(st.st_mode) && st.st_rdev == 0)) {
        msg_warn("%s is a socket, or would be a whiteout: left out", source);
        return 0;
    }
    int r = linked_in(in, dir, name, &st);
    if (r == 0)
        r = body_in(in, from, source, dir, name, &st, depth);
    if (r < 0)
        msg_error("%s: %s", source, strerror(-r));
    return MIN(r, 0);
}

static int check_source(const struct cp *a)
{
    struct stat st;
    if ((a->recursive ? lstat : stat)(a->from, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode) && !a->recursive)
        msg_hint("-r copies directories");
    return a->recursive || S_ISREG(st.st_mode) ? 0 : S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
}

static int merge_in(struct in *in, struct fsys_node *n)
{
    struct stat st;
    int fd = open(in->a->from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
    if (r == 0)
        r = open_in(in, fd, volume_inode(n), &st, 0);
    if (r == 0)
        r = attributes_in(in, volume_inode(n), &st);
    if (fd >= 0)
        close(fd);
    return r;
}

static int place_in(struct in *in, const char *path)
{
    struct fsys_node *n;
    struct fsys_stat there = {0};
    struct cow_name name;
    AUTO_FREE char *last = cp_name(in->a->from);
    AUTO_FREE char *below = mem_printf("%s/%s", path, last);
    int r = fsys_find(in->f, path, true, &n);
    if (r == 0) {
        in->f->ops->stat(in->f, n, &there);
        if (S_ISDIR(there.mode) && !*last)
            r = merge_in(in, n);
        in->f->ops->put(in->f, n);
        if (r < 0 || (S_ISDIR(there.mode) && !*last))
            return r;
    }
    r = volume_parent(in->f, S_ISDIR(there.mode) ? below : path, &n, &name);
    if (r < 0)
        return r;
    r = copy_in(in, AT_FDCWD, in->a->from, volume_inode(n), name, 0);
    in->f->ops->put(in->f, n);
    return r;
}

int cp_in(struct fsys *f, const char *path, const struct cp *a)
{
    struct in in = {.f = f, .c = volume_cow(f), .a = a};
    int r = check_source(a);
    if (r == 0)
        r = place_in(&in, path);
    cp_links_free(&in.links);
    int committed = cow_sync(in.c);
    return r < 0 ? r : committed;
}
