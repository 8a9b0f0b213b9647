/* Anonymous mappings: zeroes, hints, fixed places, unmapping parts, errors. */
#include "guest_fault.h"
#include <sys/mman.h>

#define FIXED_NOREPLACE 0x100000

static char *map(void *at, size_t size, int flags)
{
    return mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static char *must_map(void *at, size_t size, int flags)
{
    char *p = map(at, size, flags);
    if (p == MAP_FAILED)
        test_fail(__FILE__, __LINE__, "mmap of %zu bytes: %s", size, strerror(errno));
    return p;
}

/* An address range that is free now. */
static char *free_range(size_t size)
{
    char *p = must_map(NULL, size, 0);
    OK(munmap(p, size));
    return p;
}

static void check_zero(const char *p, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t v;
        memcpy(&v, p + i, 8);
        CHECK_EQ(v, 0);
    }
}

TEST_CASE(zeroed_and_writable)
{
    static const size_t sizes[] = {1, PAGE, PAGE + 1, 65536, 1 << 20, 5 << 20};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        size_t size = (sizes[i] + PAGE - 1) & ~(PAGE - 1);
        char *p = must_map(NULL, sizes[i], 0);
        CHECK_EQ((uintptr_t) p % PAGE, 0);
        check_zero(p, size);
        memset(p, 0xa5, size);
        OK(munmap(p, sizes[i]));
    }
}

TEST_CASE(reused_pages_are_zero)
{
    for (int round = 0; round < 20; round++) {
        char *p = must_map(NULL, 40 * PAGE, 0);
        check_zero(p, 40 * PAGE);
        memset(p, round + 1, 40 * PAGE);
        OK(munmap(p, 40 * PAGE));
    }
}

TEST_CASE(arguments)
{
    CHECK(map(NULL, 0, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(map(NULL, (size_t) 1 << 60, 0) == MAP_FAILED && errno == ENOMEM);
    CHECK(map(NULL, (size_t) -1, 0) == MAP_FAILED && errno == ENOMEM);
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF);
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 900, 0) == MAP_FAILED && errno == EBADF);
    CHECK(map((char *) 0x123001, PAGE, MAP_FIXED) == MAP_FAILED && errno == EINVAL);
    CHECK(map((char *) -PAGE, PAGE, MAP_FIXED) == MAP_FAILED && errno == ENOMEM);
}

TEST_CASE(hints)
{
    char *want = free_range(16 * PAGE);
    char *p = must_map(want, 16 * PAGE, 0);
    CHECK(p == want); /* Linux takes a free hint */
    char *q = must_map(want + 4 * PAGE, 4 * PAGE, 0);
    CHECK(q + 4 * PAGE <= p || q >= p + 16 * PAGE);
    OK(munmap(q, 4 * PAGE));
    OK(munmap(p, 16 * PAGE));
    p = must_map((void *) 123, PAGE, 0);
    OK(munmap(p, PAGE));
    p = must_map((void *) 0x7ffffffff000UL, PAGE, 0);
    OK(munmap(p, PAGE));
}

TEST_CASE(fixed_replaces)
{
    char *p = must_map(NULL, 8 * PAGE, 0);
    memset(p, 'o', 8 * PAGE);
    CHECK(must_map(p + 2 * PAGE, 3 * PAGE, MAP_FIXED) == p + 2 * PAGE);
    check_zero(p + 2 * PAGE, 3 * PAGE);
    CHECK_EQ(p[2 * PAGE - 1], 'o');
    CHECK_EQ(p[5 * PAGE], 'o');
    OK(munmap(p, 8 * PAGE));
}

TEST_CASE(fixed_in_free_space)
{
    char *p = free_range(4 * PAGE);
    CHECK(must_map(p, 4 * PAGE, MAP_FIXED) == p);
    memset(p, 1, 4 * PAGE);
    OK(munmap(p, 4 * PAGE));
}

TEST_CASE(fixed_noreplace)
{
    char *p = must_map(NULL, 4 * PAGE, 0);
    p[PAGE] = 7;
    CHECK(map(p + PAGE, PAGE, FIXED_NOREPLACE) == MAP_FAILED && errno == EEXIST);
    CHECK(map(p - PAGE, 2 * PAGE, FIXED_NOREPLACE) == MAP_FAILED && errno == EEXIST);
    CHECK_EQ(p[PAGE], 7);
    OK(munmap(p, 4 * PAGE));
    CHECK(must_map(p, 4 * PAGE, FIXED_NOREPLACE) == p);
    OK(munmap(p, 4 * PAGE));
}

TEST_CASE(unmap_the_middle)
{
    char *p = must_map(NULL, 10 * PAGE, 0);
    memset(p, 'm', 10 * PAGE);
    OK(munmap(p + 3 * PAGE, 4 * PAGE));
    CHECK_FAULT(fault_read(p + 3 * PAGE), SIGSEGV, SEGV_MAPERR, p + 3 * PAGE);
    CHECK_FAULT(fault_write(p + 7 * PAGE - 1), SIGSEGV, SEGV_MAPERR, p + 7 * PAGE - 1);
    CHECK_EQ(p[3 * PAGE - 1], 'm');
    CHECK_EQ(p[7 * PAGE], 'm');
    OK(munmap(p, 10 * PAGE)); /* holes are fine */
    CHECK_FAULT(fault_read(p), SIGSEGV, SEGV_MAPERR, p);
}

