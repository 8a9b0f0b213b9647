/* The EPCM and the leaves that change it: EADD, EEXTEND, EAUG, EMODPR, EMODT, EREMOVE (the
 * driver's) and EACCEPT, EMODPE, EACCEPTCOPY (the enclave's).
 *
 * States of a page: absent -> REG/TCS by EADD; absent -> REG|PENDING by EAUG -> REG by EACCEPT
 * or EACCEPTCOPY; REG -> REG|PR by EMODPR -> REG by EACCEPT; REG -> TCS/TRIM|MODIFIED by EMODT
 * -> TCS/TRIM by EACCEPT; any -> absent by EREMOVE. Each function is one leaf on one page,
 * checks in the order of the SDM. Enclave code can touch a page only if it is REG and neither
 * PENDING nor MODIFIED.
 *
 * Tracking: EACCEPT never answers NOT_TRACKED, because protections are applied before the
 * driver call that changed them returns, which is what ETRACK and the driver's interrupts
 * achieve.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/sgx_sim/sim.h"
#include "tools/lib/bytes.h"

#define OWN_MAPPINGS_MAX 16384u /* of the 65530 that Linux allows */
#define APART_PAGES      16u    /* in a larger run single pages may have to be set apart later */
#define JOIN_PAGES       256u
#define BLOCK_PAGES      512u
#define BLOCK_RUNS       16u /* a block in fewer runs is not worth closing */
#define SECINFO_KNOWN                                                                              \
    (SGX_SECINFO_RWX | SGX_SECINFO_PENDING | SGX_SECINFO_MODIFIED | SGX_SECINFO_PR |               \
     SGX_SECINFO_PT_MASK)

static uint16_t *entry_of(const struct sgx_enclave *enclave, uint64_t address)
{
    return &enclave->epcm[page_index(enclave, address)];
}

/* Changes everything but the notes about the view. One store: epcm_allows() reads without the
 * lock. */
static void entry_set(uint16_t *entry, unsigned state)
{
    __atomic_store_n(entry, (uint16_t) ((*entry & ~EPCM_STATE) | state), __ATOMIC_RELEASE);
}

static unsigned type_of_flags(uint64_t flags)
{
    return (unsigned) ((flags & SGX_SECINFO_PT_MASK) >> SGX_SECINFO_PT_SHIFT);
}

static bool write_without_read(uint64_t flags)
{
    return (flags & SGX_SECINFO_W) && !(flags & SGX_SECINFO_R);
}

/* ENCLS */

static bool tcs_image_ok(const struct sgx_tcs *tcs)
{
    return tcs->prev_ssp == 0 && bytes_zero(tcs->reserved, sizeof tcs->reserved);
}

struct sim_result epcm_eadd_locked(struct sgx_enclave *enclave, uint64_t address,
                                   const void *source, const struct sgx_secinfo *secinfo)
{
    unsigned type = type_of_flags(secinfo->flags);
    uint64_t perms = secinfo->flags & SGX_SECINFO_RWX;
    if ((secinfo->flags & ~(SGX_SECINFO_RWX | SGX_SECINFO_PT_MASK)) != 0 ||
        !bytes_zero(secinfo->reserved, sizeof secinfo->reserved) ||
        (type != SGX_PT_REG && type != SGX_PT_TCS))
        return RESULT_GP;
    if (address % SGX_PAGE_SIZE != 0 || !enclave_contains(enclave, address))
        return RESULT_GP;
    uint16_t *entry = entry_of(enclave, address);
    if (*entry & EPCM_VALID)
        return RESULT_PF(address, true);
    if (type == SGX_PT_TCS && !tcs_image_ok(source))
        return RESULT_GP;
    if (type == SGX_PT_REG && write_without_read(perms))
        return RESULT_GP;
    if (enclave->state != SIM_CREATED)
        return RESULT_GP;
    if (type == SGX_PT_TCS) {
        struct sgx_tcs *tcs = (struct sgx_tcs *) alias_of(enclave, address);
        tcs->flags &= ~SGX_TCS_DBGOPTIN;
        tcs->cssa = 0;
        tcs->aep = 0;
        tcs->state = 0;
        perms = 0;
    }
    entry_set(entry, EPCM_VALID | type << EPCM_PT_SHIFT | (unsigned) perms);
    struct sgx_secinfo used = {.flags = (uint64_t) type << SGX_SECINFO_PT_SHIFT | perms};
    return sgxs_eadd(&enclave->measurement, address - enclave->base, &used) == 0 ? RESULT_OK
                                                                                 : RESULT_GP;
}

