/* Vectors, positions and copies between descriptors: readv to pwritev2, sendfile, copy_file_range,
 * splice, tee, vmsplice. */
#include "guest_test.h"
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#ifndef RWF_APPEND
#define RWF_HIPRI  1
#define RWF_DSYNC  2
#define RWF_SYNC   4
#define RWF_NOWAIT 8
#define RWF_APPEND 16
#endif

static int fresh(const char *name, const char *text, int flags)
{
    const char *p = test_path(name);
    write_file(p, text, strlen(text));
    return (int) OK(open(p, flags));
}

static void holds(int fd, const char *text)
{
    char buf[256] = "";
    CHECK_EQ(pread(fd, buf, sizeof buf - 1, 0), strlen(text));
    CHECK_STR(buf, text);
}

/* ---- vectors ---------------------------------------------------------------------------------- */
TEST_CASE(vectors_in_order)
{
    int fd = fresh("v", "", O_RDWR);
    struct iovec out[3] = {{(void *) "one", 3}, {NULL, 0}, {(void *) "two", 3}};
    CHECK_EQ(writev(fd, out, 3), 6);
    holds(fd, "onetwo");
    char a[2], b[9];
    struct iovec in[2] = {{a, 2}, {b, sizeof b}};
    OK(lseek(fd, 0, SEEK_SET));
    CHECK_EQ(readv(fd, in, 2), 6);
    CHECK(memcmp(a, "on", 2) == 0 && memcmp(b, "etwo", 4) == 0);
    CHECK_EQ(readv(fd, in, 2), 0);
    CHECK_EQ(pwritev(fd, out, 3, 3), 6);
    holds(fd, "oneonetwo");
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6); /* positioned calls leave the position */
    CHECK_EQ(preadv(fd, in, 1, 100), 0);
    close(fd);
}

TEST_CASE(vector_errors)
{
    int fd = fresh("v", "text", O_RDWR), p[2];
    char c[4];
    struct iovec one = {c, 1}, bad = {(void *) 8, 1}, negative[2] = {{c, 1}, {c, (size_t) -1}};
    CHECK_EQ(readv(fd, &one, 0), 0);
    CHECK_ERR(syscall(SYS_readv, fd, &one, -1), EINVAL);
    CHECK_ERR(syscall(SYS_writev, fd, &one, -1), EINVAL);
    CHECK_ERR(syscall(SYS_readv, fd, &one, IOV_MAX + 1), EINVAL);
    CHECK_ERR(syscall(SYS_readv, fd, 8L, 1), EFAULT);
    CHECK_ERR(syscall(SYS_writev, fd, 8L, 1), EFAULT);
    CHECK_ERR(readv(fd, &bad, 1), EFAULT);
    CHECK_ERR(writev(fd, &bad, 1), EFAULT);
    CHECK_ERR(readv(fd, negative, 2), EINVAL);
    CHECK_ERR(writev(fd, negative, 2), EINVAL);
    CHECK_ERR(readv(-1, &one, 1), EBADF);
    CHECK_ERR(writev(-1, &one, 1), EBADF);
    CHECK_ERR(preadv(-1, &one, 1, 0), EBADF);
    CHECK_ERR(preadv(fd, &one, 1, -1), EINVAL);
    CHECK_ERR(pwritev(fd, &one, 1, -1), EINVAL);
    OK(pipe(p));
    CHECK_ERR(preadv(p[0], &one, 1, 0), ESPIPE);
    CHECK_ERR(pwritev(p[1], &one, 1, 0), ESPIPE);
    CHECK_ERR(pread(p[0], c, 1, 0), ESPIPE);
    CHECK_ERR(pwrite(p[1], c, 1, 0), ESPIPE);
    CHECK_ERR(readv(p[1], &one, 1), EBADF);
    CHECK_ERR(writev(p[0], &one, 1), EBADF);
    close(p[0]);
    close(p[1]);
    int dir = (int) OK(open(test_dir, O_RDONLY));
    CHECK_ERR(readv(dir, &one, 1), EISDIR);
    CHECK_ERR(preadv(dir, &one, 1, 0), EISDIR);
    CHECK_ERR(pread(dir, c, 1, 0), EISDIR);
    close(dir);
    close(fd);
}

