/* CPUID for programs: an enclave may not execute it, so answers come from a table made at boot. */
#ifndef EXEC_CPUID_H
#define EXEC_CPUID_H
#include "libos/base/types.h"

struct host_cpuid;

struct cpuid_regs {
    uint32_t eax, ebx, ecx, edx;
};

/* Builds the table from what the host says about the CPU. xfrm: the vector state the enclave may use;
 * features beyond it are hidden. */
void cpuid_init(const struct host_cpuid *host, size_t count, uint64_t xfrm);
/* The answer to CPUID(leaf, subleaf): zeros for what is not in the table, as far as CPUs do so. Also
 * called by cpuid_entry (arch/entry.S) with four words in a row. */
void cpuid_lookup(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *ret);
#endif
