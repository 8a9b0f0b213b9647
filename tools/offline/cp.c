/* occlum cp: out of the root image or a volume, or into a volume.
 *
 * Names and links are the author's of the file system, and the destination is this machine's: each name is made
 * below a directory that is held open, links are made and never followed, nothing special is made. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/offline/volume.h"

#define DEPTH_MAX 256

struct arguments {
    struct fsys_options fsys;
    bool recursive;
    char *from, *to;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case 'k':
        a->fsys.key = arg;
        break;
    case 'r':
        a->recursive = true;
        break;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1)
            argp_error(state, "two paths: from where, to where");
        *(state->arg_num ? &a->to : &a->from) = arg;
        break;
    case ARGP_KEY_END:
        if (state->arg_num < 2)
            argp_error(state, "two paths: from where, to where");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* ---- out ---- */

static struct timespec time_of(int64_t ns)
{
    return (struct timespec){ns / 1000000000 - (ns % 1000000000 < 0),
                             (ns % 1000000000 + 1000000000) % 1000000000};
}

static int file_out(struct fsys *f, struct fsys_node *n, int dir, const char *name)
{
    static uint8_t buf[64 * FSYS_BLOCK];
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    long got;
    for (uint64_t off = 0; (got = fsys_read(f, n, buf, sizeof buf, off)) > 0; off += (uint64_t) got)
        if (pwrite(fd, buf, (size_t) got, (off_t) off) != got) {
            got = errno ? -errno : -EIO;
            break;
        }
    struct fsys_stat st;
    f->ops->stat(f, n, &st);
    const struct timespec times[2] = {time_of(st.atime_ns), time_of(st.mtime_ns)};
    if (got == 0 && (fchmod(fd, st.mode & 0777) < 0 || futimens(fd, times) < 0))
        got = -errno;
    if (close(fd) < 0 && got == 0)
        got = -errno;
    return (int) got;
}

static int link_out(struct fsys *f, struct fsys_node *n, int dir, const char *name)
{
    char target[4096];
    long size = f->ops->readlink(f, n, target, sizeof target - 1);
    if (size < 0)
        return (int) size;
    target[size] = 0;
    return symlinkat(target, dir, name) < 0 ? -errno : 0;
}

static int copy_out(struct fsys *f, struct fsys_node *n, int dir, const char *name, int depth);

static int dir_out(struct fsys *f, struct fsys_node *n, int parent, const char *name, int depth)
{
    if (depth > DEPTH_MAX)
        return -ELOOP;
    if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = fd < 0 ? -errno : 1;
    struct fsys_entry e;
    for (uint64_t pos = 0; r == 1; pos = e.next) {
        struct fsys_node *child;
        r = f->ops->readdir(f, n, pos, &e);
        int found = r == 1 ? f->ops->lookup(f, n, e.name, &child) : -ENOENT;
        if (r == 1 && found == 0) {
            found = copy_out(f, child, fd, e.name, depth + 1);
            f->ops->put(f, child);
        }
        if (r == 1 && found < 0)
            r = found;
    }
    struct fsys_stat st;
    f->ops->stat(f, n, &st);
    if (r == 0 && fchmod(fd, st.mode & 0777) < 0)
        r = -errno;
    if (fd >= 0)
        close(fd);
    return r;
}

