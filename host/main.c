/* occlum-run: loads an instance's enclave and runs one program in it. Started by `occlum run`.
 *
 * The main thread, after start-up, only waits for signals (signals.c); the vCPU threads do the rest. The exit status is the program's. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "abi/config.h"
#include "abi/enter.h"
#include "host/control.h"
#include "host/loader.h"
#include "host/runtime.h"
#include "host/signals.h"
#include "host/streams.h"
#include "tools/lib/keyfile.h"

struct runtime runtime;
extern char **environ;

struct options {
    const char *instance, *mode, *image_key;
    unsigned vcpus;
    int tick_us;
    bool trace;
    int ready_fd; /* of --control; -1: a program is run */
    int first;    /* index of the program in argv */
};

static const struct argp_option option_table[] = {
    {"instance", 'i', "DIR", 0, "instance directory (default: .)", 0},
    {"mode", 'm', "SIM|HW", 0, "machine (default: SIM)", 0},
    {"vcpus", 'c', "N", 0, "host threads that run the enclave (default: the CPUs allowed)", 0},
    {"tick", 'T', "US", 0, "a hostile host, for tests: a tick every US microseconds; 0: never", 0},
    {"image-key", 'k', "FILE", 0, "the user's key to the root image", 0},
    {"trace", 't', NULL, 0, "log every system call", 0},
    {"control", 'C', "FD", 0, "no program: take control requests; a byte to FD says ready", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 'i':
        o->instance = arg;
        return 0;
    case 'm':
        o->mode = arg;
        return 0;
    case 'c':
        o->vcpus = (unsigned) strtoul(arg, NULL, 10);
        return 0;
    case 'T':
        o->tick_us = (int) strtoul(arg, NULL, 10);
        return 0;
    case 'k':
        o->image_key = arg;
        return 0;
    case 't':
        o->trace = true;
        return 0;
    case 'C':
        o->ready_fd = (int) strtol(arg, NULL, 10);
        return 0;
    case ARGP_KEY_ARG:
        o->first = state->next - 1;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_END:
        if (!o->first && o->ready_fd < 0)
            argp_error(state, "which program? (its path inside the image)");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {option_table,
                                 parse,
                                 "-- PROGRAM [ARG...]",
                                 "Runs a program in an Occlum instance's enclave.",
                                 0,
                                 0,
                                 0};

void runtime_exit(int status)
{
    streams_restore_all();
    control_finish();
    _exit(status);
}

static unsigned cpus_allowed(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > VCPU_MAX ? VCPU_MAX : (unsigned) n;
}

static void *shared_block(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static int make_blocks(void)
{
    runtime.boot = shared_block(sizeof *runtime.boot);
    if (!runtime.boot)
        return -ENOMEM;
    for (unsigned i = 0; i < runtime.vcpu_count; i++) {
        struct host_vcpu *v = shared_block(sizeof *v);
        if (!v)
            return -ENOMEM;
        v->magic = HOST_VCPU_MAGIC;
        v->index = i;
        runtime.vcpus[i] = v;
    }
    runtime.vcpus[0]->boot = (uint64_t) runtime.boot;
    return 0;
}

static int load(const struct options *o)
{
    char sgxs[4096], sig[4096], image[4096];
    snprintf(sgxs, sizeof sgxs, "%s/build/enclave.sgxs", o->instance);
    snprintf(sig, sizeof sig, "%s/build/enclave.sig", o->instance);
    snprintf(image, sizeof image, "%s/build/image.erofs", o->instance);
    runtime.ops = strcmp(o->mode, "HW") == 0 ? &sgx_hw_ops : &sgx_sim_ops;
    int r = enclave_load(runtime.ops, sgxs, sig, &runtime.enclave);
    if (r < 0)
        return r;
    r = runtime_map_image(image);
    if (r < 0)
        fprintf(stderr, "occlum-run: %s: %s; run `occlum build`\n", image, strerror(-r));
    return r;
}

/* The key passes through here on its way to the enclave: this process is trusted with it by whoever gave it
 * the file, which is why it is for simulation and debugging. */
static int load_image_key(const char *path)
{
    struct keyfile key;
    int r = path ? keyfile_load(path, &key) : 0;
    if (!path || r < 0)
        return r;
    memcpy(runtime.boot->image_key, key.key, key.size);
    runtime.boot->image_key_size = (uint32_t) key.size;
    keyfile_wipe(&key);
    return 0;
}

static int boot_block(int argc, char **argv, const struct options *o)
{
    char *idle[] = {"init", NULL}, *nothing[] = {NULL};
    if (o->ready_fd < 0)
        return runtime_boot_block(argc - o->first, argv + o->first, environ, o->trace);
    runtime.boot->control = 1;
    return runtime_boot_block(1, idle, nothing, o->trace);
}

int main(int argc, char **argv)
{
    runtime.tsc_start = read_tsc();
    runtime.mono_start_ns = now_ns(CLOCK_MONOTONIC);
    struct options o = {.instance = ".", .mode = "SIM", .tick_us = -1, .ready_fd = -1};
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o) != 0)
        return 2;
    (void) mallopt(M_ARENA_MAX, 1); /* an arena per thread costs mappings and saves nothing here */
    signal(SIGPIPE, SIG_IGN);
    signals_block();
    runtime.instance = o.instance;
    runtime.tick_us = o.tick_us;
    runtime.vcpu_count = o.vcpus ? o.vcpus : cpus_allowed();
    if (runtime.vcpu_count > VCPU_MAX)
        runtime.vcpu_count = VCPU_MAX;
    bool control = o.ready_fd >= 0;
    if (make_blocks() < 0 || (control && control_start(o.instance, o.ready_fd) < 0) ||
        load(&o) < 0 || load_image_key(o.image_key) < 0 || boot_block(argc, argv, &o) < 0 ||
        vcpu_start() < 0)
        return PANIC_STATUS;
    signals_forward(control);
}
