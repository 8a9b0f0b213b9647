/* Who a thread is: ids, groups, capabilities, securebits, as credentials(7) and capabilities(7) have it.
 *
 * As on Linux each thread has its own; C libraries keep them the same in all threads of a process. A struct
 * cred never changes once a thread has it: who changes takes a copy and commits that, so that a thread reads
 * its own without a lock and never sees half of a change, and fork and clone only take a reference. What
 * others see of a process are its leader's (process.cred, under proc->lock), which stay when that is gone.
 * Groups may be many, so they are an object of their own, which does not change either.
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
    CAP_IPC_OWNER = 15,
    CAP_SYS_CHROOT = 18,
    CAP_SYS_PTRACE = 19,
    CAP_SYS_ADMIN = 21,
    CAP_SYS_BOOT = 22,
    CAP_SYS_NICE = 23,
    CAP_SYS_RESOURCE = 24,
    CAP_SYS_TIME = 25,
    CAP_SYS_TTY_CONFIG = 26,
    CAP_MKNOD = 27,
    CAP_AUDIT_CONTROL = 30,
    CAP_SYSLOG = 34,
    CAP_WAKE_ALARM = 35,
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

struct groups;

struct cred {
    struct ref ref;
    struct groups *groups; /* supplementary; a reference, NULL: none */
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
struct thread;
/* The calling thread's, borrowed until it commits others; kernel threads may do everything. */
const struct cred *current_cred(void);
bool capable(int cap);                             /* the calling thread */
const struct cred *cred_get(const struct cred *c); /* c, with a reference more */
void cred_put(const struct cred *c);
DEFINE_AUTO(const struct cred, cred_put)
/* For looking at only: with src's groups, and no reference. */
void cred_copy_values(struct cred *dst, const struct cred *src);
/* A process's or a thread's, with a reference. */
const struct cred *process_cred_get(struct process *p);
const struct cred *thread_cred_get(struct thread *t);
uint32_t process_uid(struct process *p); /* the real one, as siginfo tells it */

must_check struct cred *cred_new_root(void); /* the first program's; NULL: no memory */
/* The calling thread's, to be changed and then committed or put; NULL: no memory. */
must_check struct cred *cred_copy(void);
/* The calling thread has c from now on, which it takes over: with what a change of uids does to capabilities,
 * or, for exec, as it is. */
void cred_commit(struct cred *c);
void cred_commit_exec(const struct cred *c);
/* As a program starts: file ids of a set-id program are in c already. */
void cred_exec(struct cred *c);

#define GROUPS_MAX 65536u
struct groups {
    struct ref ref;
    uint32_t count;
    uint32_t id[];
};
/* Room for count of them, to be filled in and handed to cred_set_groups. */
must_check struct groups *groups_new(uint32_t count);
void groups_put(struct groups *g);
void cred_set_groups(struct cred *c, struct groups *g);  /* takes g over */
bool cred_in_groups(const struct cred *c, uint32_t gid); /* supplementary ones only */
#endif
