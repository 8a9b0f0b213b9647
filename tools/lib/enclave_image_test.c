/* The image builder: reproducible, equal to its own measurement, and picky about kernels. */
#include <elf.h>
#include <errno.h>
#include <unistd.h>
#include "abi/layout.h"
#include "test/unit/quiet.h"
#include "test/unit/vectors.h"
#include "tools/lib/enclave_image.h"
#include "tools/lib/sgxs.h"
#include "tools/lib/signkey.h"
#include "tools/lib/sigstruct.h"

#define KERNEL "build/unit/enclave.elf"

static uint8_t *read_file(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    uint8_t *bytes = malloc(VECTOR_MAX);
    assert_non_null(bytes);
    *ret_size = fread(bytes, 1, VECTOR_MAX, file);
    fclose(file);
    return bytes;
}

static const struct enclave_image good = {
    .kernel_path = KERNEL,
    .config = "configuration",
    .config_size = 13,
    .vcpu_count = 2,
    .isv_prod_id = 7,
    .isv_svn = 3,
    .date = 0x20231114,
};

static int build(const struct enclave_image *image, uint8_t *ret_mrenclave, char path[32])
{
    strcpy(path, "/tmp/occlum-image-XXXXXX");
    close(mkstemp(path));
    return enclave_image_build(image, path, ret_mrenclave);
}

static void mrenclave_of(const struct enclave_image *image, uint8_t ret_mrenclave[32])
{
    char path[32];
    assert_int_equal(build(image, ret_mrenclave, path), 0);
    unlink(path);
}

TEST(image_file_hash_is_mrenclave)
{
    uint8_t mrenclave[32], digest[32];
    char path[32];
    size_t size;
    assert_int_equal(build(&good, mrenclave, path), 0);
    uint8_t *bytes = read_file(path, &size);
    assert_int_equal(EVP_Digest(bytes, size, digest, NULL, EVP_sha256(), NULL), 1);
    assert_memory_equal(digest, mrenclave, 32);
    free(bytes);
    unlink(path);
}

TEST(image_reproducible_and_sensitive)
{
    uint8_t a[32], b[32];
    mrenclave_of(&good, a);
    mrenclave_of(&good, b);
    assert_memory_equal(a, b, 32);
    struct enclave_image other = good;
    other.vcpu_count = 3;
    mrenclave_of(&other, b);
    assert_memory_not_equal(a, b, 32);
    other = good;
    other.config = "Configuration";
    mrenclave_of(&other, b);
    assert_memory_not_equal(a, b, 32);
    other = good;
    other.debuggable = true; /* signed, not measured */
    mrenclave_of(&other, b);
    assert_memory_equal(a, b, 32);
}

TEST(image_layout)
{
    uint8_t mrenclave[32];
    char path[32];
    size_t size, tcs_count = 0, config_pages = 0;
    struct sgxs_reader reader;
    struct sgxs_page page;
    int r;
    assert_int_equal(build(&good, mrenclave, path), 0);
    uint8_t *bytes = read_file(path, &size);
    assert_int_equal(sgxs_reader_init(&reader, bytes, size), 0);
    assert_int_equal(reader.enclave_size, ELRANGE_SIZE);
    for (uint64_t last = 0; (r = sgxs_reader_next(&reader, &page)) > 0; last = page.offset) {
        assert_true(page.offset > last && page.measured);
        if (page.secinfo_flags == SGX_SECINFO_TCS) {
            const struct sgx_tcs *tcs = (const struct sgx_tcs *) page.data;
            assert_int_equal(page.offset, KERNEL_VCPUS + tcs_count++ * VCPU_SLOT_SIZE);
            assert_int_equal(tcs->ossa, page.offset + VCPU_SSA);
            assert_int_equal(tcs->nssa, VCPU_NSSA);
            assert_int_equal(tcs->ogs_base, page.offset + VCPU_GS);
            assert_int_equal(tcs->ofs_base, page.offset + VCPU_FS);
            assert_int_equal(tcs->state, 0);
        }
        /* what vCPU 0 accepts for the others is not measured */
        if (page.offset >= KERNEL_VCPUS + VCPU_SLOT_SIZE)
            assert_int_equal(page.secinfo_flags, SGX_SECINFO_TCS);
        if (page.offset == KERNEL_CONFIG) {
            assert_int_equal(page.secinfo_flags, SGX_SECINFO_REG | SGX_SECINFO_R);
            assert_string_equal((const char *) page.data, "configuration");
            config_pages++;
        }
        if (page.offset == KERNEL_STUB)
            assert_int_equal(page.secinfo_flags, SGX_SECINFO_REG | SGX_SECINFO_R | SGX_SECINFO_X);
    }
    assert_int_equal(r, 0);
    assert_int_equal(tcs_count, 2);
    assert_int_equal(config_pages, 1);
    free(bytes);
    unlink(path);
}