struct sim_result epcm_eextend_locked(struct sgx_enclave *enclave, uint64_t chunk_address)
{
    if (chunk_address % SGXS_CHUNK != 0 || !enclave_contains(enclave, chunk_address))
        return RESULT_GP;
    unsigned entry = *entry_of(enclave, chunk_address);
    if (!(entry & EPCM_VALID) || (epcm_type(entry) != SGX_PT_REG && epcm_type(entry) != SGX_PT_TCS))
        return RESULT_PF(chunk_address, false);
    if (enclave->state != SIM_CREATED)
        return RESULT_GP;
    int r = sgxs_eextend(&enclave->measurement, chunk_address - enclave->base,
                         alias_of(enclave, chunk_address));
    return r == 0 ? RESULT_OK : RESULT_GP;
}

struct sim_result epcm_eaug_locked(struct sgx_enclave *enclave, uint64_t address)
{
    if (enclave->state != SIM_INITIALIZED || address % SGX_PAGE_SIZE != 0 ||
        !enclave_contains(enclave, address))
        return RESULT_GP;
    uint16_t *entry = entry_of(enclave, address);
    if (*entry & EPCM_VALID)
        return RESULT_PF(address, true);
    entry_set(entry, EPCM_VALID | EPCM_PENDING | SGX_PT_REG << EPCM_PT_SHIFT | SGX_SECINFO_R |
                         SGX_SECINFO_W);
    return RESULT_OK;
}

struct sim_result epcm_emodpr_locked(struct sgx_enclave *enclave, uint64_t address, uint64_t perms)
{
    if (enclave->state != SIM_INITIALIZED || write_without_read(perms) ||
        address % SGX_PAGE_SIZE != 0 || !enclave_contains(enclave, address))
        return RESULT_GP;
    uint16_t *entry = entry_of(enclave, address);
    if (!(*entry & EPCM_VALID))
        return RESULT_PF(address, true);
    if (*entry & (EPCM_PENDING | EPCM_MODIFIED))
        return RESULT_CODE(SGX_PAGE_NOT_MODIFIABLE);
    if (epcm_type(*entry) != SGX_PT_REG)
        return RESULT_PF(address, true);
    unsigned kept = *entry & EPCM_RWX & (unsigned) perms;
    entry_set(entry, (*entry & EPCM_STATE & ~EPCM_RWX) | kept | EPCM_PR);
    return RESULT_OK;
}

struct sim_result epcm_emodt_locked(struct sgx_enclave *enclave, uint64_t address, unsigned type)
{
    if ((type != SGX_PT_TCS && type != SGX_PT_TRIM) || enclave->state != SIM_INITIALIZED ||
        address % SGX_PAGE_SIZE != 0 || !enclave_contains(enclave, address))
        return RESULT_GP;
    uint16_t *entry = entry_of(enclave, address);
    if (!(*entry & EPCM_VALID))
        return RESULT_PF(address, true);
    unsigned old = epcm_type(*entry);
    if (old != SGX_PT_REG && !(old == SGX_PT_TCS && type == SGX_PT_TRIM))
        return RESULT_PF(address, true);
    if (*entry & (EPCM_PENDING | EPCM_MODIFIED))
        return RESULT_CODE(SGX_PAGE_NOT_MODIFIABLE);
    entry_set(entry, EPCM_VALID | EPCM_MODIFIED | type << EPCM_PT_SHIFT);
    return RESULT_OK;
}

struct sim_result epcm_eremove_locked(struct sgx_enclave *enclave, uint64_t address)
{
    if (address % SGX_PAGE_SIZE != 0 || !enclave_contains(enclave, address))
        return RESULT_GP;
    uint16_t *entry = entry_of(enclave, address);
    if (!(*entry & EPCM_VALID))
        return RESULT_OK;
    struct sgx_tcs *tcs = (struct sgx_tcs *) alias_of(enclave, address);
    if (epcm_type(*entry) == SGX_PT_TCS && __atomic_load_n(&tcs->state, __ATOMIC_ACQUIRE) != 0)
        return RESULT_CODE(SGX_ENCLAVE_ACT);
    entry_set(entry, 0);
    return RESULT_OK;
}

