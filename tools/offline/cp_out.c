/* occlum cp: out of the root image or a volume.
 *
 * Names and links are the author's of the file system, and the destination is this machine's: each name is made
 * below a directory that is held open, links are made and never followed, nothing special is made. A file with several
 * names is linked to its first one, by way of a descriptor of the directory that all is copied into. */
#include <errno.h>
#include <fcntl.h>
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

struct out {
    struct fsys *f;
    const struct cp *a;
    int top; /* the directory that all is copied into */
    char *
        below; /* path of the directory that is being filled, from there: "" or with a / at the end */
    struct cp_links links;
};

static struct timespec time_of(int64_t ns)
{
    return (struct timespec){ns / 1000000000 - (ns % 1000000000 < 0),
                             (ns % 1000000000 + 1000000000) % 1000000000};
}

static int xattr_out(const struct out *o, struct fsys_node *n, int fd, const char *name)
{
    static uint8_t value[XATTR_MAX];
    long size = o->f->ops->getxattr(o->f, n, name, (char *) value, sizeof value);
    if (size < 0)
        return (int) size;
    if (fsetxattr(fd, name, value, (size_t) size, 0) == 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != EPERM)
        return -errno;
    msg_warn("the attribute %s is not for this file system or user: left out", name);
    return 0;
}

static int xattrs_out(const struct out *o, struct fsys_node *n, int fd)
{
    static char names[XATTR_MAX];
    long size = o->f->ops->listxattr ? o->f->ops->listxattr(o->f, n, names, sizeof names) : 0;
    int r = size < 0 ? (int) size : 0;
    for (long at = 0; r == 0 && at < size; at += (long) strlen(names + at) + 1)
        r = xattr_out(o, n, fd, names + at);
    return r;
}

/* Owner before mode, which a change of owner cuts; times last. */
static int attributes_out(const struct out *o, struct fsys_node *n, int fd)
{
    struct fsys_stat st;
    o->f->ops->stat(o->f, n, &st);
    const struct timespec times[2] = {time_of(st.atime_ns), time_of(st.mtime_ns)};
    int r = xattrs_out(o, n, fd);
    if (r == 0 && o->a->owners && fchown(fd, st.uid, st.gid) < 0)
        r = -errno;
    if (r == 0 && fchmod(fd, st.mode & (o->a->owners ? 07777 : 0777)) < 0)
        r = -errno;
    return r == 0 && futimens(fd, times) < 0 ? -errno : r;
}

/* Where there are only zeros the new file keeps a hole. */
static bool is_zero(const uint8_t *p, size_t n)
{
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static int content_out(const struct out *o, struct fsys_node *n, int fd)
{
    static uint8_t buf[64 * FSYS_BLOCK];
    long got;
    uint64_t off = 0;
    for (; (got = fsys_read(o->f, n, buf, sizeof buf, off)) > 0; off += (uint64_t) got)
        if (!is_zero(buf, (size_t) got) && pwrite(fd, buf, (size_t) got, (off_t) off) != got)
            return errno ? -errno : -EIO;
    return got == 0 && ftruncate(fd, (off_t) off) < 0 ? -errno : (int) got;
}

static int file_out(const struct out *o, struct fsys_node *n, int dir, const char *name)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int r = content_out(o, n, fd);
    if (r == 0)
        r = attributes_out(o, n, fd);
    if (close(fd) < 0 && r == 0)
        r = -errno;
    return r;
}

