/* The own-key image: the descriptor's arithmetic against OpenSSL, and what wrong keys, wrong descriptors
 * and changed ciphertext come to. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include "libos/base/atomic.h"
#include "libos/base/log.h"
#include "libos/crypto/hkdf.h"
#include "libos/crypto/sha256.h"
#include "libos/fs/rootimg/rootimg.h"
#include "libos/host/posix/unit.h"
#include "test/unit/test.h"

#define BLOCKS 300u /* three leaves and their parent */

static const uint8_t user_key[16] = "sixteen bytes!!";
static uint8_t image[(BLOCKS + 5) * VERITY_BLOCK], plain[BLOCKS * VERITY_BLOCK];
static struct config_image geometry;
static struct verity_source source;

static int read_memory(const struct verity_source *s, uint64_t offset, struct span dst)
{
    if (offset > s->size || dst.n > s->size - offset)
        return -EIO;
    memcpy(dst.p, (const uint8_t *) s->data + offset, dst.n);
    return 0;
}

static void hmac(struct cspan key, struct cspan data, uint8_t ret[32])
{
    assert_non_null(HMAC(EVP_sha256(), key.p, (int) key.n, data.p, data.n, ret, NULL));
}

static void encipher(const uint8_t key[32])
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    for (uint64_t b = 0; b < BLOCKS; b++) {
        uint8_t counter[16] = {0};
        uint64_t sector = b * 8;
        int n;
        memcpy(counter, &sector, sizeof sector);
        assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_256_ctr(), NULL, key, counter), 1);
        assert_int_equal(EVP_EncryptUpdate(c, image + b * VERITY_BLOCK, &n,
                                           plain + b * VERITY_BLOCK, VERITY_BLOCK),
                         1);
    }
    EVP_CIPHER_CTX_free(c);
}

static void hash_level(uint64_t first, uint64_t count, uint64_t to)
{
    for (uint64_t i = 0; i < count; i++)
        sha256_two((struct cspan){0},
                   (struct cspan){image + (first + i) * VERITY_BLOCK, VERITY_BLOCK},
                   image + to * VERITY_BLOCK + i * 32);
}

static void make_image(void)
{
    uint8_t digest[32], key[32];
    unsigned seed = 3;
    memset(image, 0, sizeof image);
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = i % 4096 < 2048 ? 'a' : (uint8_t) rand_r(&seed);
    geometry = (struct config_image){.present = 1,
                                     .cipher = CONFIG_CIPHER_AES256_CTR,
                                     .block_size = VERITY_BLOCK,
                                     .data_blocks = BLOCKS,
                                     .hash_start_block = BLOCKS + 1,
                                     .total_blocks = BLOCKS + 5};
    sha256_two((struct cspan){plain, sizeof plain}, (struct cspan){0}, digest);
    hmac(CSPAN_OF(user_key), CSPAN_OF(digest), geometry.key_salt);
    hkdf_sha256(CSPAN_OF(user_key), CSPAN_OF(geometry.key_salt),
                (struct cspan){(const uint8_t *) IMAGE_KEY_INFO, strlen(IMAGE_KEY_INFO)},
                SPAN_OF(key));
    hmac(CSPAN_OF(key), (struct cspan){(const uint8_t *) "kcv", 3}, geometry.key_check);
    encipher(key);
    uint64_t leaves = (BLOCKS + 127) / 128;
    hash_level(0, BLOCKS, BLOCKS + 2); /* spills over into the next leaves */
    hash_level(BLOCKS + 2, leaves, BLOCKS + 1);
    sha256_two((struct cspan){0},
               (struct cspan){image + (BLOCKS + 1) * (size_t) VERITY_BLOCK, VERITY_BLOCK},
               geometry.root_hash);
    source = (struct verity_source){
        .read = read_memory, .data = image, .size = sizeof image, .key = CSPAN_OF(user_key)};
}

static int init_only(void)
{
    static struct verity v;
    int r = verity_init(&v, &geometry, &source);
    verity_fini(&v);
    return r;
}

TEST(image_cipher_reads)
{
    unit_process();
    make_image();
    static struct verity v;
    static uint8_t block[VERITY_BLOCK];
    assert_int_equal(verity_init(&v, &geometry, &source), 0);
    for (uint64_t b = 0; b < BLOCKS; b++) {
        assert_int_equal(verity_read(&v, b, block), 0);
        assert_memory_equal(block, plain + b * VERITY_BLOCK, VERITY_BLOCK);
        assert_true(memcmp(block, image + b * VERITY_BLOCK, VERITY_BLOCK) != 0);
    }
    verity_fini(&v);
}

TEST(image_cipher_wrong_keys)
{
    unit_process();
    log_level = LOG_OFF;
    make_image();
    uint8_t other[32] = "sixteen bytes!!";
    struct cspan keys[] = {
        {0},            /* none */
        {user_key, 15}, /* cut */
        {other, 17},    /* longer */
        {other, 32},
    };
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        source.key = keys[i];
        assert_int_equal(init_only(), -EKEYREJECTED);
    }
    for (unsigned bit = 0; bit < 128; bit++) {
        memcpy(other, user_key, 16);
        other[bit / 8] ^= (uint8_t) (1u << bit % 8);
        source.key = (struct cspan){other, 16};
        assert_int_equal(init_only(), -EKEYREJECTED);
    }
    log_level = LOG_ERROR;
}

