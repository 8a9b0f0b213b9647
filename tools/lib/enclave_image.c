/* The enclave image, page by page in ascending order: kernel segments, configuration, vCPU
 * slots.
 *
 * Everything is measured, so the file holds no choice that is not in struct enclave_image. Per
 * vCPU: the TCS, its SSA frames, GS and FS pages, the trap and the idle stack, at the offsets
 * of abi/layout.h; gaps are guards. The ELF is only this program's input, but its numbers are
 * checked all the same: a bad one must give a message here and not a bad measurement.
 *
 * Signed, not measured: attributes. XFRM may differ from {x87, SSE} only in AVX and AVX-512, so
 * that one image runs on processors with and without them; the kernel reads XFRM from its own
 * report. DEBUG may be set only if the image is debuggable; everything else must match.
 */
#include "tools/lib/enclave_image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/layout.h"
#include "abi/sgx.h"
#include "tools/lib/sgxs.h"
#include "tools/lib/sigstruct.h"

#define REG_R  (SGX_SECINFO_REG | SGX_SECINFO_R)
#define REG_RW (REG_R | SGX_SECINFO_W)

/* Bits of ATTRIBUTES that EINIT compares; 55:48 are left out as Intel's own signer does. */
#define FLAGS_MASK 0xff00fffffffffffful
#define XFRM_MASK  (~(SGX_XFRM_AVX | SGX_XFRM_AVX512))

static const uint8_t zero_page[PAGE_SIZE];

struct kernel {
    const uint8_t *bytes;
    size_t size;
    const Elf64_Ehdr *header;
    const Elf64_Phdr *segments;
};

static uint64_t page_floor(uint64_t address)
{
    return address & ~(PAGE_SIZE - 1);
}

static int kernel_bad(const char *path, const char *why)
{
    fprintf(stderr, "%s: not a kernel for the enclave: %s\n", path, why);
    return -ENOEXEC;
}

static int kernel_map(const char *path, struct kernel *ret_kernel)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        int r = -errno;
        fprintf(stderr, "cannot open kernel %s: %s\n", path, strerror(-r));
        if (fd >= 0)
            (void) close(fd); /* only read */
        return r;
    }
    size_t size = (size_t) st.st_size;
    void *bytes = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    (void) close(fd); /* the mapping stays */
    if (bytes == MAP_FAILED)
        return kernel_bad(path, "empty or unreadable");
    *ret_kernel = (struct kernel){.bytes = bytes, .size = size};
    return 0;
}

static void kernel_unmap(struct kernel *kernel)
{
    (void) munmap((void *) (uintptr_t) kernel->bytes, kernel->size); /* cannot fail */
}

static int kernel_check_header(const char *path, struct kernel *kernel)
{
    const Elf64_Ehdr *h = (const Elf64_Ehdr *) kernel->bytes;
    if (kernel->size < sizeof *h || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 ||
        h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_machine != EM_X86_64)
        return kernel_bad(path, "not an x86-64 ELF file");
    if (h->e_type != ET_EXEC)
        return kernel_bad(path, "must be linked at a fixed address (ET_EXEC)");
    if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phoff % 8 != 0 || h->e_phoff > kernel->size ||
        h->e_phnum > (kernel->size - h->e_phoff) / sizeof(Elf64_Phdr))
        return kernel_bad(path, "bad program header table");
    kernel->header = h;
    kernel->segments = (const Elf64_Phdr *) (kernel->bytes + h->e_phoff);
    return 0;
}

/* Segments must be ascending, no two on one page, and below the configuration; the entry point must
 * lie in an executable one. */
