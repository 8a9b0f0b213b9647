/* Ciphers against published answers, against OpenSSL, and against forgeries, with every implementation
 * that this CPU can run. */
#include <openssl/evp.h>
#include "libos/crypto/aes.h"
#include "libos/crypto/cpu.h"
#include "libos/crypto/ctr.h"
#include "libos/crypto/gcm.h"
#include "libos/crypto/hkdf.h"
#include "libos/crypto/seal.h"
#include "libos/crypto/sha256.h"
#include "libos/base/errno.h"
#include "libos/host/posix/unit.h"
#include "test/unit/test.h"

#define BIG 9000

static bool cpu_can(enum crypto_cpu cpu)
{
    if (cpu == CRYPTO_AVX512)
        return __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vbmi2");
    return cpu == CRYPTO_SSE || __builtin_cpu_supports("avx2");
}

/* Runs test once for each implementation; the choice at the end is the one at the start. */
static void with_each_cpu(void (*test)(void))
{
    for (enum crypto_cpu cpu = CRYPTO_SSE; cpu <= CRYPTO_AVX512; cpu++) {
        crypto_cpu_set(cpu);
        if (cpu_can(cpu))
            test();
        else
            print_message("no CPU here for implementation %d\n", (int) cpu);
    }
    crypto_cpu_set(CRYPTO_SSE);
}

struct bytes {
    uint8_t b[160];
    size_t n;
};