/* Each bit of the descriptor that the host cannot change, but a bad builder can. */
TEST(image_cipher_hostile_descriptor)
{
    unit_process();
    log_level = LOG_OFF;
    make_image();
    const struct config_image good = geometry;
    for (unsigned bit = 0; bit < 512; bit++) {
        geometry = good;
        uint8_t *p = bit < 256 ? geometry.key_salt : geometry.key_check;
        p[bit % 256 / 8] ^= (uint8_t) (1u << bit % 8);
        assert_int_equal(init_only(), -EKEYREJECTED);
    }
    geometry = good;
    for (uint32_t cipher = 2; cipher; cipher <<= 1) {
        geometry.cipher = cipher;
        assert_int_equal(init_only(), -EINVAL);
    }
    geometry = good;
    geometry.data_blocks = UINT64_MAX;
    assert_int_equal(init_only(), -EINVAL);
    geometry = good;
    geometry.hash_start_block = geometry.total_blocks;
    assert_int_equal(init_only(), -EINVAL);
    geometry = good;
    assert_int_equal(init_only(), 0);
    log_level = LOG_ERROR;
}

/* The host changes, swaps and cuts ciphertext: never garbage, always an error. */
TEST(image_cipher_hostile_blocks)
{
    unit_process();
    log_level = LOG_OFF;
    make_image();
    static struct verity v;
    static uint8_t block[VERITY_BLOCK];
    unsigned seed = 5;
    for (int round = 0; round < 200; round++) {
        uint64_t b = (unsigned) rand_r(&seed) % BLOCKS;
        uint8_t *at = image + b * VERITY_BLOCK + (unsigned) rand_r(&seed) % VERITY_BLOCK;
        assert_int_equal(verity_init(&v, &geometry, &source), 0);
        *at ^= (uint8_t) (1u << round % 8);
        assert_int_equal(verity_read(&v, b, block), -EIO);
        *at ^= (uint8_t) (1u << round % 8);
        assert_int_equal(verity_read(&v, b, block), 0);
        verity_fini(&v);
    }
    memcpy(image, image + VERITY_BLOCK, VERITY_BLOCK);
    assert_int_equal(verity_init(&v, &geometry, &source), 0);
    assert_int_equal(verity_read(&v, 0, block), -EIO);
    verity_fini(&v);
    log_level = LOG_ERROR;
}

/* ---- memory that changes while it is read: the host's, in another thread, or stepping through ours ---- */

static bool racing_stop;
static unsigned long racing_rounds;

/* One byte of each block there and back, as fast as it goes. */
static void *race(void *arg)
{
    for (unsigned at = 1; !atomic_load(&racing_stop); at = (at + 1237) % VERITY_BLOCK) {
        for (unsigned turn = 0; turn < 2; turn++)
            for (size_t b = 0; b < sizeof image / VERITY_BLOCK; b++)
                ((volatile uint8_t *) image)[b * VERITY_BLOCK + at] ^= 0x10;
        atomic_store(&racing_rounds, racing_rounds + 1);
    }
    return NULL;
}

TEST(image_cipher_racing_host)
{
    static struct verity v;
    static uint8_t block[VERITY_BLOCK];
    pthread_t thread;
    unsigned good = 0, bad = 0;
    unit_process();
    log_level = LOG_OFF;
    make_image();
    racing_stop = false;
    assert_int_equal(pthread_create(&thread, NULL, race, NULL), 0);
    for (unsigned n = 0; n < 20000 || ((!good || !bad) && n < 4000000); n++) {
        uint64_t b = n % BLOCKS;
        if (b == 0) {
            if (n)
                verity_fini(&v); /* nodes come anew, too */
            assert_int_equal(verity_init(&v, &geometry, &source), 0);
        }
        int r = verity_read(&v, b, block);
        assert_true(r == 0 || r == -EIO);
        if (r == 0)
            assert_memory_equal(block, plain + b * VERITY_BLOCK, VERITY_BLOCK);
        good += r == 0;
        bad += r != 0;
    }
    atomic_store(&racing_stop, true);
    pthread_join(thread, NULL);
    verity_fini(&v);
    assert_true(good > 0 && bad > 0 && racing_rounds > 0);
    log_level = LOG_ERROR;
}

static unsigned reads_of[BLOCKS + 5];

/* Right the first time that somebody looks, changed from then on. */
static int read_once(const struct verity_source *s, uint64_t offset, struct span dst)
{
    uint64_t b = offset / VERITY_BLOCK;
    int r = read_memory(s, offset, dst);
    if (r == 0 && reads_of[b]++)
        dst.p[17] ^= 1;
    return r;
}

TEST(image_cipher_one_look)
{
    static struct verity v;
    static uint8_t block[VERITY_BLOCK];
    unit_process();
    make_image();
    memset(reads_of, 0, sizeof reads_of);
    source.read = read_once;
    assert_int_equal(verity_init(&v, &geometry, &source), 0);
    for (uint64_t b = 0; b < BLOCKS; b++) {
        assert_int_equal(verity_read(&v, b, block), 0);
        assert_memory_equal(block, plain + b * VERITY_BLOCK, VERITY_BLOCK);
        assert_int_equal(reads_of[b], 1);
    }
    verity_fini(&v);
}
