/* Runs on the host: timeit COUNT COMMAND ARG... prints the wall time of each run in ms, one per line. */
#include "bench.h"

int main(int argc, char **argv)
{
    bench_argv = argv;
    if (argc < 3) {
        fprintf(stderr, "usage: timeit COUNT COMMAND ARG...\n");
        return 2;
    }
    for (int i = atoi(argv[1]); i > 0; i--) {
        pid_t pid;
        int status;
        int64_t t = now_ns();
        errno = posix_spawn(&pid, argv[2], NULL, NULL, argv + 2, environ);
        if (errno)
            die(argv[2]);
        MUST(waitpid(pid, &status, 0));
        if (status != 0) {
            fprintf(stderr, "timeit: %s: status %x\n", argv[2], (unsigned) status);
            return 1;
        }
        printf("%.4f\n", (double) (now_ns() - t) / 1e6);
    }
    return 0;
}
