/* pidfd: a process as a file. */
#include "guest_test.h"

static int pidfd_open_(pid_t pid)
{
    return (int) OK_OR_SKIP(syscall(SYS_pidfd_open, pid, 0));
}

CHILD(waits)
{
    pause();
    return 0;
}

TEST_CASE(end_is_readable)
{
    pid_t pid = child_start("waits", NULL);
    int fd = pidfd_open_(pid);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK_EQ(poll(&p, 1, 20), 0);
    OK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    CHECK_EQ(poll(&p, 1, 5000), 1);
    CHECK_EQ(p.revents & POLLIN, POLLIN);
    siginfo_t info;
    OK(waitid((idtype_t) 3 /* P_PIDFD */, (id_t) fd, &info, WEXITED));
    CHECK_EQ(info.si_pid, pid);
    CHECK_EQ(info.si_code, CLD_KILLED);
    CHECK_EQ(info.si_status, SIGTERM);
    CHECK_ERR(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), ESRCH);
    close(fd);
}

TEST_CASE(directory_of_proc)
{
    pid_t pid = child_start("waits", NULL);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d", pid);
    int fd = (int) OK(open(path, O_RDONLY | O_DIRECTORY)), status;
    int place = (int) OK(open(path, O_PATH)), above = (int) OK(open("/proc", O_RDONLY));
    CHECK_ERR(syscall(SYS_pidfd_send_signal, place, SIGTERM, NULL, 0), EBADF);
    CHECK_ERR(syscall(SYS_pidfd_send_signal, above, SIGTERM, NULL, 0), EBADF);
    OK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    CHECK_ERR(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), ESRCH);
    close(fd);
    close(place);
    close(above);
}

TEST_CASE(refused)
{
    pidfd_open_(getpid());
    CHECK_ERR(syscall(SYS_pidfd_open, 0, 0), EINVAL);
    CHECK_ERR(syscall(SYS_pidfd_open, getpid(), 1), EINVAL);
    CHECK_ERR(syscall(SYS_pidfd_send_signal, 0, SIGTERM, NULL, 0), EBADF);
    CHECK_ERR(waitid((idtype_t) 3, 0, NULL, WEXITED), EBADF);
}
