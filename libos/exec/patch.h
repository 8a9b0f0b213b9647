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

/* Counts since start, of sites in pages as they were filled; read without locks. */
struct exec_counters {
    uint64_t syscall_patched, syscall_trapped, cpuid_patched, cpuid_trapped;
};
void patch_counters(struct exec_counters *ret);

/* Once at boot, after the file systems: installs mm_exec_page_hook and trap_rip_is_stub. */
void patch_init(void);
/* Maps the stub area into a new mm; low: its program lives in granule 0. */
must_check int patch_prepare(struct mm *mm, bool low);
/* mm gave up all kept pages of the granules served by the stub area in the granule at base (and the
 * pages of the area): its stubs are free again. */
void exec_stubs_forget(uintptr_t base);

/* For everyone who shows a program its own RIP, or takes one from it:
 * exec_rip_to_guest   a RIP inside a stub becomes the address it stands for in the original code; others
 *                     stay. Before signal frames, restarts (which then subtract 2), ptrace, core dumps.
 * exec_rip_from_guest an address in the middle of a patched window becomes its place in the stub; others
 *                     stay. Before a RIP that came from exec_rip_to_guest (sigreturn, restart) runs.
 * exec_stub_to_site   the site, if rip is inside a stub; else 0. */
uintptr_t exec_rip_to_guest(uintptr_t rip);
uintptr_t exec_rip_from_guest(struct mm *mm, uintptr_t rip);
uintptr_t exec_stub_to_site(struct mm *mm, uintptr_t rip);
#endif
