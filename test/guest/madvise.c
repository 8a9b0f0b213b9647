/* madvise, mincore, mlock, msync on memory that is and is not there. */
#include "guest_fault.h"
#include <sys/mman.h>
#include <sys/resource.h>

static char *map(size_t pages)
{
    char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    memset(p, 'd', pages * PAGE);
    return p;
}

TEST_CASE(dontneed_zeroes)
{
    char *p = map(8);
    OK(madvise(p + 2 * PAGE, 3 * PAGE, MADV_DONTNEED));
    CHECK_EQ(p[2 * PAGE - 1], 'd');
    for (size_t i = 2 * PAGE; i < 5 * PAGE; i++)
        CHECK_EQ(p[i], 0);
    CHECK_EQ(p[5 * PAGE], 'd');
    p[3 * PAGE] = 'n';
    CHECK_EQ(p[3 * PAGE], 'n');
    OK(munmap(p, 8 * PAGE));
}

TEST_CASE(dontneed_restores_private_file)
{
    write_file(test_path("f"), "original", 8);
    int fd = (int) OK(open(test_path("f"), O_RDONLY));
    char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED);
    memcpy(p, "modified", 8);
    OK(madvise(p, PAGE, MADV_DONTNEED));
    CHECK(memcmp(p, "original", 8) == 0);
    OK(munmap(p, PAGE));
    close(fd);
}

TEST_CASE(hints_are_accepted)
{
    char *p = map(4);
    static const int hints[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED};
    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        OK(madvise(p, 4 * PAGE, hints[i]));
    int r = madvise(p, 4 * PAGE, 14); /* MADV_HUGEPAGE: a kernel may be built without */
    CHECK(r == 0 || errno == EINVAL);
    CHECK_EQ(p[3 * PAGE], 'd');
    OK(madvise(p, 4 * PAGE, MADV_FREE));
    CHECK(p[0] == 'd' || p[0] == 0);
    p[0] = 'e';
    CHECK_EQ(p[0], 'e');
    OK(munmap(p, 4 * PAGE));
}

TEST_CASE(madvise_errors)
{
    char *p = map(4);
    CHECK_ERR(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
    CHECK_ERR(madvise(p, PAGE, 12345), EINVAL);
    OK(madvise(p, 0, MADV_DONTNEED));
    CHECK_EQ(p[0], 'd');
    OK(munmap(p + PAGE, PAGE));
    CHECK_ERR(madvise(p, 4 * PAGE, MADV_DONTNEED), ENOMEM);
    CHECK_EQ(p[3 * PAGE], 0); /* what is mapped was done all the same */
    OK(munmap(p, 4 * PAGE));
}

TEST_CASE(mincore_tells)
{
    unsigned char vec[4] = {0};
    char *p = map(4);
    OK_OR_SKIP(mincore(p, 4 * PAGE, vec));
    for (int i = 0; i < 4; i++)
        CHECK_EQ(vec[i] & 1, 1);
    CHECK_ERR(mincore(p + 1, PAGE, vec), EINVAL);
    CHECK_ERR(mincore(p, PAGE, (void *) 8), EFAULT);
    OK(munmap(p, 4 * PAGE));
    CHECK_ERR(mincore(p, PAGE, vec), ENOMEM);
}

TEST_CASE(mlock_and_munlock)
{
    char *p = map(4);
    OK(mlock(p, 2 * PAGE));
    OK(mlock(p + 1, 10)); /* rounded down */
    OK(munlock(p, 4 * PAGE));
    OK(munmap(p, 4 * PAGE));
    CHECK_ERR(mlock(p, PAGE), ENOMEM);
    CHECK_ERR(munlock(p, PAGE), ENOMEM);
    CHECK_ERR(mlockall(0), EINVAL);
    OK(munlockall());
}
