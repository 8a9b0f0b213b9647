/* A volume by the library of the kernel, with the user's key or the recovery key: the sealed slot opens for the
 * enclave alone.
 *
 * Read-only, the file is mapped privately: what a check would write (it begins an epoch, orphans go)
 * happens in memory and is forgotten. The lock is the runtime's: shared to look, alone to write. */
#include "tools/offline/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "abi/config.h"
#include "libos/base/log.h"
#include "libos/crypto/hkdf.h"
#include "libos/mm/heap.h"
#include "tools/lib/keyfile.h"
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"

#define LARGEST_BLOCKS (1ull << 28) /* as in the kernel: 1 TiB */

struct volume {
    struct fsys fsys;
    struct cow_dev dev;
    struct cow *cow;
    int fd;
    uint8_t *map; /* read-only: a private copy of the file */
    size_t map_size;
};

static struct volume *volume_of(struct fsys *f)
{
    return container_of(f, struct volume, fsys);
}

struct cow *volume_cow(struct fsys *f)
{
    return volume_of(f)->cow;
}

struct cow *volume_take_cow(struct fsys *f)
{
    struct cow *c = volume_of(f)->cow;
    volume_of(f)->cow = NULL;
    return c;
}

/* ---- the file as a block device ---- */

static struct volume *of_dev(struct cow_dev *d)
{
    return container_of(d, struct volume, dev);
}

static int dev_read(struct cow_dev *d, uint64_t block, uint32_t count, void *dst)
{
    const struct volume *v = of_dev(d);
    size_t n = (size_t) count * COW_BLOCK;
    if (block > d->blocks || count > d->blocks - block)
        return -EIO;
    if (v->map)
        memcpy(dst, v->map + block * COW_BLOCK, n);
    else if (pread(v->fd, dst, n, (off_t) (block * COW_BLOCK)) != (ssize_t) n)
        return -EIO;
    return 0;
}

static int dev_write(struct cow_dev *d, uint64_t block, uint32_t count, const void *src)
{
    const struct volume *v = of_dev(d);
    size_t n = (size_t) count * COW_BLOCK;
    if (block > d->blocks || count > d->blocks - block)
        return -EIO;
    if (v->map)
        memcpy(v->map + block * COW_BLOCK, src, n);
    else if (pwrite(v->fd, src, n, (off_t) (block * COW_BLOCK)) != (ssize_t) n)
        return -EIO;
    return 0;
}

static int dev_barrier(struct cow_dev *d)
{
    return of_dev(d)->map || fdatasync(of_dev(d)->fd) == 0 ? 0 : -errno;
}

static int dev_grow(struct cow_dev *d, uint64_t blocks)
{
    if (blocks <= d->blocks)
        return 0;
    int r =
        of_dev(d)->map ? ENOSPC : posix_fallocate(of_dev(d)->fd, 0, (off_t) (blocks * COW_BLOCK));
    if (r == 0)
        d->blocks = blocks;
    return -r;
}

static const struct cow_dev_ops dev_ops = {
    .read = dev_read,
    .write = dev_write,
    .barrier = dev_barrier,
    .grow = dev_grow,
};

/* ---- struct fsys ---- */

static void volume_close(struct fsys *f)
{
    struct volume *v = volume_of(f);
    int r = v->cow ? cow_unmount(v->cow) : 0;
    if (r < 0 && !v->map)
        msg_error("the last changes were not written: %s", strerror(-r));
    if (v->map)
        munmap(v->map, v->map_size);
    if (v->fd >= 0)
        close(v->fd);
    kfree(v);
}

static int volume_root(struct fsys *f, struct fsys_node **ret)
{
    return cow_get(volume_cow(f), COW_INO_ROOT, (struct cow_inode **) ret);
}

static int volume_lookup(struct fsys *f, struct fsys_node *dir, const char *name,
                         struct fsys_node **ret)
{
    return cow_lookup(volume_cow(f), volume_inode(dir), (struct cow_name){name, strlen(name)},
                      (struct cow_inode **) ret);
}

