/* The hash tree. To verify a block, its digest is compared with the entry in its verified parent node;
 * the walk up stops at the first node in the cache. A node enters the cache only after its own digest
 * matched. Blocks are copied into the enclave before they are hashed; the tree is over what the host has,
 * so an enciphered block is authentic before it is deciphered. */
#include "libos/fs/rootimg/verity.h"
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/crypto/sha256.h"
#include "libos/mm/heap.h"

#define HASHES (VERITY_BLOCK / SHA256_SIZE) /* per node */

static int levels_init(struct verity *v)
{
    const struct config_image *g = &v->geometry;
    uint64_t n = g->data_blocks;
    while (n > 1) {
        if (v->levels == VERITY_LEVELS_MAX)
            return -EINVAL;
        n = (n + HASHES - 1) / HASHES;
        v->count[v->levels++] = n;
    }
    uint64_t at = g->hash_start_block;
    for (unsigned l = v->levels; l-- > 0; at += v->count[l])
        v->start[l] = at;
    return at <= g->total_blocks ? 0 : -EINVAL;
}

int verity_init(struct verity *v, const struct config_image *g, const struct verity_source *source)
{
    *v = (struct verity){.geometry = *g, .source = source};
    mutex_init(&v->lock);
    if (!g->present || g->cipher > CONFIG_CIPHER_AES256_CTR || g->block_size != VERITY_BLOCK ||
        g->salt_size > sizeof g->salt || g->data_blocks == 0 ||
        g->data_blocks > (uint64_t) 1 << 40 || g->hash_start_block > (uint64_t) 1 << 41 ||
        g->total_blocks > (uint64_t) 1 << 42 || g->total_blocks * VERITY_BLOCK > source->size)
        return -EINVAL;
    int r = levels_init(v);
    return r == 0 && g->cipher ? image_cipher_new(g, source->key, &v->cipher) : r;
}

void verity_fini(struct verity *v)
{
    image_cipher_free(v->cipher);
    for (size_t i = 0; i < VERITY_SLOTS; i++)
        if (v->node[i].data)
            kpages_free(v->node[i].data, 1);
}

static void digest_of(const struct verity *v, const void *block, uint8_t digest[SHA256_SIZE])
{
    struct cspan salt = {v->geometry.salt, v->geometry.salt_size};
    sha256_two(salt, (struct cspan){block, VERITY_BLOCK}, digest);
}

static int read_block(const struct verity *v, uint64_t block, void *dst)
{
    if (block >= v->geometry.total_blocks)
        return -EIO;
    return v->source->read(v->source, block * VERITY_BLOCK, (struct span){dst, VERITY_BLOCK});
}

static int check_block(const struct verity *v, const void *block, const uint8_t *want,
                       const char *what, uint64_t index)
{
    uint8_t digest[SHA256_SIZE];
    digest_of(v, block, digest);
    if (memcmp(digest, want, sizeof digest) == 0)
        return 0;
    log_error("root image: %s %lu was changed (EBADMSG)", what, (unsigned long) index);
    return -EIO;
}

static struct verity_node *slot_of(struct verity *v, unsigned level, uint64_t index)
{
    return &v->node[(index + level * 61u) % VERITY_SLOTS];
}

static uint64_t node_id(unsigned level, uint64_t index)
{
    return ((uint64_t) level << 56 | index) + 1;
}

/* Loads and verifies one node whose digest is known. */
static int node_load(struct verity *v, unsigned level, uint64_t index, const uint8_t *want)
{
    struct verity_node *n = slot_of(v, level, index);
    if (!n->data && !(n->data = kpages_alloc(1)))
        return -ENOMEM;
    n->id = 0;
    int r = read_block(v, v->start[level] + index, n->data);
    if (r == 0)
        r = check_block(v, n->data, want, "hash block", v->start[level] + index);
    if (r == 0)
        n->id = node_id(level, index);
    return r;
}

/* The verified digest of item `index` below `level`: copied from the node there. Goes up to the first
 * cached ancestor, then down again. */
static int digest_locked(struct verity *v, uint64_t index, uint8_t want[SHA256_SIZE])
{
    uint64_t at[VERITY_LEVELS_MAX + 1];
    unsigned top = 0;
    at[0] = index;
    for (; top < v->levels; top++) {
        at[top + 1] = at[top] / HASHES;
        if (slot_of(v, top, at[top + 1])->id == node_id(top, at[top + 1]))
            break;
    }
    bool cached = top < v->levels;
    if (!cached)
        memcpy(want, v->geometry.root_hash, SHA256_SIZE);
    for (unsigned l = cached ? top + 1 : top; l-- > 0;) {
        if (!(cached && l == top)) {
            int r = node_load(v, l, at[l + 1], want);
            if (r < 0)
                return r;
        }
        const uint8_t *node = slot_of(v, l, at[l + 1])->data;
        memcpy(want, node + at[l] % HASHES * SHA256_SIZE, SHA256_SIZE);
    }
    return 0;
}

int verity_read(struct verity *v, uint64_t index, void *dst)
{
    if (index >= v->geometry.data_blocks)
        return -EIO;
    if (v->unverified)
        return read_block(v, index, dst);
    uint8_t want[SHA256_SIZE];
    mutex_lock(&v->lock);
    int r = digest_locked(v, index, want);
    mutex_unlock(&v->lock);
    if (r == 0)
        r = read_block(v, index, dst);
    if (r == 0)
        r = check_block(v, dst, want, "block", index);
    if (r == 0 && v->cipher)
        image_cipher_block(v->cipher, index, dst);
    return r;
}
