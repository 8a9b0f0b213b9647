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
#include "host/net.h"
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

static const struct host_cpuid *add_leaf(struct host_boot *b, uint32_t leaf, uint32_t subleaf)
{
    struct host_cpuid *c = &b->cpuid[b->cpuid_count];
    c->leaf = leaf;
    c->subleaf = subleaf;
    __cpuid_count(leaf, subleaf, c->eax, c->ebx, c->ecx, c->edx);
    b->cpuid_count += b->cpuid_count < HOST_CPUID_MAX - 1;
    return c;
}

/* Is there a subleaf behind this one? */
static bool goes_on(const struct host_cpuid *c, uint32_t max_subleaf)
{
    switch (c->leaf) {
    case 0x4:
    case 0x8000001d:
        return c->eax & 0x1f;
    case 0x7:
    case 0x24:
        return c->subleaf < max_subleaf;
    case 0xb:
    case 0x1f:
    case 0x80000026:
        return c->ecx & 0xff00;
    default:
        return false;
    }
}

/* Subleaves of 0DH: the first two, and one for each kind of state that XCR0 may enable. */
static void add_xsave(struct host_boot *b)
{
    const struct host_cpuid *c = add_leaf(b, 0xd, 0);
    uint64_t kinds = c->eax | (uint64_t) c->edx << 32;
    add_leaf(b, 0xd, 1);
    for (uint32_t i = 2; i < 20; i++)
        if (kinds >> i & 1)
            add_leaf(b, 0xd, i);
}

static void add_leaves(struct host_boot *b, const uint32_t *leaves, size_t count)
{
    uint32_t max = add_leaf(b, leaves[0], 0)->eax;
    for (size_t i = 1; i < count && leaves[i] <= max; i++) {
        if (leaves[i] == 0xd) {
            add_xsave(b);
            continue;
        }
        const struct host_cpuid *c = add_leaf(b, leaves[i], 0);
        uint32_t max_subleaf = c->eax;
        for (uint32_t s = 1; s < 8 && goes_on(c, max_subleaf); s++)
            c = add_leaf(b, leaves[i], s);
    }
}

/* CPUID costs a VM exit of several microseconds in a virtual machine, so only leaves are read that say
 * something and that the kernel would show (libos/exec/cpuid.c); all others are zero to programs. */
static void fill_cpuid(struct host_boot *b)
{
    static const uint32_t basic[] = {0,    0x1,  0x2,  0x4,  0x7,  0xb, 0xd,
                                     0x15, 0x16, 0x19, 0x1a, 0x1f, 0x24};
    static const uint32_t extended[] = {0x80000000, 0x80000001, 0x80000002, 0x80000003, 0x80000004,
                                        0x80000005, 0x80000006, 0x80000007, 0x80000008, 0x80000019,
                                        0x8000001a, 0x8000001d, 0x8000001e, 0x80000021, 0x80000026};
    add_leaves(b, basic, sizeof basic / sizeof *basic);
    add_leaves(b, extended, sizeof extended / sizeof *extended);
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
    b->net = (uint64_t) &host_net;
    fill_cpuid(b);
    fill_clock(&b->clock);
    return 0;
}

int runtime_map_image(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
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