static void volume_put(struct fsys *f, struct fsys_node *n)
{
    cow_put(volume_cow(f), volume_inode(n));
}

static void volume_stat(struct fsys *f, struct fsys_node *n, struct fsys_stat *ret)
{
    struct cow_attr a;
    cow_attr_get(volume_cow(f), volume_inode(n), &a);
    *ret = (struct fsys_stat){
        .ino = a.ino,
        .size = a.size,
        .blocks = a.blocks * (COW_BLOCK / 512),
        .rdev = a.rdev,
        .mode = a.mode,
        .nlink = a.nlink,
        .uid = a.uid,
        .gid = a.gid,
        .atime_ns = a.atime_ns,
        .mtime_ns = a.mtime_ns,
        .ctime_ns = a.ctime_ns,
    };
}

static int volume_readdir(struct fsys *f, struct fsys_node *dir, uint64_t pos,
                          struct fsys_entry *ret)
{
    struct cow_dirent e;
    struct cow_attr a;
    cow_attr_get(volume_cow(f), volume_inode(dir), &a);
    if (!S_ISDIR(a.mode))
        return -ENOTDIR;
    int r = cow_readdir(volume_cow(f), volume_inode(dir), pos, &e);
    if (r <= 0)
        return r;
    ret->ino = e.ino;
    ret->next = e.next;
    ret->type = e.type;
    memcpy(ret->name, e.name, e.name_size);
    ret->name[e.name_size] = 0;
    return 1;
}

static int volume_read_block(struct fsys *f, struct fsys_node *n, uint64_t block, uint8_t *dst)
{
    return cow_read(volume_cow(f), volume_inode(n), block, 1, dst);
}

static long volume_readlink(struct fsys *f, struct fsys_node *n, char *buf, size_t size)
{
    struct cow_attr a;
    cow_attr_get(volume_cow(f), volume_inode(n), &a);
    return S_ISLNK(a.mode) ? cow_readlink(volume_cow(f), volume_inode(n), buf, size) : -EINVAL;
}

static long volume_getxattr(struct fsys *f, struct fsys_node *n, const char *name, char *buf,
                            size_t size)
{
    return cow_xattr_get(volume_cow(f), volume_inode(n), name,
                         (struct span){(uint8_t *) buf, size});
}

static long volume_listxattr(struct fsys *f, struct fsys_node *n, char *buf, size_t size)
{
    return cow_xattr_list(volume_cow(f), volume_inode(n), (struct span){(uint8_t *) buf, size});
}

static long volume_check(struct fsys *f)
{
    return cow_check(volume_cow(f));
}

static const struct fsys_ops volume_ops = {
    .close = volume_close,
    .root = volume_root,
    .lookup = volume_lookup,
    .put = volume_put,
    .stat = volume_stat,
    .readdir = volume_readdir,
    .read_block = volume_read_block,
    .readlink = volume_readlink,
    .getxattr = volume_getxattr,
    .listxattr = volume_listxattr,
    .check = volume_check,
};

/* ---- opening ---- */

