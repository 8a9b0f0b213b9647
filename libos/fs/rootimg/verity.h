/* dm-verity: blocks of an untrusted image, verified before use against a trusted root hash, and then
 * deciphered if the image is the user's own-key one. Geometry comes from the measured configuration;
 * the image's own superblock is never looked at. */
#ifndef FS_ROOTIMG_VERITY_H
#define FS_ROOTIMG_VERITY_H
#include "abi/config.h"
#include "libos/base/span.h"
#include "libos/fs/rootimg/cipher.h"
#include "libos/task/mutex.h"

#define VERITY_BLOCK      4096u
#define VERITY_LEVELS_MAX 9 /* 128^9 blocks: more than any image */
#define VERITY_SLOTS      512u

struct verity_source { /* copies untrusted bytes in, once; 0 or -EIO */
    int (*read)(const struct verity_source *s, uint64_t offset, struct span dst);
    const void *data; /* the source's own */
    uint64_t size;
    struct cspan key; /* of the user, to an enciphered image; looked at by verity_init only */
};

struct verity_node {
    uint64_t id; /* level << 56 | index, + 1; 0: empty */
    uint8_t *data;
};

struct verity {
    struct config_image geometry;
    const struct verity_source *source;
    bool unverified;             /* fuzzing only: no hash tree */
    struct image_cipher *cipher; /* NULL: the blocks are plain */
    unsigned levels;
    uint64_t start[VERITY_LEVELS_MAX], count[VERITY_LEVELS_MAX]; /* blocks; level 0 is the lowest */
    struct mutex lock; /* the nodes below: verified hash blocks, direct mapped */
    struct verity_node node[VERITY_SLOTS];
};

/* -EINVAL: the geometry makes no sense or does not fit the image; -EKEYREJECTED: the key is missing or
 * not this image's. */
must_check int verity_init(struct verity *v, const struct config_image *geometry,
                           const struct verity_source *source);
void verity_fini(struct verity *v);
/* Data block `index` into dst (VERITY_BLOCK bytes). -EIO: it is not what was measured. */
must_check int verity_read(struct verity *v, uint64_t index, void *dst);
#endif
