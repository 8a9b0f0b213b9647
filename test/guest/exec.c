/* execve: what survives it, from threads, scripts with arguments, and every reason to refuse. */
#include "guest_test.h"
#include <limits.h>
#include <sys/mman.h>

/* Runs a file through posix_spawn; the error is the result, or the exit status when it ran. */
static int spawn_file(const char *path, char **argv, int *ret_status)
{
    pid_t pid;
    int error = posix_spawn(&pid, path, NULL, NULL, argv, environ);
    if (error == 0)
        *ret_status = child_wait(pid);
    return error;
}

static int exec_error(const char *path)
{
    char *argv[] = {(char *) path, NULL};
    int status = -1, error = spawn_file(path, argv, &status);
    if (error == 0)
        test_fail(__FILE__, __LINE__, "%s ran and gave %d", path, status);
    return error;
}

static const char *make(const char *name, const void *data, size_t size, mode_t mode)
{
    const char *p = test_path(name);
    write_file(p, data, size);
    OK(chmod(p, mode));
    return p;
}

TEST_CASE(refused)
{
    char *argv[] = {(char *) "x", NULL};
    CHECK_ERR(execve(test_path("absent"), argv, environ), ENOENT);
    CHECK_ERR(execve("", argv, environ), ENOENT);
    CHECK_ERR(execve(test_dir, argv, environ), EACCES);
    CHECK_ERR(execve(make("plain", "text", 4, 0644), argv, environ), EACCES);
    CHECK_ERR(execve(make("text", "text\n", 5, 0755), argv, environ), ENOEXEC);
    CHECK_ERR(execve(make("nothing", "", 0, 0755), argv, environ), ENOEXEC);
    CHECK_ERR(execve(test_path("plain/x"), argv, environ), ENOTDIR);
    CHECK_ERR(execve(make("elf", "\177ELF", 4, 0755), argv, environ), ENOEXEC);
    CHECK_ERR(syscall(SYS_execve, (void *) 8, argv, environ), EFAULT);
    CHECK_ERR(syscall(SYS_execve, test_program, (void *) 8, environ), EFAULT);
    CHECK_EQ(exec_error(test_path("absent")), ENOENT);
}

TEST_CASE(damaged_elf)
{
    size_t size = 256 * 1024, have;
    char *b = malloc(size);
    have = read_file(test_program, b, size);
    CHECK(have > 4096);
    char *argv[] = {(char *) "x", NULL};
    b[18] = 3; /* another machine */
    CHECK_ERR(execve(make("machine", b, have, 0755), argv, environ), ENOEXEC);
    b[18] = 62;
    b[16] = 1; /* an object file */
    CHECK_ERR(execve(make("object", b, have, 0755), argv, environ), ENOEXEC);
    b[16] = 3;
    b[54] = 1; /* e_phentsize */
    CHECK_ERR(execve(make("phent", b, have, 0755), argv, environ), ENOEXEC);
    b[54] = 56;
    CHECK_ERR(execve(make("cut", b, 70, 0755), argv, environ), ENOEXEC);
    free(b);
}

TEST_CASE(too_many_arguments)
{
    enum { COUNT = 3000 };
    static char *argv[COUNT + 1];
    size_t size = 40 * PAGE; /* one argument above 32 pages is too long */
    char *text = malloc(size);
    memset(text, 'a', size);
    text[size - 1] = '\0';
    argv[0] = text;
    CHECK_ERR(execve(test_program, argv, environ), E2BIG);
    text[4096] = '\0';
    for (int i = 0; i < COUNT; i++)
        argv[i] = text;
    CHECK_ERR(execve(test_program, argv, environ), E2BIG);
    free(text);
}

CHILD(show)
{
    char line[600];
    int n = snprintf(line, sizeof line, "%d", argc);
    for (int i = 0; i < argc; i++)
        n += snprintf(line + n, sizeof line - (size_t) n, "|%s", argv[i]);
    write_file(test_path("shown"), line, (size_t) n);
    return 7;
}

