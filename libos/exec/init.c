/* Start-up of exec: called once by boot, after the heap, the clock and the file systems. */
#include "libos/exec/exec.h"
#include "libos/exec/cpuid.h"
#include "libos/exec/patch.h"
#include "libos/exec/sitecache.h"
#include "libos/exec/vdso.h"
#include "libos/task/thread.h"

int exec_init(const struct host_cpuid *cpuid, size_t cpuid_count)
{
    cpuid_init(cpuid, cpuid_count, xstate_mask());
    patch_init();
    return vdso_init();
}

void exec_sites_load(void)
{
    sitecache_init();
}
