/* posix_spawn: file actions, attributes, errors, many children, deep chains, from many threads. */
#include "guest_test.h"
#include <sys/resource.h>

#ifndef POSIX_SPAWN_SETSID
#define POSIX_SPAWN_SETSID 0x80
#endif

static pid_t start(const posix_spawn_file_actions_t *acts, const posix_spawnattr_t *attr,
                   const char *role, const char *arg)
{
    char *argv[] = {(char *) test_program, (char *) "--child", (char *) role, (char *) arg, NULL};
    pid_t pid;
    ZERO(posix_spawn(&pid, test_program, acts, attr, argv, environ));
    return pid;
}

CHILD(status)
{
    return atoi(argv[0]);
}

TEST_CASE(exit_statuses)
{
    static const int want[] = {0, 1, 42, 127, 255};
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        CHECK_EQ(child_wait(child_start("status", num(want[i]), NULL)), want[i]);
    CHECK_EQ(child_wait(child_start("status", "256", NULL)), 0);
}

TEST_CASE(errors)
{
    char *argv[] = {(char *) "x", NULL};
    pid_t pid = -5;
    CHECK_EQ(posix_spawn(&pid, test_path("absent"), NULL, NULL, argv, environ), ENOENT);
    CHECK_EQ(posix_spawn(&pid, test_dir, NULL, NULL, argv, environ), EACCES);
    CHECK_ERR(waitpid(-1, NULL, WNOHANG), ECHILD); /* no zombie is left of them */
}

CHILD(copy_line)
{
    char b[100];
    ssize_t n = read(0, b, sizeof b);
    return n > 0 && write(1, b, (size_t) n) == n ? 0 : 1;
}

TEST_CASE(file_actions)
{
    int in[2], out[2];
    char b[32] = {0};
    posix_spawn_file_actions_t acts;
    OK(pipe(in));
    OK(pipe(out));
    ZERO(posix_spawn_file_actions_init(&acts));
    ZERO(posix_spawn_file_actions_adddup2(&acts, in[0], 0));
    ZERO(posix_spawn_file_actions_adddup2(&acts, out[1], 1));
    ZERO(posix_spawn_file_actions_addclose(&acts, in[1]));
    pid_t pid = start(&acts, NULL, "copy_line", NULL);
    ZERO(posix_spawn_file_actions_destroy(&acts));
    CHECK_EQ(write(in[1], "through pipes", 13), 13);
    CHECK_EQ(read(out[0], b, sizeof b), 13);
    CHECK_STR(b, "through pipes");
    CHECK_EQ(child_wait(pid), 0);
    for (int i = 0; i < 2; i++) {
        close(in[i]);
        close(out[i]);
    }
}

TEST_CASE(file_action_open)
{
    char b[32];
    posix_spawn_file_actions_t acts;
    write_file(test_path("in"), "from a file", 11);
    ZERO(posix_spawn_file_actions_init(&acts));
    ZERO(posix_spawn_file_actions_addopen(&acts, 0, test_path("in"), O_RDONLY, 0));
    ZERO(posix_spawn_file_actions_addopen(&acts, 1, test_path("out"), O_WRONLY | O_CREAT, 0600));
    CHECK_EQ(child_wait(start(&acts, NULL, "copy_line", NULL)), 0);
    ZERO(posix_spawn_file_actions_destroy(&acts));
    read_file(test_path("out"), b, sizeof b);
    CHECK_STR(b, "from a file");
}

TEST_CASE(file_action_fails)
{
    char *argv[] = {(char *) test_program, (char *) "--child", (char *) "status", (char *) "0",
                    NULL};
    pid_t pid;
    posix_spawn_file_actions_t acts;
    ZERO(posix_spawn_file_actions_init(&acts));
    ZERO(posix_spawn_file_actions_addopen(&acts, 0, test_path("absent"), O_RDONLY, 0));
    CHECK_EQ(posix_spawn(&pid, test_program, &acts, NULL, argv, environ), ENOENT);
    ZERO(posix_spawn_file_actions_destroy(&acts));
}

TEST_CASE(file_action_chdir)
{
    posix_spawn_file_actions_t acts;
    OK(mkdir(test_path("wd"), 0755));
    write_file(test_path("wd/here"), "", 0);
    ZERO(posix_spawn_file_actions_init(&acts));
    ZERO(posix_spawn_file_actions_addchdir_np(&acts, test_path("wd")));
    char *argv[] = {(char *) "x", (char *) "--child", (char *) "exists", (char *) "here", NULL};
    pid_t pid;
    char program[512];
    CHECK(realpath(test_program, program));
    ZERO(posix_spawn(&pid, program, &acts, NULL, argv, environ));
    CHECK_EQ(child_wait(pid), 0);
    ZERO(posix_spawn_file_actions_destroy(&acts));
}

CHILD(exists)
{
    return path_exists(argv[0]) ? 0 : 1;
}

CHILD(mask_is)
{
    sigset_t set;
    struct sigaction act;
    sigprocmask(SIG_SETMASK, NULL, &set);
    sigaction(SIGUSR2, NULL, &act);
    return (sigismember(&set, SIGUSR1) ? 1 : 0) | (act.sa_handler == SIG_IGN ? 2 : 0) |
           (sigismember(&set, SIGINT) ? 4 : 0);
}

