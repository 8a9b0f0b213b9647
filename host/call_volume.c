/* The files of encrypted volumes: run/volumes/NAME. The enclave trusts nothing in them.
 *
 * NAME.anchor is the freshness anchor of volume NAME, run/anchors/NAME: the user may make that directory a link to
 * storage that is trusted more. What an empty one means the enclave knows.
 *
 * NAME.new, made empty by `occlum build` for a new instance or because a program asks for a volume (mount with "create"),
 * is the order to make the volume, and the file that it
 * is made in; it becomes NAME, beside the trace NAME.made, when the enclave says that it holds something. So a
 * volume that is lost or damaged later is an error, never a new empty one.
 *
 * Who has a file open holds its lock (of the open file, F_OFD_SETLK, because one that is shared can become one
 * that is not without being lost): shared to read, alone from the first change on. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "host/files.h"
#include "host/runtime.h"

#define NAME_SIZE    64
#define VOLUME_BLOCK 4096u

struct volume_path {
    char text[4096];
};

static struct volume_path path_of(const char *name, const char *suffix)
{
    struct volume_path p;
    if ((size_t) snprintf(p.text, sizeof p.text, "%s/run/volumes/%s%s", runtime.instance, name,
                          suffix) >= sizeof p.text)
        p.text[0] = 0;
    return p;
}

static bool is_anchor(const char *name)
{
    const char *end = strrchr(name, '.');
    return end && end > name && strcmp(end, ".anchor") == 0;
}

static struct volume_path anchor_path(const char *name)
{
    struct volume_path p;
    if (snprintf(p.text, sizeof p.text, "%s/run/anchors", runtime.instance) >= 4000)
        p.text[0] = 0;
    (void) mkdir(p.text, 0700); /* if it cannot be made, open says so */
    size_t n = strlen(p.text);
    snprintf(p.text + n, sizeof p.text - n, "/%.*s", (int) (strlen(name) - strlen(".anchor")),
             name);
    return p;
}

/* -EBUSY: somebody else has a lock that excludes this one. */
static int lock_file(int fd, short type)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &l) == 0)
        return 0;
    return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

static int open_shared(struct volume_path p, int flags)
{
    int fd = open(p.text, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | flags, 0600);
    int r = fd < 0 ? -errno : lock_file(fd, F_RDLCK);
    if (r < 0 && fd >= 0)
        close(fd);
    return r < 0 ? r : fd;
}

/* The file in which a new volume is to be made. -ENOENT: there is no such order (any more), or there was a
 * volume already. program: it orders one. */
static int open_order(const char *name, bool program)
{
    struct volume_path order = path_of(name, ".new"), volume = path_of(name, ""),
                       made = path_of(name, ".made");
    struct stat opened, there;
    if (access(volume.text, F_OK) == 0 || (program && access(made.text, F_OK) == 0))
        return -ENOENT;
    int fd = open_shared(order, program ? O_CREAT : 0);
    if (fd < 0 || (fstat(fd, &opened) == 0 && stat(order.text, &there) == 0 &&
                   opened.st_ino == there.st_ino && opened.st_dev == there.st_dev))
        return fd;
    close(fd); /* it has become the volume meanwhile */
    return -ENOENT;
}

/* For reads of single blocks without a call, which need no readahead. What lies behind the end becomes readable when the
 * file grows. */
