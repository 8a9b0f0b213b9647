/* From enclave.sgxs and enclave.sig to an initialised enclave, for any struct sgx_ops.
 *
 * The stream is replayed page by page; neighbours with the same SECINFO go down in one call.
 * The SECS follows from the two files: SIZE and SSAFRAMESIZE from the stream, attributes from
 * the SIGSTRUCT, XFRM as wide as processor and signature allow. Nothing here needs to be
 * trusted: a wrong byte ends in EINIT's refusal. The checks only turn that into a message that
 * helps.
 */
#include "host/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/lib/sgxs.h"

#define BATCH_PAGES 32

/* What the enclave may use of the processor's vector state. */
#define XFRM_WANTED (SGX_XFRM_LEGACY | SGX_XFRM_AVX | SGX_XFRM_AVX512)

struct image_file {
    void *bytes;
    size_t size;
};

static int image_file_map(const char *path, struct image_file *ret_file)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
    if (r == 0 && st.st_size == 0)
        r = -ENODATA;
    void *bytes =
        r == 0 ? mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0)
               : MAP_FAILED;
    if (r == 0 && bytes == MAP_FAILED)
        r = -errno;
    if (fd >= 0)
        (void) close(fd); /* the mapping stays */
    if (r < 0) {
        fprintf(stderr, "cannot read %s: %s; run `occlum build`\n", path, strerror(-r));
        return r;
    }
    *ret_file = (struct image_file){.bytes = bytes, .size = (size_t) st.st_size};
    return 0;
}

static void image_file_unmap(struct image_file *file)
{
    if (file->bytes)
        (void) munmap(file->bytes, file->size); /* cannot fail */
}

static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low | (uint64_t) high << 32;
}

static int create(const struct sgx_ops *ops, struct sgx_enclave *enclave,
                  const struct sgxs_reader *reader, const struct sgx_sigstruct *sig)
{
    struct sgx_secs *secs = aligned_alloc(SGX_PAGE_SIZE, sizeof *secs);
    if (!secs)
        return -ENOMEM;
    memset(secs, 0, sizeof *secs);
    secs->size = reader->enclave_size;
    secs->base = 0;
    secs->ssa_frame_size = reader->ssa_frame_size;
    secs->misc_select = sig->misc_select;
    secs->attributes.flags = sig->attributes.flags & ~SGX_ATTR_INIT;
    uint64_t free_xfrm = read_xcr0() & XFRM_WANTED & ~sig->attribute_mask.xfrm;
    secs->attributes.xfrm = sig->attributes.xfrm | free_xfrm;
    int r = ops->create(enclave, secs);
    free(secs);
    if (r < 0)
        fprintf(stderr, "%s: cannot create an enclave of %lu MiB: %s\n", ops->name,
                reader->enclave_size >> 20, strerror(-r));
    return r;
}

/* Pages gathered for one add_pages call. */
struct batch {
    uint8_t *pages; /* BATCH_PAGES of them, page-aligned */
    size_t count;
    uint64_t offset;
    struct sgx_secinfo secinfo;
    bool measured;
};

static int batch_flush(const struct sgx_ops *ops, struct sgx_enclave *enclave, struct batch *batch)
{
    if (batch->count == 0)
        return 0;
    int r = ops->add_pages(enclave, batch->pages, batch->offset, batch->count * SGX_PAGE_SIZE,
                           &batch->secinfo, batch->measured);
    if (r < 0)
        fprintf(stderr, "%s: cannot add %zu pages at 0x%lx: %s\n", ops->name, batch->count,
                batch->offset, strerror(-r));
    batch->count = 0;
    return r;
}

static int batch_add(const struct sgx_ops *ops, struct sgx_enclave *enclave, struct batch *batch,
                     const struct sgxs_page *page)
{
    bool fits = batch->count > 0 && batch->count < BATCH_PAGES &&
                page->offset == batch->offset + batch->count * SGX_PAGE_SIZE &&
                page->secinfo_flags == batch->secinfo.flags && page->measured == batch->measured;
    if (!fits) {
        int r = batch_flush(ops, enclave, batch);
        if (r < 0)
            return r;
        batch->offset = page->offset;
        batch->secinfo = (struct sgx_secinfo){.flags = page->secinfo_flags};
        batch->measured = page->measured;
    }
    memcpy(batch->pages + batch->count++ * SGX_PAGE_SIZE, page->data, SGX_PAGE_SIZE);
    return 0;
}

static int add_all(const struct sgx_ops *ops, struct sgx_enclave *enclave,
                   struct sgxs_reader *reader, const char *sgxs_path)
{
    struct batch batch = {.pages = aligned_alloc(SGX_PAGE_SIZE, BATCH_PAGES * SGX_PAGE_SIZE)};
    struct sgxs_page *page = malloc(sizeof *page);
    int r = batch.pages && page ? 1 : -ENOMEM;
    while (r > 0) {
        r = sgxs_reader_next(reader, page);
        if (r > 0 && batch_add(ops, enclave, &batch, page) < 0)
            r = -EIO;
        else if (r == -EBADMSG)
            fprintf(stderr, "%s is damaged (near byte %zu); run `occlum build`\n", sgxs_path,
                    reader->at);
    }
    if (r == 0)
        r = batch_flush(ops, enclave, &batch);
    free(page);
    free(batch.pages);
    return r;
}

static int fill(const struct sgx_ops *ops, struct sgx_enclave *enclave, const char *sgxs_path,
                const struct image_file *sgxs, const struct sgx_sigstruct *sig)
{
    struct sgxs_reader reader;
    int r = sgxs_reader_init(&reader, sgxs->bytes, sgxs->size);
    if (r < 0) {
        fprintf(stderr, "%s is not an enclave image; run `occlum build`\n", sgxs_path);
        return r;
    }
    r = create(ops, enclave, &reader, sig);
    if (r == 0)
        r = add_all(ops, enclave, &reader, sgxs_path);
    if (r == 0)
        r = ops->init(enclave, sig);
    return r;
}

static int open_and_fill(const struct sgx_ops *ops, const char *sgxs_path,
                         const struct image_file *sgxs, const struct sgx_sigstruct *sig,
                         struct sgx_enclave **ret_enclave)
{
    struct sgx_enclave *enclave = NULL;
    int r = ops->open(&enclave);
    if (r < 0) {
        fprintf(stderr, "%s: cannot open an SGX enclave: %s\n", ops->name, strerror(-r));
        return r;
    }
    r = fill(ops, enclave, sgxs_path, sgxs, sig);
    if (r < 0) {
        ops->close(enclave);
        return r;
    }
    *ret_enclave = enclave;
    return 0;
}

int enclave_load(const struct sgx_ops *ops, const char *sgxs_path, const char *sig_path,
                 struct sgx_enclave **ret_enclave)
{
    struct image_file sgxs = {0}, sig = {0};
    int r = image_file_map(sgxs_path, &sgxs);
    if (r == 0)
        r = image_file_map(sig_path, &sig);
    if (r == 0 && sig.size != sizeof(struct sgx_sigstruct)) {
        fprintf(stderr, "%s is not a SIGSTRUCT (%zu bytes instead of 1808); run `occlum build`\n",
                sig_path, sig.size);
        r = -EBADMSG;
    }
    if (r == 0)
        r = open_and_fill(ops, sgxs_path, &sgxs, sig.bytes, ret_enclave);
    if (r == -EPERM)
        fprintf(stderr, "%s does not match %s: run `occlum build`\n", sig_path, sgxs_path);
    image_file_unmap(&sig);
    image_file_unmap(&sgxs);
    return r;
}
