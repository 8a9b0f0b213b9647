/* Process groups and sessions. */
#include "guest_test.h"

CHILD(forever)
{
    return park();
}

TEST_CASE(inherited)
{
    pid_t pid = child_start("forever", NULL);
    CHECK_EQ(getpgid(pid), getpgrp());
    CHECK_EQ(getsid(pid), getsid(0));
    OK(kill(pid, SIGKILL));
    child_wait(pid);
}

TEST_CASE(own_group_in_the_child)
{
    CHECK_EQ(child_wait(child_start("makes_group", NULL)), 0);
}

CHILD(makes_group)
{
    if (setpgid(0, 0) < 0 || getpgrp() != getpid())
        return 1;
    if (setsid() != -1 || errno != EPERM) /* a leader cannot */
        return 2;
    return 0;
}

TEST_CASE(own_session)
{
    CHECK_EQ(child_wait(child_start("makes_session", NULL)), 0);
}

CHILD(makes_session)
{
    if (setsid() != getpid() || getsid(0) != getpid() || getpgrp() != getpid())
        return 1;
    return setpgid(0, 0) == -1 && errno == EPERM ? 0 : 2;
}

TEST_CASE(errors)
{
    CHECK_ERR(setpgid(0, -1), EINVAL);
    CHECK_ERR(setpgid(999999, 0), ESRCH);
    CHECK_ERR(setpgid(0, 999999), EPERM);
    pid_t pid = child_start("forever", NULL);
    CHECK_ERR(setpgid(pid, 0), EACCES); /* it has executed already */
    OK(kill(pid, SIGKILL));
    child_wait(pid);
}

TEST_CASE(signal_a_group)
{
    posix_spawnattr_t attr;
    pid_t pids[3], outside = child_start("forever", NULL);
    char *argv[] = {(char *) test_program, (char *) "--child", (char *) "forever", NULL};
    ZERO(posix_spawnattr_init(&attr));
    ZERO(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP));
    for (int i = 0; i < 3; i++) {
        ZERO(posix_spawnattr_setpgroup(&attr, i == 0 ? 0 : pids[0]));
        ZERO(posix_spawn(&pids[i], test_program, NULL, &attr, argv, environ));
        CHECK_EQ(getpgid(pids[i]), pids[0]);
    }
    OK(kill(-pids[0], 0));
    OK(kill(-pids[0], SIGTERM));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(child_wait(pids[i]), 128 + SIGTERM);
    CHECK_ERR(kill(-pids[0], SIGTERM), ESRCH);
    CHECK_EQ(waitpid(outside, NULL, WNOHANG), 0);
    OK(kill(outside, SIGKILL));
    child_wait(outside);
    ZERO(posix_spawnattr_destroy(&attr));
}

TEST_CASE(wait_for_a_group)
{
    posix_spawnattr_t attr;
    pid_t pid, plain = child_start("forever", NULL);
    char *argv[] = {(char *) test_program, (char *) "--child", (char *) "makes_group", NULL};
    ZERO(posix_spawnattr_init(&attr));
    ZERO(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP));
    ZERO(posix_spawn(&pid, test_program, NULL, &attr, argv, environ));
    CHECK_EQ(waitpid(-pid, NULL, 0), pid);
    OK(kill(plain, SIGKILL));
    child_wait(plain);
    ZERO(posix_spawnattr_destroy(&attr));
}
