/* Host calls of hostfs on names. The enclave resolves paths itself and sends single components; that is
 * checked here again, so that whatever runs in the enclave stays below the directories that were mounted.
 * No call follows a link: what a link means is decided inside. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "host/files.h"
#include "host/runtime.h"

struct name {
    char text[256];
};

static bool name_ok(const char *p, size_t n)
{
    bool dots = n > 0 && p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.'));
    return n > 0 && n <= 255 && !dots && !memchr(p, '/', n) && !memchr(p, 0, n);
}

/* The name that is n bytes at p. */
static int name_get(struct name *ret, const char *p, size_t n)
{
    if (!name_ok(p, n))
        return n > 255 ? -ENAMETOOLONG : -EINVAL;
    memcpy(ret->text, p, n);
    ret->text[n] = 0;
    return 0;
}

static int only_name(struct name *ret, const struct host_vcpu *v)
{
    return v->in_size > 255 ? -ENAMETOOLONG : name_get(ret, (const char *) v->data, v->in_size);
}

/* The first name of two strings; *ret_rest, *ret_size: the second string. */
static int first_name(struct name *ret, const struct host_vcpu *v, const char **ret_rest,
                      size_t *ret_size)
{
    const char *p = (const char *) v->data;
    const char *end = v->in_size <= HOST_DATA_MAX ? memchr(p, 0, v->in_size) : NULL;
    if (!end)
        return -EINVAL;
    *ret_rest = end + 1;
    *ret_size = v->in_size - (size_t) (end + 1 - p);
    return name_get(ret, p, (size_t) (end - p));
}

/* Kernels and sandboxes without openat2 still do not follow a last component that is a link. */
static int open_beneath(int dir, const char *name, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (uint64_t) flags | O_NOFOLLOW | O_CLOEXEC,
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
    };
    int fd = (int) syscall(SYS_openat2, dir, name, &how, sizeof how);
    if (fd < 0 && errno == ENOSYS)
        fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    return fd < 0 ? -errno : fd;
}

/* A token for fd, which is taken over, and its struct host_stat in the data. */
static int64_t answer(struct host_vcpu *v, int fd, int opened)
{
    struct stat st;
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0) {
        int e = errno;
        close(fd);
        return -e;
    }
    struct host_stat s;
    host_stat_fill(&s, &st);
    memcpy(v->data, &s, sizeof s);
    return files_add(fd, opened);
}

static int64_t look_up(struct host_vcpu *v, const struct open_file *dir, const struct name *name)
{
    return answer(v, open_beneath(dir->path_fd, name->text, O_PATH, 0), false);
}

static void close_file(struct open_file **f)
{
    if (*f)
        files_put(*f);
}
#define FILE_OF(name, token)                                                                       \
    __attribute__((cleanup(close_file))) struct open_file *name = files_get(token)

/* The source comes from the measured configuration: the user who built the instance chose it. */
int64_t host_call_file_root(struct host_vcpu *v)
{
    char source[4096], path[8192];
    if (v->in_size == 0 || v->in_size >= sizeof source || memchr(v->data, 0, v->in_size))
        return -EINVAL;
    memcpy(source, v->data, v->in_size);
    source[v->in_size] = 0;
    int n = snprintf(path, sizeof path, "%s/%s", source[0] == '/' ? "" : runtime.instance, source);
    if (n < 0 || (size_t) n >= sizeof path)
        return -ENAMETOOLONG;
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return answer(v, fd < 0 ? -errno : fd, false);
}

int64_t host_call_file_lookup(struct host_vcpu *v)
{
    FILE_OF(dir, v->args[0]);
    struct name name;
    int r = dir ? only_name(&name, v) : -EBADF;
    return r < 0 ? r : look_up(v, dir, &name);
}

/* The mode is set afterwards: the runtime's umask is not the guest's. */
int64_t host_call_file_create(struct host_vcpu *v)
{
    FILE_OF(dir, v->args[0]);
    struct name name;
    int r = dir ? only_name(&name, v) : -EBADF;
    if (r < 0)
        return r;
    mode_t mode = (mode_t) v->args[1] & 0777;
    int fd = open_beneath(dir->path_fd, name.text, O_RDWR | O_CREAT | O_EXCL, mode);
    if (fd >= 0 && fchmod(fd, mode) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return answer(v, fd, true);
}

int64_t host_call_file_mkdir(struct host_vcpu *v)
{
    FILE_OF(dir, v->args[0]);
    struct name name;
    int r = dir ? only_name(&name, v) : -EBADF;
    if (r < 0)
        return r;
    mode_t mode = (mode_t) v->args[1] & 01777;
    if (mkdirat(dir->path_fd, name.text, mode) < 0)
        return -errno;
    int fd = open_beneath(dir->path_fd, name.text, O_PATH | O_DIRECTORY, 0);
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd >= 0 && chmod(path, mode) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return answer(v, fd, false);
}

int64_t host_call_file_symlink(struct host_vcpu *v)
{
    FILE_OF(dir, v->args[0]);
    struct name name;
    const char *rest;
    size_t size;
    int r = dir ? first_name(&name, v, &rest, &size) : -EBADF;
    if (r < 0)
        return r;
    char target[4096];
    if (size == 0 || size >= sizeof target || memchr(rest, 0, size))
        return -EINVAL;
    memcpy(target, rest, size);
    target[size] = 0;
    if (symlinkat(target, dir->path_fd, name.text) < 0)
        return -errno;
    return look_up(v, dir, &name);
}

int64_t host_call_file_link(struct host_vcpu *v)
{
    FILE_OF(dir, v->args[0]);
    FILE_OF(file, v->args[1]);
    struct name name;
    int r = dir && file ? only_name(&name, v) : -EBADF;
    if (r < 0)
        return r;
    struct fd_path path = files_path(file);
    r = linkat(AT_FDCWD, path.text, dir->path_fd, name.text, AT_SYMLINK_FOLLOW);
    return r < 0 ? -errno : 0;
}

int64_t host_call_file_unlink(struct host_vcpu *v)
{
    FILE_OF(dir, v->args[0]);
    struct name name;
    int r = dir ? only_name(&name, v) : -EBADF;
    if (r < 0)
        return r;
    r = unlinkat(dir->path_fd, name.text, v->args[1] ? AT_REMOVEDIR : 0);
    return r < 0 ? -errno : 0;
}

int64_t host_call_file_rename(struct host_vcpu *v)
{
    FILE_OF(old_dir, v->args[0]);
    FILE_OF(new_dir, v->args[1]);
    struct name old_name, new_name;
    const char *rest;
    size_t size;
    int r = old_dir && new_dir ? first_name(&old_name, v, &rest, &size) : -EBADF;
    if (r == 0)
        r = name_get(&new_name, rest, size);
    if (r < 0)
        return r;
    r = renameat2(old_dir->path_fd, old_name.text, new_dir->path_fd, new_name.text,
                  v->args[2] ? RENAME_EXCHANGE : 0);
    return r < 0 ? -errno : 0;
}
