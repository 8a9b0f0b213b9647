/* Memory policies as on a machine with one node, and locking of memory. */
#include "guest_test.h"
#include <sys/mman.h>

enum { DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL };
enum { F_NODE = 1, F_ADDR = 2, F_MEMS_ALLOWED = 4 };
enum { F_STATIC_NODES = 1 << 15 };

static long set_policy(int mode, unsigned long *mask, unsigned long max)
{
    return syscall(SYS_set_mempolicy, mode, mask, max);
}
static long get_policy(int *mode, unsigned long *mask, unsigned long max, void *addr, int flags)
{
    return syscall(SYS_get_mempolicy, mode, mask, max, addr, flags);
}

TEST_CASE(policy_of_the_thread)
{
    int mode = 99;
    unsigned long one = 1, mask = 99, none = 0;
    OK_OR_SKIP(get_policy(&mode, NULL, 0, NULL, 0));
    CHECK_EQ(mode, DEFAULT);
    OK(set_policy(BIND, &one, 8));
    OK(get_policy(&mode, &mask, 64, NULL, 0));
    CHECK_EQ(mode, BIND);
    CHECK_EQ(mask, 1);
    OK(set_policy(INTERLEAVE | F_STATIC_NODES, &one, 8));
    OK(get_policy(&mode, NULL, 0, NULL, 0));
    CHECK_EQ(mode, INTERLEAVE | F_STATIC_NODES);
    OK(set_policy(PREFERRED, &one, 8));
    OK(set_policy(PREFERRED, &none, 8)); /* where the thread runs */
    OK(get_policy(&mode, NULL, 0, NULL, 0));
    CHECK_EQ(mode, LOCAL);
    OK(set_policy(LOCAL, NULL, 0));
    OK(set_policy(DEFAULT, NULL, 0));
    OK(get_policy(&mode, &mask, 64, NULL, 0));
    CHECK_EQ(mode, DEFAULT);
    CHECK_EQ(mask, 0);
}

TEST_CASE(policy_errors)
{
    unsigned long one = 1, two = 2, none = 0, mask;
    int mode;
    OK_OR_SKIP(get_policy(&mode, NULL, 0, NULL, 0));
    CHECK_ERR(set_policy(99, &one, 8), EINVAL);
    CHECK_ERR(set_policy(-1, &one, 8), EINVAL);
    CHECK_ERR(set_policy(DEFAULT, &one, 8), EINVAL);
    CHECK_ERR(set_policy(BIND, &none, 8), EINVAL);
    CHECK_ERR(set_policy(BIND, NULL, 0), EINVAL);
    CHECK_ERR(set_policy(BIND, &two, 8), EINVAL); /* there is no node 1 */
    CHECK_ERR(set_policy(LOCAL, &one, 8), EINVAL);
    CHECK_ERR(set_policy(BIND, (unsigned long *) 8, 8), EFAULT);
    CHECK_ERR(get_policy(&mode, NULL, 0, NULL, 8), EINVAL);
    CHECK_ERR(get_policy(&mode, NULL, 0, &mode, 0), EINVAL); /* an address without F_ADDR */
    CHECK_ERR(get_policy((int *) 8, NULL, 0, NULL, 0), EFAULT);
    CHECK_ERR(get_policy(NULL, (unsigned long *) 8, 64, NULL, 0), EFAULT);
    CHECK_ERR(get_policy(&mode, NULL, 0, NULL, F_ADDR), EFAULT);
    CHECK_ERR(get_policy(&mode, NULL, 0, NULL, F_MEMS_ALLOWED | F_ADDR), EINVAL);
    OK(get_policy(NULL, &mask, 64, NULL, F_MEMS_ALLOWED));
    CHECK_EQ(mask, 1);
    CHECK_ERR(get_policy(NULL, &mask, 0, NULL, F_MEMS_ALLOWED), EINVAL); /* too small a mask */
}

