/* The binary configuration: what `occlum build` makes of Occlum.json and the root image, placed in
 * measured read-only pages at KERNEL_CONFIG (abi/layout.h), at most KERNEL_CONFIG_MAX bytes.
 *
 * One struct config_header, then tables, then strings; every reference is an offset from the start
 * of the header. Tables begin at multiples of 8 bytes. A string has a NUL after its last byte and
 * none inside. Little endian, no holes, reserved fields are zero. tools/lib/config_blob.c writes
 * it, libos/boot/config.c reads it; MRENCLAVE covers it, so equal inputs must give equal bytes.
 */
#ifndef ABI_CONFIG_H
#define ABI_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#define CONFIG_MAGIC         0x4749464e4f43434full /* "OCCONFIG" */
#define CONFIG_VERSION       2
#define CONFIG_STRING_MAX    4095 /* bytes, without the NUL */
#define CONFIG_TABLE_MAX     4096 /* elements */
#define CONFIG_UNLIMITED     0xffffffffffffffffull
#define CONFIG_ARG_SEPARATOR '\x1f' /* between the words of an argument rule */

struct config_str {
    uint32_t off;
    uint32_t len; /* without the NUL */
};

struct config_array {
    uint32_t off; /* 0 if count is 0 */
    uint32_t count;
};

struct config_limits {
    uint64_t user_space_size;  /* bytes all processes may have committed together */
    uint64_t kernel_heap_size; /* bytes the kernel's heap may grow to */
    uint64_t stack_size;       /* main thread's stack, soft RLIMIT_STACK */
    uint64_t heap_size;        /* brk area; CONFIG_UNLIMITED: none */
    uint64_t mmap_size;        /* RLIMIT_AS as Occlum understands it; CONFIG_UNLIMITED: none */
    uint32_t max_threads;
    uint32_t max_processes;
    uint32_t vcpus; /* TCSs in the image, 1..VCPU_MAX */
    uint32_t reserved;
};

struct config_identity {
    uint16_t product_id;     /* ISVPRODID */
    uint16_t version_number; /* ISVSVN */
    uint8_t debuggable;
    uint8_t disable_log;
    uint8_t enable_kss;
    uint8_t reserved;
    uint8_t family_id[16];
    uint8_t ext_prod_id[16];
};

enum config_sfi { CONFIG_SFI_OFF = 0, CONFIG_SFI_ALLOWED = 1, CONFIG_SFI_REQUIRED = 2 };
enum config_cpu { CONFIG_CPU_OFF = 0, CONFIG_CPU_REQUIRED = 1, CONFIG_CPU_IF_AVAILABLE = 2 };
enum config_args { CONFIG_ARGS_ANY = 0, CONFIG_ARGS_LISTED = 1 };

struct config_features {
    uint32_t sfi; /* enum config_sfi */
    uint32_t amx; /* enum config_cpu */
    uint32_t pkru;
    uint32_t io_uring; /* rings, 0..16 */
    uint32_t posix_shm;
    uint32_t args;    /* enum config_args: LISTED allows only the command lines in arg_rules */
    uint32_t exec;    /* 1: the host may add programs to a running instance */
    uint32_t inspect; /* enum control_inspect (abi/control.h) */
};

enum config_cipher { CONFIG_CIPHER_NONE = 0, CONFIG_CIPHER_AES256_CTR = 1 };

/* Geometry of the root image (EROFS followed by a dm-verity hash area). All that the host's file
 * says about itself is ignored; these numbers are measured. root = SHA-256(salt || top hash
 * block). */
struct config_image {
    uint32_t present;
    uint32_t cipher;           /* enum config_cipher, of the data blocks */
    uint32_t block_size;       /* data and hash blocks, 4096 */
    uint32_t salt_size;        /* 0..32 */
    uint64_t data_blocks;      /* EROFS part, from block 0 on */
    uint64_t hash_start_block; /* top level of the tree, behind the superblock */
    uint64_t total_blocks;     /* of the whole file */
    uint8_t root_hash[32];
    uint8_t salt[32];
    uint8_t key_salt[32];  /* HKDF salt of the image's key; zero if it is plain */
    uint8_t key_check[32]; /* HMAC(that key, IMAGE_KEY_CHECK); zero: there is no user's key */
};

/* libos/fs/rootimg/cipher.h describes the scheme. */
#define IMAGE_KEY_INFO  "occlum root image, AES-256-CTR"
#define IMAGE_KEY_CHECK "kcv"
#define VOLUME_KEY_INFO "occlum volumes" /* what a volume's user slot has of the user's key */
#define IMAGE_KEY_MIN   16u              /* bytes of a user's key */

/* A mount, or a layer of a union mount. Layers have no layers. */
struct config_mount {
    struct config_str target;
    struct config_str type;
    struct config_str source;    /* may be empty */
    struct config_array options; /* of config_str, "name=value" or "name" */
    uint32_t layer_first;        /* index into layers: lowest first */
    uint32_t layer_count;
};

/* A rule of arg_rules is the words of an allowed command line, joined by CONFIG_ARG_SEPARATOR; a last
 * word "*" allows any rest. */
struct config_header {
    uint64_t magic;
    uint32_t version;
    uint32_t total_size;
    struct config_limits limits;
    struct config_identity identity;
    struct config_features features;
    struct config_image image;
    struct config_array entry_points;  /* of config_str: absolute path prefixes */
    struct config_array env_default;   /* of config_str: NAME=VALUE */
    struct config_array env_untrusted; /* of config_str: NAME, or a prefix ending in '*' */
    struct config_array arg_rules;     /* of config_str: see above */
    struct config_array mounts;        /* of config_mount, in mount order; "/" comes first */
    struct config_array layers;        /* of config_mount */
};

_Static_assert(sizeof(struct config_str) == 8, "config blob");
_Static_assert(sizeof(struct config_limits) == 56, "config blob");
_Static_assert(sizeof(struct config_identity) == 40, "config blob");
_Static_assert(sizeof(struct config_features) == 32, "config blob");
_Static_assert(sizeof(struct config_image) == 168, "config blob");
_Static_assert(sizeof(struct config_mount) == 40, "config blob");
_Static_assert(offsetof(struct config_header, limits) == 16, "config blob");
_Static_assert(offsetof(struct config_header, image) == 144, "config blob");
_Static_assert(offsetof(struct config_header, entry_points) == 312, "config blob");
_Static_assert(sizeof(struct config_header) == 360, "config blob");
#endif
