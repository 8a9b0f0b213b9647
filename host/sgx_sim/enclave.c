/* The driver's side of the simulator: open, create, add pages, init, and the SGX2 page calls,
 * with the errno Linux' driver gives. The leaves themselves are in secs.c and epcm.c.
 *
 * The pages live in a sparse memfd as large as ELRANGE. Nothing of the host may live below the
 * end of a base-0 ELRANGE, so creating it fails rather than moves when something is mapped
 * there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/enter.h"
#include "host/sgx_sim/enclave.h"
#include "host/sgx_sim/sim.h"
#include "tools/lib/bytes.h"

int enclave_open(struct sgx_enclave **ret_enclave)
{
    struct sgx_enclave *enclave = calloc(1, sizeof *enclave);
    if (!enclave)
        return -ENOMEM;
    const char *mode = getenv("OCCLUM_SIM");
    enclave->strict = mode && strcmp(mode, "strict") == 0;
    enclave->memfd = -1;
    (void) pthread_mutex_init(&enclave->lock, NULL); /* default attributes: cannot fail */
    *ret_enclave = enclave;
    return 0;
}

void enclave_close(struct sgx_enclave *enclave)
{
    uint64_t view_size = enclave->base + enclave->size - enclave->view_start;
    /* The addresses were ours alone; unmapping them cannot fail. */
    if (enclave->epcm)
        (void) munmap(enclave->epcm, enclave->size / SGX_PAGE_SIZE * sizeof *enclave->epcm);
    if (enclave->alias)
        (void) munmap(enclave->alias, enclave->size);
    if (enclave->state != SIM_OPENED)
        (void) munmap((void *) enclave->view_start, view_size);
    if (enclave->memfd >= 0)
        (void) close(enclave->memfd);
    (void) pthread_mutex_destroy(&enclave->lock);
    free(enclave);
}

static int map_view(struct sgx_enclave *enclave)
{
    uint64_t size = enclave->base + enclave->size - enclave->view_start;
    void *want = (void *) enclave->view_start;
    void *view = mmap(want, size, PROT_NONE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
                      enclave->memfd, (off_t) (enclave->view_start - enclave->base));
    if (view == MAP_FAILED) {
        int r = -errno;
        fprintf(stderr, "SIM: cannot reserve 0x%lx..0x%lx for the enclave: %s\n",
                enclave->view_start, enclave->base + enclave->size, strerror(-r));
        return r;
    }
    (void) madvise(view, size, MADV_DONTDUMP); /* only for smaller core files */
    (void) madvise(view, size, MADV_DONTFORK); /* children do not enter */
    return 0;
}

