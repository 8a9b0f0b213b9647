/* Reading and writing regular files: every read and write call, seeking, holes, fallocate, copies.
 */
#include "guest_test.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

#ifndef FALLOC_FL_KEEP_SIZE
#define FALLOC_FL_KEEP_SIZE  1
#define FALLOC_FL_PUNCH_HOLE 2
#endif
#ifndef FALLOC_FL_ZERO_RANGE
#define FALLOC_FL_ZERO_RANGE 0x10
#endif

static int make(const char *name)
{
    return (int) OK(open(test_path(name), O_RDWR | O_CREAT | O_TRUNC, 0644));
}

static off_t size_of(int fd)
{
    struct stat st;
    OK(fstat(fd, &st));
    return st.st_size;
}

static void check_bytes(int fd, off_t at, char want, size_t size)
{
    char *b = malloc(size);
    CHECK_EQ(pread(fd, b, size, at), size);
    for (size_t i = 0; i < size; i++)
        CHECK_EQ(b[i], want);
    free(b);
}

TEST_CASE(write_then_read)
{
    int fd = make("wr");
    char b[64];
    CHECK_EQ(write(fd, "hello", 5), 5);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
    CHECK_EQ(read(fd, b, sizeof b), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(read(fd, b, 2), 2);
    CHECK(memcmp(b, "he", 2) == 0);
    CHECK_EQ(read(fd, b, sizeof b), 3);
    CHECK(memcmp(b, "llo", 3) == 0);
    CHECK_EQ(read(fd, b, 0), 0);
    CHECK_EQ(write(fd, b, 0), 0);
    close(fd);
    CHECK_ERR(read(fd, b, 1), EBADF);
    CHECK_ERR(write(fd, b, 1), EBADF);
}

TEST_CASE(bad_buffers)
{
    int fd = make("efault");
    CHECK_EQ(write(fd, "abc", 3), 3);
    CHECK_ERR(pread(fd, (void *) 8, 3, 0), EFAULT);
    CHECK_ERR(pwrite(fd, (void *) 8, 3, 0), EFAULT);
    CHECK_ERR(syscall(SYS_read, fd, -4096L, 3L), EFAULT);
    CHECK_EQ(size_of(fd), 3);
    close(fd);
}

TEST_CASE(pread_pwrite_keep_the_offset)
{
    int fd = make("p");
    char b[8] = {0};
    CHECK_EQ(write(fd, "0123456789", 10), 10);
    CHECK_EQ(pwrite(fd, "AB", 2, 4), 2);
    CHECK_EQ(pread(fd, b, 4, 3), 4);
    CHECK_STR(b, "3AB6");
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
    CHECK_EQ(pread(fd, b, 4, 10), 0);
    CHECK_EQ(pread(fd, b, 4, 1000), 0);
    CHECK_ERR(pread(fd, b, 4, -1), EINVAL);
    CHECK_ERR(pwrite(fd, b, 4, -1), EINVAL);
    close(fd);
}

TEST_CASE(readv_writev)
{
    int fd = make("v");
    char a[3], b[4], c[5] = {0};
    struct iovec out[] = {{(char *) "abc", 3}, {NULL, 0}, {(char *) "defg", 4}, {(char *) "hi", 2}};
    struct iovec in[] = {{a, 3}, {b, 4}, {c, 5}};
    CHECK_EQ(writev(fd, out, 4), 9);
    CHECK_EQ(preadv(fd, in, 3, 0), 9);
    CHECK(!memcmp(a, "abc", 3) && !memcmp(b, "defg", 4) && !strcmp(c, "hi"));
    CHECK_EQ(pwritev(fd, out, 1, 20), 3);
    CHECK_EQ(size_of(fd), 23);
    CHECK_EQ(lseek(fd, 1, SEEK_SET), 1);
    CHECK_EQ(readv(fd, in, 2), 7);
    CHECK(!memcmp(a, "bcd", 3) && !memcmp(b, "efgh", 4));
    CHECK_EQ(readv(fd, in, 0), 0);
    CHECK_ERR(readv(fd, in, -1), EINVAL);
    CHECK_ERR(readv(fd, in, 1025), EINVAL);
    close(fd);
}

TEST_CASE(readv_partly_bad)
{
    int fd = make("vbad");
    char a[4];
    struct iovec in[] = {{a, 4}, {(void *) 16, 4}};
    CHECK_EQ(write(fd, "12345678", 8), 8);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    ssize_t n = readv(fd, in, 2); /* what went well before the fault counts */
    CHECK(n == 4 || (n == -1 && errno == EFAULT));
    close(fd);
}

TEST_CASE(lseek_whence)
{
    int fd = make("seek");
    CHECK_EQ(write(fd, "0123456789", 10), 10);
    CHECK_EQ(lseek(fd, -3, SEEK_END), 7);
    CHECK_EQ(lseek(fd, 2, SEEK_CUR), 9);
    CHECK_EQ(lseek(fd, 100, SEEK_SET), 100);
    CHECK_ERR(lseek(fd, -1, SEEK_SET), EINVAL);
    CHECK_ERR(lseek(fd, -101, SEEK_CUR), EINVAL);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 100);
    CHECK_ERR(lseek(fd, 0, 99), EINVAL);
    CHECK_EQ(size_of(fd), 10);
    int pipes[2];
    OK(pipe(pipes));
    CHECK_ERR(lseek(pipes[0], 0, SEEK_CUR), ESPIPE);
    CHECK_ERR(pread(pipes[0], &fd, 1, 0), ESPIPE);
    close(pipes[0]);
    close(pipes[1]);
    close(fd);
}