static int kernel_check_segments(const char *path, const struct kernel *kernel)
{
    uint64_t end = KERNEL_BASE;
    bool entry_ok = false;
    for (unsigned i = 0; i < kernel->header->e_phnum; i++) {
        const Elf64_Phdr *p = &kernel->segments[i];
        if (p->p_type != PT_LOAD || p->p_memsz == 0)
            continue;
        if (page_floor(p->p_vaddr) < end)
            return kernel_bad(path,
                              "segments must start at KERNEL_BASE or above and share no page");
        if (p->p_memsz > KERNEL_CONFIG || p->p_vaddr > KERNEL_CONFIG - p->p_memsz)
            return kernel_bad(path, "does not fit below KERNEL_CONFIG");
        if (p->p_filesz > p->p_memsz || p->p_offset > kernel->size ||
            p->p_filesz > kernel->size - p->p_offset)
            return kernel_bad(path, "segment outside the file");
        if ((p->p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
            return kernel_bad(path, "a segment is writable and executable");
        end = page_floor(p->p_vaddr + p->p_memsz + PAGE_SIZE - 1);
        entry_ok |= (p->p_flags & PF_X) && kernel->header->e_entry >= p->p_vaddr &&
                    kernel->header->e_entry < p->p_vaddr + p->p_memsz;
    }
    return entry_ok ? 0 : kernel_bad(path, "entry point outside its code");
}

/* The bytes of a segment that fall on the page at address; what the file lacks is zero. */
static void segment_page(const struct kernel *kernel, const Elf64_Phdr *p, uint64_t address,
                         uint8_t ret_page[PAGE_SIZE])
{
    uint64_t from = address > p->p_vaddr ? address : p->p_vaddr;
    uint64_t end = p->p_vaddr + p->p_filesz;
    memset(ret_page, 0, PAGE_SIZE);
    if (end > address + PAGE_SIZE)
        end = address + PAGE_SIZE;
    if (from < end)
        memcpy(ret_page + (from - address), kernel->bytes + p->p_offset + (from - p->p_vaddr),
               end - from);
}

/* Pages that only the .bss is on stay absent: the kernel accepts them as zero pages when it starts. */
static int add_segment(struct sgxs_writer *writer, const struct kernel *kernel, const Elf64_Phdr *p)
{
    uint64_t flags = REG_R;
    flags |= p->p_flags & PF_W ? SGX_SECINFO_W : 0;
    flags |= p->p_flags & PF_X ? SGX_SECINFO_X : 0;
    int r = 0;
    for (uint64_t at = page_floor(p->p_vaddr); at < p->p_vaddr + p->p_filesz && r == 0;
         at += PAGE_SIZE) {
        uint8_t page[PAGE_SIZE];
        segment_page(kernel, p, at, page);
        r = sgxs_page(writer, at, flags, page, true);
    }
    return r;
}

static int add_kernel(struct sgxs_writer *writer, const struct kernel *kernel)
{
    int r = 0;
    for (unsigned i = 0; i < kernel->header->e_phnum && r == 0; i++)
        if (kernel->segments[i].p_type == PT_LOAD)
            r = add_segment(writer, kernel, &kernel->segments[i]);
    return r;
}

static int add_config(struct sgxs_writer *writer, const struct enclave_image *image)
{
    int r = 0;
    for (size_t at = 0; at < image->config_size && r == 0; at += PAGE_SIZE) {
        uint8_t page[PAGE_SIZE] = {0};
        size_t left = image->config_size - at;
        memcpy(page, (const uint8_t *) image->config + at, left < PAGE_SIZE ? left : PAGE_SIZE);
        r = sgxs_page(writer, KERNEL_CONFIG + at, REG_R, page, true);
    }
    return r;
}

static int add_zero_pages(struct sgxs_writer *writer, uint64_t start, uint64_t count)
{
    int r = 0;
    for (uint64_t i = 0; i < count && r == 0; i++)
        r = sgxs_page(writer, start + i * PAGE_SIZE, REG_RW, zero_page, true);
    return r;
}

static int add_vcpu(struct sgxs_writer *writer, uint64_t slot, uint64_t entry)
{
    struct sgx_tcs tcs = {
        .ossa = slot + VCPU_SSA,
        .nssa = VCPU_NSSA,
        .oentry = entry,
        .ofs_base = slot + VCPU_FS,
        .ogs_base = slot + VCPU_GS,
        .fs_limit = 0xffffffff,
        .gs_limit = 0xffffffff,
    };
    int r = sgxs_page(writer, slot + VCPU_TCS, SGX_SECINFO_TCS, &tcs, true);
    if (slot > KERNEL_VCPUS) /* vCPU 0 accepts the other pages of the others */
        return r;
    if (r == 0)
        r = add_zero_pages(writer, slot + VCPU_SSA, VCPU_NSSA * VCPU_SSAFRAMESIZE);
    if (r == 0)
        r = add_zero_pages(writer, slot + VCPU_GS, VCPU_GS_PAGES);
    if (r == 0)
        r = add_zero_pages(writer, slot + VCPU_FS, 1);
    if (r == 0)
        r = add_zero_pages(writer, slot + VCPU_TRAP_STACK, VCPU_TRAP_PAGES);
    if (r == 0)
        r = add_zero_pages(writer, slot + VCPU_IDLE_STACK, VCPU_IDLE_PAGES);
    return r;
}

static int add_everything(struct sgxs_writer *writer, const struct enclave_image *image,
                          const struct kernel *kernel)
{
    int r = sgxs_ecreate(writer, VCPU_SSAFRAMESIZE, ELRANGE_SIZE);
    if (r == 0)
        r = add_kernel(writer, kernel);
    if (r == 0)
        r = add_config(writer, image);
    for (unsigned i = 0; i < image->vcpu_count && r == 0; i++)
        r = add_vcpu(writer, KERNEL_VCPUS + i * VCPU_SLOT_SIZE, kernel->header->e_entry);
    return r;
}

static int check_parameters(const struct enclave_image *image)
{
    if (image->vcpu_count < 1 || image->vcpu_count > VCPU_MAX) {
        fprintf(stderr, "an enclave has 1 to %d vCPUs, not %u\n", VCPU_MAX, image->vcpu_count);
        return -EINVAL;
    }
    if (image->config_size > KERNEL_CONFIG_MAX) {
        fprintf(stderr, "configuration of %zu bytes exceeds %lu\n", image->config_size,
                KERNEL_CONFIG_MAX);
        return -E2BIG;
    }
    return 0;
}

/* A temporary file beside path that becomes path when all is written. */
struct output {
    FILE *file;
    char *temporary;
};

static int output_open(struct output *output, const char *path)
{
    if (asprintf(&output->temporary, "%s.XXXXXX", path) < 0)
        return -ENOMEM;
    int fd = mkostemp(output->temporary, O_CLOEXEC);
    output->file = fd >= 0 && fchmod(fd, 0644) == 0 ? fdopen(fd, "w") : NULL;
    if (output->file)
        return 0;
    int r = -errno;
    fprintf(stderr, "cannot write %s: %s\n", path, strerror(-r));
    if (fd >= 0) {
        (void) close(fd); /* unused */
        (void) unlink(output->temporary);
    }
    free(output->temporary);
    return r;
}

/* result is what writing gave so far; anything but 0 drops the file. */
static int output_close(struct output *output, const char *path, int result)
{
    if (fclose(output->file) != 0 && result == 0)
        result = -EIO;
    if (result == 0 && rename(output->temporary, path) < 0)
        result = -errno;
    if (result < 0) {
        fprintf(stderr, "cannot write %s: %s\n", path, strerror(-result));
        (void) unlink(output->temporary); /* a leftover is harmless */
    }
    free(output->temporary);
    return result;
}

static int write_stream(const struct enclave_image *image, const struct kernel *kernel,
                        const char *sgxs_path, uint8_t ret_mrenclave[32])
{
    struct output output;
    struct sgxs_writer writer;
    int r = output_open(&output, sgxs_path);
    if (r < 0)
        return r;
    sgxs_writer_init(&writer, output.file);
    r = add_everything(&writer, image, kernel);
    sgxs_hash(&writer, ret_mrenclave);
    return output_close(&output, sgxs_path, r);
}

int enclave_image_build(const struct enclave_image *image, const char *sgxs_path,
                        uint8_t ret_mrenclave[32])
{
    struct kernel kernel = {0};
    int r = check_parameters(image);
    if (r < 0)
        return r;
    r = kernel_map(image->kernel_path, &kernel);
    if (r < 0)
        return r;
    r = kernel_check_header(image->kernel_path, &kernel);
    if (r == 0)
        r = kernel_check_segments(image->kernel_path, &kernel);
    if (r == 0)
        r = write_stream(image, &kernel, sgxs_path, ret_mrenclave);
    kernel_unmap(&kernel);
    return r;
}

int enclave_image_sign(const struct enclave_image *image, const uint8_t mrenclave[32],
                       EVP_PKEY *key, const char *sig_path)
{
    struct sgx_sigstruct sig;
    sigstruct_init(&sig);
    sig.date = image->date;
    sig.misc_select = SGX_MISC_EXINFO;
    sig.misc_mask = 0xffffffff;
    sig.attributes.flags = SGX_ATTR_MODE64BIT | (image->debuggable ? SGX_ATTR_DEBUG : 0);
    sig.attributes.xfrm = SGX_XFRM_LEGACY;
    sig.attribute_mask.flags = FLAGS_MASK & ~(image->debuggable ? SGX_ATTR_DEBUG : 0);
    sig.attribute_mask.xfrm = XFRM_MASK;
    sig.isv_prod_id = image->isv_prod_id;
    sig.isv_svn = image->isv_svn;
    memcpy(sig.enclave_hash, mrenclave, sizeof sig.enclave_hash);
    int r = sigstruct_sign(&sig, key);
    if (r < 0) {
        fprintf(stderr, "cannot sign: the key is not RSA-3072 with public exponent 3\n");
        return r;
    }
    struct output output;
    r = output_open(&output, sig_path);
    if (r < 0)
        return r;
    if (fwrite(&sig, sizeof sig, 1, output.file) != 1)
        r = -EIO;
    return output_close(&output, sig_path, r);
}
