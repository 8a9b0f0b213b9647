/* What the enclave is told at start: arguments, environment, clocks, CPUID answers, the root image.
 * None of it is secret or trusted. */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>
#include "host/runtime.h"

int64_t now_ns(int clock_id)
{
    struct timespec ts;
    clock_gettime(clock_id, &ts);
    return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

uint64_t read_tsc(void)
{
    return __rdtsc();
}

static void add_leaf(struct host_boot *b, uint32_t leaf, uint32_t subleaf)
{
    if (b->cpuid_count == HOST_CPUID_MAX)
        return;
    struct host_cpuid *c = &b->cpuid[b->cpuid_count++];
    c->leaf = leaf;
    c->subleaf = subleaf;
    __cpuid_count(leaf, subleaf, c->eax, c->ebx, c->ecx, c->edx);
}

static bool has_subleaves(uint32_t leaf)
{
    return leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd || leaf == 0x14 || leaf == 0x1f ||
           leaf == 0x8000001d;
}

static void add_range(struct host_boot *b, uint32_t first)
{
    uint32_t max = __get_cpuid_max(first, NULL);
    if (max > first + 0x24)
        max = first + 0x24;
    for (uint32_t leaf = first; leaf <= max && max >= first; leaf++) {
        add_leaf(b, leaf, 0);
        unsigned limit = !has_subleaves(leaf) ? 1 : leaf == 0xd ? 20 : 6;
        for (uint32_t s = 1; s < limit; s++)
            add_leaf(b, leaf, s);
    }
}

/* CPUID costs a VM exit of several microseconds in a virtual machine, so only leaves that programs
 * ask for are read. */
static void fill_cpuid(struct host_boot *b)
{
    add_range(b, 0);
    add_range(b, 0x80000000u);
}

static size_t strings_length(int count, char **list)
{
    size_t n = 0;
    for (int i = 0; i < count; i++)
        n += strlen(list[i]) + 1;
    return n;
}

static char *append(char *p, int count, char **list)
{
    for (int i = 0; i < count; i++)
        p = stpcpy(p, list[i]) + 1;
    return p;
}

static unsigned log_level_from_env(void)
{
    static const char *const names[] = {"off", "error", "warn", "info", "debug", "trace"};
    const char *want = getenv("OCCLUM_LOG_LEVEL");
    if (want && strcmp(want, "warning") == 0)
        want = "warn";
    for (unsigned i = 0; want && i < sizeof names / sizeof *names; i++)
        if (strcmp(want, names[i]) == 0)
            return i;
    return 1;
}

static void fill_clock(struct host_clock *c)
{
    int64_t mono = now_ns(CLOCK_MONOTONIC);
    c->tsc = read_tsc();
    c->realtime_ns = now_ns(CLOCK_REALTIME);
    c->monotonic_ns = mono;
    double elapsed = (double) (mono - runtime.mono_start_ns);
    c->tsc_hz =
        elapsed > 0 ? (uint64_t) ((double) (c->tsc - runtime.tsc_start) * 1e9 / elapsed) : 0;
}

int runtime_boot_block(int argc, char **argv, char **envp, bool trace)
{
    int envc = 0;
    while (envp[envc])
        envc++;
    size_t size = strings_length(argc, argv) + strings_length(envc, envp);
    struct host_boot *b = runtime.boot;
    char *strings = malloc(size);
    if (!strings)
        return -ENOMEM;
    append(append(strings, argc, argv), envc, envp);
    b->magic = HOST_BOOT_MAGIC;
    b->vcpus = runtime.vcpu_count;
    b->log_level = log_level_from_env();
    b->trace = trace;
    b->argc = (uint32_t) argc;
    b->envc = (uint32_t) envc;
    b->strings = (uint64_t) strings;
    b->strings_size = (uint32_t) size;
    fill_cpuid(b);
    fill_clock(&b->clock);
    return 0;
}

int runtime_map_image(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(fd, &st) < 0 || st.st_size == 0) {
        close(fd);
        return -EINVAL;
    }
    void *p = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return -errno;
    runtime.boot->image = (uint64_t) p;
    runtime.boot->image_size = (uint64_t) st.st_size;
    return 0;
}