/* The alias and the EPCM; the view comes last because its presence is what state CREATED means. */
static int map_all(struct sgx_enclave *enclave)
{
    size_t epcm_size = enclave->size / SGX_PAGE_SIZE * sizeof *enclave->epcm;
    enclave->memfd = memfd_create("enclave", MFD_CLOEXEC);
    if (enclave->memfd < 0 || ftruncate(enclave->memfd, (off_t) enclave->size) < 0)
        return -errno;
    void *alias = mmap(NULL, enclave->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                       enclave->memfd, 0);
    if (alias == MAP_FAILED)
        return -errno;
    enclave->alias = alias;
    (void) madvise(alias, enclave->size, MADV_DONTDUMP); /* as for the view */
    (void) madvise(alias, enclave->size, MADV_DONTFORK);
    void *epcm = mmap(NULL, epcm_size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (epcm == MAP_FAILED)
        return -errno;
    enclave->epcm = epcm;
    return map_view(enclave);
}

int enclave_create(struct sgx_enclave *enclave, const struct sgx_secs *secs)
{
    if (enclave->state != SIM_OPENED || enclave->memfd >= 0 || secs->size < 2 * SGX_PAGE_SIZE ||
        (secs->size & (secs->size - 1)) != 0)
        return -EINVAL;
    if (secs_ecreate(secs).vector) {
        fprintf(stderr, "SIM: ECREATE refused the SECS (#GP)\n");
        return -EIO;
    }
    enclave->secs = *secs;
    enclave->base = secs->base;
    enclave->size = secs->size;
    enclave->view_start = secs->base ? secs->base : USER_MIN;
    if (enclave->size <= enclave->view_start && secs->base == 0)
        return -EINVAL;
    enclave->xsave_size = secs_xsave_size(secs->attributes.xfrm);
    sgxs_writer_init(&enclave->measurement, NULL);
    int r = sgxs_ecreate(&enclave->measurement, secs->ssa_frame_size, secs->size);
    if (r == 0)
        r = map_all(enclave);
    if (r == 0)
        enclave->state = SIM_CREATED;
    return r;
}

static bool range_ok(const struct sgx_enclave *enclave, uint64_t offset, uint64_t length)
{
    return offset % SGX_PAGE_SIZE == 0 && length % SGX_PAGE_SIZE == 0 && length > 0 &&
           offset < enclave->size && length <= enclave->size - offset;
}

static bool secinfo_ok(const struct sgx_secinfo *secinfo)
{
    uint64_t perms = secinfo->flags & SGX_SECINFO_RWX, type = secinfo->flags & SGX_SECINFO_PT_MASK;
    if (!bytes_zero(secinfo->reserved, sizeof secinfo->reserved) ||
        (secinfo->flags & ~(SGX_SECINFO_RWX | SGX_SECINFO_PT_MASK)))
        return false;
    if (type == SGX_SECINFO_TCS)
        return perms == 0;
    return type == SGX_SECINFO_REG && (!(perms & SGX_SECINFO_W) || (perms & SGX_SECINFO_R));
}

/* Absent pages must be zero for the next EAUG. */
static void clear(struct sgx_enclave *enclave, uint64_t offset, uint64_t length)
{
    if (fallocate(enclave->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) offset,
                  (off_t) length) < 0)
        memset(enclave->alias + offset, 0, length);
}

/* Writes what EADD will find. A page fault in the alias for each page would take twice as long. */
static int store_locked(struct sgx_enclave *enclave, const uint8_t *source, uint64_t offset,
                        uint64_t length)
{
    for (uint64_t at = 0; at < length; at += SGX_PAGE_SIZE)
        if (enclave->epcm[(offset + at) / SGX_PAGE_SIZE] & EPCM_VALID)
            return -EBUSY;
    for (uint64_t done = 0; done < length;) {
        ssize_t n = pwrite(enclave->memfd, source + done, length - done, (off_t) (offset + done));
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (uint64_t) n;
    }
    return 0;
}

static int add_page_locked(struct sgx_enclave *enclave, const uint8_t *source, uint64_t address,
                           const struct sgx_secinfo *secinfo, bool measure)
{
    struct sim_result result = epcm_eadd_locked(enclave, address, source, secinfo);
    if (result.vector)
        return result.vector == VECTOR_PF ? -EBUSY : -EIO;
    for (uint64_t at = 0; measure && at < SGX_PAGE_SIZE; at += SGXS_CHUNK)
        if (epcm_eextend_locked(enclave, address + at).vector)
            return -EIO;
    return 0;
}

int enclave_add_pages(struct sgx_enclave *enclave, const void *src, uint64_t offset,
                      uint64_t length, const struct sgx_secinfo *secinfo, bool measure)
{
    if (enclave->state != SIM_CREATED || !range_ok(enclave, offset, length) ||
        !secinfo_ok(secinfo) || (uintptr_t) src % SGX_PAGE_SIZE != 0)
        return -EINVAL;
    pthread_mutex_lock(&enclave->lock);
    uint64_t done = 0;
    int stored = store_locked(enclave, src, offset, length), r = stored;
    while (done < length && r == 0) {
        r = add_page_locked(enclave, (const uint8_t *) src + done, enclave->base + offset + done,
                            secinfo, measure);
        done += r == 0 ? SGX_PAGE_SIZE : 0;
    }
    if (stored == 0 && r < 0)
        clear(enclave, offset + done, length - done);
    pthread_mutex_unlock(&enclave->lock);
    return r;
}