/* What lies before the bad address is written. */
TEST_CASE(vector_partly_bad)
{
    int fd = fresh("v", "", O_RDWR);
    struct iovec v[2] = {{(void *) "good", 4}, {(void *) 8, 4}};
    CHECK_EQ(writev(fd, v, 2), 4);
    holds(fd, "good");
    close(fd);
}

TEST_CASE(pwrite_of_append)
{
    int fd = fresh("v", "12345", O_RDWR | O_APPEND);
    CHECK_EQ(pwrite(fd, "x", 1, 0), 1); /* Linux: appends whatever the position */
    holds(fd, "12345x");
    close(fd);
}

TEST_CASE(read_write_limits)
{
    int fd = fresh("v", "12345", O_RDWR);
    char c;
    CHECK_ERR(syscall(SYS_read, fd, &c, -1L), EFAULT);
    CHECK_ERR(syscall(SYS_write, fd, &c, -1L), EFAULT);
    CHECK_ERR(syscall(SYS_read, -1, 8L, -1L), EBADF);
    CHECK_ERR(syscall(SYS_pread64, fd, &c, 1L, -1L), EINVAL);
    CHECK_ERR(syscall(SYS_pwrite64, fd, &c, 1L, -1L), EINVAL);
    CHECK_EQ(syscall(SYS_read, fd, NULL, 0L), 0);
    CHECK_EQ(syscall(SYS_write, fd, NULL, 0L), 0);
    CHECK_ERR(pwrite(fd, "x", 1, INT64_MAX), EINVAL);
    CHECK_ERR(lseek(fd, -1, SEEK_SET), EINVAL);
    CHECK_ERR(lseek(fd, INT64_MAX, SEEK_END), EINVAL);
    CHECK_ERR(lseek(fd, 0, 99), EINVAL);
    close(fd);
}

/* ---- preadv2, pwritev2 ------------------------------------------------------------------------ */
TEST_CASE(flags_of_vectors)
{
    int fd = fresh("v", "12345", O_RDWR);
    char c[9] = "";
    struct iovec in = {c, 2}, out = {(void *) "ab", 2};
    CHECK_EQ(syscall(SYS_preadv2, fd, &in, 1, -1L, 0L, 0), 2); /* -1: at the position */
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2);
    CHECK_EQ(syscall(SYS_preadv2, fd, &in, 1, 3L, 0L, 0), 2);
    CHECK_STR(c, "45");
    CHECK_EQ(syscall(SYS_pwritev2, fd, &out, 1, -1L, 0L, RWF_DSYNC), 2);
    holds(fd, "12ab5");
    CHECK_EQ(syscall(SYS_pwritev2, fd, &out, 1, 0L, 0L, RWF_APPEND | RWF_SYNC), 2);
    holds(fd, "12ab5ab");
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
    CHECK_ERR(syscall(SYS_preadv2, fd, &in, 1, 0L, 0L, 0x4000), EOPNOTSUPP);
    CHECK_ERR(syscall(SYS_pwritev2, fd, &out, 1, 0L, 0L, 0x4000), EOPNOTSUPP);
    CHECK_ERR(syscall(SYS_preadv2, fd, &in, 1, -2L, 0L, 0), EINVAL);
    CHECK_ERR(syscall(SYS_preadv2, -1, &in, 1, 0L, 0L, 0), EBADF);
    CHECK_ERR(syscall(SYS_preadv2, fd, 8L, 1, 0L, 0L, 0), EFAULT);
    CHECK_ERR(syscall(SYS_pwritev2, fd, &in, -1L, 0L, 0L, 0), EINVAL);
    close(fd);
}

TEST_CASE(nowait)
{
    int p[2];
    char c;
    struct iovec in = {&c, 1};
    OK(pipe(p));
    CHECK_ERR(syscall(SYS_preadv2, p[0], &in, 1, -1L, 0L, RWF_NOWAIT), EAGAIN);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_EQ(syscall(SYS_preadv2, p[0], &in, 1, -1L, 0L, RWF_NOWAIT), 1);
    CHECK_ERR(syscall(SYS_preadv2, p[0], &in, 1, 0L, 0L, 0), ESPIPE);
    close(p[0]);
    close(p[1]);
}

