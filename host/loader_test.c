/* The loader refuses what is not exactly the enclave that was signed. */
#include "host/loader.h"
#include "tools/lib/sgxs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "test/unit/probe.h"
#include "test/unit/quiet.h"
#include "test/unit/test.h"

static uint8_t *read_all(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *ret_size = (size_t) ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*ret_size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *ret_size, file), *ret_size);
    fclose(file);
    return bytes;
}

static void write_all(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fwrite(bytes, 1, size, file);
    fclose(file);
}

static int load(const char *sgxs, const char *sig)
{
    struct sgx_enclave *enclave = NULL;
    int r = enclave_load(&sgx_sim_ops, sgxs, sig, &enclave);
    if (r == 0)
        sgx_sim_ops.close(enclave);
    return r;
}

/* EADD overwrites some fields of a TCS, so not every change there is one. All pages are measured. */
static bool in_tcs(const uint8_t *bytes, size_t at)
{
    const size_t page_stream = SGXS_BLOCK + SGX_PAGE_SIZE / SGXS_CHUNK * (SGXS_BLOCK + SGXS_CHUNK);
    if (at < SGXS_BLOCK)
        return false;
    size_t eadd = at - (at - SGXS_BLOCK) % page_stream, type = eadd + 17;
    return at > type && bytes[type] == SGX_PT_TCS;
}

TEST(loader_damaged_image)
{
    char path[] = "/tmp/occlum-loader-XXXXXX";
    size_t size;
    uint8_t *bytes = read_all(probe_sgxs(), &size);
    close(mkstemp(path));
    int quiet = quiet_begin();
    write_all(path, bytes, size);
    assert_int_equal(load(path, probe_sig()), 0);
    for (size_t cut = 1; cut < size; cut += size / 23) {
        write_all(path, bytes, size - cut);
        int r = load(path, probe_sig());
        assert_true(r == -EBADMSG || r == -EPERM);
    }
    for (size_t bit = 3; bit < size * 8; bit += size * 8 / 61) {
        if (in_tcs(bytes, bit / 8))
            continue;
        bytes[bit / 8] ^= (uint8_t) (1u << bit % 8);
        write_all(path, bytes, size);
        assert_true(load(path, probe_sig()) < 0);
        bytes[bit / 8] ^= (uint8_t) (1u << bit % 8);
    }
    write_all(path, bytes, 0);
    assert_int_equal(load(path, probe_sig()), -ENODATA);
    quiet_end(quiet);
    free(bytes);
    unlink(path);
}

TEST(loader_damaged_signature)
{
    char path[] = "/tmp/occlum-loader-XXXXXX";
    size_t size;
    uint8_t *bytes = read_all(probe_sig(), &size);
    close(mkstemp(path));
    int quiet = quiet_begin();
    write_all(path, bytes, size - 1);
    assert_int_equal(load(probe_sgxs(), path), -EBADMSG);
    for (size_t bit = 5; bit < size * 8; bit += 331) {
        bytes[bit / 8] ^= (uint8_t) (1u << bit % 8);
        write_all(path, bytes, size);
        int r = load(probe_sgxs(), path);
        assert_true(r == -EPERM || r == -EIO || r == -EINVAL || r == -EACCES);
        bytes[bit / 8] ^= (uint8_t) (1u << bit % 8);
    }
    assert_int_equal(load(probe_sgxs(), "test/vectors/tiny.sigstruct"), -EPERM);
    assert_int_equal(load("/nonexistent", probe_sig()), -ENOENT);
    assert_int_equal(load("test/vectors/sim.quote", probe_sig()), -EBADMSG);
    quiet_end(quiet);
    free(bytes);
    unlink(path);
}

/* Where there is no SGX the real back end says so. */
TEST(loader_without_hardware)
{
    struct sgx_enclave *enclave = NULL;
    if (access("/dev/sgx_enclave", F_OK) == 0)
        return;
    assert_int_equal(sgx_hw_ops.open(&enclave), -ENOENT);
    assert_null(enclave);
}
