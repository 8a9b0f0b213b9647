/* madvise: which advice fits which memory, and what has an effect. */
#include "guest_test.h"
#include <sys/mman.h>
#include <sys/syscall.h>

#define ADV_FREE            8
#define ADV_REMOVE          9
#define ADV_COLD            20
#define ADV_PAGEOUT         21
#define ADV_POPULATE_READ   22
#define ADV_POPULATE_WRITE  23
#define ADV_DONTNEED_LOCKED 24

static char *map(size_t pages, int prot, int flags, int fd)
{
    void *p = mmap(NULL, pages * PAGE, prot, flags | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

static int file_of(const char *name, size_t size)
{
    int fd = (int) OK(open(test_path(name), O_RDWR | O_CREAT | O_TRUNC, 0644));
    OK(ftruncate(fd, (off_t) size));
    return fd;
}

TEST_CASE(unknown_advice)
{
    char *p = map(1, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
    static const int unknown[] = {5, 6, 7, 99, 999, -1};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        CHECK_ERR(madvise(p, PAGE, unknown[i]), EINVAL);
        CHECK_ERR(madvise(p, 0, unknown[i]), EINVAL);
    }
    OK(madvise(p, 0, MADV_DONTNEED));
    OK(munmap(p, PAGE));
}

TEST_CASE(locked_memory_stays)
{
    char *p = map(1, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
    *p = 'x';
    OK(mlock(p, PAGE));
    CHECK_ERR(madvise(p, PAGE, MADV_DONTNEED), EINVAL);
    CHECK_ERR(madvise(p, PAGE, ADV_FREE), EINVAL);
    CHECK_ERR(madvise(p, PAGE, ADV_COLD), EINVAL);
    CHECK_ERR(madvise(p, PAGE, ADV_PAGEOUT), EINVAL);
    CHECK_EQ(*p, 'x');
    OK(madvise(p, PAGE, ADV_DONTNEED_LOCKED));
    CHECK_EQ(*p, 0);
    OK(munmap(p, PAGE));
}

TEST_CASE(only_anonymous_memory_is_freed_lazily)
{
    int fd = file_of("f", 2 * PAGE);
    char *anon = map(1, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
    char *file = map(1, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
    char *shared = map(1, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    OK(madvise(anon, PAGE, ADV_FREE));
    CHECK_ERR(madvise(file, PAGE, ADV_FREE), EINVAL);
    CHECK_ERR(madvise(shared, PAGE, ADV_FREE), EINVAL);
    munmap(anon, PAGE);
    munmap(file, PAGE);
    munmap(shared, PAGE);
    close(fd);
}

TEST_CASE(populating)
{
    char *p = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
    unsigned char in[4];
    OK(madvise(p, 2 * PAGE, ADV_POPULATE_WRITE));
    OK(mincore(p, 4 * PAGE, (void *) in));
    CHECK((in[0] & 1) && (in[1] & 1) && !(in[2] & 1));
    OK(mprotect(p, PAGE, PROT_READ));
    OK(madvise(p, PAGE, ADV_POPULATE_READ));
    CHECK_ERR(madvise(p, PAGE, ADV_POPULATE_WRITE), EINVAL);
    OK(mprotect(p, PAGE, PROT_NONE));
    CHECK_ERR(madvise(p, PAGE, ADV_POPULATE_READ), EINVAL);
    OK(munmap(p + PAGE, PAGE));
    CHECK_ERR(madvise(p + PAGE, 3 * PAGE, ADV_POPULATE_WRITE), ENOMEM);
    int fd = file_of("short", 100);
    char *file = map(2, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
    OK(madvise(file, PAGE, ADV_POPULATE_READ));
    CHECK_ERR(madvise(file, 2 * PAGE, ADV_POPULATE_READ), EFAULT);
    char *shared = map(2, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    OK(madvise(shared, PAGE, ADV_POPULATE_WRITE));
    CHECK_ERR(madvise(shared, 2 * PAGE, ADV_POPULATE_WRITE), EFAULT);
    close(fd);
}

static void check_removal(int fd)
{
    char *p = map(4, PROT_READ | PROT_WRITE, MAP_SHARED, fd), byte;
    memset(p, 'x', 4 * PAGE);
    OK(madvise(p + PAGE, 2 * PAGE, ADV_REMOVE));
    CHECK_EQ(p[PAGE - 1], 'x');
    CHECK_EQ(p[PAGE], 0);
    CHECK_EQ(p[3 * PAGE - 1], 0);
    CHECK_EQ(p[3 * PAGE], 'x');
    if (fd >= 0) {
        CHECK_EQ(pread(fd, &byte, 1, PAGE), 1);
        CHECK_EQ(byte, 0);
        p[PAGE] = 'y'; /* it is still the file */
        CHECK_EQ(pread(fd, &byte, 1, PAGE), 1);
        CHECK_EQ(byte, 'y');
    }
    OK(munmap(p, 4 * PAGE));
}

TEST_CASE(removing_from_shared_memory)
{
    int mem = (int) OK(syscall(SYS_memfd_create, "m", 0));
    OK(ftruncate(mem, 4 * PAGE));
    check_removal(mem);
    check_removal(-1);
    close(mem);
}

TEST_CASE(removing_from_files)
{
    int fd = file_of("hole", 4 * PAGE);
    int can = fallocate(fd, 3 /* KEEP_SIZE, PUNCH_HOLE */, 0, PAGE);
    SKIP_IF(can < 0 && errno == EOPNOTSUPP, "this file system has no holes");
    check_removal(fd);
    close(fd);
}

TEST_CASE(removing_needs_a_shared_writable_mapping)
{
    int fd = file_of("f", PAGE), ro = (int) OK(open(test_path("f"), O_RDONLY));
    char *anon = map(1, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
    char *file = map(1, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
    CHECK_ERR(madvise(anon, PAGE, ADV_REMOVE), EINVAL);
    CHECK_ERR(madvise(file, PAGE, ADV_REMOVE), EACCES);
    char *shared = map(1, PROT_READ, MAP_SHARED, ro);
    CHECK_ERR(madvise(shared, PAGE, ADV_REMOVE), EACCES);
    close(fd);
    close(ro);
}