/* ---- sendfile --------------------------------------------------------------------------------- */
TEST_CASE(sendfile_offsets)
{
    int in = fresh("in", "0123456789", O_RDONLY), out = fresh("out", "", O_RDWR);
    off_t at = 2;
    CHECK_EQ(sendfile(out, in, &at, 3), 3);
    CHECK_EQ(at, 5);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 0); /* with an offset the position stays */
    holds(out, "234");
    CHECK_EQ(sendfile(out, in, NULL, 4), 4);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 4);
    holds(out, "2340123");
    CHECK_EQ(sendfile(out, in, NULL, 100), 6);
    CHECK_EQ(sendfile(out, in, NULL, 100), 0);
    at = 100;
    CHECK_EQ(sendfile(out, in, &at, 10), 0);
    CHECK_EQ(at, 100);
    close(in);
    close(out);
}

TEST_CASE(sendfile_errors)
{
    int in = fresh("in", "0123456789", O_RDONLY), out = fresh("out", "", O_RDWR), p[2];
    int wo = (int) OK(open(test_path("out"), O_WRONLY)), ap = fresh("ap", "", O_RDWR | O_APPEND);
    off_t at = -1;
    OK(pipe(p));
    CHECK_ERR(sendfile(out, -1, NULL, 1), EBADF);
    CHECK_ERR(sendfile(-1, in, NULL, 1), EBADF);
    CHECK_ERR(sendfile(in, in, NULL, 1), EBADF);
    CHECK_ERR(sendfile(out, wo, NULL, 1), EBADF);
    CHECK_ERR(sendfile(out, in, &at, 1), EINVAL);
    CHECK_ERR(syscall(SYS_sendfile, out, in, 8L, 1L), EFAULT);
    CHECK_ERR(sendfile(ap, in, NULL, 1), EINVAL);
    at = 0;
    CHECK_ERR(sendfile(out, p[0], &at, 1), ESPIPE);
    CHECK_EQ(sendfile(p[1], in, &at, 4), 4);
    char buf[8];
    CHECK_EQ(read(p[0], buf, 8), 4);
    close(p[0]);
    close(p[1]);
    close(in);
    close(out);
    close(wo);
    close(ap);
}

/* ---- copy_file_range -------------------------------------------------------------------------- */
static long copy_range(int in, int64_t *ip, int out, int64_t *op, size_t n, unsigned flags)
{
    return syscall(SYS_copy_file_range, in, ip, out, op, n, flags);
}

TEST_CASE(copy_range_offsets)
{
    int in = fresh("in", "0123456789", O_RDONLY), out = fresh("out", "abc", O_RDWR);
    int64_t ip = 1, op = 3;
    CHECK_EQ(copy_range(in, &ip, out, &op, 4, 0), 4);
    CHECK(ip == 5 && op == 7);
    holds(out, "abc1234");
    CHECK_EQ(copy_range(in, NULL, out, NULL, 2, 0), 2);
    holds(out, "01c1234");
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 2);
    CHECK_EQ(lseek(out, 0, SEEK_CUR), 2);
    ip = 10;
    CHECK_EQ(copy_range(in, &ip, out, NULL, 2, 0), 0); /* at the end */
    close(in);
    close(out);
    int same = fresh("same", "0123456789", O_RDWR);
    ip = 0, op = 5;
    CHECK_EQ(copy_range(same, &ip, same, &op, 5, 0), 5);
    holds(same, "0123401234");
    ip = 0, op = 2;
    CHECK_ERR(copy_range(same, &ip, same, &op, 5, 0), EINVAL);
    close(same);
}