static unsigned digit(char c)
{
    return (unsigned) (c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct bytes hex(const char *s)
{
    struct bytes out = {.n = strlen(s) / 2};
    for (size_t i = 0; i < out.n; i++)
        out.b[i] = (uint8_t) (digit(s[2 * i]) << 4 | digit(s[2 * i + 1]));
    return out;
}

static struct cspan span_of(const struct bytes *b)
{
    return (struct cspan){b->b, b->n};
}

/* ---- AES-256-GCM: the GCM specification's cases 13 to 16 ---- */

#define MESSAGE                                                                                    \
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6" \
    "b"                                                                                            \
    "525b16aedf5aa0de657ba637b39"
#define CIPHER                                                                                     \
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b105682" \
    "8"                                                                                            \
    "838c5f61e6393ba7a0abcc9f662"
#define ZERO_KEY "0000000000000000000000000000000000000000000000000000000000000000"
#define KEY      "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"

static const struct {
    const char *key, *nonce, *aad, *plain, *cipher, *tag;
} gcm_cases[] = {
    {ZERO_KEY, "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {ZERO_KEY, "000000000000000000000000", "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
    {KEY, "cafebabefacedbaddecaf888", "", MESSAGE "1aafd255", CIPHER "898015ad",
     "b094dac5d93471bdec1a502270e3cc6c"},
    {KEY, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2", MESSAGE, CIPHER,
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

static void forgeries(const struct gcm_key *k, const struct bytes *nonce, const struct bytes *aad,
                      const struct bytes *cipher, const struct bytes *tag)
{
    uint8_t out[160];
    for (size_t bit = 0; bit < 128; bit++) {
        struct bytes t = *tag;
        t.b[bit / 8] ^= (uint8_t) (1 << bit % 8);
        memset(out, 0xee, sizeof out);
        assert_int_equal(gcm_open(k, nonce->b, span_of(aad), span_of(cipher), out, t.b), -EBADMSG);
        for (size_t i = 0; i < cipher->n; i++)
            assert_int_equal(out[i], 0); /* nothing unauthentic stays */
    }
    for (size_t i = 0; i < cipher->n + aad->n + nonce->n; i++) {
        struct bytes c = *cipher, a = *aad, n = *nonce;
        if (i < c.n)
            c.b[i] ^= 0x80;
        else if (i < c.n + a.n)
            a.b[i - c.n] ^= 1;
        else
            n.b[i - c.n - a.n] ^= 0x10;
        assert_int_equal(gcm_open(k, n.b, span_of(&a), span_of(&c), out, tag->b), -EBADMSG);
    }
    static const uint8_t zeros[16];
    assert_int_equal(gcm_open(k, nonce->b, span_of(aad), span_of(cipher), out, zeros), -EBADMSG);
    for (size_t cut = 1; cut <= cipher->n; cut++)
        assert_int_equal(gcm_open(k, nonce->b, span_of(aad),
                                  (struct cspan){cipher->b, cipher->n - cut}, out, tag->b),
                         -EBADMSG);
}

static void gcm_known(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(gcm_cases); i++) {
        struct bytes key = hex(gcm_cases[i].key), nonce = hex(gcm_cases[i].nonce);
        struct bytes aad = hex(gcm_cases[i].aad), plain = hex(gcm_cases[i].plain);
        struct bytes cipher = hex(gcm_cases[i].cipher), tag = hex(gcm_cases[i].tag);
        struct gcm_key k;
        uint8_t out[160], got[16];
        gcm_key_init(&k, key.b);
        gcm_seal(&k, nonce.b, span_of(&aad), span_of(&plain), out, got);
        assert_memory_equal(out, cipher.b, cipher.n);
        assert_memory_equal(got, tag.b, 16);
        assert_int_equal(gcm_open(&k, nonce.b, span_of(&aad), span_of(&cipher), out, tag.b), 0);
        assert_memory_equal(out, plain.b, plain.n);
        forgeries(&k, &nonce, &aad, &cipher, &tag);
        gcm_key_wipe(&k);
        for (size_t j = 0; j < sizeof k; j++)
            assert_int_equal(k.schedule[j], 0);
    }
}

TEST(gcm_known_answers)
{
    with_each_cpu(gcm_known);
}

static uint32_t seed;
static uint32_t next_random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

static void fill(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t) next_random();
}

static void openssl_seal(const uint8_t *key, const uint8_t *nonce, struct cspan aad,
                         struct cspan in, uint8_t *out, uint8_t *tag)
{
    int n;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce), 1);
    assert_int_equal(EVP_EncryptUpdate(c, NULL, &n, aad.p, (int) aad.n), 1);
    assert_int_equal(EVP_EncryptUpdate(c, out, &n, in.p, (int) in.n), 1);
    assert_int_equal(EVP_EncryptFinal_ex(c, out + n, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, tag), 1);
    EVP_CIPHER_CTX_free(c);
}

/* Every length up to 600, then random ones: each path by the number of blocks and by the tail. */
static void gcm_differential(void)
{
    static uint8_t plain[BIG], ours[BIG], theirs[BIG], aad[200];
    uint8_t key[32], nonce[12], tag[16], their_tag[16];
    for (int round = 0; round < 1200; round++) {
        struct cspan in = {plain, round < 600 ? (size_t) round : next_random() % BIG};
        struct cspan a = {aad, next_random() % sizeof aad};
        fill(key, sizeof key);
        fill(nonce, sizeof nonce);
        fill(aad, a.n);
        fill(plain, in.n);
        struct gcm_key k;
        gcm_key_init(&k, key);
        gcm_seal(&k, nonce, a, in, ours, tag);
        openssl_seal(key, nonce, a, in, theirs, their_tag);
        assert_memory_equal(ours, theirs, in.n);
        assert_memory_equal(tag, their_tag, 16);
        assert_int_equal(gcm_open(&k, nonce, a, (struct cspan){ours, in.n}, ours, tag), 0);
        assert_memory_equal(ours, plain, in.n); /* in place */
    }
}

TEST(gcm_like_openssl)
{
    seed = 1;
    with_each_cpu(gcm_differential);
}

/* ---- AES-256-CTR: SP 800-38A, F.5.5 ---- */

#define SP_MESSAGE                                                                                 \
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a" \
    "52eff69f2445df4f9b17ad2b417be66c3710"

static void ctr_known(void)
{
    struct bytes plain = hex(SP_MESSAGE);
    struct bytes cipher =
        hex("601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017"
            "ba2d84988ddfc9c58db67aada613c2dd08457941a6");
    struct bytes key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
    struct bytes counter = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    struct aes256_key k;
    uint8_t out[64];
    aes256_key_init(&k, key.b);
    for (size_t n = 0; n <= 64; n++) {
        aes256_ctr(&k, counter.b, (struct cspan){plain.b, n}, out);
        assert_memory_equal(out, cipher.b, n);
    }
    aes256_ctr(&k, counter.b, span_of(&cipher), out);
    assert_memory_equal(out, plain.b, 64);
    static uint8_t zero[BIG], ours[BIG], theirs[BIG];
    static const uint8_t from_zero[16] = {1, 2, 3};
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n;
    assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_256_ctr(), NULL, key.b, from_zero), 1);
    assert_int_equal(EVP_EncryptUpdate(c, theirs, &n, zero, BIG), 1);
    EVP_CIPHER_CTX_free(c);
    aes256_ctr(&k, from_zero, (struct cspan){zero, BIG}, ours);
    assert_memory_equal(ours, theirs, BIG);
    aes256_key_wipe(&k);
}

