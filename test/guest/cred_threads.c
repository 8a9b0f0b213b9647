/* Credentials belong to threads: a raw system call changes the caller's only, and no other thread ever sees
 * half of a change. C libraries hide that by changing all threads. */
#include "guest_test.h"
#include <pthread.h>
#include <stdatomic.h>

static int set_own(uid_t r, uid_t e, uid_t s)
{
    return (int) syscall(SYS_setresuid, r, e, s);
}

/* The Uid line of a status file. */
static void ids_in(const char *path, unsigned ids[4])
{
    char line[256];
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    memset(ids, 0xff, 4 * sizeof ids[0]);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "Uid: %u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]) == 4)
            break;
    fclose(f);
}

/* A thread that has become somebody else and waits. */
struct other {
    pthread_t thread;
    pthread_barrier_t changed, done;
    pid_t tid;
    int file_error, child_euid;
};

static void *other_main(void *arg)
{
    struct other *o = arg;
    o->tid = (pid_t) syscall(SYS_gettid);
    OK(set_own(1000, 1001, 1002));
    o->file_error = open("secret", O_RDONLY) < 0 ? errno : 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit((int) geteuid() - 1000);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    o->child_euid = 1000 + WEXITSTATUS(status);
    pthread_barrier_wait(&o->changed);
    pthread_barrier_wait(&o->done);
    return NULL;
}

static void other_start(struct other *o)
{
    ZERO(pthread_barrier_init(&o->changed, NULL, 2));
    ZERO(pthread_barrier_init(&o->done, NULL, 2));
    ZERO(pthread_create(&o->thread, NULL, other_main, o));
    pthread_barrier_wait(&o->changed);
}

static void other_end(struct other *o)
{
    pthread_barrier_wait(&o->done);
    ZERO(pthread_join(o->thread, NULL));
}

CHILD(one_thread_changes)
{
    int fd = open("secret", O_CREAT | O_RDWR, 0600);
    OK(fd);
    close(fd);
    struct other o;
    other_start(&o);
    CHECK_EQ(geteuid(), 0);
    OK(open("secret", O_RDONLY));
    CHECK_EQ(o.file_error, EACCES);
    CHECK_EQ(o.child_euid, 1001);
    char path[64];
    unsigned ids[4];
    ids_in("/proc/self/status", ids);
    CHECK_EQ(ids[1], 0);
    snprintf(path, sizeof path, "/proc/self/task/%d/status", o.tid);
    ids_in(path, ids);
    CHECK_EQ(ids[0], 1000);
    CHECK_EQ(ids[1], 1001);
    CHECK_EQ(ids[2], 1002);
    CHECK_EQ(ids[3], 1001);
    other_end(&o);
    OK(unlink("secret"));
    return 7;
}
TEST_CASE(a_raw_change_is_one_threads)
{
    CHECK_EQ(child_wait(child_start("one_thread_changes", NULL)), 7);
}

/* What exec finds is the calling thread's. */
CHILD(print_euid)
{
    return (int) geteuid();
}
static void *exec_as_other(UNUSED void *arg)
{
    OK(set_own(9, 9, 9));
    char *argv[] = {(char *) "x", (char *) "--child", (char *) "print_euid", NULL};
    execve("/proc/self/exe", argv, (char *[]){NULL});
    _exit(99);
}
CHILD(exec_in_thread)
{
    pthread_t t;
    ZERO(pthread_create(&t, NULL, exec_as_other, NULL));
    pthread_join(t, NULL);
    return 98;
}
TEST_CASE(exec_keeps_the_callers)
{
    CHECK_EQ(child_wait(child_start("exec_in_thread", NULL)), 9);
}

/* ---- at the same time ------------------------------------------------------------------------- */
static atomic_bool stop;
static void *change_all_the_time(UNUSED void *arg)
{
    gid_t many[64] = {1, 2, 3};
    while (!atomic_load(&stop)) {
        OK(syscall(SYS_setresuid, 0, 1000, 0));
        OK(syscall(SYS_setresuid, 0, 0, 0));
        OK(syscall(SYS_setgroups, 64, many));
        OK(syscall(SYS_setgroups, 0, many));
    }
    return NULL;
}

CHILD(root_beside)
{
    pthread_t t[2];
    int fd = open("secret", O_CREAT | O_RDWR, 0600);
    OK(fd);
    close(fd);
    for (int i = 0; i < 2; i++)
        ZERO(pthread_create(&t[i], NULL, change_all_the_time, NULL));
    for (int i = 0; i < 2000; i++) {
        fd = open("secret", O_RDWR); /* the main thread is root all the time */
        OK(fd);
        close(fd);
        OK(kill(getppid(), 0));
        unsigned ids[4];
        if (i % 50 == 0) {
            ids_in("/proc/self/status", ids);
            CHECK_EQ(ids[1], 0);
        }
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        ZERO(pthread_join(t[i], NULL));
    OK(unlink("secret"));
    return 3;
}
TEST_CASE(changes_beside_system_calls)
{
    CHECK_EQ(child_wait(child_start("root_beside", NULL)), 3);
}

/* ---- the library's ---------------------------------------------------------------------------- */
static void *report_euid(void *arg)
{
    pthread_barrier_t *b = arg;
    pthread_barrier_wait(b);
    pthread_barrier_wait(b);
    return (void *) syscall(SYS_geteuid);
}
CHILD(library_changes_all)
{
    pthread_t t[3];
    pthread_barrier_t b;
    ZERO(pthread_barrier_init(&b, NULL, 4));
    for (int i = 0; i < 3; i++)
        ZERO(pthread_create(&t[i], NULL, report_euid, &b));
    pthread_barrier_wait(&b);
    OK(setresuid(5, 6, 7));
    pthread_barrier_wait(&b);
    for (int i = 0; i < 3; i++) {
        void *r;
        ZERO(pthread_join(t[i], &r));
        CHECK_EQ((long) r, 6);
    }
    return 6;
}
TEST_CASE(the_librarys_change_is_everybodys)
{
    CHECK_EQ(child_wait(child_start("library_changes_all", NULL)), 6);
}