static void *map_file(int fd)
{
    void *p = mmap(NULL, HOST_VOLUME_MAP, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (p == MAP_FAILED)
        return NULL;
    (void) madvise(p, HOST_VOLUME_MAP, MADV_RANDOM);
    (void) madvise(p, HOST_VOLUME_MAP, MADV_DONTDUMP);
    return p;
}

int64_t host_call_volume_open(struct host_vcpu *v)
{
    char name[NAME_SIZE];
    size_t n = v->in_size;
    if (n == 0 || n >= sizeof name || memchr(v->data, '/', n) || v->data[0] == '.' ||
        v->out_size != sizeof(struct host_volume))
        return -EINVAL;
    memcpy(name, v->data, n);
    name[n] = 0;
    int fd = is_anchor(name) ? -ENOENT : open_order(name, v->args[0] != 0);
    struct host_volume h = {.create = fd >= 0};
    if (fd == -ENOENT)
        fd = is_anchor(name) ? open_shared(anchor_path(name), O_CREAT)
                             : open_shared(path_of(name, ""), 0);
    struct stat st;
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return -EINVAL;
    }
    h.size = h.create ? 0 : (uint64_t) st.st_size;
    void *map = is_anchor(name) ? NULL : map_file(fd);
    h.map = (uint64_t) map;
    h.map_size = map ? HOST_VOLUME_MAP : 0;
    memcpy(v->data, &h, sizeof h);
    return files_add_mapped(fd, map);
}

static void close_file(struct open_file **f)
{
    if (*f)
        files_put(*f);
}

int64_t host_call_volume_grow(struct host_vcpu *v)
{
    __attribute__((cleanup(close_file))) struct open_file *f = files_get(v->args[0]);
    if (!f || f->write_fd < 0)
        return -EINVAL;
    return -posix_fallocate(f->write_fd, 0, (off_t) v->args[1]);
}

int64_t host_call_volume_claim(struct host_vcpu *v)
{
    __attribute__((cleanup(close_file))) struct open_file *f = files_get(v->args[0]);
    return f && f->write_fd >= 0 ? lock_file(f->write_fd, F_WRLCK) : -EINVAL;
}

static int sync_directory(void)
{
    int fd = open(path_of("", "").text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return r;
}

/* The names last a crash before the enclave goes on: it promises a program that its data are there. */
static int order_done(const char *name)
{
    struct volume_path order = path_of(name, ".new"), made = path_of(name, ".made"),
                       volume = path_of(name, "");
    int fd = open(made.text, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    close(fd);
    return rename(order.text, volume.text) < 0 ? -errno : sync_directory();
}

/* Blocks that lie one behind the other come with one read; the answer ends where one does not come whole. */
int64_t host_call_volume_read(struct host_vcpu *v)
{
    __attribute__((cleanup(close_file))) struct open_file *f = files_get(v->args[0]);
    uint64_t blocks[HOST_DATA_MAX / VOLUME_BLOCK];
    size_t count = v->in_size / sizeof *blocks, done = 0;
    if (!f || f->read_fd < 0 || v->in_size > sizeof blocks || v->out_size != count * VOLUME_BLOCK)
        return -EINVAL;
    memcpy(blocks, v->data, count * sizeof *blocks);
    while (done < count) {
        size_t run = 1;
        while (done + run < count && blocks[done + run] == blocks[done] + run)
            run++;
        ssize_t n = pread(f->read_fd, v->data + done * VOLUME_BLOCK, run * VOLUME_BLOCK,
                          (off_t) (blocks[done] * VOLUME_BLOCK));
        if (n < 0 && done == 0)
            return -errno;
        if (n != (ssize_t) (run * VOLUME_BLOCK))
            break;
        done += run;
    }
    return (int64_t) (done * VOLUME_BLOCK);
}

/* The name by the descriptor: /proc knows it, and the file was opened below run/volumes. */
int64_t host_call_volume_made(struct host_vcpu *v)
{
    __attribute__((cleanup(close_file))) struct open_file *f = files_get(v->args[0]);
    if (!f)
        return -EINVAL;
    char target[4096];
    struct fd_path link = files_path(f);
    ssize_t n = readlink(link.text, target, sizeof target - 1);
    if (n < 0)
        return -errno;
    target[n] = 0;
    char *name = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
    char *end = strrchr(name, '.');
    if (!end || strcmp(end, ".new") != 0)
        return 0; /* of a volume that was there already */
    *end = 0;
    return order_done(name);
}