TEST_CASE(attribute_signals)
{
    posix_spawnattr_t attr;
    sigset_t set, old;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, was;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    OK(sigprocmask(SIG_SETMASK, &set, &old));
    OK(sigaction(SIGUSR2, &ignore, &was));
    CHECK_EQ(child_wait(start(NULL, NULL, "mask_is", NULL)), 2 | 4); /* both inherited */
    ZERO(posix_spawnattr_init(&attr));
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    ZERO(posix_spawnattr_setsigmask(&attr, &set));
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    ZERO(posix_spawnattr_setsigdefault(&attr, &set));
    ZERO(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK));
    CHECK_EQ(child_wait(start(NULL, &attr, "mask_is", NULL)), 1 | 2);
    ZERO(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    CHECK_EQ(child_wait(start(NULL, &attr, "mask_is", NULL)), 1);
    ZERO(posix_spawnattr_destroy(&attr));
    OK(sigaction(SIGUSR2, &was, NULL));
    OK(sigprocmask(SIG_SETMASK, &old, NULL));
}

CHILD(leads)
{
    return (getpgid(0) == getpid() ? 1 : 0) | (getsid(0) == getpid() ? 2 : 0);
}

TEST_CASE(attribute_groups)
{
    posix_spawnattr_t attr;
    CHECK_EQ(child_wait(start(NULL, NULL, "leads", NULL)), 0);
    ZERO(posix_spawnattr_init(&attr));
    ZERO(posix_spawnattr_setpgroup(&attr, 0));
    ZERO(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP));
    CHECK_EQ(child_wait(start(NULL, &attr, "leads", NULL)), 1);
    ZERO(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID));
    CHECK_EQ(child_wait(start(NULL, &attr, "leads", NULL)), 1 | 2);
    ZERO(posix_spawnattr_destroy(&attr));
}

TEST_CASE(spawnp_searches_the_path)
{
    char program[512], name[64];
    CHECK(realpath(test_program, program));
    char *slash = strrchr(program, '/');
    snprintf(name, sizeof name, "%s", slash + 1);
    *slash = '\0';
    char *old = strdup(getenv("PATH") ? getenv("PATH") : "/bin"), path[1024];
    snprintf(path, sizeof path, "/absent:%s", program);
    OK(setenv("PATH", path, 1));
    char *argv[] = {name, (char *) "--child", (char *) "status", (char *) "5", NULL};
    pid_t pid;
    int error = posix_spawnp(&pid, name, NULL, NULL, argv, environ);
    setenv("PATH", old, 1);
    free(old);
    ZERO(error);
    /* argv[0] has no slash, so the child finds itself through /proc/self/exe if it must */
    CHECK_EQ(child_wait(pid), 5);
}

TEST_CASE(two_hundred_at_once)
{
    enum { COUNT = 200 };
    pid_t pids[COUNT];
    int gate[2];
    OK(pipe(gate));
    for (int i = 0; i < COUNT; i++)
        pids[i] = child_start("wait_for_gate", num(gate[0]), num(gate[1]), num(i % 200), NULL);
    close(gate[0]);
    close(gate[1]);
    for (int i = COUNT - 1; i >= 0; i--)
        CHECK_EQ(child_wait(pids[i]), i % 200);
}

CHILD(wait_for_gate)
{
    char c;
    close(atoi(argv[1]));
    return read(atoi(argv[0]), &c, 1) == 0 ? atoi(argv[2]) : 255;
}

TEST_CASE(one_after_the_other)
{
    for (int i = 0; i < 300; i++)
        CHECK_EQ(child_wait(child_start("status", num(i & 127), NULL)), i & 127);
}

TEST_CASE(deep_chain)
{
    CHECK_EQ(child_wait(child_start("descend", "30", NULL)), 30);
}

CHILD(descend)
{
    int left = atoi(argv[0]);
    return left == 0 ? 0 : 1 + child_wait(child_start("descend", num(left - 1), NULL));
}

static void *spawn_some(void *arg)
{
    char text[16];
    for (int i = 0; i < 15; i++) {
        snprintf(text, sizeof text, "%d", (int) (intptr_t) arg);
        char *argv[] = {(char *) test_program, (char *) "--child", (char *) "status", text, NULL};
        pid_t pid;
        ZERO(posix_spawn(&pid, test_program, NULL, NULL, argv, environ));
        CHECK_EQ(child_wait(pid), (intptr_t) arg);
    }
    return NULL;
}

TEST_CASE(from_many_threads)
{
    pthread_t t[8];
    for (int i = 0; i < 8; i++)
        ZERO(pthread_create(&t[i], NULL, spawn_some, (void *) (intptr_t) (i + 1)));
    for (int i = 0; i < 8; i++)
        ZERO(pthread_join(t[i], NULL));
}

CHILD(limits_are)
{
    struct rlimit r;
    return getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur == (rlim_t) atoi(argv[0]) ? 0 : 1;
}

TEST_CASE(inherits_limits_umask_cwd)
{
    struct rlimit r, old;
    OK(getrlimit(RLIMIT_NOFILE, &old));
    r = old;
    r.rlim_cur = 99;
    OK(setrlimit(RLIMIT_NOFILE, &r));
    CHECK_EQ(child_wait(child_start("limits_are", "99", NULL)), 0);
    OK(setrlimit(RLIMIT_NOFILE, &old));
    mode_t mask = umask(037);
    CHECK_EQ(child_wait(child_start("umask_is", "31", NULL)), 0);
    umask(mask);
}

CHILD(umask_is)
{
    return umask(0) == (mode_t) atoi(argv[0]) ? 0 : 1;
}

CHILD(memory_is_fresh)
{
    static int counter;
    return counter++;
}

TEST_CASE(own_memory)
{
    for (int i = 0; i < 5; i++)
        CHECK_EQ(child_wait(child_start("memory_is_fresh", NULL)), 0);
}