static const char *einit_error_name(uint32_t code)
{
    switch (code) {
    case SGX_INVALID_SIG_STRUCT:
        return "INVALID_SIG_STRUCT";
    case SGX_INVALID_ATTRIBUTE:
        return "INVALID_ATTRIBUTE";
    case SGX_INVALID_MEASUREMENT:
        return "INVALID_MEASUREMENT";
    case SGX_INVALID_SIGNATURE:
        return "INVALID_SIGNATURE";
    case SGX_INVALID_EINITTOKEN:
        return "INVALID_EINITTOKEN";
    default:
        return "unknown";
    }
}

/* What the driver looks at before it executes EINIT. */
static int driver_precheck(const struct sgx_enclave *enclave, const struct sgx_sigstruct *sig)
{
    const uint64_t privileged = SGX_ATTR_PROVISIONKEY | SGX_ATTR_EINITTOKEN_KEY;
    if (enclave->secs.attributes.flags & privileged)
        return -EACCES;
    if (sig->vendor != 0 && sig->vendor != SGX_VENDOR_INTEL)
        return -EINVAL;
    if ((sig->misc_select & sig->misc_mask & ~SGX_MISC_EXINFO) ||
        (sig->attributes.xfrm & sig->attribute_mask.xfrm & ~secs_supported_xfrm()))
        return -EINVAL;
    return 0;
}

/* Protects the view for every page there is; the memfd knows where there are any. */
static int apply_all_views_locked(struct sgx_enclave *enclave)
{
    const uint64_t step = 512, count = enclave->size / SGX_PAGE_SIZE;
    off_t at = 0, end = (off_t) enclave->size;
    while ((at = lseek(enclave->memfd, at, SEEK_DATA)) >= 0 && at < end) {
        uint64_t first = (uint64_t) at / SGX_PAGE_SIZE;
        uint64_t pages = step < count - first ? step : count - first;
        int r = epcm_apply_view_locked(enclave, enclave->base + (uint64_t) at, pages);
        if (r < 0)
            return r;
        at += (off_t) (pages * SGX_PAGE_SIZE);
    }
    return 0;
}

static void patch(uint8_t *at, const uint8_t *target)
{
    static const uint8_t jump[6] = {0xff, 0x25, 0, 0, 0, 0};
    uint64_t address = (uint64_t) target;
    memcpy(at, jump, sizeof jump);
    memcpy(at + sizeof jump, &address, sizeof address);
}

/* Turns the ENCLU stub page, if the enclave has one, into jumps to the simulator. */
static void patch_stubs(struct sgx_enclave *enclave)
{
    static const uint8_t enclu[3] = {0x0f, 0x01, 0xd7};
    if (enclave->base != 0 || enclave->size != ELRANGE_SIZE || enclave->strict ||
        !epcm_allows(enclave, KERNEL_STUB, SGX_SECINFO_X) ||
        memcmp(alias_of(enclave, ENCLU_STUB), enclu, sizeof enclu) != 0)
        return;
    patch(alias_of(enclave, ENCLU_STUB), sim_enclu_entry);
    patch(alias_of(enclave, ENCLU_PAGES_STUB), sim_pages_entry);
}

int enclave_init(struct sgx_enclave *enclave, const struct sgx_sigstruct *sigstruct)
{
    if (enclave->state != SIM_CREATED)
        return -EINVAL;
    int r = driver_precheck(enclave, sigstruct);
    if (r < 0)
        return r;
    pthread_mutex_lock(&enclave->lock);
    struct sim_result result = secs_einit_locked(enclave, sigstruct, NULL);
    if (result.vector)
        r = -EIO;
    else if (result.code)
        r = -EPERM;
    else
        r = apply_all_views_locked(enclave);
    pthread_mutex_unlock(&enclave->lock);
    if (r == -EPERM)
        fprintf(stderr, "SIM: EINIT error %u, %s\n", result.code, einit_error_name(result.code));
    if (r == 0)
        patch_stubs(enclave);
    return r;
}

/* SGX2 */

