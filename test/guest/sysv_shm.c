/* System V shared memory. An object has one address inside the LibOS, so a second attach of a process
 * may be the same address again; the cases do not depend on which. */
#include "guest_test.h"
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

#ifndef SHM_STAT
#define SHM_STAT 13
#define SHM_INFO 14
#endif
#ifndef SHM_DEST
#define SHM_DEST   01000
#define SHM_LOCKED 02000
#endif

struct usage { /* struct shm_info */
    int used_ids;
    unsigned long tot, rss, swp, swap_attempts, swap_successes;
};

static void *const FAILED = (void *) -1;

static int new_segment(size_t size)
{
    return (int) OK(shmget(IPC_PRIVATE, size, 0600));
}

static char *attach(int id, int flags)
{
    char *p = shmat(id, NULL, flags);
    if (p == FAILED)
        test_fail(__FILE__, __LINE__, "shmat: %s", strerror(errno));
    return p;
}

static struct shmid_ds stat_of(int id)
{
    struct shmid_ds ds;
    OK(shmctl(id, IPC_STAT, &ds));
    return ds;
}

static void drop(int id)
{
    OK(shmctl(id, IPC_RMID, NULL));
}

static key_t own_key(int n)
{
    return (key_t) (getpid() * 16 + n + 0x30000);
}

TEST_CASE(keys)
{
    CHECK_ERR(shmget(own_key(1), 100, 0), ENOENT);
    int id = (int) OK(shmget(own_key(1), 100, IPC_CREAT | 0600));
    CHECK_EQ(shmget(own_key(1), 0, 0), id);
    CHECK_EQ(shmget(own_key(1), 100, 0), id);
    CHECK_ERR(shmget(own_key(1), 101, 0), EINVAL);
    CHECK_ERR(shmget(own_key(1), 100, IPC_CREAT | IPC_EXCL), EEXIST);
    drop(id);
    CHECK_ERR(shmctl(id, IPC_RMID, NULL), EINVAL);
    CHECK(shmat(id, NULL, 0) == FAILED && errno == EINVAL);
}