TEST(ctr_known_answers)
{
    with_each_cpu(ctr_known);
}

/* ---- AES-128-CMAC: RFC 4493 ---- */

TEST(cmac_known_answers)
{
    static const struct {
        size_t n;
        const char *mac;
    } cases[] = {
        {0, "bb1d6929e95937287fa37d129b756746"},
        {16, "070a16b46b4d4144f79bdd9dd04a287c"},
        {40, "dfa66747de9ae63030ca32611497c827"},
        {64, "51f0bebf7e3b9d92fc49741779363cfe"},
    };
    struct bytes key = hex("2b7e151628aed2a6abf7158809cf4f3c"), message = hex(SP_MESSAGE);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t mac[16];
        struct bytes want = hex(cases[i].mac);
        aes128_cmac(key.b, (struct cspan){message.b, cases[i].n}, mac);
        assert_memory_equal(mac, want.b, 16);
    }
}

/* ---- HKDF: RFC 5869, cases 1 to 3; HMAC: RFC 4231, cases 2 and 6 ---- */

static struct bytes counting(unsigned first, size_t n)
{
    struct bytes b = {.n = n};
    for (size_t i = 0; i < n; i++)
        b.b[i] = (uint8_t) (first + i);
    return b;
}

static void hkdf_case(struct bytes key, struct bytes salt, struct bytes info, const char *answer)
{
    struct bytes want = hex(answer), got = {.n = want.n};
    hkdf_sha256(span_of(&key), span_of(&salt), span_of(&info), (struct span){got.b, got.n});
    assert_memory_equal(got.b, want.b, want.n);
}