static int open_file(struct volume *v, const char *path, bool writable)
{
    struct stat st;
    v->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
    if (v->fd < 0)
        return -errno;
    struct flock l = {.l_type = writable ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
    if (fcntl(v->fd, F_OFD_SETLK, &l) < 0)
        return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
    if (fstat(v->fd, &st) < 0 || !S_ISREG(st.st_mode))
        return -EINVAL;
    v->dev = (struct cow_dev){&dev_ops, (uint64_t) st.st_size / COW_BLOCK};
    v->map_size = (size_t) v->dev.blocks * COW_BLOCK;
    if (writable || v->map_size == 0)
        return 0;
    void *map =
        mmap(NULL, v->map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, v->fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    v->map = map;
    return 0;
}

int volume_secret(const char *key_file, const char *info, uint8_t ret[32])
{
    struct keyfile key;
    int r = keyfile_load(key_file, &key);
    if (r < 0)
        return r;
    hkdf_sha256((struct cspan){key.key, key.size}, (struct cspan){0},
                (struct cspan){(const uint8_t *) info, strlen(info)}, (struct span){ret, 32});
    keyfile_wipe(&key);
    return 0;
}

/* The key may be in either slot. */
static void params_of(struct volume *v, const char *name, const uint8_t secret[32],
                      struct cow_params *ret)
{
    uint32_t generation;
    *ret = (struct cow_params){
        .dev = &v->dev,
        .name = name,
        .kind = COW_SLOT_RECOVERY,
        .slot_secret = cow_secret_user,
        .user_key = secret,
        .blocks_max = LARGEST_BLOCKS,
    };
    if (cow_slot_try(ret, &generation) < 0)
        ret->kind = COW_SLOT_USER;
}

static int mount_with(struct volume *v, const char *name, const char *key_file)
{
    uint8_t secret[32];
    struct cow_params p;
    int r = volume_secret(key_file, VOLUME_KEY_INFO, secret);
    if (r == 0) {
        params_of(v, name, secret, &p);
        r = cow_mount(&p, &v->cow);
    }
    explicit_bzero(secret, sizeof secret);
    return r;
}

static void explain(const char *path, int r)
{
    if (r == -EBUSY) {
        msg_error("%s: a running program has it open", path);
        msg_hint("occlum stop   (or wait until the program has ended)");
    } else if (r == -EKEYREJECTED) {
        msg_error("%s does not open with this key (EKEYREJECTED)", path);
        msg_hint("build with --volume-key or --image-key and run once with the key: docs/cli.md");
    } else if (r == -ESTALE) {
        msg_error("%s: its keys are from before a change of keys: somebody put an old header back "
                  "(ESTALE)",
                  path);
    } else if (r == -EBADMSG) {
        msg_error("%s was changed from outside, or is no volume (EBADMSG)", path);
    } else {
        msg_error("cannot open %s: %s", path, strerror(-r));
    }
}

static int check_options(const struct fsys_options *options)
{
    if (!options->key) {
        msg_error("a volume opens outside the enclave with the user's key only");
        msg_hint("--key FILE, the one of `occlum build --volume-key` or --image-key");
        return -EKEYREJECTED;
    }
    if (strchr(options->volume, '/') || options->volume[0] == '.' || !options->volume[0]) {
        msg_error("\"%s\" is no name of a volume", options->volume);
        return -EINVAL;
    }
    return 0;
}

int volume_change_keys(const char *name, const char *key_file,
                       int (*change)(const struct cow_params *p, void *arg), void *arg)
{
    AUTO_FREE char *path = mem_printf("run/volumes/%s", name);
    const struct fsys_options options = {.volume = name, .key = key_file};
    struct volume v = {.fd = -1};
    struct cow_params p;
    uint8_t secret[32];
    int r = check_options(&options);
    if (r == 0)
        r = volume_secret(key_file, VOLUME_KEY_INFO, secret);
    if (r < 0)
        return r;
    r = open_file(&v, path, true);
    if (r == 0) {
        params_of(&v, name, secret, &p);
        r = change(&p, arg);
    }
    if (r < 0)
        explain(path, r);
    explicit_bzero(secret, sizeof secret);
    if (v.fd >= 0)
        close(v.fd);
    return r;
}

int fsys_open_volume(const struct fsys_options *options, struct fsys **ret)
{
    AUTO_FREE char *path = mem_printf("run/volumes/%s", options->volume);
    int bad = check_options(options);
    if (bad < 0)
        return bad;
    struct volume *v = new_zero(struct volume);
    if (!v)
        return -ENOMEM;
    v->fsys.ops = &volume_ops;
    int r = open_file(v, path, options->writable);
    if (r == 0)
        r = mount_with(v, options->volume, options->key);
    if (r < 0) {
        explain(path, r);
        volume_close(&v->fsys);
        return r;
    }
    *ret = &v->fsys;
    return 0;
}