static void check_shown(const char *want)
{
    char b[700];
    read_file(test_path("shown"), b, sizeof b);
    CHECK_STR(b, want);
}

static const char *program_path(void)
{
    static char path[PATH_MAX];
    CHECK(realpath(test_program, path));
    return path;
}

/* A script whose name is a role: the interpreter is this program, started as "--child NAME". */
static int run_script(const char *name, const char *first_line, char **argv)
{
    char text[PATH_MAX + 64], before[PATH_MAX];
    int status = -1, pos = snprintf(text, sizeof text, first_line, program_path());
    CHECK(getcwd(before, sizeof before));
    snprintf(text + pos, sizeof text - (size_t) pos, "\nrest of the script\n");
    make(name, text, strlen(text), 0755);
    OK(chdir(test_dir));
    int error = spawn_file(name, argv, &status);
    OK(chdir(before));
    ZERO(error);
    return status;
}

TEST_CASE(script_with_argument)
{
    char *argv[] = {(char *) "lost", (char *) "one", (char *) "two words", NULL};
    CHECK_EQ(run_script("show", "#!%s --child", argv), 7);
    check_shown("2|one|two words");
    CHECK_EQ(run_script("show", "#!  %s   --child  ", argv), 7);
    check_shown("2|one|two words");
}

TEST_CASE(script_of_a_script)
{
    char line[PATH_MAX], before[PATH_MAX], *argv[] = {(char *) "lost", (char *) "last", NULL};
    int status = -1;
    CHECK_EQ(run_script("show", "#!%s --child", argv), 7);
    CHECK(getcwd(before, sizeof before));
    snprintf(line, sizeof line, "#!show a b\n"); /* the rest of the line is one argument */
    make("outer", line, strlen(line), 0755);
    OK(chdir(test_dir));
    int error = spawn_file("outer", argv, &status);
    OK(chdir(before));
    ZERO(error);
    CHECK_EQ(status, 7);
    check_shown("3|a b|outer|last");
}

TEST_CASE(script_errors)
{
    CHECK_EQ(exec_error(make("s1", "#!/absent/interpreter\n", 22, 0755)), ENOENT);
    CHECK_EQ(exec_error(make("s2", "#!\n", 3, 0755)), ENOEXEC);
    CHECK_EQ(exec_error(make("s3", "#!   \n", 6, 0755)), ENOEXEC);
    char line[PATH_MAX + 8];
    snprintf(line, sizeof line, "#!%s\n", test_path("plain"));
    make("plain", "x", 1, 0644);
    CHECK_EQ(exec_error(make("s4", line, strlen(line), 0755)), EACCES);
    snprintf(line, sizeof line, "#!%s\n", test_path("self"));
    CHECK_EQ(exec_error(make("self", line, strlen(line), 0755)), ELOOP);
}

TEST_CASE(keeps_and_closes_descriptors)
{
    int keep = (int) OK(open("/dev/null", O_RDWR)), drop;
    drop = (int) OK(open("/dev/null", O_RDWR | O_CLOEXEC));
    CHECK_EQ(child_wait(child_start("exec_again", "descriptors", num(keep), num(drop), NULL)), 0);
    close(keep);
    close(drop);
}

CHILD(exec_again)
{
    char *args[16] = {(char *) test_program, (char *) "--child"};
    for (int i = 0; i < argc && i < 12; i++)
        args[2 + i] = argv[i];
    int cloexec = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (cloexec < 0)
        return 90;
    execv(test_program, args);
    return 91;
}

CHILD(descriptors)
{
    if (fcntl(atoi(argv[0]), F_GETFD) < 0)
        return 1;
    if (fcntl(atoi(argv[1]), F_GETFD) >= 0)
        return 2;
    for (int fd = 3; fd < 64; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC))
            return 3;
    }
    return 0;
}

