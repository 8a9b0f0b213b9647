/* What the kernel's file-system objects refer to outside their own modules and never reach here: names,
 * open files and mappings. Calls of other missing functions end the program (scripts/unit-link). */
#include <cpuid.h>
#include "libos/base/log.h"
#include "libos/crypto/cpu.h"
#include "abi/sgx.h"
#include "libos/fs/ramfs.h"
#include "libos/mm/mm.h"
#include "libos/vfs/dcache.h"
#include "libos/vfs/file.h"
#include "libos/vfs/notify.h"
#include "tools/offline/kernel.h"

uint32_t notify_watchers;
const struct mm_file_ops *mm_file_ops;
struct file *(*mm_anon_shared_file)(uint64_t size);

/* No layer is in memory here. */
bool ramfs_is(const struct super *s)
{
    return false;
}

/* The fastest implementation that this machine has below AVX-512. */
void kernel_setup(void)
{
    struct host_cpuid c = {.leaf = 7};
    __cpuid_count(7, 0, c.eax, c.ebx, c.ecx, c.edx);
    uint64_t avx = __builtin_cpu_supports("avx2") ? SGX_XFRM_AVX : 0;
    crypto_setup(SGX_XFRM_LEGACY | avx, &c, 1);
    log_level = LOG_WARN;
}
