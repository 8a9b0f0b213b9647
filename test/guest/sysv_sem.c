/* System V semaphores. */
#include "guest_test.h"
#include <sys/ipc.h>
#include <sys/sem.h>

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
    struct seminfo *info;
};

static int made = -1;

static int new_set(int count)
{
    return made = (int) OK(semget(IPC_PRIVATE, count, 0600));
}

static void drop_set(void)
{
    OK(semctl(made, 0, IPC_RMID));
}

static void set_value(int id, int n, int v)
{
    OK(semctl(id, n, SETVAL, (union semun){.val = v}));
}

static int value(int id, int n)
{
    return (int) OK(semctl(id, n, GETVAL));
}

static int op(int id, int n, int by, int flags)
{
    struct sembuf s = {
        .sem_num = (unsigned short) n, .sem_op = (short) by, .sem_flg = (short) flags};
    return semop(id, &s, 1);
}

/* Until so many wait for an increase of semaphore 0 (or for its being zero). */
static void wait_for_waiters(int id, int n, int cmd)
{
    while (OK(semctl(id, 0, cmd)) != n)
        sleep_ms(1);
}

static key_t own_key(int n)
{
    return (key_t) (getpid() * 16 + n + 0x10000);
}

TEST_CASE(keys)
{
    key_t key = own_key(1);
    CHECK_ERR(semget(key, 1, 0), ENOENT);
    int id = (int) OK(semget(key, 3, IPC_CREAT | 0640));
    CHECK_EQ(semget(key, 0, 0), id);
    CHECK_EQ(semget(key, 3, IPC_CREAT | 0600), id);
    CHECK_ERR(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
    CHECK_ERR(semget(key, 4, 0), EINVAL);
    int other = (int) OK(semget(IPC_PRIVATE, 1, 0600));
    CHECK(other != id);
    OK(semctl(other, 0, IPC_RMID));
    OK(semctl(id, 0, IPC_RMID));
    CHECK_ERR(semget(key, 1, 0), ENOENT);
    CHECK_ERR(semctl(id, 0, GETVAL), EINVAL);
    CHECK_ERR(op(id, 0, 1, 0), EINVAL);
    int again = (int) OK(semget(key, 1, IPC_CREAT | 0600));
    CHECK(again != id);
    OK(semctl(again, 0, IPC_RMID));
}

TEST_CASE(bad_arguments)
{
    CHECK_ERR(semget(IPC_PRIVATE, 0, 0600), EINVAL);
    CHECK_ERR(semget(IPC_PRIVATE, -1, 0600), EINVAL);
    CHECK_ERR(semget(IPC_PRIVATE, 100000, 0600), EINVAL);
    int id = new_set(2);
    struct sembuf s[600] = {{0}};
    CHECK_ERR(semop(id, s, 0), EINVAL);
    CHECK_ERR(semop(id, s, 600), E2BIG);
    CHECK_ERR(semop(-1, s, 1), EINVAL);
    CHECK_ERR(semop(0x7ffffff0, s, 1), EINVAL);
    CHECK_ERR(semop(id, (struct sembuf *) 8, 1), EFAULT);
    CHECK_ERR(op(id, 2, 1, 0), EFBIG);
    CHECK_ERR(semctl(id, 2, GETVAL), EINVAL);
    CHECK_ERR(semctl(id, -1, GETVAL), EINVAL);
    CHECK_ERR(semctl(id, 0, SETVAL, (union semun){.val = -1}), ERANGE);
    CHECK_ERR(semctl(id, 0, SETVAL, (union semun){.val = 32768}), ERANGE);
    CHECK_ERR(semctl(id, 0, 99), EINVAL);
    CHECK_ERR(semctl(id, 0, IPC_STAT, (union semun){.buf = (void *) 8}), EFAULT);
    unsigned short big[2] = {1, 32768};
    CHECK_ERR(semctl(id, 0, SETALL, (union semun){.array = big}), ERANGE);
    CHECK_EQ(value(id, 0), 0);
    struct timespec bad = {.tv_nsec = 1000000000};
    CHECK_ERR(semtimedop(id, s, 1, &bad), EINVAL);
    drop_set();
}

TEST_CASE(values)
{
    int id = new_set(3);
    CHECK_EQ(value(id, 0), 0);
    set_value(id, 1, 5);
    CHECK_EQ(semctl(id, 1, GETPID), getpid());
    unsigned short v[3] = {9, 9, 9};
    OK(semctl(id, 0, GETALL, (union semun){.array = v}));
    CHECK(v[0] == 0 && v[1] == 5 && v[2] == 0);
    v[0] = 7;
    v[2] = 32767;
    OK(semctl(id, 0, SETALL, (union semun){.array = v}));
    CHECK_EQ(value(id, 2), 32767);
    CHECK_ERR(op(id, 2, 1, 0), ERANGE);
    CHECK_ERR(op(id, 0, 32767, 0), ERANGE);
    OK(op(id, 0, -7, 0));
    CHECK_EQ(value(id, 0), 0);
    OK(op(id, 0, 0, 0));
    CHECK_ERR(op(id, 0, -1, IPC_NOWAIT), EAGAIN);
    CHECK_ERR(op(id, 1, 0, IPC_NOWAIT), EAGAIN);
    drop_set();
}

TEST_CASE(all_or_nothing)
{
    int id = new_set(2);
    set_value(id, 0, 3);
    struct sembuf both[2] = {{0, -2, 0}, {1, -1, IPC_NOWAIT}};
    CHECK_ERR(semop(id, both, 2), EAGAIN);
    CHECK_EQ(value(id, 0), 3);
    set_value(id, 1, 1);
    OK(semop(id, both, 2));
    CHECK_EQ(value(id, 0), 1);
    CHECK_EQ(value(id, 1), 0);
    struct sembuf twice[3] = {{0, 4, 0}, {0, -5, 0}, {0, 0, IPC_NOWAIT}};
    OK(semop(id, twice, 3));
    CHECK_EQ(value(id, 0), 0);
    drop_set();
}

TEST_CASE(status)
{
    int id = (int) OK(semget(own_key(2), 4, IPC_CREAT | 0640));
    struct semid_ds ds;
    memset(&ds, 0xee, sizeof ds);
    OK(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
    CHECK_EQ(ds.sem_nsems, 4);
    CHECK_EQ(ds.sem_otime, 0);
    CHECK(ds.sem_ctime > 0 && ds.sem_ctime <= time(NULL) + 1);
    CHECK_EQ(ds.sem_perm.mode, 0640);
    CHECK_EQ(ds.sem_perm.uid, geteuid());
    CHECK_EQ(ds.sem_perm.cgid, getegid());
    OK(op(id, 0, 1, 0));
    ds.sem_perm.mode = 01604;
    ds.sem_perm.gid = 77;
    OK(semctl(id, 0, IPC_SET, (union semun){.buf = &ds}));
    OK(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
    CHECK_EQ(ds.sem_perm.mode, 0604);
    CHECK_EQ(ds.sem_perm.gid, 77);
    CHECK_EQ(ds.sem_perm.cgid, getegid());
    CHECK(ds.sem_otime > 0);
    struct seminfo si;
    int highest = (int) OK(semctl(0, 0, IPC_INFO, (union semun){.info = &si}));
    CHECK(si.semmsl >= 250 && si.semopm >= 32 && si.semvmx == 32767);
    CHECK_EQ(semctl(0, 0, SEM_INFO, (union semun){.info = &si}), highest);
    CHECK(si.semusz >= 1 && si.semaem >= 4);
    bool found = false;
    for (int i = 0; i <= highest && !found; i++)
        found = semctl(i, 0, SEM_STAT, (union semun){.buf = &ds}) == id && ds.sem_nsems == 4;
    CHECK(found);
    char text[65536], line[32];
    read_file("/proc/sysvipc/sem", text, sizeof text);
    snprintf(line, sizeof line, "%10d %10d   604", own_key(2), id);
    CHECK(strstr(text, line));
    OK(semctl(id, 0, IPC_RMID));
}

/* ---- waiting ---- */
struct waiting {
    int id, by, result;
    struct timespec *timeout;
    pthread_t thread;
};

static void *wait_in_thread(void *arg)
{
    struct waiting *w = arg;
    struct sembuf s = {.sem_op = (short) w->by};
    w->result = semtimedop(w->id, &s, 1, w->timeout) < 0 ? errno : 0;
    return NULL;
}

static void start(struct waiting *w, int id, int by)
{
    *w = (struct waiting){.id = id, .by = by};
    ZERO(pthread_create(&w->thread, NULL, wait_in_thread, w));
}

static int finish(struct waiting *w)
{
    ZERO(pthread_join(w->thread, NULL));
    return w->result;
}

TEST_CASE(waits_for_more)
{
    int id = new_set(1);
    struct waiting a, b;
    start(&a, id, -2);
    wait_for_waiters(id, 1, GETNCNT);
    start(&b, id, -1);
    wait_for_waiters(id, 2, GETNCNT);
    CHECK_EQ(semctl(id, 0, GETZCNT), 0);
    OK(op(id, 0, 1, 0)); /* enough for b only, though a was first */
    CHECK_EQ(finish(&b), 0);
    CHECK_EQ(semctl(id, 0, GETNCNT), 1);
    OK(op(id, 0, 2, 0));
    CHECK_EQ(finish(&a), 0);
    CHECK_EQ(value(id, 0), 0);
    drop_set();
}

TEST_CASE(waits_for_zero)
{
    int id = new_set(1);
    set_value(id, 0, 2);
    struct waiting a, b;
    start(&a, id, 0);
    start(&b, id, 0);
    wait_for_waiters(id, 2, GETZCNT);
    OK(op(id, 0, -1, 0));
    CHECK_EQ(semctl(id, 0, GETZCNT), 2);
    set_value(id, 0, 0);
    CHECK_EQ(finish(&a), 0);
    CHECK_EQ(finish(&b), 0);
    drop_set();
}

TEST_CASE(time_is_limited)
{
    int id = new_set(1);
    struct timespec t = {.tv_nsec = 20 * 1000 * 1000}, none = {0};
    struct sembuf s = {.sem_op = -1};
    int64_t begin = now_ns(CLOCK_MONOTONIC);
    CHECK_ERR(semtimedop(id, &s, 1, &t), EAGAIN);
    CHECK(now_ns(CLOCK_MONOTONIC) - begin >= 19 * 1000 * 1000);
    CHECK_ERR(semtimedop(id, &s, 1, &none), EAGAIN);
    CHECK_EQ(semctl(id, 0, GETNCNT), 0);
    drop_set();
}

TEST_CASE(removed_while_waiting)
{
    int id = new_set(1);
    struct waiting a, b;
    start(&a, id, -1);
    start(&b, id, -3);
    wait_for_waiters(id, 2, GETNCNT);
    drop_set();
    CHECK_EQ(finish(&a), EIDRM);
    CHECK_EQ(finish(&b), EIDRM);
}

static void nothing(UNUSED int sig)
{
}

TEST_CASE(interrupted)
{
    struct sigaction sa = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    OK(sigaction(SIGUSR1, &sa, NULL));
    int id = new_set(1);
    struct waiting a;
    start(&a, id, -1);
    wait_for_waiters(id, 1, GETNCNT);
    ZERO(pthread_kill(a.thread, SIGUSR1));
    CHECK_EQ(finish(&a), EINTR); /* whatever SA_RESTART says */
    CHECK_EQ(semctl(id, 0, GETNCNT), 0);
    drop_set();
}

/* ---- other processes ---- */
CHILD(add)
{
    int id = atoi(argv[0]), flags = atoi(argv[2]);
    return op(id, 0, atoi(argv[1]), flags) < 0 ? errno : 0;
}

CHILD(add_and_park)
{
    if (child_add(argc, argv) != 0)
        return 1;
    return park();
}

TEST_CASE(between_processes)
{
    int id = new_set(1);
    pid_t pid = child_start("add", num(id), "-1", "0", NULL);
    wait_for_waiters(id, 1, GETNCNT);
    OK(op(id, 0, 1, 0));
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(semctl(id, 0, GETPID), pid);
    drop_set();
}

TEST_CASE(undone_at_exit)
{
    int id = new_set(1);
    set_value(id, 0, 5);
    CHECK_EQ(child_wait(child_start("add", num(id), "-3", num(SEM_UNDO), NULL)), 0);
    CHECK_EQ(value(id, 0), 5);
    CHECK_EQ(child_wait(child_start("add", num(id), "2", num(SEM_UNDO), NULL)), 0);
    CHECK_EQ(value(id, 0), 5);
    drop_set();
}

TEST_CASE(undone_when_killed)
{
    int id = new_set(1);
    set_value(id, 0, 1);
    pid_t pid = child_start("add_and_park", num(id), "-1", num(SEM_UNDO), NULL);
    while (value(id, 0) != 0)
        sleep_ms(1);
    struct waiting a;
    start(&a, id, -1);
    wait_for_waiters(id, 1, GETNCNT);
    OK(kill(pid, SIGKILL));
    CHECK_EQ(finish(&a), 0); /* it got what the dead one gave back */
    CHECK_EQ(child_wait(pid), 128 + SIGKILL);
    drop_set();
}

TEST_CASE(setval_forgets_undo)
{
    int id = new_set(1);
    set_value(id, 0, 4);
    pid_t pid = child_start("add_and_park", num(id), "-3", num(SEM_UNDO), NULL);
    while (value(id, 0) != 1)
        sleep_ms(1);
    set_value(id, 0, 2);
    OK(kill(pid, SIGKILL));
    CHECK_EQ(child_wait(pid), 128 + SIGKILL);
    CHECK_EQ(value(id, 0), 2);
    drop_set();
}

TEST_CASE(undo_of_a_removed_set)
{
    int id = new_set(1);
    OK(op(id, 0, 1, SEM_UNDO));
    drop_set();
    id = new_set(1);
    OK(op(id, 0, 1, SEM_UNDO));
    drop_set();
}

TEST_CASE(undo_has_a_range)
{
    int id = new_set(1);
    OK(op(id, 0, 32767, SEM_UNDO));
    OK(op(id, 0, -32767, 0));
    OK(op(id, 0, 1, SEM_UNDO)); /* the adjustment is -32768 now */
    CHECK_ERR(op(id, 0, 1, SEM_UNDO), ERANGE);
    CHECK_EQ(value(id, 0), 1);
    drop_set();
}

CHILD(as_user)
{
    int id = atoi(argv[0]), got = atoi(argv[1]);
    if (setresgid(5000, 5000, 5000) < 0 || setresuid(5000, 5000, 5000) < 0)
        return 1;
    if ((semctl(id, 0, GETVAL) < 0 ? errno : 0) != got)
        return 2;
    if (semctl(id, 0, SETVAL, (union semun){.val = 1}) != -1 || errno != EACCES)
        return 3;
    if (op(id, 0, 1, 0) != -1 || errno != EACCES)
        return 4;
    if (semctl(id, 0, IPC_RMID) != -1 || errno != EPERM)
        return 5;
    struct semid_ds ds = {.sem_perm.mode = 0666};
    if (semctl(id, 0, IPC_SET, (union semun){.buf = &ds}) != -1 || errno != EPERM)
        return 6;
    return semget(atoi(argv[2]), 1, 0600) == -1 && errno == EACCES ? 0 : 7;
}

TEST_CASE(permissions)
{
    SKIP_IF(geteuid() != 0, "needs to be root");
    int id = (int) OK(semget(own_key(3), 1, IPC_CREAT | 0600));
    CHECK_EQ(child_wait(child_start("as_user", num(id), num(EACCES), num(own_key(3)), NULL)), 0);
    struct semid_ds ds = {.sem_perm.mode = 0644};
    OK(semctl(id, 0, IPC_SET, (union semun){.buf = &ds}));
    CHECK_EQ(child_wait(child_start("as_user", num(id), "0", num(own_key(3)), NULL)), 0);
    OK(semctl(id, 0, IPC_RMID));
}

/* ---- many ---- */
static void *ping(void *arg)
{
    int id = *(int *) arg;
    for (int i = 0; i < 2000; i++) {
        CHECK_EQ(op(id, 0, -1, 0), 0);
        CHECK_EQ(op(id, 1, 1, 0), 0);
    }
    return NULL;
}

TEST_CASE(back_and_forth)
{
    int id = new_set(2);
    pthread_t t;
    ZERO(pthread_create(&t, NULL, ping, &id));
    for (int i = 0; i < 2000; i++) {
        OK(op(id, 0, 1, 0));
        OK(op(id, 1, -1, 0));
    }
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(value(id, 0) + value(id, 1), 0);
    drop_set();
}

static int held[3], most;

static void *critical(void *arg)
{
    int id = *(int *) arg;
    struct sembuf in[2] = {{0, -1, SEM_UNDO}, {1, -1, SEM_UNDO}};
    struct sembuf out[2] = {{0, 1, SEM_UNDO}, {1, 1, SEM_UNDO}};
    for (int i = 0; i < 500; i++) {
        CHECK_EQ(semop(id, in, 2), 0);
        int now = __atomic_add_fetch(&held[0], 1, __ATOMIC_SEQ_CST);
        most = now > most ? now : most;
        if (i % 16 == 0)
            sched_yield();
        __atomic_sub_fetch(&held[0], 1, __ATOMIC_SEQ_CST);
        CHECK_EQ(semop(id, out, 2), 0);
    }
    return NULL;
}

TEST_CASE(excludes)
{
    int id = new_set(2);
    set_value(id, 0, 1);
    set_value(id, 1, 1);
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        ZERO(pthread_create(&t[i], NULL, critical, &id));
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(t[i], NULL));
    CHECK_EQ(most, 1);
    CHECK_EQ(value(id, 0), 1);
    drop_set();
}

TEST_CASE(many_sets)
{
    enum { MANY = 200 };
    static int ids[MANY];
    for (int i = 0; i < MANY; i++) {
        ids[i] = (int) OK(semget(IPC_PRIVATE, 1 + i % 20, 0600));
        OK(op(ids[i], 0, i, SEM_UNDO));
    }
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(value(ids[i], 0), i);
    for (int i = 0; i < MANY; i++)
        OK(semctl(ids[i], 0, IPC_RMID));
}

TEST_CASE(fork_inherits_no_undo)
{
    int id = new_set(1);
    set_value(id, 0, 5);
    OK(op(id, 0, -2, SEM_UNDO));
    pid_t pid = (pid_t) OK_OR_SKIP(fork());
    if (pid == 0)
        _exit(op(id, 0, -1, SEM_UNDO) == 0 && value(id, 0) == 2 ? 0 : 1);
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(value(id, 0), 3);
    drop_set();
}
