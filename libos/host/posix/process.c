/* The process that unit tests run in, and system calls by number. */
#include <stdlib.h>
#include "libos/host/posix/unit.h"
#include "libos/sys/syscall.h"
#include "libos/task/process.h"
#include "libos/vfs/vfs.h"

/* Null where vfs is not in the build. */
extern struct fdtable *fdtable_new(void) __attribute__((weak));
extern struct fs_ctx *fs_ctx_new(void) __attribute__((weak));
extern int vfs_init(void) __attribute__((weak));
extern int vfs_mount(const char *source, const char *target, const char *type, unsigned long flags,
                     const char *options) __attribute__((weak));

static void process_setup(struct process *p)
{
    ref_init(&p->ref);
    p->pid = p->pgid = p->sid = 1;
    list_init(&p->children);
    list_init(&p->sibling);
    list_init(&p->group_link);
    list_init(&p->pending.queue);
    waitq_init(&p->signal_wait);
    waitq_init(&p->stop_wait);
    list_init(&p->threads);
    list_init(&p->posix_timers);
    waitq_init(&p->child_wait);
    waitq_init(&p->thread_wait);
    waitq_init(&p->vfork_wait);
    p->thread_count = 1;
    p->leader = current();
    for (size_t i = 0; i < RLIMIT_COUNT; i++)
        p->rlimits[i] = (struct rlimit_pair){~0ull, ~0ull};
    p->rlimits[7] = (struct rlimit_pair){1024, 4096}; /* RLIMIT_NOFILE */
    static struct cred root = {REF_INIT, .cap_effective = CAPS_ALL, .cap_permitted = CAPS_ALL,
                               .cap_bounding = CAPS_ALL};
    current()->cred = p->cred = &root;
    str_copy(p->comm, "unit", sizeof p->comm);
    current()->proc = p;
}

struct process *unit_process(void)
{
    static struct process process;
    if (process.pid)
        return &process;
    process_setup(&process);
    if (vfs_init && vfs_mount && fdtable_new && fs_ctx_new) {
        check(vfs_init() == 0);
        check(vfs_mount("none", "/", "ramfs", 0, "") == 0);
        process.fs = fs_ctx_new();
        process.files = fdtable_new();
        check(process.fs && process.files);
    }
    return &process;
}

long unit_syscall_args(int nr, const uint64_t args[6])
{
    struct syscall_args a;
    memcpy(a.a, args, sizeof a.a);
    if (nr < 0 || nr >= SYSCALL_MAX || !syscall_table[nr].fn)
        return -ENOSYS;
    return syscall_table[nr].fn(&a);
}
