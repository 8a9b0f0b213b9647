/* Names in a directory of BENCH_FILES (else /tmp): 4,000 files are made, looked at and removed, and one is made
 * and removed in turn. */
#include "bench.h"

enum { FILES = 4000, ROUNDS = 5 };
static char dir[200], path[300];

static const char *name_of(int i)
{
    snprintf(path, sizeof path, "%s/file.%d", dir, i);
    return path;
}
static void make(int i)
{
    close((int) MUST(open(name_of(i), O_RDWR | O_CREAT | O_EXCL, 0600)));
}
static void look(int i)
{
    struct stat st;
    MUST(stat(name_of(i), &st));
}
static void gone(int i)
{
    MUST(unlink(name_of(i)));
}

static double each(void (*what)(int))
{
    int64_t t = now_ns();
    for (int i = 0; i < FILES; i++)
        what(i);
    return (double) (now_ns() - t) / FILES / 1e3;
}

static void create_unlink(long n)
{
    while (n--) {
        make(0);
        gone(0);
    }
}

int main(int argc, char **argv)
{
    double made[ROUNDS], seen[ROUNDS], removed[ROUNDS];
    const char *base = getenv("BENCH_FILES");
    bench_argc = argc;
    bench_argv = argv;
    snprintf(dir, sizeof dir, "%s/names.%d", base ? base : "/tmp", (int) getpid());
    MUST(mkdir(dir, 0700));
    if (wanted("many_create") || wanted("many_stat") || wanted("many_unlink")) {
        for (int r = 0; r < ROUNDS; r++) {
            made[r] = each(make);
            seen[r] = each(look);
            removed[r] = each(gone);
        }
        print_value("many_create", median(made, ROUNDS), "us");
        print_value("many_stat", median(seen, ROUNDS), "us");
        print_value("many_unlink", median(removed, ROUNDS), "us");
    }
    measure("one_create_unlink", "us", create_unlink);
    MUST(rmdir(dir));
    return 0;
}
