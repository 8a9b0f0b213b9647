/* truncate and ftruncate: shrink, grow with zeroes, O_TRUNC, errors. */
#include "guest_test.h"

static off_t size_of(const char *p)
{
    struct stat st;
    OK(stat(p, &st));
    return st.st_size;
}

TEST_CASE(truncate_shrinks_and_grows)
{
    const char *p = test_path("t");
    char b[64];
    write_file(p, "0123456789", 10);
    OK(truncate(p, 4));
    CHECK_EQ(size_of(p), 4);
    OK(truncate(p, 8));
    CHECK_EQ(read_file(p, b, sizeof b), 8);
    CHECK(memcmp(b, "0123\0\0\0\0", 8) == 0);
    OK(truncate(p, 0));
    CHECK_EQ(size_of(p), 0);
}

TEST_CASE(grown_after_shrink_is_zero_inside_a_page)
{
    const char *p = test_path("page");
    char b[9000], got[9001];
    memset(b, 'x', sizeof b);
    write_file(p, b, sizeof b);
    OK(truncate(p, 5000));
    OK(truncate(p, 9000));
    CHECK_EQ(read_file(p, got, sizeof got), 9000);
    for (int i = 0; i < 9000; i++)
        CHECK_EQ(got[i], i < 5000 ? 'x' : 0);
}

TEST_CASE(ftruncate_keeps_the_offset)
{
    const char *p = test_path("off");
    int fd = (int) OK(open(p, O_RDWR | O_CREAT, 0644));
    char b[16] = {0};
    CHECK_EQ(write(fd, "abcdef", 6), 6);
    OK(ftruncate(fd, 2));
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
    CHECK_EQ(write(fd, "!", 1), 1);
    CHECK_EQ(pread(fd, b, 16, 0), 7);
    CHECK(memcmp(b, "ab\0\0\0\0!", 7) == 0);
    close(fd);
}

TEST_CASE(open_trunc)
{
    const char *p = test_path("otrunc");
    write_file(p, "abc", 3);
    int keep = (int) OK(open(p, O_RDONLY)), fd = (int) OK(open(p, O_WRONLY | O_TRUNC));
    char c;
    CHECK_EQ(read(keep, &c, 1), 0);
    CHECK_EQ(write(fd, "z", 1), 1);
    CHECK_EQ(read(keep, &c, 1), 1);
    CHECK_EQ(c, 'z');
    close(fd);
    close(keep);
}

TEST_CASE(truncate_errors)
{
    const char *p = test_path("err");
    write_file(p, "abc", 3);
    int ro = (int) OK(open(p, O_RDONLY)), pipes[2];
    CHECK_ERR(ftruncate(ro, 1), EINVAL);
    CHECK_ERR(ftruncate(-1, 1), EBADF);
    CHECK_ERR(truncate(p, -1), EINVAL);
    CHECK_ERR(truncate(test_dir, 1), EISDIR);
    CHECK_ERR(truncate(test_path("absent"), 1), ENOENT);
    OK(pipe(pipes));
    CHECK_ERR(ftruncate(pipes[1], 1), EINVAL);
    close(pipes[0]);
    close(pipes[1]);
    close(ro);
}

TEST_CASE(huge_sparse_size)
{
    const char *p = test_path("huge");
    write_file(p, "a", 1);
    OK(truncate(p, (off_t) 3 << 30));
    CHECK_EQ(size_of(p), (off_t) 3 << 30);
    int fd = (int) OK(open(p, O_RDONLY));
    char b[8] = "1234567";
    CHECK_EQ(pread(fd, b, 8, ((off_t) 3 << 30) - 4), 4);
    CHECK(memcmp(b,
                 "\0\0\0\0"
                 "567",
                 7) == 0);
    close(fd);
}
