/* Files in memory: BENCH_FILES names a directory, else the first of /dev/shm and /tmp that works. */
#include "bench.h"

static char path[300];
static int fd;
static char block[4096];

static void open_close(long n)
{
    while (n--)
        close((int) MUST(open(path, O_RDONLY)));
}
static void do_stat(long n)
{
    struct stat st;
    while (n--)
        MUST(stat(path, &st));
}
static void do_fstat(long n)
{
    struct stat st;
    while (n--)
        MUST(fstat(fd, &st));
}
static void read_1(long n)
{
    while (n--)
        MUST(pread(fd, block, 1, 0));
}
static void read_4k(long n)
{
    while (n--)
        MUST(pread(fd, block, sizeof block, 0));
}
static void write_4k(long n)
{
    while (n--)
        MUST(pwrite(fd, block, sizeof block, 4096));
}
static void create_unlink(long n)
{
    char p[310];
    snprintf(p, sizeof p, "%s.new", path);
    while (n--) {
        close((int) MUST(open(p, O_RDWR | O_CREAT | O_EXCL, 0600)));
        MUST(unlink(p));
    }
}

int main(int argc, char **argv)
{
    const char *dirs[] = {getenv("BENCH_FILES"), "/dev/shm", "/tmp"};
    bench_argc = argc;
    bench_argv = argv;
    fd = -1;
    for (int i = 0; i < 3 && fd < 0; i++) {
        if (!dirs[i])
            continue;
        snprintf(path, sizeof path, "%s/bench.%d", dirs[i], (int) getpid());
        fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    }
    MUST(fd);
    MUST(pwrite(fd, block, sizeof block, 0));
    measure("open_close", "ns", open_close);
    measure("stat", "ns", do_stat);
    measure("fstat", "ns", do_fstat);
    measure("read_1", "ns", read_1);
    measure("read_4k", "ns", read_4k);
    measure("write_4k", "ns", write_4k);
    measure("create_unlink", "ns", create_unlink);
    MUST(unlink(path));
    return 0;
}
