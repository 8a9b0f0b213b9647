/* posix_spawn and wait of the smallest programs, which lie beside this one. First start apart. */
#include "bench.h"

static char program[400];

static void spawn_once(void)
{
    char *argv[] = {program, NULL}, *envp[] = {NULL};
    pid_t pid;
    int status;
    errno = posix_spawn(&pid, program, NULL, NULL, argv, envp);
    if (errno)
        die(program);
    MUST(waitpid(pid, &status, 0));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 42) {
        fprintf(stderr, "%s: status %x\n", program, (unsigned) status);
        exit(1);
    }
}

static void spawn_many(long n)
{
    while (n--)
        spawn_once();
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = {"static_musl", "dynamic_musl", "static_glibc",
                                        "dynamic_glibc"};
    char name[64];
    const char *slash = strrchr(argv[0], '/');
    int dir = slash ? (int) (slash - argv[0]) : 0;
    bench_argc = argc;
    bench_argv = argv;
    for (int i = 0; i < 4; i++) {
        snprintf(program, sizeof program, "%.*s/true_%s", dir, argv[0], kinds[i]);
        if (access(program, X_OK) < 0)
            continue;
        snprintf(name, sizeof name, "spawn_%s_first", kinds[i]);
        if (wanted(name)) {
            int64_t t = now_ns();
            spawn_once();
            print_value(name, (double) (now_ns() - t) / 1e3, "us");
        }
        snprintf(name, sizeof name, "spawn_%s", kinds[i]);
        measure(name, "us", spawn_many);
    }
    return 0;
}
