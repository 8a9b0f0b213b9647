/* Host calls of hostfs on files that a token stands for: content and attributes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "host/files.h"
#include "host/runtime.h"
#include "host/start.h"

void host_stat_fill(struct host_stat *s, const struct stat *st)
{
    *s = (struct host_stat){
        .dev = st->st_dev,
        .ino = st->st_ino,
        .nlink = st->st_nlink,
        .rdev = st->st_rdev,
        .size = (uint64_t) st->st_size,
        .blocks = (uint64_t) st->st_blocks,
        .mode = st->st_mode,
        .uid = st->st_uid,
        .gid = st->st_gid,
        .blksize = (uint32_t) st->st_blksize,
        .atime_ns = st->st_atim.tv_sec * 1000000000ll + st->st_atim.tv_nsec,
        .mtime_ns = st->st_mtim.tv_sec * 1000000000ll + st->st_mtim.tv_nsec,
        .ctime_ns = st->st_ctim.tv_sec * 1000000000ll + st->st_ctim.tv_nsec,
    };
}

static void close_file(struct open_file **f)
{
    if (*f)
        files_put(*f);
}
/* The file of token a0, for the rest of the function. */
#define FILE_OF(v)                                                                                 \
    __attribute__((cleanup(close_file))) struct open_file *f = files_get((v)->args[0])

static int64_t result(long r)
{
    return r < 0 ? -errno : r;
}

int64_t host_call_file_close(struct host_vcpu *v)
{
    files_close(v->args[0]);
    return 0;
}

int64_t host_call_file_open(struct host_vcpu *v)
{
    FILE_OF(v);
    return f ? files_open(f, (unsigned) v->args[1]) : -EBADF;
}

int64_t host_call_file_stat(struct host_vcpu *v)
{
    FILE_OF(v);
    struct stat st;
    if (!f || fstat(f->path_fd, &st) < 0)
        return f ? -errno : -EBADF;
    struct host_stat s;
    host_stat_fill(&s, &st);
    memcpy(v->data, &s, sizeof s);
    return 0;
}

int64_t host_call_file_read(struct host_vcpu *v)
{
    FILE_OF(v);
    if (!f || f->read_fd < 0 || v->out_size > HOST_DATA_MAX)
        return -EBADF;
    return result(pread(f->read_fd, v->data, v->out_size, (off_t) v->args[1]));
}

int64_t host_call_file_write(struct host_vcpu *v)
{
    FILE_OF(v);
    if (!f || f->write_fd < 0 || v->in_size > HOST_DATA_MAX)
        return -EBADF;
    if (v->args[1] != UINT64_MAX)
        return result(pwrite(f->write_fd, v->data, v->in_size, (off_t) v->args[1]));
    struct iovec part = {v->data, v->in_size};
    return result(pwritev2(f->write_fd, &part, 1, 0, RWF_APPEND));
}

/* The position belongs to the descriptor, but each directory the enclave reads has one of its own. */
int64_t host_call_file_readdir(struct host_vcpu *v)
{
    FILE_OF(v);
    if (!f || v->out_size > HOST_DATA_MAX)
        return -EBADF;
    int fd = files_readable(f);
    if (fd < 0)
        return fd;
    if (lseek(fd, (off_t) v->args[1], SEEK_SET) < 0)
        return -errno;
    return result(syscall(SYS_getdents64, fd, v->data, v->out_size));
}

int64_t host_call_file_readlink(struct host_vcpu *v)
{
    FILE_OF(v);
    if (!f || v->out_size > HOST_DATA_MAX)
        return -EBADF;
    return result(readlinkat(f->path_fd, "", (char *) v->data, v->out_size));
}

int64_t host_call_file_truncate(struct host_vcpu *v)
{
    FILE_OF(v);
    if (!f)
        return -EBADF;
    if (f->write_fd >= 0)
        return result(ftruncate(f->write_fd, (off_t) v->args[1]));
    struct fd_path path = files_path(f);
    return result(truncate(path.text, (off_t) v->args[1]));
}

int64_t host_call_file_sync(struct host_vcpu *v)
{
    FILE_OF(v);
    if (!f)
        return -EBADF;
    int fd = f->write_fd >= 0 ? f->write_fd : files_readable(f);
    if (fd < 0)
        return fd;
    if (v->args[1] == HOST_SYNC_START) {
        start_writing(v->args[0]);
        return 0;
    }
    if (v->args[1] == HOST_SYNC_SUPER)
        return result(syncfs(fd));
    return result(v->args[1] == HOST_SYNC_DATA ? fdatasync(fd) : fsync(fd));
}

int64_t host_call_file_chmod(struct host_vcpu *v)
{
    FILE_OF(v);
    if (!f)
        return -EBADF;
    struct fd_path path = files_path(f);
    return result(chmod(path.text, (mode_t) v->args[1] & 01777));
}

static struct timespec time_of(int64_t ns)
{
    if (ns == INT64_MIN)
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    int64_t sec = ns / 1000000000, rest = ns % 1000000000;
    return rest < 0 ? (struct timespec){sec - 1, rest + 1000000000} : (struct timespec){sec, rest};
}

int64_t host_call_file_utimens(struct host_vcpu *v)
{
    FILE_OF(v);
    struct host_times t;
    if (!f)
        return -EBADF;
    memcpy(&t, v->data, sizeof t);
    struct timespec ts[2] = {time_of(t.atime_ns), time_of(t.mtime_ns)};
    return result(utimensat(f->path_fd, "", ts, AT_EMPTY_PATH));
}

int64_t host_call_file_statfs(struct host_vcpu *v)
{
    FILE_OF(v);
    struct statfs st;
    if (!f || fstatfs(f->path_fd, &st) < 0)
        return f ? -errno : -EBADF;
    struct host_statfs s = {
        .blocks = st.f_blocks,
        .bfree = st.f_bfree,
        .bavail = st.f_bavail,
        .files = st.f_files,
        .ffree = st.f_ffree,
        .bsize = (uint32_t) st.f_bsize,
        .namelen = (uint32_t) st.f_namelen,
    };
    memcpy(v->data, &s, sizeof s);
    return 0;
}
