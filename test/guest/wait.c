/* wait4, waitid, their options, zombies and orphans. */
#include "guest_test.h"
#include <sys/resource.h>

CHILD(status)
{
    return atoi(argv[0]);
}
CHILD(forever)
{
    return park();
}
CHILD(kill_self)
{
    signal(SIGABRT, SIG_DFL);
    raise(atoi(argv[0]));
    return 1;
}

TEST_CASE(no_children)
{
    int status;
    siginfo_t info;
    CHECK_ERR(waitpid(-1, &status, 0), ECHILD);
    CHECK_ERR(waitpid(-1, &status, WNOHANG), ECHILD);
    CHECK_ERR(waitpid(getpid(), &status, 0), ECHILD);
    CHECK_ERR(waitpid(1, &status, 0), ECHILD);
    CHECK_ERR(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
}

TEST_CASE(bad_options)
{
    siginfo_t info;
    CHECK_ERR(waitpid(-1, NULL, 0x400), EINVAL);
    CHECK_ERR(waitid(P_ALL, 0, &info, 0), EINVAL);
    CHECK_ERR(waitid((idtype_t) 77, 0, &info, WEXITED), EINVAL);
}

TEST_CASE(nohang)
{
    int status;
    pid_t pid = child_start("forever", NULL);
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    OK(kill(pid, SIGKILL));
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK_ERR(waitpid(pid, &status, 0), ECHILD);
}

TEST_CASE(any_child)
{
    pid_t pids[5], got;
    int status, seen = 0;
    for (int i = 0; i < 5; i++)
        pids[i] = child_start("status", num(i + 10), NULL);
    for (int n = 0; n < 5; n++) {
        got = (pid_t) OK(waitpid(-1, &status, 0));
        for (int i = 0; i < 5; i++) {
            if (pids[i] == got) {
                CHECK_EQ(WEXITSTATUS(status), i + 10);
                seen |= 1 << i;
            }
        }
    }
    CHECK_EQ(seen, 31);
    CHECK_ERR(waitpid(-1, &status, 0), ECHILD);
}

TEST_CASE(by_group)
{
    pid_t pid = child_start("status", "3", NULL);
    CHECK_EQ(waitpid(0, NULL, 0), pid);
    pid = child_start("status", "3", NULL);
    CHECK_EQ(waitpid(-getpgrp(), NULL, 0), pid);
    CHECK_ERR(waitpid(-999999, NULL, 0), ECHILD);
}

TEST_CASE(killed_children)
{
    static const int sigs[] = {SIGTERM, SIGKILL, SIGABRT, SIGUSR1, SIGPIPE, SIGALRM};
    for (size_t i = 0; i < ARRAY_LEN(sigs); i++)
        CHECK_EQ(child_wait(child_start("kill_self", num(sigs[i]), NULL)), 128 + sigs[i]);
}

TEST_CASE(waitid_tells)
{
    siginfo_t info = {0};
    pid_t pid = child_start("status", "9", NULL);
    OK(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT));
    CHECK_EQ(info.si_pid, pid);
    CHECK_EQ(info.si_signo, SIGCHLD);
    CHECK_EQ(info.si_code, CLD_EXITED);
    CHECK_EQ(info.si_status, 9);
    CHECK_EQ(info.si_uid, getuid());
    memset(&info, 0, sizeof info); /* it is still there */
    OK(waitid(P_ALL, 0, &info, WEXITED));
    CHECK_EQ(info.si_pid, pid);
    pid = child_start("kill_self", num(SIGTERM), NULL);
    OK(waitid(P_PID, (id_t) pid, &info, WEXITED));
    CHECK_EQ(info.si_code, CLD_KILLED);
    CHECK_EQ(info.si_status, SIGTERM);
}

TEST_CASE(waitid_nohang_clears)
{
    siginfo_t info;
    pid_t pid = child_start("forever", NULL);
    memset(&info, 0x55, sizeof info);
    OK(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG));
    CHECK_EQ(info.si_pid, 0);
    CHECK_EQ(info.si_signo, 0);
    OK(kill(pid, SIGKILL));
    CHECK_EQ(child_wait(pid), 128 + SIGKILL);
}

TEST_CASE(stop_and_continue)
{
    int status;
    pid_t pid = child_start("forever", NULL);
    OK(kill(pid, SIGSTOP));
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
    OK(kill(pid, SIGCONT));
    CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
    CHECK(WIFCONTINUED(status));
    OK(kill(pid, SIGSTOP)); /* a stopped process can be killed */
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    OK(kill(pid, SIGKILL));
    CHECK_EQ(child_wait(pid), 128 + SIGKILL);
}

TEST_CASE(usage_of_a_child)
{
    struct rusage ru;
    int status;
    pid_t pid = child_start("status", "0", NULL);
    memset(&ru, 0xff, sizeof ru);
    CHECK_EQ(wait4(pid, &status, 0, &ru), pid);
    CHECK(ru.ru_utime.tv_sec >= 0 && ru.ru_utime.tv_sec < 1000);
}

TEST_CASE(zombies_keep_their_pid)
{
    pid_t pid = child_start("status", "4", NULL);
    siginfo_t info;
    OK(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT));
    OK(kill(pid, 0));
    OK(kill(pid, SIGTERM)); /* changes nothing any more */
    CHECK_EQ(child_wait(pid), 4);
    CHECK_ERR(kill(pid, 0), ESRCH);
}

TEST_CASE(ignored_sigchld_reaps)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
    OK(sigaction(SIGCHLD, &ignore, &old));
    pid_t pid = child_start("status", "0", NULL);
    CHECK_ERR(waitpid(pid, NULL, 0), ECHILD); /* returns when it is gone */
    CHECK_ERR(kill(pid, 0), ESRCH);
    OK(sigaction(SIGCHLD, &old, NULL));
}

CHILD(leaves_an_orphan)
{
    child_start("orphan", argv[0], num(getpid()), NULL);
    return 0;
}

CHILD(orphan)
{
    pid_t maker = atoi(argv[1]), parent;
    while ((parent = getppid()) == maker)
        sleep_ms(5);
    return write(atoi(argv[0]), &parent, sizeof parent) == sizeof parent ? 0 : 1;
}

TEST_CASE(orphans_get_a_parent)
{
    int pipes[2];
    pid_t parent = -1;
    OK(pipe(pipes));
    CHECK_EQ(child_wait(child_start("leaves_an_orphan", num(pipes[1]), NULL)), 0);
    close(pipes[1]);
    CHECK_EQ(read(pipes[0], &parent, sizeof parent), sizeof parent);
    CHECK(parent >= 0);
    CHECK_EQ(read(pipes[0], &parent, 1), 0); /* the orphan is gone, too */
    close(pipes[0]);
}

static void *waiter(void *arg)
{
    *(int *) arg = child_wait(child_start("status", "21", NULL));
    return NULL;
}

TEST_CASE(threads_wait_for_own_children)
{
    pthread_t t[6];
    int got[6] = {0};
    for (int i = 0; i < 6; i++)
        ZERO(pthread_create(&t[i], NULL, waiter, &got[i]));
    for (int i = 0; i < 6; i++) {
        ZERO(pthread_join(t[i], NULL));
        CHECK_EQ(got[i], 21);
    }
}
