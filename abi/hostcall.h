/* What enclave and host share in untrusted memory. The enclave copies everything in before it looks.
 * Data only. */
#ifndef ABI_HOSTCALL_H
#define ABI_HOSTCALL_H
#include <stdint.h>
#include "abi/hostnet.h"

enum hostcall_nr {
#define HOSTCALL(name, kind, errnos) HOSTCALL_##name,
#include "abi/hostcalls.def"
#undef HOSTCALL
    HOSTCALL_COUNT
};

enum hostcall_kind { HOSTCALL_ZERO, HOSTCALL_OUT, HOSTCALL_IN, HOSTCALL_TOKEN, HOSTCALL_VALUE };

/* Sets of errno values a host call may return; bit = errno (all below 128). */
#define HCE_BIT(e) ((unsigned __int128) 1 << (e))
#define HCE_NONE   ((unsigned __int128) 0)
#define HCE_MEM    (HCE_BIT(12 /* ENOMEM */))
#define HCE_AGAIN  (HCE_BIT(11 /* EAGAIN */))
#define HCE_FILE                                                                                   \
    (HCE_BIT(1) | HCE_BIT(2) | HCE_BIT(4) | HCE_BIT(5) | HCE_BIT(9) | HCE_BIT(11) | HCE_BIT(12) |  \
     HCE_BIT(13) | HCE_BIT(16) | HCE_BIT(17) | HCE_BIT(18) | HCE_BIT(20) | HCE_BIT(21) |           \
     HCE_BIT(22) | HCE_BIT(23) | HCE_BIT(24) | HCE_BIT(25) | HCE_BIT(26) | HCE_BIT(27) |           \
     HCE_BIT(28) | HCE_BIT(29) | HCE_BIT(30) | HCE_BIT(31) | HCE_BIT(32) | HCE_BIT(36) |           \
     HCE_BIT(39) | HCE_BIT(40) | HCE_BIT(95) | HCE_BIT(122))

/* What work on a file's content, and on its name, may fail with. */
#define HCE_DATA                                                                                   \
    (HCE_BIT(1) | HCE_BIT(4) | HCE_BIT(5) | HCE_BIT(12) | HCE_BIT(13) | HCE_BIT(22) |              \
     HCE_BIT(23) | HCE_BIT(24) | HCE_BIT(26) | HCE_BIT(27) | HCE_BIT(28) | HCE_BIT(30) |           \
     HCE_BIT(95) | HCE_BIT(122))
#define HCE_NAME                                                                                   \
    (HCE_DATA | HCE_BIT(2) | HCE_BIT(16) | HCE_BIT(17) | HCE_BIT(18) | HCE_BIT(20) | HCE_BIT(21) | \
     HCE_BIT(31) | HCE_BIT(36) | HCE_BIT(39) | HCE_BIT(40))

#define HOST_DATA_MAX (256u * 1024)

/* One per vCPU; owned by whoever runs: the enclave inside, the host outside. */
struct host_vcpu {
    uint32_t magic; /* HOST_VCPU_MAGIC */
    uint32_t index;
    uint32_t kick; /* futex word: non-zero ends EXIT_PARK */
    uint32_t nr;
    uint64_t args[4];
    uint64_t in_size, out_size;
    int64_t ret;
    uint64_t boot; /* vCPU 0: address of struct host_boot */
    uint8_t data[HOST_DATA_MAX];
};
#define HOST_VCPU_MAGIC 0x4f435055u

struct host_clock {
    uint64_t tsc; /* read between the two clocks */
    int64_t realtime_ns, monotonic_ns;
    uint64_t tsc_hz; /* the host's idea; a hint */
};
_Static_assert(sizeof(struct host_clock) == 32, "shared");

struct host_stat { /* fields as in stat(2) */
    uint64_t dev, ino, nlink, rdev, size, blocks;
    uint32_t mode, uid, gid, blksize;
    int64_t atime_ns, mtime_ns, ctime_ns;
};
_Static_assert(sizeof(struct host_stat) == 88, "shared");

struct host_times { /* INT64_MIN: stays as it is */
    int64_t atime_ns, mtime_ns;
};
_Static_assert(sizeof(struct host_times) == 16, "shared");

struct host_statfs { /* fields as in statfs(2) */
    uint64_t blocks, bfree, bavail, files, ffree;
    uint32_t bsize, namelen;
};
_Static_assert(sizeof(struct host_statfs) == 48, "shared");

struct host_volume {
    uint64_t size;
    uint32_t create; /* 1: the user's first start of this instance, an empty volume is to be made */
    uint32_t reserved;
    uint64_t map,
        map_size; /* where the host has the file to read, also what it grows by; 0: nowhere */
};
_Static_assert(sizeof(struct host_volume) == 32, "shared");
#define HOST_VOLUME_MAP (1ull << 40)

#define HOST_FILE_SLOTS 16384u /* of file tokens */
#define HOST_FILE_READ  1u
#define HOST_FILE_WRITE 2u

enum host_sync {
    HOST_SYNC_FILE,
    HOST_SYNC_DATA,
    HOST_SYNC_SUPER,
    HOST_SYNC_START /* does not wait */
};

struct host_cpuid {
    uint32_t leaf, subleaf, eax, ebx, ecx, edx;
};
#define HOST_CPUID_MAX 256

/* Streams: descriptors that the host holds for the enclave, three (input, output, error) per session.
 * Session 0 has the runtime's own; the others come and go with control requests (abi/control.h). */
#define HOST_SESSIONS 64u
#define HOST_STREAMS  (3 * HOST_SESSIONS)

/* Bits of host_boot.events, set by the host, consumed by any vCPU. */
#define HOST_EVENT_STREAMS (1ull << 0) /* bits in host_boot.streams are set */
#define HOST_EVENT_CONTROL (1ull << 1) /* HOSTCALL_control_next has something */

#define HOST_IMAGE_KEY_MAX 32u

#define HOST_BOOT_MAGIC  0x4f43434c554d4254ull
#define HOST_STRINGS_MAX (2u * 1024 * 1024)

struct host_boot {
    uint64_t magic;
    uint64_t events;                     /* HOST_EVENT_*; atomic */
    uint64_t signals;                    /* bit n-1: signal n was sent to the runtime; atomic */
    uint64_t streams[HOST_STREAMS / 64]; /* bit n % 64 of word n / 64: look at stream n; atomic */
    uint32_t vcpus;                      /* how many vCPUs the host will enter */
    uint32_t log_level;                  /* a wish; capped by the measured configuration */
    uint32_t trace;                      /* 1: log every system call (debuggable enclaves only) */
    uint32_t argc, envc; /* strings: argv, then environment, NUL-terminated, back to back */
    uint32_t strings_size;
    uint64_t strings;           /* address */
    uint64_t image, image_size; /* the root image, mapped read-only by the host; 0: none */
    uint64_t net;               /* address of struct host_net */
    struct host_clock clock;
    uint32_t cpuid_count;
    uint32_t control; /* 1: no program, wait for control requests */
    struct host_cpuid cpuid[HOST_CPUID_MAX];
    uint32_t image_key_size; /* of the user's key to the root image; 0: none was given */
    uint32_t reserved;
    uint8_t image_key[HOST_IMAGE_KEY_MAX];
};
#endif