TEST_CASE(seek_data_and_hole)
{
    int fd = make("holes");
    CHECK_EQ(pwrite(fd, "x", 1, 1 << 20), 1);
    CHECK_ERR(lseek(fd, 1 << 21, SEEK_DATA), ENXIO);
    CHECK_ERR(lseek(fd, 1 << 21, SEEK_HOLE), ENXIO);
    off_t data = (off_t) OK(lseek(fd, 0, SEEK_DATA));
    CHECK(data <= 1 << 20); /* a file system may call holes data, not data holes */
    CHECK_EQ(lseek(fd, 1 << 20, SEEK_DATA), 1 << 20);
    CHECK_EQ(lseek(fd, 1 << 20, SEEK_HOLE), (1 << 20) + 1);
    close(fd);
}

TEST_CASE(sparse_reads_zeroes)
{
    int fd = make("sparse");
    CHECK_EQ(pwrite(fd, "end", 3, 5 << 20), 3);
    CHECK_EQ(size_of(fd), (5 << 20) + 3);
    check_bytes(fd, 0, 0, 65536);
    check_bytes(fd, (5 << 20) - 10000, 0, 10000);
    CHECK_EQ(pwrite(fd, "m", 1, 3000000), 1);
    check_bytes(fd, 2999000, 0, 1000);
    check_bytes(fd, 3000001, 0, 1000);
    close(fd);
}

TEST_CASE(append_mode)
{
    int fd = make("app"), a = (int) OK(open(test_path("app"), O_WRONLY | O_APPEND));
    CHECK_EQ(write(fd, "one", 3), 3);
    CHECK_EQ(write(a, "two", 3), 3);
    CHECK_EQ(lseek(a, 0, SEEK_SET), 0);
    CHECK_EQ(write(a, "three", 5), 5);
    CHECK_EQ(lseek(a, 0, SEEK_CUR), 11);
    char b[16];
    read_file(test_path("app"), b, sizeof b);
    CHECK_STR(b, "onetwothree");
    CHECK_ERR(read(a, b, 1), EBADF);
    close(fd);
    close(a);
}

TEST_CASE(two_descriptors_one_offset)
{
    int fd = make("dup"), two = (int) OK(dup(fd)), other;
    CHECK_EQ(write(fd, "abc", 3), 3);
    CHECK_EQ(lseek(two, 0, SEEK_CUR), 3);
    other = (int) OK(open(test_path("dup"), O_RDONLY));
    CHECK_EQ(lseek(other, 0, SEEK_CUR), 0);
    close(fd);
    CHECK_EQ(write(two, "def", 3), 3);
    char b[8] = {0};
    CHECK_EQ(read(other, b, 7), 6);
    CHECK_STR(b, "abcdef");
    close(two);
    close(other);
}

TEST_CASE(large_file_pattern)
{
    enum { BLOCK = 100003, BLOCKS = 64 };
    int fd = make("large");
    unsigned char *b = malloc(BLOCK);
    for (int i = 0; i < BLOCKS; i++) {
        memset(b, i * 7 + 1, BLOCK);
        CHECK_EQ(write(fd, b, BLOCK), BLOCK);
    }
    for (int i = BLOCKS - 1; i >= 0; i--)
        check_bytes(fd, (off_t) i * BLOCK, (char) (i * 7 + 1), BLOCK);
    OK(fsync(fd));
    OK(fdatasync(fd));
    free(b);
    close(fd);
}

TEST_CASE(fallocate_grows)
{
    int fd = make("falloc");
    OK_OR_SKIP(fallocate(fd, 0, 0, 10000));
    CHECK_EQ(size_of(fd), 10000);
    check_bytes(fd, 0, 0, 10000);
    OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 50000));
    CHECK_EQ(size_of(fd), 10000);
    CHECK_EQ(pwrite(fd, "q", 1, 5), 1);
    OK(fallocate(fd, 0, 0, 100)); /* never shrinks, never clears */
    check_bytes(fd, 5, 'q', 1);
    CHECK_EQ(size_of(fd), 10000);
    ZERO(posix_fallocate(fd, 9000, 3000));
    CHECK_EQ(size_of(fd), 12000);
    close(fd);
}