/* ENCLU */

/* What Linux does when the enclave touches an absent page: EAUG, where it has a mapping. */
static void augment_if_absent(struct sgx_enclave *enclave, uint64_t address)
{
    if (!(*entry_of(enclave, address) & EPCM_VALID) && address >= enclave->view_start)
        (void) epcm_eaug_locked(enclave, address); /* what fails stays absent: #PF follows */
}

static bool accept_combination_ok(uint64_t flags)
{
    uint64_t pending = flags & SGX_SECINFO_PENDING, modified = flags & SGX_SECINFO_MODIFIED;
    uint64_t restricted = flags & SGX_SECINFO_PR;
    if ((flags & ~SECINFO_KNOWN) != 0)
        return false;
    switch (type_of_flags(flags)) {
    case SGX_PT_REG:
        return (pending || restricted) && !modified;
    case SGX_PT_TCS:
    case SGX_PT_TRIM:
        return modified && !pending && !restricted;
    default:
        return false;
    }
}

static bool tcs_acceptable(const struct sgx_tcs *tcs)
{
    return tcs_image_ok(tcs) && (tcs->flags & ~SGX_TCS_AEXNOTIFY) == 0 && tcs->cssa < tcs->nssa &&
           tcs->aep == 0 && tcs->state == 0;
}

struct sim_result epcm_eaccept_locked(struct sgx_enclave *enclave, uint64_t address, uint64_t flags)
{
    const uint64_t compared =
        SGX_SECINFO_RWX | SGX_SECINFO_PENDING | SGX_SECINFO_MODIFIED | SGX_SECINFO_PT_MASK;
    if (!accept_combination_ok(flags))
        return RESULT_GP;
    if (address % SGX_PAGE_SIZE != 0 || !enclave_contains(enclave, address))
        return RESULT_GP;
    augment_if_absent(enclave, address);
    uint16_t *entry = entry_of(enclave, address);
    if (!(*entry & EPCM_VALID))
        return RESULT_PF(address, true);
    uint64_t have = (*entry & (EPCM_RWX | EPCM_PENDING | EPCM_MODIFIED)) |
                    (uint64_t) epcm_type(*entry) << SGX_SECINFO_PT_SHIFT;
    if (have != (flags & compared))
        return RESULT_CODE(SGX_PAGE_ATTRIBUTES_MISMATCH);
    if (epcm_type(*entry) == SGX_PT_TCS &&
        !tcs_acceptable((const struct sgx_tcs *) alias_of(enclave, address)))
        return RESULT_GP;
    entry_set(entry, *entry & EPCM_STATE & ~(EPCM_PENDING | EPCM_MODIFIED | EPCM_PR));
    return RESULT_OK;
}

struct sim_result epcm_emodpe_locked(struct sgx_enclave *enclave, uint64_t address, uint64_t flags)
{
    if ((flags & ~SECINFO_KNOWN) != 0 || write_without_read(flags))
        return RESULT_GP;
    if (address % SGX_PAGE_SIZE != 0 || !enclave_contains(enclave, address))
        return RESULT_GP;
    augment_if_absent(enclave, address);
    uint16_t *entry = entry_of(enclave, address);
    if (!(*entry & EPCM_VALID) || epcm_type(*entry) != SGX_PT_REG ||
        (*entry & (EPCM_PENDING | EPCM_MODIFIED)))
        return RESULT_PF(address, true);
    entry_set(entry, (*entry & EPCM_STATE) | (unsigned) (flags & SGX_SECINFO_RWX));
    return RESULT_OK;
}

/* The target is a fresh page: a fault in the alias would take longer than a system call. */
static void copy_page(struct sgx_enclave *enclave, uint64_t address, uint64_t source)
{
    const uint8_t *from = alias_of(enclave, source);
    off_t at = (off_t) (address - enclave->base);
    if (pwrite(enclave->memfd, from, SGX_PAGE_SIZE, at) != (ssize_t) SGX_PAGE_SIZE)
        memcpy(alias_of(enclave, address), from, SGX_PAGE_SIZE);
}