static int copy_out(struct fsys *f, struct fsys_node *n, int dir, const char *name, int depth)
{
    struct fsys_stat st;
    f->ops->stat(f, n, &st);
    int r = -EINVAL;
    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return r;
    if (S_ISREG(st.mode))
        r = file_out(f, n, dir, name);
    else if (S_ISDIR(st.mode))
        r = dir_out(f, n, dir, name, depth);
    else if (S_ISLNK(st.mode))
        r = link_out(f, n, dir, name);
    else
        msg_warn("%s is neither file, directory nor link: left out", name);
    if (r == -EINVAL && !S_ISREG(st.mode) && !S_ISDIR(st.mode) && !S_ISLNK(st.mode))
        return 0;
    if (r < 0)
        msg_error("%s: %s", name, strerror(-r));
    return r;
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A destination that is a directory gets the name of what is copied. */
static int to_host(struct fsys *f, const char *path, const struct arguments *a)
{
    struct fsys_node *n;
    struct fsys_stat st;
    struct stat there;
    bool into = stat(a->to, &there) == 0 && S_ISDIR(there.st_mode);
    AUTO_FREE char *parent = mem_strndup(a->to, (size_t) (last_name(a->to) - a->to));
    const char *name = into ? last_name(path) : last_name(a->to);
    int r = fsys_find(f, path, !a->recursive, &n);
    if (r < 0)
        return r;
    f->ops->stat(f, n, &st);
    if (S_ISDIR(st.mode) && !a->recursive) {
        f->ops->put(f, n);
        msg_hint("-r copies directories");
        return -EISDIR;
    }
    int dir = open(into ? a->to : *parent ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        r = -errno;
    else if (S_ISDIR(st.mode) && into && !*name)
        r = dir_out(f, n, AT_FDCWD, a->to, 0);
    else
        r = copy_out(f, n, dir, *name ? name : "root", 0);
    if (dir >= 0)
        close(dir);
    f->ops->put(f, n);
    return r;
}

/* ---- in ---- */

static int content_in(struct fsys *f, struct fsys_node *n, int fd)
{
    static uint8_t buf[64 * FSYS_BLOCK];
    ssize_t got;
    long r = 0;
    for (uint64_t off = 0; r >= 0 && (got = read(fd, buf, sizeof buf)) != 0;
         off += (uint64_t) got) {
        if (got < 0)
            return -errno;
        r = volume_write(f, n, buf, (size_t) got, off);
        if (r >= 0 && r < got)
            r = -ENOSPC;
    }
    return r < 0 ? (int) r : cow_sync(volume_cow(f));
}

/* A new file, or an old one's content replaced. */
static int file_in(struct fsys *f, const char *path, int fd, const struct stat *st)
{
    struct fsys_node *dir, *n;
    struct cow_name name;
    int r = volume_parent(f, path, &dir, &name);
    if (r < 0)
        return r;
    const struct cow_new new = {.mode = S_IFREG | (st->st_mode & 0777), .now_ns = volume_now()};
    r = cow_lookup(volume_cow(f), volume_inode(dir), name, (struct cow_inode **) &n);
    if (r == -ENOENT)
        r = cow_make(volume_cow(f), volume_inode(dir), name, &new, (struct cow_inode **) &n);
    f->ops->put(f, dir);
    if (r < 0)
        return r;
    struct fsys_stat now;
    f->ops->stat(f, n, &now);
    r = S_ISREG(now.mode)   ? cow_truncate(volume_cow(f), volume_inode(n), 0)
        : S_ISDIR(now.mode) ? -EISDIR
                            : -EINVAL;
    if (r == 0)
        r = content_in(f, n, fd);
    f->ops->put(f, n);
    return r;
}

static int to_volume(struct fsys *f, const char *path, const struct arguments *a)
{
    struct stat st;
    struct fsys_node *n;
    struct fsys_stat there = {0};
    int fd = open(a->from, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
    if (r == 0 && !S_ISREG(st.st_mode))
        r = -EINVAL; /* one file at a time: `occlum mount` is for trees */
    if (r == 0 && fsys_find(f, path, true, &n) == 0) {
        f->ops->stat(f, n, &there);
        f->ops->put(f, n);
    }
    AUTO_FREE char *below = mem_printf("%s/%s", path, last_name(a->from));
    if (r == 0)
        r = file_in(f, S_ISDIR(there.mode) ? below : path, fd, &st);
    if (fd >= 0)
        close(fd);
    return r;
}

int offline_cp(int argc, char **argv)
{
    static const struct argp_option options[] = {
        FSYS_KEY_OPTIONS,
        {"recursive", 'r', NULL, 0, "directories, with what is in them; links stay links", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[VOLUME:]PATH DESTINATION\nFILE VOLUME:PATH",
        .doc = "Copy files and directories out of the root image or an encrypted volume, or a file "
               "into a "
               "volume.",
    };
    struct arguments a = {0};
    const char *volume, *path;
    struct fsys *f;
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return 64;
    fsys_split(a.to, &volume, &path);
    bool in = volume != NULL;
    if (!in)
        fsys_split(a.from, &volume, &path);
    a.fsys.volume = volume;
    a.fsys.writable = in;
    if (fsys_open(&a.fsys, &f) < 0)
        return 1;
    int r = in ? to_volume(f, path, &a) : to_host(f, path, &a);
    fsys_close(f);
    if (r < 0)
        msg_error("%s: %s", in ? a.from : path, strerror(-r));
    return r < 0;
}
