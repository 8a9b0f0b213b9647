/* ENCLU leaves as functions: register conventions of the manual, volume 3D. */
#include "abi/enter.h"
#include "abi/layout.h"
#include "libos/arch/enclu.h"
#include "libos/base/panic.h"
#include "libos/base/string.h"

static uint64_t enclu_pages(uint32_t leaf, const struct sgx_secinfo *si, uintptr_t addr,
                            uintptr_t source, size_t count, size_t *ret_left)
{
    uint64_t rax = leaf, rsi = count;
    __asm__ volatile("call *%[stub]"
                     : "+a"(rax), "+S"(rsi), "+c"(addr), "+d"(source)
                     : "b"(si), [stub] "r"(ENCLU_PAGES_STUB)
                     : "rdi", "memory", "cc");
    *ret_left = rsi;
    return (uint32_t) rax;
}

int enclu_accept_pages(uintptr_t addr, size_t count, uint64_t secinfo_flags)
{
    const struct sgx_secinfo si = {.flags = secinfo_flags};
    size_t left;
    return count ? (int) enclu_pages(SGX_EACCEPT, &si, addr, 0, count, &left) : 0;
}

int enclu_accept_copies(uintptr_t addr, const void *source, size_t count, uint64_t secinfo_flags)
{
    const struct sgx_secinfo si = {.flags = secinfo_flags};
    size_t left;
    return count ? (int) enclu_pages(SGX_EACCEPTCOPY, &si, addr, (uintptr_t) source, count, &left)
                 : 0;
}

void enclu_extend_pages(uintptr_t addr, size_t count, uint64_t secinfo_flags)
{
    const struct sgx_secinfo si = {.flags = secinfo_flags};
    size_t left;
    if (count)
        (void) enclu_pages(SGX_EMODPE, &si, addr, 0, count, &left); /* faults or succeeds */
}

void enclu_report(const struct sgx_targetinfo *target, const void *data, struct sgx_report *ret)
{
    uint64_t rax = SGX_EREPORT;
    __asm__ volatile("call *%[stub]"
                     : "+a"(rax)
                     : "b"(target), "c"(data), "d"(ret), [stub] "r"(ENCLU_STUB)
                     : "memory", "cc");
}

int enclu_get_key(const struct sgx_keyrequest *request, uint8_t ret_key[16])
{
    uint8_t key[16] aligned_to(16);
    uint64_t rax = SGX_EGETKEY;
    __asm__ volatile("call *%[stub]"
                     : "+a"(rax)
                     : "b"(request), "c"(key), [stub] "r"(ENCLU_STUB)
                     : "memory", "cc");
    if ((uint32_t) rax == SGX_SUCCESS)
        memcpy(ret_key, key, sizeof key);
    wipe(key, sizeof key);
    return (int) (uint32_t) rax;
}