static int link_out(const struct out *o, struct fsys_node *n, int dir, const char *name)
{
    char target[4096];
    struct fsys_stat st;
    long size = o->f->ops->readlink(o->f, n, target, sizeof target - 1);
    if (size < 0)
        return (int) size;
    target[size] = 0;
    o->f->ops->stat(o->f, n, &st);
    const struct timespec times[2] = {time_of(st.atime_ns), time_of(st.mtime_ns)};
    int r = symlinkat(target, dir, name);
    if (r < 0 && errno == EEXIST && unlinkat(dir, name, 0) == 0)
        r = symlinkat(target, dir, name);
    if (r < 0 || (o->a->owners && fchownat(dir, name, st.uid, st.gid, AT_SYMLINK_NOFOLLOW) < 0))
        return -errno;
    return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_out(struct out *o, struct fsys_node *n, int dir, const char *name, int depth);

static int entries_out(struct out *o, struct fsys_node *n, int fd, int depth)
{
    struct fsys_entry e;
    int r = 1;
    for (uint64_t pos = 0; r == 1; pos = e.next) {
        struct fsys_node *child;
        r = o->f->ops->readdir(o->f, n, pos, &e);
        int found = r == 1 ? o->f->ops->lookup(o->f, n, e.name, &child) : -ENOENT;
        if (r == 1 && found == 0) {
            found = copy_out(o, child, fd, e.name, depth + 1);
            o->f->ops->put(o->f, child);
        }
        if (r == 1 && found < 0)
            r = found;
    }
    return r;
}

static int dir_out(struct out *o, struct fsys_node *n, int parent, const char *name, int depth)
{
    if (depth > CP_DEPTH_MAX)
        return -ELOOP;
    if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    char *outer = o->below;
    o->below = mem_printf("%s%s/", outer, name);
    int r = entries_out(o, n, fd, depth);
    free(o->below);
    o->below = outer;
    if (r == 0)
        r = attributes_out(o, n, fd);
    close(fd);
    return r;
}

/* 1: it is a name of a file that is there already, and linked now. */
static int linked_out(struct out *o, const struct fsys_stat *st, int dir, const char *name)
{
    if (st->nlink < 2 || S_ISDIR(st->mode))
        return 0;
    const struct cp_link *first = cp_link_find(&o->links, 0, st->ino);
    if (first) {
        (void) unlinkat(dir, name, 0); /* what a copy would have written over */
        return linkat(o->top, first->name, dir, name, 0) < 0 ? -errno : 1;
    }
    AUTO_FREE char *path = mem_printf("%s%s", o->below, name);
    cp_link_add(&o->links, 0, st->ino, 0, path);
    return 0;
}

static int copy_out(struct out *o, struct fsys_node *n, int dir, const char *name, int depth)
{
    struct fsys_stat st;
    o->f->ops->stat(o->f, n, &st);
    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -EINVAL;
    if (!S_ISREG(st.mode) && !S_ISDIR(st.mode) && !S_ISLNK(st.mode)) {
        msg_warn("%s is neither file, directory nor link: left out", name);
        return 0;
    }
    int r = linked_out(o, &st, dir, name);
    if (r == 0)
        r = S_ISREG(st.mode)   ? file_out(o, n, dir, name)
            : S_ISDIR(st.mode) ? dir_out(o, n, dir, name, depth)
                               : link_out(o, n, dir, name);
    if (r < 0)
        msg_error("%s: %s", name, strerror(-r));
    return MIN(r, 0);
}

/* A whole file system into a directory: what is in it, and the directory looks like its root. */
static int root_out(struct out *o, struct fsys_node *n)
{
    int r = entries_out(o, n, o->top, 0);
    return r == 0 ? attributes_out(o, n, o->top) : r;
}

/* A destination that is a directory gets the name of what is copied. */
static int place_out(struct out *o, struct fsys_node *n, const char *path)
{
    struct stat there;
    struct fsys_stat st;
    bool into = stat(o->a->to, &there) == 0 && S_ISDIR(there.st_mode);
    const char *last = cp_last_name(o->a->to);
    AUTO_FREE char *parent = mem_strndup(o->a->to, (size_t) (last - o->a->to));
    AUTO_FREE char *own = cp_name(path);
    const char *name = into ? own : last;
    o->f->ops->stat(o->f, n, &st);
    if (S_ISDIR(st.mode) && !o->a->recursive) {
        msg_hint("-r copies directories");
        return -EISDIR;
    }
    o->top = open(into ? o->a->to : *parent ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->top < 0)
        return -errno;
    int r = S_ISDIR(st.mode) && into && !*name ? root_out(o, n)
                                               : copy_out(o, n, o->top, *name ? name : "root", 0);
    close(o->top);
    return r;
}

int cp_out(struct fsys *f, const char *path, const struct cp *a)
{
    struct fsys_node *n;
    char none[] = "";
    struct out o = {.f = f, .a = a, .below = none};
    int r = fsys_find(f, path, !a->recursive, &n);
    if (r < 0)
        return r;
    r = place_out(&o, n, path);
    f->ops->put(f, n);
    cp_links_free(&o.links);
    return r;
}
