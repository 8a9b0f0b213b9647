// sources: libos/fs/rootimg/verity.c libos/fs/rootimg/cipher.c libos/crypto/ctr.c libos/crypto/gcm.c libos/crypto/cpu.c libos/crypto/hkdf.c libos/crypto/sha256.c libos/base/log.c libos/base/printf.c libos/base/string.c libos/host/posix/arch.c libos/host/posix/heap.c libos/host/posix/panic.c libos/host/posix/sched.c libos/host/posix/sync.c
// libs: /usr/lib/x86_64-linux-gnu/libIPSec_MB.a
/* The descriptor of a root image and its hash tree. The first byte chooses:
 *   0: the rest is a descriptor and then an image, both of an author that wants the kernel to stumble.
 *   1: an honest image of up to 300 blocks, enciphered if bit 1 of the second byte is set; the rest are changes
 *      {u32 offset, u8 bits} that the host makes to the file. A block is what it was, or -EIO. */
#include <stdlib.h>
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/crypto/ctr.h"
#include "libos/crypto/hkdf.h"
#include "libos/crypto/sha256.h"
#include "libos/fs/rootimg/verity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BLOCKS_MAX 300u
#define FILE_MAX   (BLOCKS_MAX + 8u)

static uint8_t file[FILE_MAX * VERITY_BLOCK], block[VERITY_BLOCK];
static const uint8_t user_key[16] = "fuzz fuzz fuzz ";
static struct verity v;

static int read_file(const struct verity_source *s, uint64_t offset, struct span dst)
{
    if (offset > s->size || dst.n > s->size - offset)
        __builtin_trap(); /* verity knows how large it is */
    memcpy(dst.p, (const uint8_t *) s->data + offset, dst.n);
    return 0;
}

static void read_some(const struct config_image *g, const struct verity_source *s)
{
    if (verity_init(&v, g, s) == 0) {
        const uint64_t last = g->data_blocks - 1;
        const uint64_t numbers[] = {0, 1, last, last / 2, last + 1, UINT64_MAX};
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
            int r = verity_read(&v, numbers[i], block);
            if (r == 0 && numbers[i] > last)
                __builtin_trap();
        }
    }
    verity_fini(&v);
}

static void hostile_author(const uint8_t *data, size_t size)
{
    struct config_image g;
    if (size < sizeof g)
        return;
    memcpy(&g, data, sizeof g);
    struct verity_source s = {.read = read_file,
                              .data = data + sizeof g,
                              .size = size - sizeof g,
                              .key = CSPAN_OF(user_key)};
    read_some(&g, &s);
}

/* ---- an honest image ---- */

static struct cspan text(const char *t)
{
    return (struct cspan){(const uint8_t *) t, strlen(t)};
}

static uint8_t byte_of(uint64_t index, size_t at)
{
    return (uint8_t) (index * 31 + at * 7);
}

static void encipher(struct config_image *g)
{
    uint8_t derived[32];
    struct gcm_key k;
    g->cipher = CONFIG_CIPHER_AES256_CTR;
    hkdf_sha256(CSPAN_OF(user_key), CSPAN_OF(g->key_salt), text(IMAGE_KEY_INFO), SPAN_OF(derived));
    hmac_sha256(CSPAN_OF(derived), text(IMAGE_KEY_CHECK), g->key_check);
    gcm_key_init(&k, derived);
    for (uint64_t b = 0; b < g->data_blocks; b++)
        ctr_sector(&k, b * 8, (struct span){file + b * VERITY_BLOCK, VERITY_BLOCK});
}

/* Hashes `count` blocks from `from` on into the level at `to`; the number of its blocks. */
static uint64_t hash_level(uint64_t from, uint64_t count, uint64_t to)
{
    for (uint64_t i = 0; i < count; i++)
        sha256_two((struct cspan){0},
                   (struct cspan){file + (from + i) * VERITY_BLOCK, VERITY_BLOCK},
                   file + to * VERITY_BLOCK + i * SHA256_SIZE);
    return (count + 127) / 128;
}

static void honest_image(struct config_image *g, uint64_t blocks, bool enciphered)
{
    *g = (struct config_image){.present = 1, .block_size = VERITY_BLOCK, .data_blocks = blocks};
    memset(file, 0, sizeof file);
    for (uint64_t b = 0; b < blocks; b++)
        for (size_t at = 0; at < VERITY_BLOCK; at += 64)
            file[b * VERITY_BLOCK + at] = byte_of(b, at);
    if (enciphered)
        encipher(g);
    uint64_t leaves = (blocks + 127) / 128, start = blocks + 1, at = start + (leaves > 1);
    g->hash_start_block = start;
    g->total_blocks = at + leaves;
    if (blocks == 1) {
        g->total_blocks = start + 1;
        sha256_two((struct cspan){0}, (struct cspan){file, VERITY_BLOCK}, g->root_hash);
        return;
    }
    (void) hash_level(0, blocks, at);
    if (leaves > 1)
        (void) hash_level(at, leaves, start);
    sha256_two((struct cspan){0}, (struct cspan){file + start * VERITY_BLOCK, VERITY_BLOCK},
               g->root_hash);
}

static void hostile_host(const uint8_t *data, size_t size)
{
    struct config_image g;
    if (size < 3)
        return;
    honest_image(&g, 1 + (data[1] | data[2] << 8) % BLOCKS_MAX, data[0] & 1);
    for (data += 3, size -= 3; size >= 5; data += 5, size -= 5) {
        uint32_t at;
        memcpy(&at, data, sizeof at);
        file[at % (g.total_blocks * VERITY_BLOCK)] ^= data[4];
    }
    struct verity_source s = {.read = read_file,
                              .data = file,
                              .size = g.total_blocks * VERITY_BLOCK,
                              .key = CSPAN_OF(user_key)};
    if (verity_init(&v, &g, &s) != 0)
        __builtin_trap();
    for (uint64_t b = 0; b < g.data_blocks; b++) {
        int r = verity_read(&v, b, block);
        for (size_t at = 0; r == 0 && at < VERITY_BLOCK; at++)
            if (block[at] != (at % 64 == 0 ? byte_of(b, at) : 0))
                __builtin_trap();
        if (r != 0 && r != -EIO)
            __builtin_trap();
    }
    verity_fini(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    log_level = LOG_OFF;
    if (data[0] & 1)
        hostile_host(data + 1, size - 1);
    else
        hostile_author(data + 1, size - 1);
    return 0;
}