TEST(image_signature)
{
    static const uint8_t mrenclave[32] = {1, 2, 3};
    char path[] = "/tmp/occlum-sig-XXXXXX";
    struct sgx_sigstruct *sig;
    size_t size;
    EVP_PKEY *key = NULL;
    close(mkstemp(path));
    assert_int_equal(signkey_load(VECTOR_DIR "test_key.pem", &key), 0);
    assert_int_equal(enclave_image_sign(&good, mrenclave, key, path), 0);
    sig = (struct sgx_sigstruct *) read_file(path, &size);
    assert_int_equal(size, sizeof *sig);
    assert_int_equal(sigstruct_check(sig), SGX_SUCCESS);
    assert_int_equal(sig->isv_prod_id, 7);
    assert_int_equal(sig->isv_svn, 3);
    assert_int_equal(sig->attributes.flags, SGX_ATTR_MODE64BIT);
    assert_true(sig->attribute_mask.flags & SGX_ATTR_DEBUG);
    assert_memory_equal(sig->enclave_hash, mrenclave, 32);
    free(sig);
    EVP_PKEY_free(key);
    unlink(path);
}

TEST(image_bad_parameters)
{
    uint8_t mrenclave[32];
    struct enclave_image bad = good;
    int quiet = quiet_begin();
    bad.vcpu_count = 0;
    assert_int_equal(enclave_image_build(&bad, "/tmp/occlum-none", mrenclave), -EINVAL);
    bad.vcpu_count = VCPU_MAX + 1;
    assert_int_equal(enclave_image_build(&bad, "/tmp/occlum-none", mrenclave), -EINVAL);
    bad = good;
    bad.config_size = KERNEL_CONFIG_MAX + 1;
    assert_int_equal(enclave_image_build(&bad, "/tmp/occlum-none", mrenclave), -E2BIG);
    bad = good;
    bad.kernel_path = "/nonexistent";
    assert_int_equal(enclave_image_build(&bad, "/tmp/occlum-none", mrenclave), -ENOENT);
    quiet_end(quiet);
    assert_int_equal(access("/tmp/occlum-none", F_OK), -1);
}

/* Every header field of the kernel turned, byte by byte: refused or built, never worse. */
TEST(image_hostile_kernel)
{
    size_t size;
    uint8_t *kernel = read_file(KERNEL, &size), mrenclave[32];
    char path[32], sgxs[32];
    strcpy(path, "/tmp/occlum-kernel-XXXXXX");
    close(mkstemp(path));
    struct enclave_image bad = good;
    bad.kernel_path = path;
    int quiet = quiet_begin();
    for (size_t at = 0; at < sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr); at++) {
        for (unsigned bit = 0; bit < 8; bit += 7) {
            kernel[at] ^= (uint8_t) (1u << bit);
            FILE *file = fopen(path, "w");
            fwrite(kernel, 1, size, file);
            fclose(file);
            int r = build(&bad, mrenclave, sgxs);
            assert_true(r == 0 || r == -ENOEXEC);
            unlink(sgxs);
            kernel[at] ^= (uint8_t) (1u << bit);
        }
    }
    quiet_end(quiet);
    free(kernel);
    unlink(path);
}