TEST_CASE(copy_range_errors)
{
    int in = fresh("in", "0123456789", O_RDONLY), out = fresh("out", "abc", O_RDWR), p[2];
    int ap = fresh("ap", "", O_RDWR | O_APPEND), dir = (int) OK(open(test_dir, O_RDONLY));
    int64_t at = -1;
    OK(pipe(p));
    CHECK_ERR(copy_range(in, NULL, out, NULL, 1, 1), EINVAL);
    CHECK_ERR(copy_range(-1, NULL, out, NULL, 1, 0), EBADF);
    CHECK_ERR(copy_range(in, NULL, -1, NULL, 1, 0), EBADF);
    CHECK_ERR(copy_range(out, NULL, in, NULL, 1, 0), EBADF);
    CHECK_ERR(copy_range(in, NULL, ap, NULL, 1, 0), EBADF);
    CHECK_ERR(copy_range(dir, NULL, out, NULL, 1, 0), EISDIR);
    CHECK_ERR(copy_range(p[0], NULL, out, NULL, 1, 0), EINVAL);
    CHECK_ERR(copy_range(in, NULL, p[1], NULL, 1, 0), EINVAL);
    CHECK_ERR(copy_range(in, &at, out, NULL, 1, 0), EOVERFLOW);
    at = -9;
    CHECK_ERR(copy_range(in, &at, out, NULL, 1, 0), EINVAL);
    CHECK_ERR(copy_range(in, (int64_t *) 8, out, NULL, 1, 0), EFAULT);
    at = INT64_MAX;
    CHECK_ERR(copy_range(in, NULL, out, &at, 10, 0), EFBIG);
    close(p[0]);
    close(p[1]);
    close(in);
    close(out);
    close(ap);
    close(dir);
}

/* ---- splice, tee, vmsplice -------------------------------------------------------------------- */
TEST_CASE(splice_file_to_pipe_and_back)
{
    int in = fresh("in", "0123456789", O_RDONLY), out = fresh("out", "", O_RDWR), p[2];
    loff_t ip = 2, op = 1;
    OK(pipe(p));
    CHECK_EQ(splice(in, &ip, p[1], NULL, 5, 0), 5);
    CHECK_EQ(ip, 7);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 0);
    CHECK_EQ(splice(p[0], NULL, out, &op, 100, 0), 5);
    CHECK_EQ(op, 6);
    char buf[8] = "";
    CHECK_EQ(pread(out, buf, 8, 1), 5);
    CHECK_STR(buf, "23456");
    CHECK_EQ(splice(in, NULL, p[1], NULL, 100, SPLICE_F_MOVE | SPLICE_F_MORE), 10);
    CHECK_EQ(splice(in, NULL, p[1], NULL, 100, 0), 0);
    CHECK_EQ(splice(p[0], NULL, out, NULL, 4, 0), 4);
    CHECK_EQ(splice(p[0], NULL, out, NULL, 100, 0), 6);
    CHECK_ERR(splice(p[0], NULL, out, NULL, 100, SPLICE_F_NONBLOCK), EAGAIN);
    close(p[1]);
    CHECK_EQ(splice(p[0], NULL, out, NULL, 100, 0), 0);
    close(p[0]);
    close(in);
    close(out);
}

TEST_CASE(splice_between_pipes)
{
    int a[2], b[2];
    char buf[8] = "";
    OK(pipe(a));
    OK(pipe(b));
    CHECK_EQ(write(a[1], "12345", 5), 5);
    CHECK_EQ(splice(a[0], NULL, b[1], NULL, 3, 0), 3);
    CHECK_EQ(read(b[0], buf, 8), 3);
    CHECK_STR(buf, "123");
    CHECK_ERR(splice(a[0], NULL, a[1], NULL, 2, 0), EINVAL); /* the same pipe */
    close(a[1]);
    CHECK_EQ(splice(a[0], NULL, b[1], NULL, 9, 0), 2);
    CHECK_EQ(splice(a[0], NULL, b[1], NULL, 9, 0), 0);
    close(a[0]);
    close(b[0]);
    close(b[1]);
}