TEST_CASE(unmap_ends_and_across)
{
    char *p = must_map(NULL, 12 * PAGE, 0);
    OK(munmap(p, PAGE));
    OK(munmap(p + 11 * PAGE, PAGE));
    CHECK_FAULT(fault_read(p), SIGSEGV, SEGV_MAPERR, p);
    CHECK_FAULT(fault_read(p + 11 * PAGE), SIGSEGV, SEGV_MAPERR, p + 11 * PAGE);
    OK(mprotect(p + 4 * PAGE, 2 * PAGE, PROT_READ));
    OK(munmap(p + 3 * PAGE, 4 * PAGE)); /* three areas by now */
    CHECK_FAULT(fault_read(p + 5 * PAGE), SIGSEGV, SEGV_MAPERR, p + 5 * PAGE);
    p[2 * PAGE] = p[8 * PAGE] = 1;
    OK(munmap(p + PAGE, 10 * PAGE));
}

TEST_CASE(unmap_arguments)
{
    char *p = must_map(NULL, 2 * PAGE, 0);
    CHECK_ERR(munmap(p + 1, PAGE), EINVAL);
    CHECK_ERR(munmap(p, 0), EINVAL);
    CHECK_ERR(munmap((void *) -PAGE, PAGE), EINVAL);
    OK(munmap(p, PAGE + 1)); /* rounded up */
    OK(munmap(p, 2 * PAGE)); /* nothing there: fine */
}

TEST_CASE(none_is_reserved_only)
{
    size_t size = (size_t) 256 << 20;
    char *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK_FAULT(fault_read(p + 5 * PAGE), SIGSEGV, SEGV_ACCERR, p + 5 * PAGE);
    OK(mprotect(p + (size / 2), 4 * PAGE, PROT_READ | PROT_WRITE));
    memset(p + size / 2, 1, 4 * PAGE);
    CHECK_FAULT(fault_write(p + size / 2 + 4 * PAGE), SIGSEGV, SEGV_ACCERR,
                p + size / 2 + 4 * PAGE);
    OK(munmap(p, size));
}

TEST_CASE(shared_anonymous)
{
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    check_zero(p, 4 * PAGE);
    memset(p, 's', 4 * PAGE);
    OK(munmap(p, 4 * PAGE));
}

TEST_CASE(populate_and_stack_flags)
{
    char *p = must_map(NULL, 64 * PAGE, MAP_POPULATE);
    check_zero(p, 64 * PAGE);
    OK(munmap(p, 64 * PAGE));
    p = must_map(NULL, 64 * PAGE, MAP_STACK | MAP_NORESERVE);
    memset(p, 1, 64 * PAGE);
    OK(munmap(p, 64 * PAGE));
}

TEST_CASE(many_random)
{
    enum { SLOTS = 64, ROUNDS = 4000 };
    char *at[SLOTS] = {0};
    size_t size[SLOTS];
    unsigned seed = 12345;
    for (int i = 0; i < ROUNDS; i++) {
        seed = seed * 1103515245 + 12345;
        unsigned s = seed >> 16 & (SLOTS - 1);
        if (at[s]) {
            CHECK_EQ(at[s][0], (char) s);
            CHECK_EQ(at[s][size[s] - 1], (char) s);
            OK(munmap(at[s], size[s]));
            at[s] = NULL;
        } else {
            size[s] = ((seed >> 8 & 31) + 1) * PAGE;
            at[s] = must_map(NULL, size[s], 0);
            CHECK_EQ(at[s][0] | at[s][size[s] - 1], 0);
            at[s][0] = at[s][size[s] - 1] = (char) s;
        }
    }
    for (int s = 0; s < SLOTS; s++) {
        if (at[s])
            OK(munmap(at[s], size[s]));
    }
}

TEST_CASE(system_calls_into_unmapped_memory)
{
    char *p = must_map(NULL, 2 * PAGE, 0);
    OK(munmap(p + PAGE, PAGE));
    int fd = (int) OK(open("/dev/zero", O_RDONLY));
    CHECK_ERR(read(fd, p + PAGE, 10), EFAULT);
    ssize_t n = read(fd, p + PAGE - 10, 20); /* a short count, or nothing at all */
    CHECK(n == 10 || (n == -1 && errno == EFAULT));
    CHECK_ERR(syscall(SYS_stat, p + PAGE, p), EFAULT);
    CHECK_ERR(syscall(SYS_stat, "/", p + PAGE), EFAULT);
    memset(p + PAGE - 4, 'a', 4);
    CHECK_ERR(open(p + PAGE - 4, O_RDONLY), EFAULT); /* a path that runs off the end */
    close(fd);
    OK(munmap(p, PAGE));
}

TEST_CASE(big_and_sparse)
{
    size_t size = (size_t) 1 << 30;
    char *p = must_map(NULL, size, MAP_NORESERVE);
    for (size_t at = 0; at < size; at += size / 16)
        p[at] = 1;
    CHECK_EQ(p[size / 16 + PAGE], 0);
    OK(munmap(p, size));
}

static void *map_in_thread(void *arg)
{
    for (int i = 0; i < 300; i++) {
        char *p = must_map(NULL, 5 * PAGE, 0);
        check_zero(p, 5 * PAGE);
        memset(p, (int) (intptr_t) arg, 5 * PAGE);
        CHECK_EQ(p[3 * PAGE], (int) (intptr_t) arg);
        OK(munmap(p, 5 * PAGE));
    }
    return NULL;
}

TEST_CASE(from_many_threads)
{
    pthread_t t[8];
    for (int i = 0; i < 8; i++)
        ZERO(pthread_create(&t[i], NULL, map_in_thread, (void *) (intptr_t) (i + 1)));
    for (int i = 0; i < 8; i++)
        ZERO(pthread_join(t[i], NULL));
}
