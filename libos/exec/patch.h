/* Patching of system-call and cpuid sites in executable pages. */
#ifndef EXEC_PATCH_H
#define EXEC_PATCH_H
#include "libos/base/types.h"
#include "abi/layout.h"

struct mm;
struct inode;

/* Stubs for programs linked to fixed addresses: the end of granule 0. */
#define EXEC_LOW_STUBS     (GRANULE_SIZE - EXEC_LOW_STUBS_LEN)
#define EXEC_LOW_STUBS_LEN 0x200000ul

/* Counts since start; read without locks. */
struct exec_counters {
    uint64_t syscall_patched, syscall_trapped, cpuid_patched, cpuid_trapped; /* sites */
};
void patch_counters(struct exec_counters *ret);

/* Once at boot. */
void patch_init(void);
/* Maps the stub area into a new mm; low: its program lives in granule 0. */
must_check int patch_prepare(struct mm *mm, bool low);
#endif