TEST_CASE(fallocate_errors)
{
    int fd = make("fallocbad"), ro = (int) OK(open(test_path("fallocbad"), O_RDONLY));
    CHECK_ERR(fallocate(fd, 0, -1, 10), EINVAL);
    CHECK_ERR(fallocate(fd, 0, 0, 0), EINVAL);
    CHECK_ERR(fallocate(fd, 0, 0, -5), EINVAL);
    CHECK_ERR(fallocate(ro, 0, 0, 5), EBADF);
    CHECK_ERR(fallocate(fd, 0x4000, 0, 10), EOPNOTSUPP);
    CHECK_ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10), EOPNOTSUPP); /* needs KEEP_SIZE */
    int pipes[2];
    OK(pipe(pipes));
    CHECK_ERR(fallocate(pipes[1], 0, 0, 10), ESPIPE);
    close(pipes[0]);
    close(pipes[1]);
    close(ro);
    close(fd);
}

TEST_CASE(fallocate_punch_and_zero)
{
    int fd = make("punch");
    char b[30000];
    memset(b, 'z', sizeof b);
    CHECK_EQ(write(fd, b, sizeof b), sizeof b);
    OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5000, 12000));
    check_bytes(fd, 0, 'z', 5000);
    check_bytes(fd, 5000, 0, 12000);
    check_bytes(fd, 17000, 'z', 13000);
    CHECK_EQ(size_of(fd), sizeof b);
    int r = fallocate(fd, FALLOC_FL_ZERO_RANGE, 20000, 20000);
    if (r < 0) {
        CHECK_EQ(errno, EOPNOTSUPP); /* tmpfs has none */
    } else {
        CHECK_EQ(size_of(fd), 40000);
        check_bytes(fd, 17000, 'z', 3000);
        check_bytes(fd, 20000, 0, 20000);
    }
    close(fd);
}

TEST_CASE(copy_file_range_copies)
{
    int in = make("cfr_in"), out = make("cfr_out");
    char b[16] = {0};
    CHECK_EQ(write(in, "0123456789", 10), 10);
    loff_t from = 2, to = 1;
    long n = OK_OR_SKIP(syscall(SYS_copy_file_range, in, &from, out, &to, 5, 0));
    CHECK_EQ(n, 5);
    CHECK_EQ(from, 7);
    CHECK_EQ(to, 6);
    CHECK_EQ(pread(out, b, 16, 0), 6);
    CHECK(memcmp(b,
                 "\0"
                 "23456",
                 6) == 0);
    from = 100;
    CHECK_EQ(syscall(SYS_copy_file_range, in, &from, out, NULL, 5, 0), 0);
    CHECK_ERR(syscall(SYS_copy_file_range, in, NULL, out, NULL, 5, 1), EINVAL);
    close(in);
    close(out);
}

TEST_CASE(sendfile_to_file_and_pipe)
{
    int in = make("sf_in"), out = make("sf_out"), pipes[2];
    char b[16] = {0};
    off_t at = 3;
    CHECK_EQ(write(in, "0123456789", 10), 10);
    CHECK_EQ(sendfile(out, in, &at, 4), 4);
    CHECK_EQ(at, 7);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 10);
    CHECK_EQ(pread(out, b, 16, 0), 4);
    CHECK_STR(b, "3456");
    CHECK_EQ(lseek(in, 8, SEEK_SET), 8);
    OK(pipe(pipes));
    CHECK_EQ(sendfile(pipes[1], in, NULL, 100), 2);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 10);
    CHECK_EQ(read(pipes[0], b, 16), 2);
    CHECK(memcmp(b, "89", 2) == 0);
    CHECK_EQ(sendfile(out, in, NULL, 10), 0);
    CHECK_ERR(sendfile(-1, in, NULL, 10), EBADF);
    close(pipes[0]);
    close(pipes[1]);
    close(in);
    close(out);
}

TEST_CASE(directories_are_not_readable)
{
    char b[8];
    int fd = (int) OK(open(test_dir, O_RDONLY));
    CHECK_ERR(read(fd, b, 8), EISDIR);
    CHECK_ERR(write(fd, b, 8), EBADF);
    close(fd);
}

TEST_CASE(fadvise_and_sync)
{
    int fd = make("adv");
    CHECK_EQ(write(fd, "abc", 3), 3);
    ZERO(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
    ZERO(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
    CHECK_EQ(posix_fadvise(fd, 0, 0, 77), EINVAL);
    sync();
    OK(syncfs(fd));
    CHECK_ERR(fsync(-1), EBADF);
    check_bytes(fd, 0, 'a', 1);
    close(fd);
}