TEST_CASE(keeps_the_pid)
{
    char b[64];
    pid_t pid = child_start("exec_again", "say_pid", NULL);
    CHECK_EQ(child_wait(pid), 0);
    read_file(test_path("pid"), b, sizeof b);
    CHECK_EQ(atoi(b), pid);
}

CHILD(say_pid)
{
    const char *n = num(getpid());
    write_file(test_path("pid"), n, strlen(n));
    return getppid() > 0 ? 0 : 1;
}

static void on_signal(int sig)
{
    (void) sig;
}

TEST_CASE(signals_over_exec)
{
    CHECK_EQ(child_wait(child_start("set_signals", NULL)), 0);
}

CHILD(set_signals)
{
    sigset_t set;
    struct sigaction handler = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    char *args[] = {(char *) test_program, (char *) "--child", (char *) "look_at_signals", NULL};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_SETMASK, &set, NULL) || sigaction(SIGUSR2, &handler, NULL) ||
        sigaction(SIGHUP, &ignore, NULL) || raise(SIGUSR1))
        return 50;
    execv(test_program, args);
    return 51;
}

CHILD(look_at_signals)
{
    sigset_t set;
    struct sigaction act;
    sigprocmask(SIG_SETMASK, NULL, &set);
    if (!sigismember(&set, SIGUSR1) || !sigismember(&set, SIGTERM) || sigismember(&set, SIGINT))
        return 1;
    sigpending(&set);
    if (!sigismember(&set, SIGUSR1))
        return 2; /* pending signals survive */
    sigaction(SIGUSR2, NULL, &act);
    if (act.sa_handler != SIG_DFL)
        return 3;
    sigaction(SIGHUP, NULL, &act);
    return act.sa_handler == SIG_IGN ? 0 : 4;
}

TEST_CASE(from_a_thread)
{
    char b[64];
    pid_t pid = child_start("thread_execs", NULL);
    CHECK_EQ(child_wait(pid), 0);
    read_file(test_path("pid"), b, sizeof b);
    CHECK_EQ(atoi(b), pid);
}

static void *exec_in_thread(void *arg)
{
    char *args[] = {(char *) test_program, (char *) "--child", (char *) "say_pid", NULL};
    execv(test_program, args);
    return arg;
}

static void *spin(void *arg)
{
    for (;;)
        __asm__ volatile("pause");
    return arg;
}

static void *block(void *arg)
{
    pause();
    return arg;
}

CHILD(thread_execs)
{
    pthread_t t;
    pthread_create(&t, NULL, spin, NULL);
    pthread_create(&t, NULL, block, NULL);
    pthread_create(&t, NULL, exec_in_thread, NULL);
    pthread_join(t, NULL);
    return 70;
}

TEST_CASE(failed_exec_in_a_thread_harms_nothing)
{
    char *argv[] = {(char *) "x", NULL};
    pthread_t t;
    ZERO(pthread_create(&t, NULL, block, NULL));
    for (int i = 0; i < 10; i++)
        CHECK_ERR(execv("/absent/program", argv), ENOENT);
    ZERO(pthread_cancel(t));
    ZERO(pthread_join(t, NULL));
}

TEST_CASE(fexecve_descriptor)
{
    CHECK_EQ(child_wait(child_start("fexec_itself", NULL)), 7);
    check_shown("1|through fd");
}

CHILD(fexec_itself)
{
    int fd = open(test_program, O_RDONLY | O_CLOEXEC);
    char *args[] = {(char *) "name", (char *) "--child", (char *) "show", (char *) "through fd",
                    NULL};
    fexecve(fd, args, environ);
    return 72;
}

TEST_CASE(long_chain)
{
    CHECK_EQ(child_wait(child_start("chain", "40", NULL)), 33);
}

CHILD(chain)
{
    int left = atoi(argv[0]);
    if (left == 0)
        return 33;
    char *args[] = {(char *) test_program, (char *) "--child", (char *) "chain",
                    (char *) num(left - 1), NULL};
    execv(test_program, args);
    return 73;
}
