/*
 * Guest tests: ordinary Linux programs that must behave the same on Linux and inside the LibOS.
 *
 * TEST_CASE(name) { ... } registers a case. Cases run in file order, each in this process; the exit
 * status is 0 iff none failed. A failing CHECK prints and leaves the case, SKIP leaves it without
 * failing. CHILD(role) { ... } registers what the program does when a case starts it again as
 * another process (child_start): true fork() is not used on purpose. Arguments select cases by
 * name. A program has one translation unit, so everything here is static.
 */
#ifndef GUEST_TEST_H
#define GUEST_TEST_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED       __attribute__((unused))
#define ARRAY_LEN(a) (sizeof(a) / sizeof *(a))
#define PAGE         4096UL

struct test_case {
    const char *name;
    void (*run)(void);
    int line;
    struct test_case *next;
};
struct test_child {
    const char *role;
    int (*run)(int argc, char **argv);
    struct test_child *next;
};

extern char **environ;
static struct test_case *test_cases;
static struct test_child *test_children;
static const char *test_name = "start";
static const char *test_program;
static sigjmp_buf test_leave;
static pid_t test_pid;
static pthread_t test_thread;
static bool test_in_case;
static char test_dir[256];

enum { TEST_FAILED = 1, TEST_SKIPPED = 2, CHILD_FAILED = 99 };

static UNUSED void test_register(struct test_case *c)
{
    struct test_case **p = &test_cases;
    while (*p && (*p)->line < c->line)
        p = &(*p)->next;
    c->next = *p;
    *p = c;
}

