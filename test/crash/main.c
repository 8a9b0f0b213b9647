/* crash: how many states, of which workloads. Ends with status 1 and a sentence at the first state that is wrong, or if
 * there were fewer than asked for. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "libos/base/log.h"
#include "test/crash/crash.h"
#include "tools/offline/kernel.h"

uint32_t rnd_seed;

uint32_t rnd(uint32_t n)
{
    rnd_seed = rnd_seed * 1664525u + 1013904223u;
    return (rnd_seed >> 10) % n;
}

void fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("crash: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static const uint8_t key[32] = "the key of all volumes in tests";

struct wish {
    unsigned length, random, least, first_seed;
    const char *trace, *key_file, *command;
    struct effort effort;
    unsigned thorough, attack;
};

static void parse(int argc, char **argv, struct wish *w)
{
    static const struct option options[] = {
        {"length", 1, NULL, 'l'},
        {"random", 1, NULL, 'r'},
        {"at-least", 1, NULL, 'n'},
        {"seed", 1, NULL, 's'},
        {"trace", 1, NULL, 't'},
        {"key", 1, NULL, 'k'},
        {"check", 1, NULL, 'c'},
        {"subsets", 1, NULL, 'u'},
        {"tears", 1, NULL, 'e'},
        {"prefixes", 1, NULL, 'p'},
        {"thorough", 1, NULL, 'o'},
        {"attack", 1, NULL, 'a'},
        {0},
    };
    int o;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        unsigned n = optarg ? (unsigned) strtoul(optarg, NULL, 10) : 0;
        switch (o) {
        case 'l':
            w->length = n;
            break;
        case 'r':
            w->random = n;
            break;
        case 'n':
            w->least = n;
            break;
        case 's':
            w->first_seed = n;
            break;
        case 't':
            w->trace = optarg;
            break;
        case 'k':
            w->key_file = optarg;
            break;
        case 'c':
            w->command = optarg;
            break;
        case 'u':
            w->effort.subsets = n;
            break;
        case 'e':
            w->effort.tears = n;
            break;
        case 'p':
            w->effort.prefixes = n;
            break;
        case 'o':
            w->thorough = n;
            break;
        case 'a':
            w->attack = n;
            break;
        default:
            exit(64);
        }
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct wish w = {.first_seed = 1, .effort = {.subsets = 8, .tears = 4}, .thorough = 16};
    struct verifier v = {
        .params = {.kind = COW_SLOT_USER, .slot_secret = cow_secret_user, .user_key = key}};
    parse(argc, argv, &w);
    kernel_setup();
    log_level = getenv("CRASH_LOG") ? LOG_WARN : LOG_OFF;
    v.thorough = w.thorough;
    double start = seconds();
    for (unsigned length = 1; length <= w.length; length++)
        workload_sequences(&v, length, &w.effort);
    for (unsigned n = 0; n < w.random; n++)
        workload_random(&v, w.first_seed + n, &w.effort);
    if (w.trace && !w.key_file)
        fail("--trace needs --key");
    if (w.trace)
        trace_run(&v, w.trace, w.key_file, w.command, &w.effort);
    if (w.attack)
        attack_everything(&v.params, w.attack);
    printf("crash: %lu states, %lu of them with a commit that nobody was promised, %.1f s\n",
           v.states, v.unacknowledged, seconds() - start);
    if (v.states < w.least)
        fail("that is fewer than %u", w.least);
    return 0;
}
