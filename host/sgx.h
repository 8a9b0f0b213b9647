/* The SGX machine, as the host runtime sees it. Two implementations: sgx_sim (software SGX) and
 * sgx_hw (Linux' /dev/sgx_enclave). Nothing above this header knows which one runs.
 *
 * Errors are negative errno values, the same ones Linux' driver gives (sgx driver uapi); the exact
 * leaf error code of EINIT etc. is logged by the implementation. An enclave goes through the states
 * open -> create -> add_pages* -> init -> enter*; every call out of order fails with -EINVAL.
 */
#ifndef HOST_SGX_H
#define HOST_SGX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi/sgx.h"

struct sgx_enclave; /* opaque to callers */

/* One host thread that enters the enclave. Owned by the caller, zero-initialised. */
struct sgx_thread {
    struct sgx_enclave *enclave;
    uint64_t tcs; /* address of the TCS */
    void *priv;   /* implementation's data */
};

struct sgx_exit {
    int status;        /* 0: EEXIT; -EFAULT: the enclave died (fault it could not take) */
    uint64_t rdi, rsi; /* as the enclave left them */
    uint16_t vector;   /* of the fatal fault */
    uint64_t fault_addr;
};

struct sgx_ops {
    const char *name; /* "SIM" or "HW" */
    int (*open)(struct sgx_enclave **ret_enclave);
    void (*close)(struct sgx_enclave *enclave);
    /* Reserves ELRANGE and executes ECREATE. -EIO: SECS refused by the CPU. */
    int (*create)(struct sgx_enclave *enclave, const struct sgx_secs *secs);
    /* EADDs length/4096 pages from src at offset, all with one SECINFO, EEXTENDs them if
     * measure. */
    int (*add_pages)(struct sgx_enclave *enclave, const void *src, uint64_t offset, uint64_t length,
                     const struct sgx_secinfo *secinfo, bool measure);
    /* EINIT. -EPERM for every EINIT error code. On success the pages have their final
     * protection. */
    int (*init)(struct sgx_enclave *enclave, const struct sgx_sigstruct *sigstruct);
    /* SGX2, page ranges; *ret_count bytes are done even on error. secinfo_perms: SECINFO R/W/X
     * bits. */
    int (*restrict_perms)(struct sgx_enclave *enclave, uint64_t offset, uint64_t length,
                          uint64_t secinfo_perms, uint64_t *ret_count);
    int (*modify_types)(struct sgx_enclave *enclave, uint64_t offset, uint64_t length,
                        unsigned type, uint64_t *ret_count);
    int (*remove_pages)(struct sgx_enclave *enclave, uint64_t offset, uint64_t length,
                        uint64_t *ret_count);
    /* Must run in the host thread before its first enter(): signal stack, syscall trapping.
     * Blocks all signals but the synchronous ones and the tick: other handlers must not run on
     * this thread. */
    int (*thread_init)(struct sgx_thread *thread);
    void (*thread_fini)(struct sgx_thread *thread);
    /* EENTER with RDI, RSI; returns at EEXIT. Exceptions inside are turned into a nested
     * EENTER(ENTER_EXCEPTION, vector) + ERESUME by the implementation, see abi/enter.h. */
    void (*enter)(struct sgx_thread *thread, uint64_t rdi, uint64_t rsi, struct sgx_exit *ret_exit);
    /* Once per process, before the first thread_init(): signo is the tick signal from now on.
     * Its handler, on the thread it is sent to: if the thread was inside, AEX,
     * EENTER(ENTER_TICK), ERESUME; else nothing. Ticks are dropped while the enclave handles an
     * exception. The handler belongs to the implementation because it may start with the
     * enclave's FS base. */
    int (*tick_signal)(int signo);
};

extern const struct sgx_ops sgx_sim_ops;
extern const struct sgx_ops sgx_hw_ops; /* open() gives -ENOENT / -ENODEV where there is no SGX */
#endif
