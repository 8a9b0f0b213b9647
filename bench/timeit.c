/*
 * Runs on the host: timeit COUNT STATUS COMMAND ARG... prints the wall time of each run in ms, one per
 * line. Each run must end with that exit status.
 */
#include "bench.h"

int main(int argc, char **argv)
{
    bench_argv = argv;
    if (argc < 4) {
        fprintf(stderr, "usage: timeit COUNT STATUS COMMAND ARG...\n");
        return 2;
    }
    for (int i = atoi(argv[1]); i > 0; i--) {
        pid_t pid;
        int status;
        int64_t t = now_ns();
        errno = posix_spawn(&pid, argv[3], NULL, NULL, argv + 3, environ);
        if (errno)
            die(argv[3]);
        MUST(waitpid(pid, &status, 0));
        if (!WIFEXITED(status) || WEXITSTATUS(status) != atoi(argv[2])) {
            fprintf(stderr, "timeit: %s: status %x\n", argv[3], (unsigned) status);
            return 1;
        }
        printf("%.4f\n", (double) (now_ns() - t) / 1e6);
    }
    return 0;
}
