/* mremap: growing in place and by moving, shrinking, fixed targets, files, errors. */
#include "guest_fault.h"
#include <sys/mman.h>

static char *map(size_t pages, char fill)
{
    char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    for (size_t i = 0; i < pages; i++)
        memset(p + i * PAGE, fill + (int) i, PAGE);
    return p;
}

static void check_fill(const char *p, size_t pages, char fill)
{
    for (size_t i = 0; i < pages; i++) {
        CHECK_EQ(p[i * PAGE], (char) (fill + i));
        CHECK_EQ(p[i * PAGE + PAGE - 1], (char) (fill + i));
    }
}

TEST_CASE(shrink)
{
    char *p = map(6, 'a');
    CHECK(mremap(p, 6 * PAGE, 2 * PAGE, 0) == p);
    check_fill(p, 2, 'a');
    CHECK_FAULT(fault_read(p + 2 * PAGE), SIGSEGV, SEGV_MAPERR, p + 2 * PAGE);
    CHECK(mremap(p, 2 * PAGE, 2 * PAGE, 0) == p);
    OK(munmap(p, 2 * PAGE));
}

TEST_CASE(grow_in_place)
{
    char *p = map(8, 'a');
    OK(munmap(p + 3 * PAGE, 5 * PAGE));
    CHECK(mremap(p, 3 * PAGE, 6 * PAGE, 0) == p);
    check_fill(p, 3, 'a');
    for (size_t i = 3 * PAGE; i < 6 * PAGE; i++)
        CHECK_EQ(p[i], 0);
    OK(munmap(p, 6 * PAGE));
}

/* Advice holds for what is added, so that it stays one mapping. */
TEST_CASE(grows_with_its_advice)
{
    char *m = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED);
    OK(munmap(m + 2 * PAGE, 6 * PAGE));
    OK(madvise(m, 2 * PAGE, MADV_DONTFORK));
    m = mremap(m, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
    CHECK(m != MAP_FAILED);
    m[3 * PAGE] = 7;
    m = mremap(m, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE);
    CHECK(m != MAP_FAILED);
    CHECK_EQ(m[3 * PAGE], 7);
    OK(munmap(m, 5 * PAGE));
}

TEST_CASE(blocked_growth_moves)
{
    char *p = map(8, 'a');
    CHECK(mremap(p, 2 * PAGE, 4 * PAGE, 0) == MAP_FAILED && errno == ENOMEM);
    char *q = mremap(p, 2 * PAGE, 400 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && q != p);
    check_fill(q, 2, 'a');
    CHECK_EQ(q[2 * PAGE], 0);
    CHECK_EQ(q[399 * PAGE], 0);
    CHECK_FAULT(fault_read(p), SIGSEGV, SEGV_MAPERR, p);
    check_fill(p + 2 * PAGE, 6, 'c');
    OK(munmap(q, 400 * PAGE));
    OK(munmap(p, 8 * PAGE));
}

TEST_CASE(fixed_target)
{
    char *p = map(3, 'a'), *to = map(6, 'm');
    CHECK(mremap(p, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + PAGE) == to + PAGE);
    check_fill(to + PAGE, 3, 'a');
    CHECK_EQ(to[0], 'm');
    CHECK_EQ(to[4 * PAGE], 0);
    CHECK_EQ(to[5 * PAGE], 'r');
    CHECK_FAULT(fault_read(p), SIGSEGV, SEGV_MAPERR, p);
    OK(munmap(to, 6 * PAGE));
}

TEST_CASE(protection_moves_along)
{
    char *p = map(2, 'a');
    OK(mprotect(p, 2 * PAGE, PROT_READ));
    char *q = mremap(p, 2 * PAGE, 300 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED);
    check_fill(q, 2, 'a');
    CHECK_FAULT(fault_write(q), SIGSEGV, SEGV_ACCERR, q);
    CHECK_FAULT(fault_write(q + 299 * PAGE), SIGSEGV, SEGV_ACCERR, q + 299 * PAGE);
    OK(munmap(q, 300 * PAGE));
}

TEST_CASE(private_file)
{
    char data[3 * PAGE];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char) ('A' + i / PAGE);
    write_file(test_path("f"), data, sizeof data);
    int fd = (int) OK(open(test_path("f"), O_RDONLY));
    char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED);
    p[1] = 'x';
    char *q = mremap(p, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED);
    CHECK_EQ(q[0], 'A');
    CHECK_EQ(q[1], 'x');
    CHECK_EQ(q[PAGE], 'B');
    CHECK_EQ(q[2 * PAGE], 'C');
    OK(munmap(q, 3 * PAGE));
    close(fd);
}

TEST_CASE(errors)
{
    char *p = map(4, 'a');
    CHECK(mremap(p + 1, PAGE, PAGE, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(mremap(p, PAGE, 0, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(mremap(p, PAGE, PAGE, 8) == MAP_FAILED && errno == EINVAL);
    CHECK(mremap(p, PAGE, PAGE, MREMAP_FIXED, p) == MAP_FAILED && errno == EINVAL);
    CHECK(mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE) == MAP_FAILED &&
          errno == EINVAL); /* they overlap */
    OK(munmap(p, 4 * PAGE));
    CHECK(mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
}

TEST_CASE(grows_step_by_step)
{
    size_t pages = 1;
    char *p = map(1, 'a');
    while (pages < 4096) {
        p = mremap(p, pages * PAGE, 2 * pages * PAGE, MREMAP_MAYMOVE);
        CHECK(p != MAP_FAILED);
        for (size_t i = pages; i < 2 * pages; i++)
            p[i * PAGE] = (char) i;
        pages *= 2;
    }
    CHECK_EQ(p[0], 'a');
    for (size_t i = 1; i < pages; i++)
        CHECK_EQ(p[i * PAGE], (char) i);
    OK(munmap(p, pages * PAGE));
}

static void *grow_in_thread(void *arg)
{
    char tag = (char) (intptr_t) arg;
    for (int i = 0; i < 100; i++) {
        char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(p != MAP_FAILED);
        *p = tag;
        p = mremap(p, PAGE, 9 * PAGE, MREMAP_MAYMOVE);
        CHECK(p != MAP_FAILED);
        CHECK_EQ(*p, tag);
        CHECK_EQ(p[8 * PAGE], 0);
        p[8 * PAGE] = tag;
        OK(munmap(p, 9 * PAGE));
    }
    return NULL;
}

TEST_CASE(from_many_threads)
{
    pthread_t t[6];
    for (int i = 0; i < 6; i++)
        ZERO(pthread_create(&t[i], NULL, grow_in_thread, (void *) (intptr_t) (i + 1)));
    for (int i = 0; i < 6; i++)
        ZERO(pthread_join(t[i], NULL));
}
