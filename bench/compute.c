/* No kernel at all: integer, floating point and memory kernels. These must cost the same everywhere. */
#include "bench.h"

static uint64_t sink_int;
static double sink_fp;
static uint32_t *table;
enum { TABLE = 1 << 16 };

static void integers(long n)
{
    uint64_t h = 1469598103934665603u;
    while (n--) {
        for (int i = 0; i < 100000; i++)
            h = (h ^ (uint64_t) i) * 1099511628211u;
    }
    sink_int += h;
}

static void floats(long n)
{
    double x = 0.5;
    while (n--) {
        for (int i = 1; i < 50000; i++)
            x = x * 0.999999 + 1.0 / i;
    }
    sink_fp += x;
}

static void memory(long n)
{
    uint32_t at = 0;
    while (n--) {
        for (int i = 0; i < TABLE; i++)
            at = table[(at + (uint32_t) i) & (TABLE - 1)] + (uint32_t) i;
    }
    sink_int += at;
}

int main(int argc, char **argv)
{
    bench_argc = argc;
    bench_argv = argv;
    table = malloc(TABLE * sizeof *table);
    for (uint32_t i = 0; i < TABLE; i++)
        table[i] = i * 2654435761u;
    measure("compute_int", "us", integers);
    measure("compute_fp", "us", floats);
    measure("compute_mem", "us", memory);
    return sink_int == 1 && sink_fp == 1 ? 1 : 0;
}