TEST(hkdf_known_answers)
{
    struct bytes key = {.n = 22};
    memset(key.b, 0x0b, 22);
    hkdf_case(
        key, counting(0, 13), counting(0xf0, 10),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    hkdf_case(
        counting(0, 80), counting(0x60, 80), counting(0xb0, 80),
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41"
        "c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
    hkdf_case(
        key, (struct bytes){0}, (struct bytes){0},
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(hmac_known_answers)
{
    static const char text[] = "what do ya want for nothing?";
    static const char long_text[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    uint8_t key[131], mac[32];
    struct bytes want = hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    hmac_sha256((struct cspan){(const uint8_t *) "Jefe", 4},
                (struct cspan){(const uint8_t *) text, sizeof text - 1}, mac);
    assert_memory_equal(mac, want.b, 32);
    memset(key, 0xaa, sizeof key);
    want = hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hmac_sha256(CSPAN_OF(key), (struct cspan){(const uint8_t *) long_text, sizeof long_text - 1},
                mac);
    assert_memory_equal(mac, want.b, 32);
}

/* ---- the choice, sealing ---- */

TEST(crypto_cpu_choice)
{
    const struct host_cpuid avx2 = {.leaf = 7, .ebx = 1u << 5 | 1u << 8};
    const struct host_cpuid all = {.leaf = 7, .ebx = ~0u, .ecx = ~0u};
    assert_int_equal(crypto_cpu_best(7, NULL, 0), CRYPTO_SSE);
    assert_int_equal(crypto_cpu_best(3, &all, 1), CRYPTO_SSE);
    assert_int_equal(crypto_cpu_best(7, &all, 1), CRYPTO_AVX2);
    assert_int_equal(crypto_cpu_best(0xe7, &avx2, 1), CRYPTO_AVX2);
    assert_int_equal(crypto_cpu_best(0xe7, &all, 1), CRYPTO_AVX512);
}

TEST(secrets_compare)
{
    uint8_t a[20] = {1}, b[20] = {1};
    assert_true(equal_secret(a, b, sizeof a));
    assert_true(equal_secret(a, b, 0));
    for (size_t i = 0; i < sizeof a; i++) {
        b[i] ^= 0x80;
        assert_false(equal_secret(a, b, sizeof a));
        assert_true(equal_secret(a, b, i));
        b[i] ^= 0x80;
    }
}

TEST(seal_keys)
{
    struct seal_id id, other;
    uint8_t key[16], again[16];
    seal_id_new(SGX_KEYPOLICY_MRSIGNER, &id);
    seal_id_new(SGX_KEYPOLICY_MRSIGNER, &other);
    assert_int_equal(seal_key_get(&id, key), 0);
    assert_int_equal(seal_key_get(&id, again), 0);
    assert_memory_equal(key, again, 16);
    assert_int_equal(seal_key_get(&other, again), 0);
    assert_memory_not_equal(key, again, 16);
    other = id;
    other.policy = SGX_KEYPOLICY_MRENCLAVE;
    assert_int_equal(seal_key_get(&other, again), 0);
    assert_memory_not_equal(key, again, 16);
    other.policy = SGX_KEYPOLICY_CONFIGID; /* would fault without KSS: the host chose it */
    assert_int_equal(seal_key_get(&other, again), -EKEYREJECTED);
    other = id;
    other.isv_svn++;
    assert_int_equal(seal_key_get(&other, again), -EKEYREJECTED);
    other = id;
    other.cpu_svn[0]++;
    assert_int_equal(seal_key_get(&other, again), -EKEYREJECTED);
}

/* ---- disk blocks in counter mode: made of GCM and CFB, compared with OpenSSL's AES-256-CTR ---- */

static void sector_case(const uint8_t key[32], uint64_t sector, size_t size, unsigned *state)
{
    uint8_t text[4096], want[4096 + 16], counter[16] = {0};
    for (size_t i = 0; i < size; i++)
        text[i] = (uint8_t) rand_r(state);
    memcpy(counter, &sector, sizeof sector);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n;
    assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_256_ctr(), NULL, key, counter), 1);
    assert_int_equal(EVP_EncryptUpdate(c, want, &n, text, (int) size), 1);
    EVP_CIPHER_CTX_free(c);
    struct gcm_key k;
    uint8_t got[4096];
    memcpy(got, text, size);
    gcm_key_init(&k, key);
    ctr_sector(&k, sector, (struct span){got, size});
    assert_memory_equal(got, want, size);
    ctr_sector(&k, sector, (struct span){got, size});
    assert_memory_equal(got, text, size);
}

static void sectors(void)
{
    static const uint64_t numbers[] = {0, 8, 16, 0x12345678, (uint64_t) 1 << 32, UINT64_MAX - 7};
    static const size_t sizes[] = {4096, 512, 33, 32, 48, 4095};
    unsigned state = 7;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
            uint8_t key[32];
            for (size_t b = 0; b < sizeof key; b++)
                key[b] = (uint8_t) rand_r(&state);
            sector_case(key, numbers[i], sizes[s], &state);
        }
}

TEST(ctr_sector_is_aes_ctr)
{
    with_each_cpu(sectors);
}

/* NIST SP 800-38A, F.5.5, has another counter; the key stream of FIPS 197's key for counter zero is AES-256
 * of a block of zeros (SP 800-38D test case 13: E(K, 0^128) = H). */
TEST(ctr_sector_known_answer)
{
    static const uint8_t no_key[32];
    struct bytes want = hex("dc95c078a2408989ad48a21492842087530f8afbc74536b9a963b4f1c4cb738b");
    struct gcm_key k;
    uint8_t data[32] = {0};
    gcm_key_init(&k, no_key);
    ctr_sector(&k, 0, SPAN_OF(data));
    assert_memory_equal(data, want.b, 32);
}
