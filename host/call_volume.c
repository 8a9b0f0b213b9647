/* The files of encrypted volumes: run/volumes/NAME. The enclave trusts nothing in them.
 *
 * NAME.anchor is the freshness anchor of volume NAME, run/anchors/NAME: the user may make that directory a link to
 * storage that is trusted more. What an empty one means the enclave knows.
 *
 * NAME.new, made by `occlum build` for a new instance, is the order to make the volume; it becomes
 * NAME.made when the enclave says that it holds something. So a volume that is lost or damaged later is
 * an error, never a new empty one. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "host/files.h"
#include "host/runtime.h"

#define NAME_SIZE 64

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

static int open_locked(const char *name, int flags)
{
    bool anchor = is_anchor(name);
    struct volume_path p = anchor ? anchor_path(name) : path_of(name, "");
    flags |= anchor ? O_CREAT : 0;
    int fd = open(p.text, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | flags, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int r = errno == EWOULDBLOCK ? -EBUSY : -errno;
    close(fd);
    return r;
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
    struct volume_path order = path_of(name, ".new");
    struct host_volume h = {.create = access(order.text, F_OK) == 0};
    int fd = open_locked(name, h.create ? O_CREAT : 0);
    struct stat st;
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return -EINVAL;
    }
    h.size = (uint64_t) st.st_size;
    memcpy(v->data, &h, sizeof h);
    return files_add(fd, 1);
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
    const char *name = strrchr(target, '/');
    struct volume_path order = path_of(name ? name + 1 : target, ".new");
    struct volume_path made = path_of(name ? name + 1 : target, ".made");
    return rename(order.text, made.text) < 0 ? -errno : 0;
}
