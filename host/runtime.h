/* The host runtime: loads the enclave, runs its vCPUs, answers its calls. Untrusted by the enclave. */
#ifndef HOST_RUNTIME_H
#define HOST_RUNTIME_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "abi/hostcall.h"
#include "abi/layout.h"
#include "host/sgx.h"

struct runtime {
    const struct sgx_ops *ops;
    struct sgx_enclave *enclave;
    struct host_boot *boot; /* shared with the enclave */
    const char *instance;   /* directory that sources of hostfs mounts are relative to */
    unsigned vcpu_count;
    int tick_us; /* a hostile host's: 0 is never; -1: a good one's */
    struct host_vcpu *vcpus[VCPU_MAX];
    pthread_t threads[VCPU_MAX];
    uint64_t tsc_start; /* for calibration: when the process began */
    int64_t mono_start_ns;
};
extern struct runtime runtime;

/* boot.c: the blocks shared with the enclave. argv[0] is the program in the enclave. */
int runtime_boot_block(int argc, char **argv, char **envp, bool trace);
int runtime_map_image(const char *path);

/* vcpu.c */
int vcpu_start(void);           /* the first; the others follow when the enclave wants them */
void vcpu_kick(unsigned index); /* ends its EXIT_PARK */
void vcpu_kick_any(void);
__attribute__((noreturn)) void
runtime_exit(int status); /* restores the terminal, ends the process */

/* A host call: reads v->args, v->data; returns the raw answer, v->data holds the out bytes. One file
 * call_<subject>.c has the handlers of a subject. */
typedef int64_t hostcall_fn(struct host_vcpu *v);
#define HOSTCALL(name, kind, errnos) hostcall_fn host_call_##name;
#include "abi/hostcalls.def"
#undef HOSTCALL

struct stat;
void host_stat_fill(struct host_stat *s, const struct stat *st);

int64_t now_ns(int clock_id);
uint64_t read_tsc(void);
#endif
