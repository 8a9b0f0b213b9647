/* SHA-256: padding and buffering around IPsec-MB's block functions. */
#include "libos/crypto/sha256.h"
#include "libos/arch/fpu.h"

/* Of the library: one block; and whole blocks for lane `lane` of a lane-major argument block. */
void sha256_block_sse(const void *data, uint32_t *state);
void call_sha256_ni_x1_sse_from_c(void *args, uint64_t blocks, uint64_t lane);

struct ni_args { /* as the library lays it out: digests of 16 lanes, then their data pointers */
    uint32_t state[16][8];
    const uint8_t *data[16];
};

static bool use_sha_ni;

void sha256_setup(bool has_sha_ni)
{
    use_sha_ni = has_sha_ni;
}

/* Inside fpu_begin/end. */
static void blocks_add(uint32_t state[8], const uint8_t *p, size_t blocks)
{
    if (blocks == 0)
        return;
    if (use_sha_ni) {
        __attribute__((uninitialized)) struct ni_args args;
        memcpy(args.state[0], state, sizeof args.state[0]);
        args.data[0] = p;
        call_sha256_ni_x1_sse_from_c(&args, blocks, 0);
        memcpy(state, args.state[0], sizeof args.state[0]);
        return;
    }
    for (; blocks > 0; blocks--, p += SHA256_BLOCK)
        sha256_block_sse(p, state);
}

void sha256_init(struct sha256 *s)
{
    *s = (struct sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                   0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

/* Inside fpu_begin/end. */
static void update(struct sha256 *s, struct cspan data)
{
    if (data.n == 0)
        return;
    size_t have = s->size % SHA256_BLOCK;
    s->size += data.n;
    if (have > 0) {
        size_t n = MIN(data.n, SHA256_BLOCK - have);
        memcpy(s->part + have, data.p, n);
        data = (struct cspan){data.p + n, data.n - n};
        if (have + n < SHA256_BLOCK)
            return;
        blocks_add(s->state, s->part, 1);
    }
    blocks_add(s->state, data.p, data.n / SHA256_BLOCK);
    size_t rest = data.n % SHA256_BLOCK;
    if (rest > 0)
        memcpy(s->part, data.p + data.n - rest, rest);
}

static void final(struct sha256 *s, uint8_t *digest)
{
    uint8_t pad[2 * SHA256_BLOCK] = {0x80};
    uint64_t bits = s->size * 8;
    size_t have = s->size % SHA256_BLOCK;
    size_t n = (have < 56 ? SHA256_BLOCK : 2 * SHA256_BLOCK) - have;
    for (size_t i = 0; i < 8; i++)
        pad[n - 1 - i] = (uint8_t) (bits >> (8 * i));
    update(s, (struct cspan){pad, n});
    for (size_t i = 0; i < 8; i++) {
        uint32_t be = __builtin_bswap32(s->state[i]);
        memcpy(digest + 4 * i, &be, sizeof be);
    }
}

void sha256_update(struct sha256 *s, struct cspan data)
{
    fpu_begin();
    update(s, data);
    fpu_end();
}

void sha256_final(struct sha256 *s, uint8_t ret_digest[SHA256_SIZE])
{
    fpu_begin();
    final(s, ret_digest);
    fpu_end();
    wipe(s, sizeof *s);
}

void sha256_two(struct cspan a, struct cspan b, uint8_t ret_digest[SHA256_SIZE])
{
    struct sha256 s;
    sha256_init(&s);
    fpu_begin();
    update(&s, a);
    update(&s, b);
    final(&s, ret_digest);
    fpu_end();
}

void hmac_sha256(struct cspan key, struct cspan data, uint8_t ret_mac[SHA256_SIZE])
{
    uint8_t pad[SHA256_BLOCK] = {0}, inner[SHA256_SIZE];
    if (key.n > sizeof pad)
        sha256_two(key, (struct cspan){0}, pad);
    else if (key.n)
        memcpy(pad, key.p, key.n);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36;
    sha256_two((struct cspan){pad, sizeof pad}, data, inner);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    sha256_two((struct cspan){pad, sizeof pad}, (struct cspan){inner, sizeof inner}, ret_mac);
    wipe(pad, sizeof pad);
    wipe(inner, sizeof inner);
}
