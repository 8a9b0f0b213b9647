/* Enclave pages. EPCM permissions only grow by EMODPE (inside) and shrink by EMODPR (host) followed by
 * EACCEPT (inside), which proves that the host did it. W without R does not exist. */
#include "abi/layout.h"
#include "libos/arch/enclu.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/host/host.h"
#include "libos/mm/epc.h"
#include "libos/mm/mm.h"

int epc_commit(uintptr_t addr, size_t pages)
{
    int r = enclu_accept_pages(
        addr, pages, SGX_SECINFO_REG | SGX_SECINFO_R | SGX_SECINFO_W | SGX_SECINFO_PENDING);
    return r == 0 ? 0 : -ENOMEM;
}

static uint64_t secinfo_perms(int prot)
{
    uint64_t f = prot ? SGX_SECINFO_R : 0;
    if (prot & PROT_W)
        f |= SGX_SECINFO_W;
    if (prot & PROT_X)
        f |= SGX_SECINFO_X;
    return f;
}

int epc_commit_copies(uintptr_t addr, const void *source, size_t pages, int prot)
{
    int r = enclu_accept_copies(addr, source, pages, SGX_SECINFO_REG | secinfo_perms(prot));
    return r == 0 ? 0 : -ENOMEM;
}

void epc_protect(uintptr_t addr, size_t pages, int old_prot, int new_prot)
{
    uint64_t was = secinfo_perms(old_prot), want = secinfo_perms(new_prot);
    if (want & ~was)
        enclu_extend_pages(addr, pages, SGX_SECINFO_REG | was | want);
    if ((was | want) == want)
        return;
    uint64_t done = 0, size = pages * PAGE_SIZE;
    while (done < size) {
        long n = hostcall(HOSTCALL_page_restrict, addr + done, size - done, want);
        check(n > 0 && (uint64_t) n <= size - done && IS_ALIGNED(n, (long) PAGE_SIZE));
        done += (uint64_t) n;
    }
    check(enclu_accept_pages(addr, pages, SGX_SECINFO_REG | SGX_SECINFO_PR | want) == 0);
}