TEST_CASE(policy_of_memory)
{
    unsigned long one = 1, two = 2, mask = 0;
    int mode = 99;
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    OK_OR_SKIP(syscall(SYS_mbind, p, 4 * PAGE, BIND, &one, 8, 0));
    p[0] = 1;
    OK(get_policy(&mode, &mask, 64, p, F_ADDR));
    CHECK_EQ(mode, BIND);
    CHECK_EQ(mask, 1);
    OK(get_policy(&mode, NULL, 0, p, F_ADDR | F_NODE));
    CHECK_EQ(mode, 0); /* the node it lies on */
    OK(syscall(SYS_mbind, p, 4 * PAGE, DEFAULT, NULL, 0, 0));
    OK(get_policy(&mode, NULL, 0, p, F_ADDR));
    CHECK_EQ(mode, DEFAULT);
    OK(syscall(SYS_mbind, p, 0L, BIND, &one, 8, 0));
    CHECK_ERR(syscall(SYS_mbind, p + 1, PAGE, BIND, &one, 8, 0), EINVAL);
    CHECK_ERR(syscall(SYS_mbind, p, PAGE, 99, &one, 8, 0), EINVAL);
    CHECK_ERR(syscall(SYS_mbind, p, PAGE, BIND, &two, 8, 0), EINVAL);
    CHECK_ERR(syscall(SYS_mbind, p, PAGE, BIND, &one, 8, 0x100), EINVAL);
    CHECK_ERR(syscall(SYS_mbind, p, PAGE, BIND, 8L, 8, 0), EFAULT);
    OK(munmap(p + PAGE, PAGE));
    CHECK_ERR(syscall(SYS_mbind, p, 3 * PAGE, BIND, &one, 8, 0), EFAULT); /* a hole */
    OK(munmap(p, 4 * PAGE));
}

TEST_CASE(moving_pages)
{
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    p[0] = 1;
    void *pages[3] = {p, p + PAGE, (void *) 4096};
    int status[3] = {9, 9, 9}, nodes[3] = {0, 0, 0};
    OK_OR_SKIP(syscall(SYS_move_pages, 0, 3L, pages, NULL, status, 0));
    CHECK_EQ(status[0], 0);
    CHECK(status[1] == -ENOENT || in_libos()); /* not touched yet; in the LibOS it may be warm */
    CHECK_EQ(status[2], -EFAULT);
    OK(syscall(SYS_move_pages, getpid(), 1L, pages, nodes, status, 2));
    CHECK_EQ(status[0], 0);
    CHECK_ERR(syscall(SYS_move_pages, 0, 1L, pages, nodes, status, 1), EINVAL);
    nodes[0] = 5;
    CHECK_ERR(syscall(SYS_move_pages, 0, 1L, pages, nodes, status, 2), ENODEV);
    CHECK_ERR(syscall(SYS_move_pages, 4000000, 1L, pages, NULL, status, 2), ESRCH);
    CHECK_ERR(syscall(SYS_move_pages, 0, 1L, 8L, NULL, status, 2), EFAULT);
    CHECK_ERR(syscall(SYS_move_pages, 0, 1L, pages, NULL, 8L, 2), EFAULT);
    OK(munmap(p, 2 * PAGE));
}

TEST_CASE(migrating_pages)
{
    unsigned long one = 1, two = 2;
    CHECK_EQ(OK_OR_SKIP(syscall(SYS_migrate_pages, 0, 8L, &one, &one)), 0);
    CHECK_ERR(syscall(SYS_migrate_pages, 4000000, 8L, &one, &one), ESRCH);
    CHECK_ERR(syscall(SYS_migrate_pages, 0, 8L, 8L, &one), EFAULT);
    CHECK_ERR(syscall(SYS_migrate_pages, 0, 8L, &one, 8L), EFAULT);
    CHECK_ERR(syscall(SYS_migrate_pages, 0, 8L, &one, &two), EINVAL);
}

TEST_CASE(set_mempolicy_home_node)
{
    unsigned long one = 1;
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    OK_OR_SKIP(syscall(SYS_mbind, p, 2 * PAGE, BIND, &one, 8, 0));
    OK_OR_SKIP(syscall(450, p, 2 * PAGE, 0L, 0L));
    CHECK_ERR(syscall(450, p + 1, 2 * PAGE, 0L, 0L), EINVAL);
    CHECK_ERR(syscall(450, p, 2 * PAGE, 0L, 1L), EINVAL);
    CHECK_ERR(syscall(450, p, 2 * PAGE, 99L, 0L), EINVAL);
    OK(munmap(p, 2 * PAGE));
}

