/* The measured stream: foreign enclaves re-measured, and hostile input to the reader. */
#include <errno.h>
#include "test/unit/vectors.h"
#include "tools/lib/sgxs.h"

/* Replays a stream through the writer; 0 and the hash, or the reader's error. */
static int replay(const uint8_t *bytes, size_t size, uint8_t *ret_hash, size_t *ret_pages)
{
    struct sgxs_reader reader;
    struct sgxs_writer writer;
    struct sgxs_page page;
    int r = sgxs_reader_init(&reader, bytes, size);
    if (r < 0)
        return r;
    sgxs_writer_init(&writer, NULL);
    assert_int_equal(sgxs_ecreate(&writer, reader.ssa_frame_size, reader.enclave_size), 0);
    *ret_pages = 0;
    while ((r = sgxs_reader_next(&reader, &page)) > 0) {
        assert_true(page.offset < reader.enclave_size);
        assert_int_equal(
            sgxs_page(&writer, page.offset, page.secinfo_flags, page.data, page.measured), 0);
        (*ret_pages)++;
    }
    if (r == 0)
        sgxs_hash(&writer, ret_hash);
    return r;
}

TEST(sgxs_foreign_enclaves)
{
    for (size_t i = 0; i < VECTOR_ENCLAVES; i++) {
        size_t size, sig_size, pages;
        uint8_t hash[32];
        uint8_t *stream = vector_read(vector_enclaves[i], ".sgxs.gz", &size);
        uint8_t *sig = vector_read(vector_enclaves[i], ".sigstruct", &sig_size);
        assert_int_equal(sig_size, sizeof(struct sgx_sigstruct));
        assert_int_equal(replay(stream, size, hash, &pages), 0);
        assert_memory_equal(hash, ((struct sgx_sigstruct *) sig)->enclave_hash, 32);
        assert_true(pages > 5);
        free(stream);
        free(sig);
    }
}

TEST(sgxs_single_leaves_equal_whole_pages)
{
    struct sgxs_writer by_page, by_leaf;
    uint8_t page[4096], a[32], b[32];
    struct sgx_secinfo secinfo = {.flags = SGX_SECINFO_REG | SGX_SECINFO_R};
    for (size_t i = 0; i < sizeof page; i++)
        page[i] = (uint8_t) (i * 31);
    sgxs_writer_init(&by_page, NULL);
    sgxs_writer_init(&by_leaf, NULL);
    sgxs_ecreate(&by_page, 1, 65536);
    sgxs_page(&by_page, 8192, secinfo.flags, page, true);
    sgxs_ecreate(&by_leaf, 1, 65536);
    sgxs_eadd(&by_leaf, 8192, &secinfo);
    for (size_t i = 0; i < 4096; i += 256)
        sgxs_eextend(&by_leaf, 8192 + i, page + i);
    sgxs_hash(&by_page, a);
    sgxs_hash(&by_leaf, b);
    assert_memory_equal(a, b, 32);
}

/* A copy of exactly size bytes, so that a sanitizer sees any read beyond it. */
static uint8_t *exact(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    return copy;
}

TEST(sgxs_truncated)
{
    size_t size, pages, accepted = 0;
    uint8_t hash[32];
    uint8_t *stream = vector_read("tiny", ".sgxs.gz", &size);
    for (size_t n = 0; n < size; n += n % 64 == 0 ? 1 : 21) {
        uint8_t *copy = exact(stream, n);
        int r = replay(copy, n, hash, &pages);
        assert_true(r == 0 || r == -EBADMSG);
        accepted += r == 0;
        free(copy);
    }
    assert_true(accepted < 20); /* only where a page ends */
    free(stream);
}

TEST(sgxs_bits_flipped)
{
    size_t size, pages;
    uint8_t good[32], hash[32];
    uint8_t *stream = vector_read("tiny", ".sgxs.gz", &size);
    assert_int_equal(replay(stream, size, good, &pages), 0);
    for (size_t bit = 0; bit < size * 8; bit += 61) {
        stream[bit / 8] ^= (uint8_t) (1u << bit % 8);
        int r = replay(stream, size, hash, &pages);
        assert_true(r == -EBADMSG || (r == 0 && memcmp(hash, good, 32) != 0));
        stream[bit / 8] ^= (uint8_t) (1u << bit % 8);
    }
    free(stream);
}

TEST(sgxs_random_bytes)
{
    uint8_t bytes[700], hash[32];
    size_t pages;
    unsigned seed = 1;
    for (unsigned round = 0; round < 3000; round++) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t) (seed = seed * 1103515245 + 12345) >> 3;
        static const char *const tags[] = {"ECREATE", "EADD\0\0\0", "EEXTEND"};
        for (size_t at = 0; at < sizeof bytes - 8; at += 64)
            memcpy(bytes + at, tags[at == 0 ? 0 : 1 + round % 2], 8);
        if (round % 3)
            memset(bytes + 20, 0, 44); /* often a good ECREATE */
        if (round % 3 == 2)
            memcpy(bytes + 12, "\0\0\1\0\0\0\0", 8);
        size_t size = round % sizeof bytes;
        int r = replay(bytes, size, hash, &pages);
        assert_true(r == -EBADMSG || r == 0);
    }
}

TEST(sgxs_page_rules)
{
    static const struct {
        uint64_t offset, flags;
        bool ok;
    } cases[] = {
        {0x1000, SGX_SECINFO_TCS, true},
        {0x1000, SGX_SECINFO_TCS | SGX_SECINFO_R, false},
        {0x1000, SGX_SECINFO_REG | SGX_SECINFO_R | SGX_SECINFO_X, true},
        {0x1000, SGX_SECINFO_REG | SGX_SECINFO_W, false},
        {0x1000, SGX_SECINFO_TRIM, false},
        {0x1000, SGX_SECINFO_REG | SGX_SECINFO_PENDING, false},
        {0x1000, SGX_SECINFO_REG | 1ul << 40, false},
        {0x1001, SGX_SECINFO_REG, false},
        {0x10000, SGX_SECINFO_REG, false},
        {~0xffful, SGX_SECINFO_REG, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *bytes;
        size_t size, pages;
        uint8_t hash[32];
        struct sgxs_writer writer;
        FILE *file = open_memstream(&bytes, &size);
        sgxs_writer_init(&writer, file);
        sgxs_ecreate(&writer, 1, 0x10000);
        struct sgx_secinfo secinfo = {.flags = cases[i].flags};
        sgxs_eadd(&writer, cases[i].offset, &secinfo);
        fclose(file);
        assert_int_equal(replay((uint8_t *) bytes, size, hash, &pages), cases[i].ok ? 0 : -EBADMSG);
        free(bytes);
    }
}