TEST_CASE(splice_errors)
{
    int in = fresh("in", "0123456789", O_RDONLY), out = fresh("out", "", O_RDWR), p[2];
    int ap = fresh("ap", "", O_RDWR | O_APPEND);
    loff_t at = 0, minus = -1;
    OK(pipe(p));
    CHECK_ERR(splice(-1, NULL, p[1], NULL, 1, 0), EBADF);
    CHECK_ERR(splice(in, NULL, -1, NULL, 1, 0), EBADF);
    CHECK_ERR(splice(in, NULL, out, NULL, 1, 0), EINVAL);
    CHECK_ERR(splice(in, NULL, p[0], NULL, 1, 0), EBADF);
    CHECK_ERR(splice(p[1], NULL, out, NULL, 1, 0), EBADF);
    CHECK_ERR(splice(in, NULL, p[1], NULL, 1, 0x10), EINVAL);
    CHECK_ERR(splice(in, NULL, p[1], &at, 1, 0), ESPIPE);
    CHECK_ERR(splice(p[0], &at, out, NULL, 1, 0), ESPIPE);
    CHECK_ERR(splice(in, &minus, p[1], NULL, 1, 0), EINVAL);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_ERR(splice(p[0], NULL, ap, NULL, 1, 0), EINVAL);
    CHECK_EQ(splice(in, NULL, p[1], NULL, 0, 0), 0);
    close(p[0]);
    close(p[1]);
    close(in);
    close(out);
    close(ap);
}

TEST_CASE(tee_duplicates)
{
    int a[2], b[2];
    char buf[16] = "";
    OK(pipe(a));
    OK(pipe(b));
    CHECK_EQ(write(a[1], "12345", 5), 5);
    CHECK_EQ(tee(a[0], b[1], 3, 0), 3);
    CHECK_EQ(tee(a[0], b[1], 100, 0), 5);
    CHECK_EQ(read(b[0], buf, 16), 8);
    CHECK_STR(buf, "12312345");
    memset(buf, 0, sizeof buf);
    CHECK_EQ(read(a[0], buf, 16), 5); /* still all there */
    CHECK_STR(buf, "12345");
    CHECK_ERR(tee(a[0], b[1], 1, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK_EQ(tee(a[0], b[1], 0, 0), 0);
    CHECK_ERR(tee(a[0], b[1], 1, 0x10), EINVAL);
    CHECK_ERR(tee(-1, b[1], 1, 0), EBADF);
    CHECK_ERR(tee(a[0], -1, 1, 0), EBADF);
    CHECK_ERR(tee(a[1], b[1], 1, 0), EBADF);
    CHECK_ERR(tee(a[0], b[0], 1, 0), EBADF);
    CHECK_ERR(tee(a[0], a[1], 1, 0), EINVAL);
    int file = fresh("f", "x", O_RDWR);
    CHECK_ERR(tee(file, b[1], 1, 0), EINVAL);
    CHECK_ERR(tee(a[0], file, 1, 0), EINVAL);
    close(file);
    close(a[1]);
    CHECK_EQ(tee(a[0], b[1], 9, 0), 0);
    close(a[0]);
    close(b[0]);
    close(b[1]);
}

TEST_CASE(vmsplice_both_ways)
{
    int p[2];
    char a[] = "memory", b[16] = "";
    struct iovec out[2] = {{a, 3}, {a + 3, 3}}, in = {b, sizeof b}, bad = {(void *) 8, 4};
    OK(pipe(p));
    CHECK_EQ(vmsplice(p[1], out, 2, 0), 6);
    CHECK_EQ(vmsplice(p[0], &in, 1, 0), 6);
    CHECK_STR(b, "memory");
    CHECK_EQ(vmsplice(p[1], out, 0, 0), 0);
    CHECK_ERR(vmsplice(p[1], out, 1, 0x10), EINVAL);
    CHECK_ERR(vmsplice(-1, out, 1, 0), EBADF);
    CHECK_ERR(vmsplice(p[1], &bad, 1, 0), EFAULT);
    CHECK_ERR(syscall(SYS_vmsplice, p[1], out, (long) IOV_MAX + 1, 0), EINVAL);
    CHECK_ERR(vmsplice(p[0], &in, 1, SPLICE_F_NONBLOCK), EAGAIN);
    int file = fresh("f", "x", O_RDWR);
    CHECK_ERR(vmsplice(file, out, 1, 0), EBADF); /* not a pipe */
    close(file);
    close(p[0]);
    close(p[1]);
}
