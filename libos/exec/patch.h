/* Patching of system-call and cpuid sites in executable pages. */
#ifndef EXEC_PATCH_H
#define EXEC_PATCH_H
#include "libos/base/types.h"
#include "abi/layout.h"
#include "libos/mm/mm.h"

struct mm;
struct inode;

/* Stubs for programs linked to fixed addresses: the end of granule 0, one slice per program (mm/low.c),
 * so that a thread that sleeps in a stub finds its own code there whoever was resident meanwhile. */
#define EXEC_LOW_STUBS     (GRANULE_SIZE - MM_LOW_SLICES * EXEC_LOW_STUBS_LEN)
#define EXEC_LOW_STUBS_LEN 0x200000ul

/* Counts since start, of sites in pages as they were filled; read without locks. */
struct exec_counters {
    uint64_t syscall_patched, syscall_trapped, cpuid_patched, cpuid_trapped;
};
void patch_counters(struct exec_counters *ret);

/* Once at boot: installs the hooks of mm, trap_rip_is_stub and signal_rip_hook. */
void patch_init(void);
/* Maps the stub area into a new mm; low: its program lives in granule 0. */
must_check int patch_prepare(struct mm *mm, bool low);
/* mm gave up all kept pages of the granules served by the stub area in the granule at base (and the
 * pages of the area): its stubs are free again. */
void exec_stubs_forget(uintptr_t base);

/* A RIP inside a stub becomes the address it stands for in the original code; others stay. For everyone
 * who shows a program its own RIP: signal frames (installed as signal_rip_hook), core dumps. */
uintptr_t exec_rip_to_guest(uintptr_t rip);
#endif