#define TEST_CASE(fn)                                                                              \
    static void case_##fn(void);                                                                   \
    static struct test_case entry_##fn = {.name = #fn, .run = case_##fn, .line = __LINE__};        \
    __attribute__((constructor)) static void register_##fn(void)                                   \
    {                                                                                              \
        test_register(&entry_##fn);                                                                \
    }                                                                                              \
    static void case_##fn(void)

/* The body gets argc/argv starting with the role's own arguments and returns the exit status. */
#define CHILD(fn)                                                                                  \
    static int child_##fn(int argc, char **argv);                                                  \
    static struct test_child child_entry_##fn = {.role = #fn, .run = child_##fn};                  \
    __attribute__((constructor)) static void register_child_##fn(void)                             \
    {                                                                                              \
        child_entry_##fn.next = test_children;                                                     \
        test_children = &child_entry_##fn;                                                         \
    }                                                                                              \
    static int child_##fn(UNUSED int argc, UNUSED char **argv)

/* Leaves the case; from another thread or process there is nowhere to go but out. */
__attribute__((noreturn)) static void test_stop(int how)
{
    fflush(stdout);
    if (getpid() != test_pid)
        _exit(CHILD_FAILED);
    if (!test_in_case || !pthread_equal(pthread_self(), test_thread))
        _exit(CHILD_FAILED);
    siglongjmp(test_leave, how);
}

__attribute__((noreturn, format(printf, 3, 4))) static UNUSED void
test_fail(const char *file, int line, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    printf("FAIL %s: %s at %s:%d\n", test_name, text, file, line);
    test_stop(TEST_FAILED);
}

static UNUSED long test_ok(long r, const char *expr, const char *file, int line)
{
    if (r < 0)
        test_fail(file, line, "%s: %s", expr, strerror(errno));
    return r;
}

static UNUSED void test_eq(long long a, long long b, const char *expr, const char *file, int line)
{
    if (a != b)
        test_fail(file, line, "%s: %lld (0x%llx) is not %lld (0x%llx)", expr, a,
                  (unsigned long long) a, b, (unsigned long long) b);
}

static UNUSED void test_err(long r, int want, const char *expr, const char *file, int line)
{
    int got = errno;
    if (r != -1)
        test_fail(file, line, "%s: returned %ld, wanted %s", expr, r, strerror(want));
    if (got != want)
        test_fail(file, line, "%s: %s, wanted %s", expr, strerror(got), strerror(want));
}

static UNUSED void test_str(const char *a, const char *b, const char *expr, const char *file,
                            int line)
{
    if (!a || !b || strcmp(a, b) != 0)
        test_fail(file, line, "%s: \"%s\" is not \"%s\"", expr, a ? a : "(null)", b ? b : "(null)");
}

#define CHECK(e)                                                                                   \
    do {                                                                                           \
        if (!(e))                                                                                  \
            test_fail(__FILE__, __LINE__, "%s", #e);                                               \
    } while (0)
#define CHECK_EQ(a, b)  test_eq((long long) (a), (long long) (b), #a " == " #b, __FILE__, __LINE__)
#define CHECK_STR(a, b) test_str((a), (b), #a, __FILE__, __LINE__)
/* The call must fail with this errno. */
#define CHECK_ERR(e, want) test_err((long) (e), (want), #e, __FILE__, __LINE__)
/* The call must not fail; the value is its result. */
#define OK(e) test_ok((long) (e), #e, __FILE__, __LINE__)
/* pthread and posix_* style: the result is the error. */
#define ZERO(e)                                                                                    \
    do {                                                                                           \
        int zero_ = (int) (e);                                                                     \
        if (zero_ != 0)                                                                            \
            test_fail(__FILE__, __LINE__, "%s: %s", #e, strerror(zero_));                          \
    } while (0)

#define SKIP(why)                                                                                  \
    do {                                                                                           \
        printf("skip %s: %s\n", test_name, (why));                                                 \
        test_stop(TEST_SKIPPED);                                                                   \
    } while (0)
#define SKIP_IF(cond, why)                                                                         \
    do {                                                                                           \
        if (cond)                                                                                  \
            SKIP(why);                                                                             \
    } while (0)
/* For facilities a kernel may leave out: the call's result, or the case is skipped on ENOSYS. */
#define OK_OR_SKIP(e)                                                                              \
    __extension__({                                                                                \
        long r_ = (long) (e);                                                                      \
        if (r_ < 0 && (errno == ENOSYS || errno == EAFNOSUPPORT))                                  \
            SKIP("not supported here: " #e);                                                       \
        test_ok(r_, #e, __FILE__, __LINE__);                                                       \
    })

/* Inside the LibOS the auxiliary vector names the kernel entry (AT_OCCLUM_ENTRY). */
static UNUSED bool in_libos(void)
{
    return getauxval(48) != 0;
}

/* A path in this test's own directory; eight results stay valid at a time. */
static UNUSED const char *test_path(const char *name)
{
    static char paths[8][512];
    static unsigned turn;
    char *p = paths[turn++ % ARRAY_LEN(paths)];
    snprintf(p, sizeof paths[0], "%s/%s", test_dir, name);
    return p;
}

static UNUSED void write_file(const char *path, const void *data, size_t size)
{
    int fd = (int) OK(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    CHECK_EQ(write(fd, data, size), size);
    OK(close(fd));
}

/* Reads at most size - 1 bytes and terminates them; the count is returned. */
static UNUSED size_t read_file(const char *path, char *buf, size_t size)
{
    int fd = (int) OK(open(path, O_RDONLY));
    size_t have = 0;
    ssize_t n;
    while (have < size - 1 && (n = OK(read(fd, buf + have, size - 1 - have))) > 0)
        have += (size_t) n;
    buf[have] = '\0';
    OK(close(fd));
    return have;
}

static UNUSED bool path_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* Starts this program again in a role. Arguments are strings, ended by NULL. */
__attribute__((sentinel)) static UNUSED pid_t child_start(const char *role, ...)
{
    char *argv[16] = {(char *) test_program, (char *) "--child", (char *) role};
    va_list ap;
    va_start(ap, role);
    for (size_t i = 3; i < ARRAY_LEN(argv) - 1 && (argv[i] = va_arg(ap, char *)); i++)
        ;
    va_end(ap);
    pid_t pid;
    ZERO(posix_spawn(&pid, test_program, NULL, NULL, argv, environ));
    return pid;
}

/* Waits; the result is the exit status, or 128 + the signal's number, as a shell has it. */
static UNUSED int child_wait(pid_t pid)
{
    int status;
    pid_t got;
    while ((got = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
        ;
    OK(got);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Runs fn in a process of its own that shares this memory (vfork): what it changes about itself ends
 * with it, and a CHECK that fails in it fails the case. */
__attribute__((noinline)) static UNUSED void in_process(void (*fn)(void))
{
    fflush(stdout);
    pid_t pid = vfork();
    if (pid == 0) {
        fn();
        fflush(stdout);
        _exit(0);
    }
    int status = child_wait((pid_t) OK(pid));
    if (status != 0)
        test_fail(__FILE__, __LINE__, "the process ended with status %d", status);
}

/* In a process of its own: another user, without groups or capabilities. */
static UNUSED void become(uid_t uid, gid_t gid)
{
    OK(syscall(SYS_setgroups, 0, NULL));
    OK(syscall(SYS_setresgid, gid, gid, gid));
    OK(syscall(SYS_setresuid, uid, uid, uid));
}

static UNUSED const char *num(long n)
{
    static char texts[8][24];
    static unsigned turn;
    char *t = texts[turn++ % ARRAY_LEN(texts)];
    snprintf(t, sizeof texts[0], "%ld", n);
    return t;
}

/* Those of the events that fd has, or has within ms; POLLERR and POLLHUP always count. */
static UNUSED short ready(int fd, short events, int ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    OK(poll(&p, 1, ms));
    return p.revents;
}

static UNUSED void sleep_ms(long ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
        ;
}

/* Waits to be killed. */
static UNUSED int park(void)
{
    for (;;)
        pause();
    return 0;
}

static UNUSED int64_t now_ns(clockid_t clock)
{
    struct timespec ts;
    OK(clock_gettime(clock, &ts));
    return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void test_remove_tree(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        char sub[1024];
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
        if (unlink(sub) < 0)
            test_remove_tree(sub);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static int test_run_child(int argc, char **argv)
{
    const char *dir = getenv("GUEST_TEST_DIR");
    snprintf(test_dir, sizeof test_dir, "%s", dir ? dir : "/tmp");
    test_name = argv[2];
    for (struct test_child *c = test_children; c; c = c->next) {
        if (strcmp(c->role, argv[2]) == 0)
            return c->run(argc - 3, argv + 3);
    }
    printf("FAIL: no child role %s\n", argv[2]);
    return CHILD_FAILED;
}

static bool test_selected(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(name, argv[i]) == 0)
            return true;
    }
    return argc <= 1;
}

static void test_make_dir(void)
{
    const char *base = getenv("TEST_TMP"), *name = strrchr(test_program, '/');
    snprintf(test_dir, sizeof test_dir, "%s/%s.%d", base ? base : "/tmp",
             name ? name + 1 : test_program, (int) getpid());
    test_remove_tree(test_dir);
    if (mkdir(test_dir, 0755) < 0)
        printf("note: cannot make %s: %s\n", test_dir, strerror(errno));
    setenv("GUEST_TEST_DIR", test_dir, 1);
}

int main(int argc, char **argv)
{
    int passed = 0, failed = 0, skipped = 0;
    test_pid = getpid();
    test_thread = pthread_self();
    test_program = argc > 0 && strchr(argv[0], '/') ? argv[0] : "/proc/self/exe";
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 2 && strcmp(argv[1], "--child") == 0)
        return test_run_child(argc, argv);
    umask(022);
    test_make_dir();
    for (struct test_case *c = test_cases; c; c = c->next) {
        if (!test_selected(c->name, argc, argv))
            continue;
        test_name = c->name;
        int how = sigsetjmp(test_leave, 1);
        test_in_case = how == 0;
        if (how == 0) {
            c->run();
            printf("ok %s\n", c->name);
            passed++;
        }
        test_in_case = false;
        failed += how == TEST_FAILED;
        skipped += how == TEST_SKIPPED;
    }
    test_remove_tree(test_dir);
    /* the runner demands this line: a status of 0 alone does not show that anything ran */
    printf("cases: %d passed, %d failed, %d skipped\n", passed, failed, skipped);
    fflush(stdout);
    return failed ? 1 : 0;
}
#endif
