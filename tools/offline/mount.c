/* occlum mount: a FUSE file system of the root image (read-only) or of a volume, until it is unmounted
 * (fusermount3 -u). One thread: the library's locks are the kernel's coroutines here. */
#define FUSE_USE_VERSION 31
#include <argp.h>
#include <errno.h>
#include <fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/offline/mount.h"

struct arguments {
    struct fsys_options fsys;
    bool foreground;
    char *what, *where;
};

struct fsys *mount_fsys(void)
{
    return fuse_get_context()->private_data;
}

struct timespec mount_time(int64_t ns)
{
    return (struct timespec){ns / 1000000000, ns % 1000000000};
}

/* ---- making ----------------------------------------------------------------------------------- */
static mount_make_fn maker; /* of what this process has mounted */

static int do_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    return maker(path, S_IFREG | (mode & 07777), 0, NULL, &fi->fh);
}

static int do_mknod(const char *path, mode_t mode, dev_t dev)
{
    return maker(path, mode, dev, NULL, NULL);
}

static int do_mkdir(const char *path, mode_t mode)
{
    return maker(path, S_IFDIR | (mode & 07777), 0, NULL, NULL);
}

static int do_symlink(const char *target, const char *path)
{
    return maker(path, S_IFLNK | 0777, 0, target, NULL);
}

void mount_make_operations(struct fuse_operations *o, mount_make_fn make)
{
    maker = make;
    o->create = do_create;
    o->mknod = do_mknod;
    o->mkdir = do_mkdir;
    o->symlink = do_symlink;
}

/* ---- looking ---------------------------------------------------------------------------------- */
static int do_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    struct fsys *f = mount_fsys();
    struct fsys_node *n;
    struct fsys_stat s;
    int r = fsys_find(f, path, false, &n);
    if (r < 0)
        return r;
    f->ops->stat(f, n, &s);
    f->ops->put(f, n);
    *st = (struct stat){
        .st_ino = s.ino,
        .st_mode = s.mode,
        .st_nlink = s.nlink,
        .st_uid = s.uid,
        .st_gid = s.gid,
        .st_rdev = s.rdev,
        .st_size = (off_t) s.size,
        .st_blksize = FSYS_BLOCK,
        .st_blocks = (blkcnt_t) s.blocks,
        .st_atim = mount_time(s.atime_ns),
        .st_mtim = mount_time(s.mtime_ns),
        .st_ctim = mount_time(s.ctime_ns),
    };
    return 0;
}

static int do_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t off,
                      struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
    struct fsys *f = mount_fsys();
    struct fsys_node *n;
    struct fsys_entry e;
    int r = fsys_find(f, path, false, &n);
    if (r < 0)
        return r;
    fill(buf, ".", NULL, 0, 0);
    fill(buf, "..", NULL, 0, 0);
    for (uint64_t pos = 0; (r = f->ops->readdir(f, n, pos, &e)) == 1; pos = e.next) {
        const struct stat st = {.st_ino = e.ino, .st_mode = e.type << 12};
        fill(buf, e.name, &st, 0, 0); /* offset 0: all at once, libfuse keeps them */
    }
    f->ops->put(f, n);
    return r;
}

static int do_readlink(const char *path, char *buf, size_t size)
{
    struct fsys *f = mount_fsys();
    struct fsys_node *n;
    int r = fsys_find(f, path, false, &n);
    if (r < 0)
        return r;
    long got = f->ops->readlink(f, n, buf, size - 1);
    f->ops->put(f, n);
    if (got < 0)
        return (int) got;
    buf[got] = 0;
    return 0;
}

static int do_open(const char *path, struct fuse_file_info *fi)
{
    struct fsys_node *n;
    int r = fsys_find(mount_fsys(), path, false, &n);
    if (r == 0)
        fi->fh = (uint64_t) n;
    return r;
}

static int do_release(const char *path, struct fuse_file_info *fi)
{
    mount_fsys()->ops->put(mount_fsys(), (struct fsys_node *) fi->fh);
    return 0;
}

static int do_read(const char *path, char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
    return (int) fsys_read(mount_fsys(), (struct fsys_node *) fi->fh, buf, size, (uint64_t) off);
}

static void *do_init(struct fuse_conn_info *conn, struct fuse_config *config)
{
    config->use_ino = 1;
    config->hard_remove = 1; /* files that are deleted while they are open stay by their inode */
    return mount_fsys();
}

static const struct fuse_operations read_operations = {
    .init = do_init,
    .getattr = do_getattr,
    .readdir = do_readdir,
    .readlink = do_readlink,
    .open = do_open,
    .release = do_release,
    .read = do_read,
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case 'k':
        a->fsys.key = arg;
        break;
    case 'w':
        a->fsys.writable = true;
        break;
    case 'f':
        a->foreground = true;
        break;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1)
            argp_error(state, "what, and where to");
        *(state->arg_num ? &a->where : &a->what) = arg;
        break;
    case ARGP_KEY_END:
        if (state->arg_num < 2)
            argp_error(state, "what (image, a volume's name, or @), and a directory");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static int serve(struct fsys *f, const struct arguments *a)
{
    struct fuse_operations operations = read_operations;
    if (fsys_is_root(f))
        mount_root_operations(&operations, a->fsys.writable);
    else if (a->fsys.volume)
        mount_xattr_operations(&operations, a->fsys.writable);
    if (a->fsys.writable && !fsys_is_root(f))
        mount_write_operations(&operations);
    AUTO_FREE char *options = mem_printf("fsname=occlum-%s,subtype=occlum,default_permissions%s",
                                         a->what, a->fsys.writable ? "" : ",ro");
    char program[] = "occlum-mount", single[] = "-s", front[] = "-f", option[] = "-o";
    char *argv[] = {program, single, option, options, a->where, a->foreground ? front : NULL, NULL};
    return fuse_main(a->foreground ? 6 : 5, argv, &operations, f) == 0 ? 0 : 1;
}

int offline_mount(int argc, char **argv)
{
    static const struct argp_option options[] = {
        FSYS_KEY_OPTIONS,
        {"write", 'w', NULL, 0, "changes reach the volume", 0},
        {"foreground", 'f', NULL, 0, "stay until it is unmounted", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "image|VOLUME|@ DIRECTORY",
        .doc = "Show the root image, an encrypted volume, or both together (@) as a directory of "
               "this machine (FUSE), "
               "in the "
               "clear. fusermount3 -u DIRECTORY ends it.",
    };
    struct arguments a = {0};
    struct fsys *f;
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return 64;
    a.fsys.volume = strcmp(a.what, "image") == 0 ? NULL : a.what;
    if (fsys_open(&a.fsys, &f) < 0)
        return 1;
    int status = serve(f, &a);
    fsys_close(f);
    return status;
}