/* ---- locking ---------------------------------------------------------------------------------- */
TEST_CASE(locking)
{
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    OK(mlock(p + 5, PAGE)); /* whole pages around it */
    OK(munlock(p, 2 * PAGE));
    OK(syscall(SYS_mlock2, p, PAGE, 0));
    OK(syscall(SYS_mlock2, p, PAGE, 1)); /* MLOCK_ONFAULT */
    CHECK_ERR(syscall(SYS_mlock2, p, PAGE, 2), EINVAL);
    OK(munmap(p + PAGE, PAGE));
    CHECK_ERR(mlock(p, 3 * PAGE), ENOMEM);
    CHECK_ERR(munlock(p, 3 * PAGE), ENOMEM);
    CHECK_ERR(syscall(SYS_mlock, p, -2 * PAGE), EINVAL);
    OK(mlock(p, 0));
    CHECK_ERR(mlockall(0), EINVAL);
    CHECK_ERR(mlockall(99), EINVAL);
    CHECK_ERR(mlockall(4), EINVAL);
    OK(mlockall(MCL_CURRENT));
    OK(munlockall());
    OK(munmap(p, 4 * PAGE));
}

TEST_CASE(mincore_tells_residence)
{
    unsigned char vec[4];
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    p[PAGE] = 1;
    OK(mincore(p, 4 * PAGE, vec));
    CHECK((vec[0] & 1) == 0 || in_libos()); /* pages may be warm from an earlier mapping */
    CHECK_EQ(vec[1] & 1, 1);
    CHECK_ERR(mincore(p + 1, PAGE, vec), EINVAL);
    CHECK_ERR(mincore(p, PAGE, (unsigned char *) 8), EFAULT);
    OK(munmap(p + 2 * PAGE, PAGE));
    CHECK_ERR(mincore(p, 4 * PAGE, vec), ENOMEM);
    CHECK_ERR(syscall(SYS_mincore, p, -1L, vec), ENOMEM);
    OK(mincore(p, 0, vec));
    OK(munmap(p, 4 * PAGE));
}

TEST_CASE(msync_arguments)
{
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    OK(msync(p, 4 * PAGE, MS_SYNC));
    OK(msync(p, 4 * PAGE, MS_ASYNC | MS_INVALIDATE));
    OK(msync(p, 4 * PAGE, 0));
    CHECK_ERR(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
    CHECK_ERR(msync(p, PAGE, 99), EINVAL);
    CHECK_ERR(msync(p + 1, PAGE, MS_SYNC), EINVAL);
    OK(munmap(p + 2 * PAGE, PAGE));
    CHECK_ERR(msync(p, 4 * PAGE, MS_SYNC), ENOMEM);
    OK(munmap(p, 4 * PAGE));
}

/* ---- protection keys: as on a processor without ----------------------------------------------- */
TEST_CASE(protection_keys)
{
    char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    OK(syscall(SYS_pkey_mprotect, p, PAGE, PROT_READ, -1)); /* plain mprotect */
    CHECK_ERR(syscall(SYS_pkey_mprotect, p + 1, PAGE, PROT_READ, -1), EINVAL);
    CHECK_ERR(syscall(SYS_pkey_mprotect, p, PAGE, PROT_READ, 99), EINVAL);
    CHECK_ERR(syscall(SYS_pkey_alloc, 1L, 0L), EINVAL);
    CHECK_ERR(syscall(SYS_pkey_alloc, 0L, 99L), EINVAL);
    long key = syscall(SYS_pkey_alloc, 0L, 0L);
    if (key < 0)
        CHECK(errno == ENOSPC || (errno == EINVAL && !in_libos()));
    else
        OK(syscall(SYS_pkey_free, key));
    CHECK_ERR(syscall(SYS_pkey_free, 99), EINVAL);
    OK(munmap(p, PAGE));
}
