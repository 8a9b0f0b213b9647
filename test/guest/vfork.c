/* vfork and clone(CLONE_VM | CLONE_VFORK): shared memory, own descriptors, the parent waits. */
#include "guest_test.h"
#include <sched.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

CHILD(status)
{
    return atoi(argv[0]);
}

static void exec_status(const char *n)
{
    char *argv[] = {(char *) test_program, (char *) "--child", (char *) "status", (char *) n, NULL};
    execve(test_program, argv, environ);
    _exit(90);
}

TEST_CASE(exit_and_wait)
{
    pid_t pid = vfork();
    if (pid == 0)
        _exit(100);
    OK(pid);
    CHECK_EQ(child_wait(pid), 100);
}

TEST_CASE(exec_and_wait)
{
    for (int i = 0; i < 20; i++) {
        pid_t pid = vfork();
        if (pid == 0)
            exec_status("23");
        OK(pid);
        CHECK_EQ(child_wait(pid), 23);
    }
}

static volatile int shared;

TEST_CASE(memory_is_shared)
{
    shared = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        shared = 5;
        _exit(0);
    }
    OK(pid);
    CHECK_EQ(shared, 5);
    CHECK_EQ(child_wait(pid), 0);
}

TEST_CASE(parent_waits_for_exec)
{
    int pipes[2];
    OK(pipe(pipes));
    shared = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        for (int i = 0; i < 100; i++) {
            shared = i + 1;
            sched_yield();
        }
        exec_status("1");
    }
    CHECK_EQ(shared, 100); /* never seen half way */
    CHECK_EQ(child_wait(pid), 1);
    close(pipes[0]);
    close(pipes[1]);
}

TEST_CASE(own_descriptors)
{
    int fd = (int) OK(open("/dev/null", O_RDWR)), pipes[2];
    OK(pipe(pipes));
    pid_t pid = vfork();
    if (pid == 0) {
        close(fd);
        close(pipes[0]);
        shared = open("/dev/null", O_RDONLY);
        _exit(0);
    }
    OK(pid);
    OK(fcntl(fd, F_GETFD));
    OK(fcntl(pipes[0], F_GETFD));
    CHECK_EQ(shared, fd);
    CHECK_EQ(child_wait(pid), 0);
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
}

TEST_CASE(own_signal_dispositions)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, act;
    pid_t pid = vfork();
    if (pid == 0) {
        sigaction(SIGUSR1, &ignore, NULL);
        _exit(0);
    }
    OK(pid);
    OK(sigaction(SIGUSR1, NULL, &act));
    CHECK(act.sa_handler == SIG_DFL);
    CHECK_EQ(child_wait(pid), 0);
}

TEST_CASE(own_directory_and_umask)
{
    char before[1024], after[1024];
    CHECK(getcwd(before, sizeof before));
    pid_t pid = vfork();
    if (pid == 0) {
        if (chdir("/") < 0)
            _exit(1);
        umask(077);
        _exit(0);
    }
    CHECK_EQ(child_wait(pid), 0);
    CHECK(getcwd(after, sizeof after));
    CHECK_STR(after, before);
    CHECK_EQ(umask(022), 022);
}

TEST_CASE(failed_exec)
{
    char *argv[] = {(char *) "x", NULL};
    shared = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        execve("/absent", argv, environ);
        shared = errno;
        _exit(127);
    }
    OK(pid);
    CHECK_EQ(shared, ENOENT);
    CHECK_EQ(child_wait(pid), 127);
}

TEST_CASE(killed_child_releases_the_parent)
{
    pid_t pid = vfork();
    if (pid == 0) {
        syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
        _exit(1);
    }
    OK(pid);
    CHECK_EQ(child_wait(pid), 128 + SIGKILL);
}

static volatile int progress, stop;

static void *other_thread(void *arg)
{
    while (!stop)
        progress++;
    return arg;
}

TEST_CASE(other_threads_run_on)
{
    pthread_t t;
    stop = progress = 0;
    ZERO(pthread_create(&t, NULL, other_thread, NULL));
    pid_t pid = vfork();
    if (pid == 0) {
        int before = progress;
        for (int i = 0; i < 2000 && progress == before; i++)
            usleep(1000);
        shared = progress != before;
        _exit(0);
    }
    CHECK_EQ(shared, 1);
    CHECK_EQ(child_wait(pid), 0);
    stop = 1;
    ZERO(pthread_join(t, NULL));
}

static void *vfork_in_thread(void *arg)
{
    for (int i = 0; i < 20; i++) {
        pid_t pid = vfork();
        if (pid == 0)
            exec_status("44");
        OK(pid);
        CHECK_EQ(child_wait(pid), 44);
    }
    return arg;
}

TEST_CASE(from_many_threads)
{
    pthread_t t[6];
    for (int i = 0; i < 6; i++)
        ZERO(pthread_create(&t[i], NULL, vfork_in_thread, NULL));
    for (int i = 0; i < 6; i++)
        ZERO(pthread_join(t[i], NULL));
}

static int clone_child(void *arg)
{
    shared = *(int *) arg;
    return 17;
}

TEST_CASE(clone_on_its_own_stack)
{
    static char stack[65536] __attribute__((aligned(16)));
    int value = 31;
    pid_t pid = (pid_t) OK(
        clone(clone_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &value));
    CHECK_EQ(shared, 31);
    CHECK_EQ(child_wait(pid), 17);
}

TEST_CASE(clone_without_exit_signal)
{
    static char stack[65536] __attribute__((aligned(16)));
    int value = 32, status;
    pid_t pid =
        (pid_t) OK(clone(clone_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK, &value));
    CHECK_ERR(waitpid(pid, &status, 0), ECHILD);
    CHECK_EQ(waitpid(pid, &status, __WCLONE), pid);
    CHECK_EQ(WEXITSTATUS(status), 17);
}