struct sim_result epcm_eacceptcopy_locked(struct sgx_enclave *enclave, uint64_t address,
                                          uint64_t source, uint64_t flags)
{
    if ((flags & ~(SGX_SECINFO_RWX | SGX_SECINFO_PT_MASK)) != 0 ||
        type_of_flags(flags) != SGX_PT_REG || write_without_read(flags))
        return RESULT_GP;
    if (address % SGX_PAGE_SIZE != 0 || !enclave_contains(enclave, address))
        return RESULT_GP;
    struct sim_result readable =
        epcm_operand(enclave, source, SGX_PAGE_SIZE, SGX_PAGE_SIZE, SGX_SECINFO_R);
    if (readable.vector)
        return readable;
    augment_if_absent(enclave, address);
    uint16_t *entry = entry_of(enclave, address);
    if (!(*entry & EPCM_VALID))
        return RESULT_PF(address, true);
    const unsigned fresh =
        EPCM_VALID | EPCM_PENDING | SGX_PT_REG << EPCM_PT_SHIFT | SGX_SECINFO_R | SGX_SECINFO_W;
    if ((*entry & EPCM_STATE) != fresh)
        return RESULT_CODE(SGX_PAGE_ATTRIBUTES_MISMATCH);
    copy_page(enclave, address, source);
    entry_set(entry,
              EPCM_VALID | SGX_PT_REG << EPCM_PT_SHIFT | (unsigned) (flags & SGX_SECINFO_RWX));
    return RESULT_OK;
}

/* access and view */

static unsigned access_of_entry(unsigned entry)
{
    bool open = (entry & EPCM_VALID) && epcm_type(entry) == SGX_PT_REG &&
                !(entry & (EPCM_PENDING | EPCM_MODIFIED));
    return open ? entry & EPCM_RWX : 0;
}

bool epcm_allows(const struct sgx_enclave *enclave, uint64_t address, unsigned access)
{
    unsigned entry = __atomic_load_n(entry_of(enclave, address), __ATOMIC_ACQUIRE);
    return (access_of_entry(entry) & access) == access;
}

struct sim_result epcm_operand(const struct sgx_enclave *enclave, uint64_t address, size_t size,
                               uint64_t alignment, unsigned access)
{
    if (address % alignment != 0 || !enclave_contains(enclave, address) ||
        !enclave_contains(enclave, address + size - 1))
        return RESULT_GP;
    if (!epcm_allows(enclave, address, access))
        return RESULT_PF(address, access & SGX_SECINFO_W);
    return RESULT_OK;
}

static int view_protect(struct sgx_enclave *enclave, uint64_t first, uint64_t end, unsigned access)
{
    int prot = (access & SGX_SECINFO_R ? PROT_READ : 0) |
               (access & SGX_SECINFO_W ? PROT_WRITE : 0) | (access & SGX_SECINFO_X ? PROT_EXEC : 0);
    uint64_t start = enclave->base + first * SGX_PAGE_SIZE;
    return mprotect((void *) start, (end - first) * SGX_PAGE_SIZE, prot) == 0 ? 0 : -errno;
}

static bool in_pieces(const struct sgx_enclave *enclave, uint64_t first)
{
    unsigned runs = 1;
    for (uint64_t i = first + 1; i < first + BLOCK_PAGES; i++)
        runs += ((enclave->epcm[i] ^ enclave->epcm[i - 1]) & EPCM_VIEW) != 0;
    return runs >= BLOCK_RUNS;
}

/* Linux has no more mappings for us: closes the next block of pages that uses many. To the enclave it is
 * as if the driver had evicted them: a touch of one the EPCM allows repairs the view of that page. */
static bool close_block(struct sgx_enclave *enclave)
{
    uint64_t low = (page_index(enclave, enclave->view_start) + BLOCK_PAGES - 1) / BLOCK_PAGES;
    uint64_t end = enclave->size / SGX_PAGE_SIZE / BLOCK_PAGES;
    for (uint64_t tried = low; tried < end; tried++) {
        uint64_t block = enclave->next_closed;
        enclave->next_closed = block + 1 < end ? block + 1 : low;
        uint64_t first = block * BLOCK_PAGES;
        if (block < low || !in_pieces(enclave, first) ||
            view_protect(enclave, first, first + BLOCK_PAGES, 0) < 0)
            continue;
        for (uint64_t i = first; i < first + BLOCK_PAGES; i++)
            enclave->epcm[i] &= (uint16_t) ~EPCM_VIEW;
        (void) madvise((void *) (enclave->base + first * SGX_PAGE_SIZE),
                       BLOCK_PAGES * SGX_PAGE_SIZE, MADV_NORMAL); /* joins what was set apart */
        return true;
    }
    return false;
}

