/* Process and thread ids, parents, users and groups. */
#include "guest_test.h"
#include <grp.h>

static pid_t tid(void)
{
    return (pid_t) syscall(SYS_gettid);
}

static void *thread_ids(void *arg)
{
    pid_t *ids = arg;
    ids[0] = tid();
    ids[1] = getpid();
    return NULL;
}

TEST_CASE(threads)
{
    pid_t ids[4][2];
    pthread_t t[4];
    CHECK(getpid() > 0);
    CHECK_EQ(tid(), getpid());
    for (int i = 0; i < 4; i++)
        ZERO(pthread_create(&t[i], NULL, thread_ids, ids[i]));
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(t[i], NULL));
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(ids[i][1], getpid());
        CHECK(ids[i][0] != getpid() && ids[i][0] > 0);
    }
}

TEST_CASE(parent)
{
    CHECK_EQ(child_wait(child_start("parent_is", num(getpid()), NULL)), 0);
}

CHILD(parent_is)
{
    return getppid() == atoi(argv[0]) ? 0 : 1;
}

TEST_CASE(children_differ)
{
    pid_t a = child_start("parent_is", num(getpid()), NULL);
    pid_t b = child_start("parent_is", num(getpid()), NULL);
    CHECK(a != b && a != getpid() && b != getpid());
    CHECK_EQ(child_wait(a) | child_wait(b), 0);
}

TEST_CASE(users_and_groups)
{
    uid_t r, e, s;
    OK(getresuid(&r, &e, &s));
    CHECK(r == getuid() && e == geteuid() && s == e);
    OK(setuid(getuid()));
    OK(setgid(getgid()));
    OK(setresuid((uid_t) -1, (uid_t) -1, (uid_t) -1));
    int n = (int) OK(getgroups(0, NULL));
    gid_t groups[256];
    if (n < 256)
        CHECK_EQ(getgroups(256, groups), n);
    CHECK_ERR(getgroups(-1, groups), EINVAL);
}

TEST_CASE(sessions)
{
    CHECK(getsid(0) >= 0);
    CHECK_EQ(getpgid(0), getpgrp());
    CHECK_ERR(getpgid(999999), ESRCH);
    CHECK_ERR(getsid(999999), ESRCH);
}
