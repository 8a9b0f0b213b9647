/* Mapping memory, with and without touching it, protecting it, and the fault-and-repair cycle. */
#include "bench.h"

enum { SIZE = 1 << 20 };

static char *map(void)
{
    char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        die("mmap");
    return p;
}

static void map_unmap(long n)
{
    while (n--)
        MUST(munmap(map(), SIZE));
}

static void map_touch(long n)
{
    while (n--) {
        volatile char *p = map();
        for (int at = 0; at < SIZE; at += 4096)
            p[at] = 1;
        MUST(munmap((void *) p, SIZE));
    }
}

static char *page;
static void protect(long n)
{
    while (n--) {
        MUST(mprotect(page, 4096, PROT_READ));
        MUST(mprotect(page, 4096, PROT_READ | PROT_WRITE));
    }
}

static void on_fault(int sig)
{
    (void) sig;
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void fault_repair(long n)
{
    while (n--) {
        MUST(mprotect(page, 4096, PROT_READ));
        *(volatile char *) page = 1;
    }
}

int main(int argc, char **argv)
{
    struct sigaction act = {.sa_handler = on_fault};
    bench_argc = argc;
    bench_argv = argv;
    page = map();
    *page = 1;
    MUST(sigaction(SIGSEGV, &act, NULL));
    measure("mmap_munmap_1m", "us", map_unmap);
    measure("mmap_touch_1m", "us", map_touch);
    measure("mprotect_pair", "us", protect);
    measure("fault_repair", "us", fault_repair);
    return 0;
}