typedef int (*step_fn)(struct sgx_enclave *enclave, uint64_t address, uint64_t argument);

/* After pages were done: the view must agree. */
static int finish_locked(struct sgx_enclave *enclave, uint64_t offset, uint64_t length,
                         bool removed)
{
    int r = epcm_apply_view_locked(enclave, enclave->base + offset, length / SGX_PAGE_SIZE);
    if (removed)
        clear(enclave, offset, length);
    return r;
}

/* Runs step on each page of the range until one fails. */
static int for_pages(struct sgx_enclave *enclave, uint64_t offset, uint64_t length,
                     uint64_t argument, step_fn step_locked, bool removed, uint64_t *ret_count)
{
    *ret_count = 0;
    if (enclave->state != SIM_INITIALIZED || !range_ok(enclave, offset, length))
        return -EINVAL;
    int r = 0;
    uint64_t done = 0;
    pthread_mutex_lock(&enclave->lock);
    while (done < length && r == 0) {
        r = step_locked(enclave, enclave->base + offset + done, argument);
        done += r == 0 ? SGX_PAGE_SIZE : 0;
    }
    int finished = done ? finish_locked(enclave, offset, done, removed) : 0;
    pthread_mutex_unlock(&enclave->lock);
    *ret_count = done;
    return r < 0 ? r : finished;
}

static unsigned entry_at(const struct sgx_enclave *enclave, uint64_t address)
{
    return enclave->epcm[page_index(enclave, address)];
}

static int restrict_step_locked(struct sgx_enclave *enclave, uint64_t address, uint64_t perms)
{
    unsigned entry = entry_at(enclave, address);
    if (!(entry & EPCM_VALID))
        return -EFAULT;
    if (epcm_type(entry) != SGX_PT_REG)
        return -EINVAL;
    struct sim_result result = epcm_emodpr_locked(enclave, address, perms);
    return result.vector ? -EIO : result.code ? -EFAULT : 0;
}

int enclave_restrict_perms(struct sgx_enclave *enclave, uint64_t offset, uint64_t length,
                           uint64_t secinfo_perms, uint64_t *ret_count)
{
    *ret_count = 0;
    if ((secinfo_perms & ~SGX_SECINFO_RWX) ||
        ((secinfo_perms & SGX_SECINFO_W) && !(secinfo_perms & SGX_SECINFO_R)))
        return -EINVAL;
    return for_pages(enclave, offset, length, secinfo_perms, restrict_step_locked, false,
                     ret_count);
}

static int modify_step_locked(struct sgx_enclave *enclave, uint64_t address, uint64_t type)
{
    unsigned entry = entry_at(enclave, address), old = epcm_type(entry);
    if (!(entry & EPCM_VALID))
        return -EFAULT;
    if (old != SGX_PT_REG && !(old == SGX_PT_TCS && type == SGX_PT_TRIM))
        return -EINVAL;
    struct sim_result result = epcm_emodt_locked(enclave, address, (unsigned) type);
    return result.vector ? -EIO : result.code ? -EFAULT : 0;
}

int enclave_modify_types(struct sgx_enclave *enclave, uint64_t offset, uint64_t length,
                         unsigned type, uint64_t *ret_count)
{
    *ret_count = 0;
    if (type != SGX_PT_TCS && type != SGX_PT_TRIM)
        return -EINVAL;
    return for_pages(enclave, offset, length, type, modify_step_locked, false, ret_count);
}

static int remove_step_locked(struct sgx_enclave *enclave, uint64_t address, uint64_t unused)
{
    unsigned entry = entry_at(enclave, address);
    if (!(entry & EPCM_VALID))
        return -EFAULT;
    if (epcm_type(entry) != SGX_PT_TRIM || (entry & EPCM_MODIFIED))
        return -EPERM;
    return epcm_eremove_locked(enclave, address).code ? -EFAULT : 0;
}

int enclave_remove_pages(struct sgx_enclave *enclave, uint64_t offset, uint64_t length,
                         uint64_t *ret_count)
{
    return for_pages(enclave, offset, length, 0, remove_step_locked, true, ret_count);
}
