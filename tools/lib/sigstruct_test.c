/* SIGSTRUCTs: foreign ones checked and re-created byte for byte, and each rule broken once. */
#include <dirent.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <errno.h>
#include "test/unit/vectors.h"
#include "tools/lib/signkey.h"
#include "tools/lib/sigstruct.h"

static EVP_PKEY *test_key(void)
{
    EVP_PKEY *key = NULL;
    assert_int_equal(signkey_load(VECTOR_DIR "test_key.pem", &key), 0);
    return key;
}

static struct sgx_sigstruct read_sigstruct(const char *name)
{
    size_t size;
    struct sgx_sigstruct sig;
    uint8_t *bytes = vector_read(name, "", &size);
    assert_int_equal(size, sizeof sig);
    memcpy(&sig, bytes, sizeof sig);
    free(bytes);
    return sig;
}

/* Every valid vector, its computed fields thrown away and signed again. */
TEST(sigstruct_signed_again)
{
    EVP_PKEY *key = test_key();
    DIR *dir = opendir(VECTOR_DIR);
    unsigned same = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (!strstr(e->d_name, ".sigstruct"))
            continue;
        struct sgx_sigstruct sig = read_sigstruct(e->d_name), again = sig;
        if (sigstruct_check(&sig) != SGX_SUCCESS)
            continue;
        memset(again.modulus, 0, sizeof again.modulus);
        memset(again.signature, 0, sizeof again.signature);
        memset(again.q1, 0, sizeof again.q1);
        memset(again.q2, 0, sizeof again.q2);
        again.exponent = 0;
        assert_int_equal(sigstruct_sign(&again, key), 0);
        assert_memory_equal(&sig, &again, sizeof sig);
        same++;
    }
    closedir(dir);
    EVP_PKEY_free(key);
    assert_int_equal(same, 5 + 13);
}

static int check_with(size_t offset, uint8_t flip)
{
    struct sgx_sigstruct sig = read_sigstruct("tiny.sigstruct");
    ((uint8_t *) &sig)[offset] ^= flip;
    return sigstruct_check(&sig);
}

/* Every byte matters to the check, except ... none: all 1808 are fixed, signed or part of the
 * proof. */
TEST(sigstruct_every_byte_counts)
{
    for (size_t at = 0; at < sizeof(struct sgx_sigstruct); at += at < 128 || at >= 896 ? 1 : 7) {
        int code = check_with(at, 0x10);
        assert_true(code == SGX_INVALID_SIG_STRUCT || code == SGX_INVALID_SIGNATURE);
    }
    assert_int_equal(check_with(0, 0), SGX_SUCCESS);
    assert_int_equal(check_with(0, 1), SGX_INVALID_SIG_STRUCT);
    assert_int_equal(check_with(offsetof(struct sgx_sigstruct, exponent), 2),
                     SGX_INVALID_SIG_STRUCT);
    assert_int_equal(check_with(offsetof(struct sgx_sigstruct, reserved4) + 11, 1),
                     SGX_INVALID_SIG_STRUCT);
    assert_int_equal(check_with(offsetof(struct sgx_sigstruct, enclave_hash), 1),
                     SGX_INVALID_SIGNATURE);
    assert_int_equal(check_with(offsetof(struct sgx_sigstruct, q2) + 3, 1), SGX_INVALID_SIGNATURE);
}

TEST(sigstruct_mrsigner_of_test_key)
{
    static const uint8_t start[4] = {0xba, 0xab, 0x5e, 0x1b};
    struct sgx_sigstruct sig = read_sigstruct("tiny.sigstruct");
    uint8_t mrsigner[32];
    sigstruct_mrsigner(&sig, mrsigner);
    assert_memory_equal(mrsigner, start, sizeof start);
}

TEST(sigstruct_wrong_keys)
{
    struct sgx_sigstruct sig;
    EVP_PKEY *key = EVP_RSA_gen(1024);
    assert_non_null(key);
    sigstruct_init(&sig);
    assert_int_equal(sigstruct_sign(&sig, key), -EINVAL);
    EVP_PKEY_free(key);
    key = EVP_EC_gen("P-256");
    assert_non_null(key);
    assert_int_equal(sigstruct_sign(&sig, key), -EINVAL);
    EVP_PKEY_free(key);
}

TEST(sigstruct_dates)
{
    assert_int_equal(sigstruct_date(0), 0x19700101);
    assert_int_equal(sigstruct_date(1700000000), 0x20231114);
    assert_int_equal(sigstruct_date(951782400), 0x20000229);
}
