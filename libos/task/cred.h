/* Who a process is: ids, groups, capabilities, securebits, as credentials(7) and capabilities(7) have it.
 *
 * struct cred is copied by value under proc->lock and changed as a whole (cred.c). The supplementary
 * groups may be many, so they are an object of their own that never changes: setgroups replaces it.
 */
#ifndef TASK_CRED_H
#define TASK_CRED_H
#include "libos/base/ref.h"
#include "libos/base/types.h"

enum {
    CAP_CHOWN = 0,
    CAP_DAC_OVERRIDE = 1,
    CAP_DAC_READ_SEARCH = 2,
    CAP_FOWNER = 3,
    CAP_FSETID = 4,
    CAP_KILL = 5,
    CAP_SETGID = 6,
    CAP_SETUID = 7,
    CAP_SETPCAP = 8,
    CAP_LINUX_IMMUTABLE = 9,
    CAP_IPC_LOCK = 14,
    CAP_SYS_CHROOT = 18,
    CAP_SYS_PTRACE = 19,
    CAP_SYS_ADMIN = 21,
    CAP_SYS_BOOT = 22,
    CAP_SYS_NICE = 23,
    CAP_SYS_RESOURCE = 24,
    CAP_SYS_TIME = 25,
    CAP_SYS_TTY_CONFIG = 26,
    CAP_MKNOD = 27,
    CAP_SYSLOG = 34,
    CAP_LAST = 40,
};
#define CAP_BIT(cap) (1ull << (cap))
#define CAPS_ALL     (CAP_BIT(CAP_LAST + 1) - 1)

enum { /* each with a lock bit to its left */
       SECURE_NOROOT = 1u << 0,
       SECURE_NO_SETUID_FIXUP = 1u << 2,
       SECURE_KEEP_CAPS = 1u << 4,
       SECURE_NO_AMBIENT = 1u << 6,
       SECURE_LOCKS = 0xaa,
       SECURE_ALL = 0xff,
};

struct cred {
    uint32_t uid, euid, suid, fsuid, gid, egid, sgid, fsgid;
    uint64_t cap_effective, cap_permitted, cap_inheritable, cap_bounding, cap_ambient;
    uint32_t securebits;
    bool no_new_privs;
};

static inline bool cred_capable(const struct cred *c, int cap)
{
    return c->cap_effective & CAP_BIT(cap);
}

struct process;
bool capable(int cap); /* the calling process; kernel threads may do everything */
/* What a change of uids does to capabilities; then p has the new ones. */
void cred_commit(struct process *p, struct cred *c);
/* As a program starts: file ids of a set-id program are in c already. */
void cred_exec(struct cred *c);

#define GROUPS_MAX 65536u
struct groups {
    struct ref ref;
    uint32_t count;
    uint32_t id[];
};
/* Room for count of them, to be filled in and handed to process_groups_set. */
must_check struct groups *groups_new(uint32_t count);
void groups_put(struct groups *g);
DEFINE_AUTO(struct groups, groups_put)
bool groups_have(const struct groups *g, uint32_t gid); /* g may be NULL: none */
struct groups *process_groups_get(struct process *p);
void process_groups_set(struct process *p, struct groups *g); /* takes g over */
bool process_in_group(struct process *p, uint32_t gid);       /* supplementary ones only */
#endif