TEST_CASE(bad_arguments)
{
    CHECK_ERR(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
    CHECK_ERR(shmget(IPC_PRIVATE, (size_t) -1, 0600), EINVAL);
    int id = new_segment(PAGE);
    CHECK(shmat(-1, NULL, 0) == FAILED && errno == EINVAL);
    CHECK(shmat(id, (void *) 0x10000001, 0) == FAILED && errno == EINVAL);
    CHECK(shmat(id, NULL, SHM_REMAP) == FAILED && errno == EINVAL);
    CHECK_ERR(shmdt(NULL), EINVAL);
    CHECK_ERR(shmdt(&id), EINVAL);
    static char page[2 * PAGE];
    CHECK_ERR(shmdt((void *) (((uintptr_t) page + PAGE) & ~(PAGE - 1))), EINVAL);
    CHECK_ERR(shmctl(id, 99, NULL), EINVAL);
    CHECK_ERR(shmctl(-1, IPC_RMID, NULL), EINVAL);
    CHECK_ERR(shmctl(id, IPC_STAT, (void *) 8), EFAULT);
    drop(id);
}

TEST_CASE(attach_and_detach)
{
    int id = new_segment(3 * PAGE + 5);
    struct shmid_ds ds = stat_of(id);
    CHECK_EQ(ds.shm_segsz, 3 * PAGE + 5);
    CHECK(ds.shm_nattch == 0 && ds.shm_atime == 0 && ds.shm_dtime == 0 && ds.shm_lpid == 0);
    CHECK_EQ(ds.shm_cpid, getpid());
    CHECK_EQ(ds.shm_perm.mode, 0600);
    char *p = attach(id, 0);
    CHECK_EQ((uintptr_t) p % PAGE, 0);
    for (size_t i = 0; i < 4 * PAGE; i += 512)
        CHECK_EQ(p[i], 0);
    strcpy(p + 3 * PAGE, "tail");
    ds = stat_of(id);
    CHECK(ds.shm_nattch == 1 && ds.shm_atime > 0 && ds.shm_lpid == getpid());
    OK(shmdt(p));
    CHECK_ERR(shmdt(p), EINVAL);
    ds = stat_of(id);
    CHECK(ds.shm_nattch == 0 && ds.shm_dtime > 0);
    p = attach(id, 0);
    CHECK_STR(p + 3 * PAGE, "tail");
    OK(shmdt(p));
    drop(id);
}

TEST_CASE(attach_at_its_address)
{
    int id = new_segment(PAGE);
    char *p = attach(id, 0);
    OK(shmdt(p));
    CHECK(shmat(id, p, 0) == p);
    OK(shmdt(p));
    CHECK(shmat(id, p + 100, 0) == FAILED && errno == EINVAL);
    CHECK(shmat(id, p + 100, SHM_RND) == p);
    OK(shmdt(p));
    drop(id);
}

TEST_CASE(attach_twice)
{
    int id = new_segment(PAGE);
    char *p = attach(id, 0), *q = attach(id, SHM_RDONLY);
    CHECK_EQ(stat_of(id).shm_nattch, 2);
    strcpy(p, "seen");
    CHECK_STR(q, "seen");
    OK(shmdt(q));
    CHECK_EQ(stat_of(id).shm_nattch, 1);
    CHECK_STR(p, "seen");
    OK(shmdt(p));
    CHECK_EQ(stat_of(id).shm_nattch, 0);
    CHECK_ERR(shmdt(p), EINVAL);
    q = attach(id, SHM_RDONLY);
    p = attach(id, 0);
    p[0] = 'S';
    CHECK_STR(q, "Seen");
    int fd = (int) OK(open("/dev/zero", O_RDONLY)); /* the kernel may write there, too */
    CHECK_EQ(read(fd, p, 2), 2);
    OK(close(fd));
    OK(shmdt(p));
    OK(shmdt(q));
    drop(id);
}

TEST_CASE(read_only)
{
    int id = new_segment(PAGE);
    char *p = attach(id, SHM_RDONLY);
    CHECK_EQ(p[0], 0);
    if (!in_libos()) { /* where shared pages are writable for all who map them (docs/limits.md) */
        int fd = (int) OK(open("/dev/zero", O_RDONLY));
        CHECK_ERR(read(fd, p, 2), EFAULT);
        OK(close(fd));
    }
    CHECK_ERR(mprotect(p, PAGE, PROT_READ | PROT_WRITE), EACCES);
    OK(shmdt(p));
    drop(id);
}

TEST_CASE(split_mappings_count)
{
    int id = new_segment(4 * PAGE);
    char *p = attach(id, 0);
    OK(mprotect(p + PAGE, PAGE, PROT_READ));
    CHECK_EQ(stat_of(id).shm_nattch, 3);
    OK(munmap(p, PAGE));
    CHECK_EQ(stat_of(id).shm_nattch, 2);
    OK(shmdt(p)); /* what is left of it */
    CHECK_EQ(stat_of(id).shm_nattch, 0);
    p = attach(id, 0);
    OK(munmap(p, 4 * PAGE));
    CHECK_EQ(stat_of(id).shm_nattch, 0);
    drop(id);
}

TEST_CASE(removed_while_attached)
{
    int id = (int) OK(shmget(own_key(2), PAGE, IPC_CREAT | 0600));
    char *p = attach(id, 0);
    strcpy(p, "still here");
    drop(id);
    CHECK_ERR(shmget(own_key(2), 0, 0), ENOENT);
    struct shmid_ds ds = stat_of(id);
    CHECK_EQ(ds.shm_perm.mode, 0600 | SHM_DEST);
    CHECK_EQ(ds.shm_perm.__key, IPC_PRIVATE);
    char *q = attach(id, 0);
    CHECK_STR(q, "still here");
    OK(shmdt(q));
    CHECK_STR(p, "still here");
    OK(shmdt(p));
    CHECK_ERR(shmctl(id, IPC_STAT, &ds), EINVAL);
    int other = (int) OK(shmget(own_key(2), PAGE, IPC_CREAT | 0600));
    p = attach(other, 0);
    CHECK_EQ(p[0], 0);
    OK(shmdt(p));
    drop(other);
}

TEST_CASE(status)
{
    int id = (int) OK(shmget(own_key(3), 5 * PAGE, IPC_CREAT | 0640));
    struct shmid_ds ds = stat_of(id);
    ds.shm_perm.mode = 0777 | SHM_LOCKED;
    ds.shm_perm.uid = 12;
    OK(shmctl(id, IPC_SET, &ds));
    ds = stat_of(id);
    CHECK_EQ(ds.shm_perm.mode, 0777);
    CHECK_EQ(ds.shm_perm.uid, 12);
    CHECK_EQ(ds.shm_perm.cuid, geteuid());
    OK(shmctl(id, SHM_LOCK, NULL));
    CHECK_EQ(stat_of(id).shm_perm.mode, 0777 | SHM_LOCKED);
    OK(shmctl(id, SHM_UNLOCK, NULL));
    CHECK_EQ(stat_of(id).shm_perm.mode, 0777);
    unsigned long si[16];
    int highest = (int) OK(shmctl(0, IPC_INFO, (struct shmid_ds *) si));
    CHECK(si[0] >= 0x2000000 && si[1] == 1 && si[2] >= 128); /* max, min, mni */
    struct usage u;
    CHECK_EQ(shmctl(0, SHM_INFO, (struct shmid_ds *) &u), highest);
    CHECK(u.used_ids >= 1 && u.tot >= 5);
    bool found = false;
    for (int i = 0; i <= highest && !found; i++)
        found = shmctl(i, SHM_STAT, &ds) == id && ds.shm_segsz == 5 * PAGE;
    CHECK(found);
    static char text[65536];
    char line[64];
    read_file("/proc/sysvipc/shm", text, sizeof text);
    snprintf(line, sizeof line, "%10d %10d   777 %21lu", own_key(3), id, 5 * PAGE);
    CHECK(strstr(text, line));
    drop(id);
}

TEST_CASE(named_in_maps)
{
    int id = (int) OK(shmget(own_key(4), PAGE, IPC_CREAT | 0600));
    char *p = attach(id, 0);
    static char text[65536];
    char line[64], start[32];
    read_file("/proc/self/maps", text, sizeof text);
    snprintf(line, sizeof line, "/SYSV%08x", (unsigned) own_key(4));
    snprintf(start, sizeof start, "%lx-", (unsigned long) p);
    CHECK(strstr(text, line));
    CHECK(strstr(text, start));
    OK(shmdt(p));
    drop(id);
}

/* ---- other processes ---- */
CHILD(answer)
{
    volatile int *p = shmat(atoi(argv[0]), NULL, 0);
    if (p == FAILED)
        return 1;
    p[0] = 1;
    while (p[1] != 1)
        sched_yield();
    p[2] = getpid();
    return 0; /* detached by its end */
}

TEST_CASE(between_processes)
{
    int id = new_segment(PAGE);
    volatile int *p = (volatile int *) attach(id, 0);
    pid_t pid = child_start("answer", num(id), NULL);
    while (p[0] != 1)
        sched_yield();
    CHECK_EQ(stat_of(id).shm_nattch, 2);
    p[1] = 1;
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(p[2], pid);
    struct shmid_ds ds = stat_of(id);
    CHECK(ds.shm_nattch == 1 && ds.shm_lpid == pid && ds.shm_cpid == getpid());
    OK(shmdt((void *) p));
    drop(id);
}

CHILD(attach_and_exec)
{
    if (argc > 1) { /* the second program */
        struct shmid_ds ds;
        return shmctl(atoi(argv[0]), IPC_STAT, &ds) == 0 && ds.shm_nattch == 0 ? 0 : 2;
    }
    if (shmat(atoi(argv[0]), NULL, 0) == FAILED)
        return 1;
    execl(test_program, test_program, "--child", "attach_and_exec", argv[0], "again", NULL);
    return 3;
}

TEST_CASE(detached_by_exec)
{
    int id = new_segment(PAGE);
    CHECK_EQ(child_wait(child_start("attach_and_exec", num(id), NULL)), 0);
    drop(id);
}

CHILD(attach_and_park)
{
    return shmat(atoi(argv[0]), NULL, 0) == FAILED ? 1 : park();
}

TEST_CASE(destroyed_by_a_kill)
{
    int id = new_segment(PAGE);
    pid_t pid = child_start("attach_and_park", num(id), NULL);
    while (stat_of(id).shm_nattch == 0)
        sleep_ms(1);
    drop(id);
    OK(shmctl(id, IPC_STAT, &(struct shmid_ds){0}));
    OK(kill(pid, SIGKILL));
    CHECK_EQ(child_wait(pid), 128 + SIGKILL);
    CHECK_ERR(shmctl(id, IPC_STAT, &(struct shmid_ds){0}), EINVAL);
}

CHILD(as_user)
{
    int id = atoi(argv[0]);
    if (setresgid(5000, 5000, 5000) < 0 || setresuid(5000, 5000, 5000) < 0)
        return 1;
    if (shmat(id, NULL, 0) != FAILED || errno != EACCES)
        return 2;
    char *p = shmat(id, NULL, SHM_RDONLY);
    if (p == FAILED || strcmp(p, "public") != 0)
        return 3;
    if (shmctl(id, IPC_RMID, NULL) != -1 || errno != EPERM)
        return 4;
    if (shmctl(id, SHM_LOCK, NULL) != -1 || errno != EPERM)
        return 5;
    return shmget(atoi(argv[1]), 0, 0600) == -1 && errno == EACCES ? 0 : 6;
}

TEST_CASE(permissions)
{
    SKIP_IF(geteuid() != 0, "needs to be root");
    int id = (int) OK(shmget(own_key(5), PAGE, IPC_CREAT | 0644));
    char *p = attach(id, 0);
    strcpy(p, "public");
    CHECK_EQ(child_wait(child_start("as_user", num(id), num(own_key(5)), NULL)), 0);
    OK(shmdt(p));
    drop(id);
}

TEST_CASE(too_large)
{
    int id = shmget(IPC_PRIVATE, 1ul << 46, 0600);
    if (id < 0) {
        CHECK(errno == ENOMEM || errno == ENOSPC || errno == EINVAL);
        return;
    }
    void *p = shmat(id, NULL, 0);
    if (p == FAILED)
        CHECK_EQ(errno, ENOMEM);
    else
        OK(shmdt(p));
    drop(id);
}

TEST_CASE(many_segments)
{
    enum { MANY = 100 };
    static int ids[MANY];
    static char *at[MANY];
    for (int i = 0; i < MANY; i++) {
        ids[i] = new_segment(PAGE * (size_t) (i % 5 + 1));
        at[i] = attach(ids[i], 0);
        at[i][0] = (char) i;
    }
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(at[i][0], (char) i);
    for (int i = 0; i < MANY; i++) {
        drop(ids[i]);
        OK(shmdt(at[i]));
    }
}

TEST_CASE(inherited_by_fork)
{
    int id = new_segment(2 * PAGE), p[2];
    char *at = attach(id, 0), c;
    OK(pipe(p));
    strcpy(at, "before");
    pid_t pid = (pid_t) OK_OR_SKIP(fork());
    if (pid == 0) {
        if (strcmp(at, "before") != 0 || stat_of(id).shm_nattch != 2)
            _exit(1);
        strcpy(at + PAGE, "from the child");
        _exit(shmdt(at) == 0 && write(p[1], "x", 1) == 1 ? park() : 2);
    }
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK_STR(at + PAGE, "from the child");
    CHECK_EQ(stat_of(id).shm_nattch, 1);
    OK(kill(pid, SIGKILL));
    CHECK_EQ(child_wait(pid), 128 + SIGKILL);
    pid = (pid_t) OK(fork());
    if (pid == 0)
        _exit(stat_of(id).shm_nattch == 2 ? 0 : 1); /* its end detaches */
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(stat_of(id).shm_nattch, 1);
    OK(shmdt(at));
    drop(id);
}
