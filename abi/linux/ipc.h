/* Linux' ABI of System V IPC and of POSIX message queues on x86-64. */
#ifndef ABI_LINUX_IPC_H
#define ABI_LINUX_IPC_H
#include "abi/linux/time.h"

#ifndef IPC_CREAT
#define IPC_PRIVATE 0
#define IPC_CREAT   01000
#define IPC_EXCL    02000
#define IPC_NOWAIT  04000
#define IPC_RMID    0
#define IPC_SET     1
#define IPC_STAT    2
#define IPC_INFO    3
#endif

struct linux_ipc_perm {
    int32_t key;
    uint32_t uid, gid, cuid, cgid, mode;
    uint16_t seq, pad;
    uint32_t pad2;
    uint64_t unused[2];
};
_Static_assert(sizeof(struct linux_ipc_perm) == 48, "Linux ABI");

/* ---- semaphores ---- */
enum {
    LINUX_SEM_GETPID = 11,
    LINUX_SEM_GETVAL = 12,
    LINUX_SEM_GETALL = 13,
    LINUX_SEM_GETNCNT = 14,
    LINUX_SEM_GETZCNT = 15,
    LINUX_SEM_SETVAL = 16,
    LINUX_SEM_SETALL = 17,
    LINUX_SEM_STAT = 18,
    LINUX_SEM_INFO = 19,
    LINUX_SEM_STAT_ANY = 20,
};
#define LINUX_SEM_UNDO 0x1000
#define LINUX_SEMVMX   32767

struct linux_sembuf {
    uint16_t num;
    int16_t op, flags;
};
_Static_assert(sizeof(struct linux_sembuf) == 6, "Linux ABI");

struct linux_semid_ds {
    struct linux_ipc_perm perm;
    int64_t otime, unused1, ctime, unused2;
    uint64_t nsems, unused3, unused4;
};
_Static_assert(sizeof(struct linux_semid_ds) == 104, "Linux ABI");

struct linux_seminfo {
    int32_t map, mni, mns, mnu, msl, opm, ume, usz, vmx, aem;
};
_Static_assert(sizeof(struct linux_seminfo) == 40, "Linux ABI");

/* ---- message queues ---- */
enum { LINUX_MSG_STAT = 11, LINUX_MSG_INFO = 12, LINUX_MSG_STAT_ANY = 13 };
#define LINUX_MSG_NOERROR 010000
#define LINUX_MSG_EXCEPT  020000
#define LINUX_MSG_COPY    040000

struct linux_msqid_ds {
    struct linux_ipc_perm perm;
    int64_t stime, rtime, ctime;
    uint64_t cbytes, qnum, qbytes;
    int32_t lspid, lrpid;
    uint64_t unused[2];
};
_Static_assert(sizeof(struct linux_msqid_ds) == 120, "Linux ABI");

struct linux_msginfo {
    int32_t pool, map, max, mnb, mni, ssz, tql;
    uint16_t seg, pad;
};
_Static_assert(sizeof(struct linux_msginfo) == 32, "Linux ABI");

/* ---- shared memory ---- */
enum {
    LINUX_SHM_LOCK = 11,
    LINUX_SHM_UNLOCK = 12,
    LINUX_SHM_STAT = 13,
    LINUX_SHM_INFO = 14,
    LINUX_SHM_STAT_ANY = 15,
};
#define LINUX_SHM_DEST      01000 /* in the mode: goes with the last detach */
#define LINUX_SHM_LOCKED    02000
#define LINUX_SHM_HUGETLB   04000 /* in shmget's flags */
#define LINUX_SHM_NORESERVE 010000
#define LINUX_SHM_RDONLY    010000 /* in shmat's flags */
#define LINUX_SHM_RND       020000
#define LINUX_SHM_REMAP     040000
#define LINUX_SHM_EXEC      0100000

struct linux_shmid_ds {
    struct linux_ipc_perm perm;
    uint64_t segsz;
    int64_t atime, dtime, ctime;
    int32_t cpid, lpid;
    uint64_t nattch, unused[2];
};
_Static_assert(sizeof(struct linux_shmid_ds) == 112, "Linux ABI");

struct linux_shminfo {
    uint64_t max, min, mni, seg, all, unused[4];
};
_Static_assert(sizeof(struct linux_shminfo) == 72, "Linux ABI");

struct linux_shm_info {
    int32_t used_ids, pad;
    uint64_t tot, rss, swp, swap_attempts, swap_successes;
};
_Static_assert(sizeof(struct linux_shm_info) == 48, "Linux ABI");

/* ---- POSIX message queues ---- */
struct linux_mq_attr {
    int64_t flags, maxmsg, msgsize, curmsgs, reserved[4];
};
_Static_assert(sizeof(struct linux_mq_attr) == 64, "Linux ABI");
#endif