static int protect(struct sgx_enclave *enclave, uint64_t first, uint64_t end, unsigned access)
{
    int r = view_protect(enclave, first, end, access);
    while (r == -ENOMEM && close_block(enclave))
        r = view_protect(enclave, first, end, access);
    if (r < 0)
        fprintf(stderr, "SIM: mprotect(0x%lx, %lu pages): %s%s\n",
                enclave->base + first * SGX_PAGE_SIZE, end - first, strerror(-r),
                r == -ENOMEM ? "; raise the sysctl vm.max_map_count" : "");
    return r;
}

/* Pages that lose access a second time will go on changing: patch stubs, a freed stack. Linux cuts them
 * out of a larger mapping and joins them to it again each time, which costs more than the change itself.
 * MADV_RANDOM says nothing about pages of a memfd, but mappings with and without it are not joined. */
static void set_apart(struct sgx_enclave *enclave, uint64_t first, uint64_t end)
{
    uint64_t start = enclave->base + first * SGX_PAGE_SIZE;
    if (enclave->own_mappings++ < OWN_MAPPINGS_MAX)
        (void) madvise((void *) start, (end - first) * SGX_PAGE_SIZE, MADV_RANDOM); /* only speed */
}

/* Pages opened by the hundred are one mapping again. */
static void join_again(struct sgx_enclave *enclave, uint64_t first, uint64_t end)
{
    unsigned apart = 0;
    for (uint64_t i = first; i < end; i++) {
        apart += (enclave->epcm[i] & EPCM_LOSSES) == 2 * EPCM_LOSS;
        enclave->epcm[i] &= (uint16_t) ~EPCM_LOSSES;
    }
    if (apart == 0)
        return;
    enclave->own_mappings -= apart < enclave->own_mappings ? apart : enclave->own_mappings;
    (void) madvise((void *) (enclave->base + first * SGX_PAGE_SIZE), (end - first) * SGX_PAGE_SIZE,
                   MADV_NORMAL); /* only speed */
}

/* Counts losses of access, by the first page of pages in a row that had the same access. */
static void count_losses(struct sgx_enclave *enclave, uint64_t first, uint64_t end, unsigned view)
{
    for (uint64_t i = first, next; i < end; i = next) {
        unsigned had = enclave->epcm[i] & EPCM_VIEW, losses = enclave->epcm[i] & EPCM_LOSSES;
        for (next = i + 1; next < end && (enclave->epcm[next] & EPCM_VIEW) == had; next++)
            ;
        if ((had & ~view) == 0 || losses == 2 * EPCM_LOSS)
            continue;
        if (losses == EPCM_LOSS && next - i <= APART_PAGES)
            set_apart(enclave, i, next);
        enclave->epcm[i] = (uint16_t) (enclave->epcm[i] + EPCM_LOSS);
    }
}

/* Pages [first, end) all want the same access; protects the part that does not have it yet. */
static int apply_run(struct sgx_enclave *enclave, uint64_t first, uint64_t end, unsigned access)
{
    const unsigned view = access << EPCM_VIEW_SHIFT;
    while (first < end && (enclave->epcm[first] & EPCM_VIEW) == view)
        first++;
    while (first < end && (enclave->epcm[end - 1] & EPCM_VIEW) == view)
        end--;
    if (first == end)
        return 0;
    if ((access & SGX_SECINFO_W) && end - first >= JOIN_PAGES)
        join_again(enclave, first, end);
    count_losses(enclave, first, end, view);
    int r = protect(enclave, first, end, access);
    for (uint64_t i = first; i < end && r == 0; i++)
        enclave->epcm[i] = (uint16_t) ((enclave->epcm[i] & ~EPCM_VIEW) | view);
    return r;
}

int epcm_apply_view_locked(struct sgx_enclave *enclave, uint64_t address, uint64_t page_count)
{
    uint64_t at = page_index(enclave, address), end = at + page_count;
    uint64_t view_start = page_index(enclave, enclave->view_start);
    int r = 0;
    at = at < view_start ? view_start : at;
    while (at < end && r == 0) {
        unsigned access = access_of_entry(enclave->epcm[at]);
        uint64_t next = at + 1;
        while (next < end && access_of_entry(enclave->epcm[next]) == access)
            next++;
        r = apply_run(enclave, at, next, access);
        at = next;
    }
    return r;
}
