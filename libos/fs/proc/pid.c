/* /proc/PID: what a process is and does. */
#include "libos/base/atomic.h"
#include "libos/fs/proc/attributes.h"
#include "libos/fs/proc/net.h"
#include "libos/fs/proc/numbers.h"
#include "libos/fs/proc/pid_memory.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/task/cputime.h"
#include "libos/task/process.h"
#include "libos/task/signal.h"
#include "libos/vfs/fdtable.h"
#include "libos/vfs/fs_ctx.h"
#include "libos/vfs/memfd.h"
#include "abi/layout.h"

DEFINE_AUTO(struct fdtable, fdtable_put)
DEFINE_AUTO(struct fs_ctx, fs_ctx_put)

static int get(const struct proc_ref *ref, struct process **ret)
{
    *ret = process_lookup_get(ref->pid);
    return *ret ? 0 : -ESRCH;
}

/* ---- memory of the process ---- */

static int copy_range(struct process *p, uaddr_t from, uaddr_t to, struct uio *uio, uint64_t pos)
{
    AUTO(mm_put) struct mm *mm = process_mm_get(p);
    if (!mm || to.v <= from.v || pos >= to.v - from.v)
        return 0;
    size_t left = MIN(uio->left, to.v - from.v - pos);
    uint8_t *buf = kzalloc(PAGE_SIZE);
    if (!buf)
        return -ENOMEM;
    int r = 0;
    while (left > 0 && r == 0) {
        size_t n = MIN(left, PAGE_SIZE);
        r = mm_copy_from(mm, (struct span){buf, n}, uaddr_add(from, pos));
        if (r == 0)
            r = uio_put(uio, buf, n);
        left -= n;
        pos += n;
    }
    kfree(buf);
    return r;
}

static int cmdline_raw(const struct proc_ref *ref, struct uio *uio, uint64_t pos)
{
    AUTO(process_put) struct process *p = NULL;
    int r = get(ref, &p);
    return r < 0 ? r : copy_range(p, p->arg_start, p->arg_end, uio, pos);
}

static int environ_raw(const struct proc_ref *ref, struct uio *uio, uint64_t pos)
{
    AUTO(process_put) struct process *p = NULL;
    int r = get(ref, &p);
    return r < 0 ? r : copy_range(p, p->env_start, p->env_end, uio, pos);
}

/* ---- names and numbers ---- */

static int comm_text(const struct proc_ref *ref, struct text *t)
{
    AUTO(process_put) struct process *p = NULL;
    int r = get(ref, &p);
    if (r < 0)
        return r;
    struct process *owner = NULL;
    struct thread *th = ref->tid ? thread_lookup_get(ref->tid, &owner) : NULL;
    text_add(t, "%s\n", th ? th->comm : p->comm);
    if (th) {
        thread_put(th);
        process_put(owner);
    }
    return 0;
}

static long comm_write(const struct proc_ref *ref, const char *s, size_t n)
{
    if (ref->pid != current_process()->pid)
        return -EPERM;
    struct process *p = current_process();
    size_t len = MIN(n, sizeof p->comm - 1);
    while (len > 0 && s[len - 1] == '\n')
        len--;
    spin_lock(&p->lock);
    memset(p->comm, 0, sizeof p->comm);
    memcpy(p->comm, s, len);
    spin_unlock(&p->lock);
    struct process *owner = NULL;
    struct thread *th = thread_lookup_get(ref->tid ? ref->tid : ref->pid, &owner);
    if (th) {
        memset(th->comm, 0, sizeof th->comm);
        memcpy(th->comm, s, len);
        thread_put(th);
        process_put(owner);
    }
    return (long) n;
}

static int statm_text(const struct proc_ref *ref, struct text *t)
{
    AUTO(process_put) struct process *p = NULL;
    int r = get(ref, &p);
    if (r < 0)
        return r;
    struct mm_stats m;
    proc_memory(p, &m);
    text_add(t, "%lu %lu %lu %lu 0 %lu 0\n", m.total, m.resident, m.shared, m.text,
             m.data + m.stack);
    return 0;
}

static const char *state_name(char letter)
{
    switch (letter) {
    case 'R':
        return "R (running)";
    case 'S':
        return "S (sleeping)";
    case 'D':
        return "D (disk sleep)";
    case 'T':
        return "T (stopped)";
    default:
        return "Z (zombie)";
    }
}

static void status_memory(struct text *t, struct process *p)
{
    struct mm_stats m;
    proc_memory(p, &m);
    if (!m.total)
        return;
    unsigned long kb = PAGE_SIZE / 1024;
    struct usage u;
    process_usage(p, &u);
    text_add(t, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t%8lu kB\nVmPin:\t       0 kB\n",
             m.total * kb, m.total * kb, m.locked * kb);
    text_add(t, "VmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\nRssAnon:\t%8lu kB\nRssFile:\t       0 kB\n",
             MAX((unsigned long) u.peak_pages, m.resident) * kb, m.resident * kb, m.resident * kb);
    text_add(t, "RssShmem:\t%8lu kB\nVmData:\t%8lu kB\nVmStk:\t%8lu kB\nVmExe:\t%8lu kB\n",
             m.shared * kb, m.data * kb, m.stack * kb, m.text * kb);
    text_add(t, "VmLib:\t       0 kB\nVmPTE:\t       0 kB\nVmSwap:\t       0 kB\n");
}

static void status_signals(struct text *t, struct process *p)
{
    uint64_t blocked = 0, own = 0, ignored = 0, caught = 0;
    spin_lock(&p->lock);
    if (p->leader) {
        blocked = p->leader->sigmask;
        own = p->leader->sig ? p->leader->sig->pending.set : 0;
    }
    uint64_t shared = p->pending.set;
    for (int s = 1; p->sighand && s <= 64; s++) {
        uint64_t h = (uint64_t) p->sighand->action[s - 1].handler;
        ignored |= h == 1 ? sigbit(s) : 0;
        caught |= h > 1 ? sigbit(s) : 0;
    }
    spin_unlock(&p->lock);
    text_add(t, "SigQ:\t%u/%lu\nSigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\n",
             p->queued_signals, (unsigned long) p->rlimits[11].cur, (unsigned long) own,
             (unsigned long) shared, (unsigned long) blocked);
    text_add(t, "SigIgn:\t%016lx\nSigCgt:\t%016lx\n", (unsigned long) ignored,
             (unsigned long) caught);
}

/* Of the thread, or of the process. */
static const struct cred *shown_cred_get(const struct proc_ref *ref, struct process *p)
{
    AUTO(process_put) struct process *owner = NULL;
    AUTO(thread_put) struct thread *t = ref->tid ? thread_lookup_get(ref->tid, &owner) : NULL;
    return t ? thread_cred_get(t) : process_cred_get(p);
}

static void status_ids(struct text *t, const struct cred *c, bool has_files)
{
    text_add(t, "TracerPid:\t0\nUid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nFDSize:\t%d\nGroups:\t",
             c->uid, c->euid, c->suid, c->fsuid, c->gid, c->egid, c->sgid, c->fsgid,
             has_files ? 64 : 0);
    for (uint32_t i = 0; c->groups && i < c->groups->count; i++)
        text_add(t, "%u ", c->groups->id[i]);
    text_add(t, "\n");
}

static int status_text(const struct proc_ref *ref, struct text *t)
{
    AUTO(process_put) struct process *p = NULL;
    int r = get(ref, &p);
    if (r < 0)
        return r;
    AUTO(cred_put) const struct cred *c = shown_cred_get(ref, p);
    AUTO(fs_ctx_put) struct fs_ctx *fs = process_fs_get(p);
    AUTO(fdtable_put) struct fdtable *files = process_files_get(p);
    text_add(t, "Name:\t%s\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\n",
             p->comm, fs ? atomic_load(&fs->umask) : 0022, state_name(process_state_letter(p)),
             p->pid, ref->tid ? ref->tid : p->pid, process_parent_pid(p));
    status_ids(t, c, files != NULL);
    status_memory(t, p);
    text_add(t, "Threads:\t%d\n", atomic_peek(&p->thread_count));
    status_signals(t, p);
    text_add(
        t, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\nCapAmb:\t%016lx\n",
        (unsigned long) c->cap_inheritable, (unsigned long) c->cap_permitted,
        (unsigned long) c->cap_effective, (unsigned long) c->cap_bounding,
        (unsigned long) c->cap_ambient);
    text_add(t, "NoNewPrivs:\t%d\nSeccomp:\t0\nCpus_allowed:\t%x\nCpus_allowed_list:\t0-%d\n",
             c->no_new_privs, (1u << sched_cpu_count()) - 1, sched_cpu_count() - 1);
    struct usage u;
    process_usage(p, &u);
    text_add(t,
             "Mems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t%lu\n"
             "nonvoluntary_ctxt_switches:\t%lu\n",
             (unsigned long) u.nvcsw, (unsigned long) u.nivcsw);
    return 0;
}

static int limits_text(const struct proc_ref *ref, struct text *t)
{
    static const struct {
        const char *name, *unit;
    } limits[RLIMIT_COUNT] = {
        {"Max cpu time", "seconds"},     {"Max file size", "bytes"},
        {"Max data size", "bytes"},      {"Max stack size", "bytes"},
        {"Max core file size", "bytes"}, {"Max resident set", "bytes"},
        {"Max processes", "processes"},  {"Max open files", "files"},
        {"Max locked memory", "bytes"},  {"Max address space", "bytes"},
        {"Max file locks", "locks"},     {"Max pending signals", "signals"},
        {"Max msgqueue size", "bytes"},  {"Max nice priority", ""},
        {"Max realtime priority", ""},   {"Max realtime timeout", "us"},
    };
    AUTO(process_put) struct process *p = NULL;
    int r = get(ref, &p);
    if (r < 0)
        return r;
    text_add(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (int i = 0; i < RLIMIT_COUNT; i++) {
        char n[2][24];
        const uint64_t v[2] = {p->rlimits[i].cur, p->rlimits[i].max};
        for (int k = 0; k < 2; k++)
            fmt_str(n[k], sizeof n[k], v[k] == ~0ull ? "unlimited" : "%lu", (unsigned long) v[k]);
        text_add(t, "%-25s %-20s %-20s %-10s\n", limits[i].name, n[0], n[1], limits[i].unit);
    }
    return 0;
}

static int mounts_text(const struct proc_ref *ref, struct text *t)
{
    mount_list(t, MOUNT_TEXT_MOUNTS);
    return 0;
}

static int mountinfo_text(const struct proc_ref *ref, struct text *t)
{
    mount_list(t, MOUNT_TEXT_INFO);
    return 0;
}

static int cgroup_text(const struct proc_ref *ref, struct text *t)
{
    text_add(t, "0::/\n");
    return 0;
}

/* ---- links ---- */

static long path_text(const struct path *p, char *buf, size_t size)
{
    AUTO_PATH struct path root = fs_ctx_root(current_fs());
    char *tmp = kzalloc(PATH_LIMIT);
    if (!tmp)
        return -ENOMEM;
    bool outside;
    dcache_lock();
    char *s = mount_path_locked(p, &root, tmp, PATH_LIMIT, &outside);
    dcache_unlock();
    long n = s ? (long) MIN(strlen(s), size) : -ENAMETOOLONG;
    if (n > 0)
        memcpy(buf, s, (size_t) n);
    kfree(tmp);
    return n;
}

static long file_text(struct file *f, char *buf, size_t size)
{
    if (f->path.dentry)
        return path_text(&f->path, buf, size);
    char name[300];
    const char *mem = memfd_name(f->inode);
    if (mem)
        fmt_str(name, sizeof name, "%s (deleted)", mem);
    else
        (void) file_anon_name(f, name, sizeof name); /* it returns its buffer */
    size_t n = MIN(strlen(name), size);
    memcpy(buf, name, n);
    return (long) n;
}

static int file_link(struct file *f, struct path *ret, struct file **ret_file)
{
    if (f->path.dentry) {
        *ret = f->path;
        path_get(ret);
    } else {
        file_get(f);
        *ret_file = f;
    }
    return 0;
}

static struct file *ref_exe(const struct proc_ref *ref)
{
    AUTO(process_put) struct process *p = process_lookup_get(ref->pid);
    return p ? process_exe_get(p) : NULL;
}

static struct file *ref_fd(const struct proc_ref *ref)
{
    AUTO(process_put) struct process *p = process_lookup_get(ref->pid);
    AUTO(fdtable_put) struct fdtable *t = p ? process_files_get(p) : NULL;
    return t ? fdtable_lookup_get(t, ref->fd) : NULL;
}

#define FILE_LINK(name)                                                                            \
    static long name##_link_text(const struct proc_ref *ref, char *buf, size_t size)               \
    {                                                                                              \
        AUTO(file_put) struct file *f = ref_##name(ref);                                           \
        return f ? file_text(f, buf, size) : -ENOENT;                                              \
    }                                                                                              \
    static int name##_link(const struct proc_ref *ref, struct path *ret, struct file **ret_file)   \
    {                                                                                              \
        AUTO(file_put) struct file *f = ref_##name(ref);                                           \
        return f ? file_link(f, ret, ret_file) : -ENOENT;                                          \
    }
FILE_LINK(exe)
FILE_LINK(fd)

static int fs_path(const struct proc_ref *ref, bool root, struct path *ret)
{
    AUTO(process_put) struct process *p = process_lookup_get(ref->pid);
    struct fs_ctx *c = p ? process_fs_get(p) : NULL;
    if (!c)
        return -ENOENT;
    *ret = root ? fs_ctx_root(c) : fs_ctx_cwd(c);
    fs_ctx_put(c);
    return 0;
}

static int cwd_link(const struct proc_ref *ref, struct path *ret, struct file **ret_file)
{
    return fs_path(ref, false, ret);
}

static int root_link(const struct proc_ref *ref, struct path *ret, struct file **ret_file)
{
    return fs_path(ref, true, ret);
}

static long fs_text(const struct proc_ref *ref, bool root, char *buf, size_t size)
{
    AUTO_PATH struct path p = {0};
    int r = fs_path(ref, root, &p);
    return r < 0 ? r : path_text(&p, buf, size);
}

static long cwd_text(const struct proc_ref *ref, char *buf, size_t size)
{
    return fs_text(ref, false, buf, size);
}

static long root_text(const struct proc_ref *ref, char *buf, size_t size)
{
    return fs_text(ref, true, buf, size);
}

/* ---- fd/ and fdinfo/ ---- */

static int fdinfo_text(const struct proc_ref *ref, struct text *t)
{
    AUTO(process_put) struct process *p = process_lookup_get(ref->pid);
    AUTO(fdtable_put) struct fdtable *files = p ? process_files_get(p) : NULL;
    AUTO(file_put) struct file *f = files ? fdtable_lookup_get(files, ref->fd) : NULL;
    if (!f)
        return -ENOENT;
    unsigned flags = f->flags | (fdtable_cloexec(files, ref->fd) ? O_CLOEXEC : 0);
    text_add(t, "pos:\t%lu\nflags:\t0%o\nmnt_id:\t%u\nino:\t%lu\n", (unsigned long) f->pos, flags,
             f->path.mnt ? f->path.mnt->id : 0, (unsigned long) f->inode->ino);
    if (f->ops->fdinfo)
        f->ops->fdinfo(f, t);
    return 0;
}

static const struct proc_entry fd_entry = {
    .name = "fd",
    .mode = S_IFLNK | 0700,
    .link_text = fd_link_text,
    .link = fd_link,
};
static const struct proc_entry fdinfo_entry = PROC_FILE("fdinfo", fdinfo_text);

static int fd_lookup_as(struct proc_ref *ref, const char *name, const struct proc_entry *entry,
                        const struct proc_entry **ret)
{
    ref->fd = proc_number(name);
    AUTO(file_put) struct file *f = ref->fd >= 0 ? ref_fd(ref) : NULL;
    *ret = entry;
    return f ? 0 : -ENOENT;
}

static int fd_lookup(struct proc_ref *ref, const char *name, const struct proc_entry **ret)
{
    return fd_lookup_as(ref, name, &fd_entry, ret);
}

static int fdinfo_lookup(struct proc_ref *ref, const char *name, const struct proc_entry **ret)
{
    return fd_lookup_as(ref, name, &fdinfo_entry, ret);
}

static bool emit_number(struct dir_ctx *ctx, int n, uint64_t ino, unsigned type, uint64_t next)
{
    char name[16];
    fmt_str(name, sizeof name, "%d", n);
    return ctx->emit(ctx, QNAME(name), ino, type, next);
}

static int fd_readdir(const struct proc_ref *ref, struct dir_ctx *ctx)
{
    AUTO(process_put) struct process *p = process_lookup_get(ref->pid);
    AUTO(fdtable_put) struct fdtable *t = p ? process_files_get(p) : NULL;
    for (int fd = t ? fdtable_next(t, (int) ctx->pos) : -1; fd >= 0; fd = fdtable_next(t, fd + 1))
        if (!emit_number(ctx, fd, (uint64_t) fd + 1, LINUX_DT_LNK, (uint64_t) fd + 1))
            break;
    return 0;
}

static const struct proc_dynamic fd_dynamic = {fd_lookup, fd_readdir};
static const struct proc_dynamic fdinfo_dynamic = {fdinfo_lookup, fd_readdir};

/* ---- task/ ---- */

static const struct proc_entry task_children[] = {
    {.name = "comm", .mode = S_IFREG | 0644, .text = comm_text, .write = comm_write},
    {.name = "cmdline", .mode = S_IFREG | 0444, .raw = cmdline_raw},
    PROC_FILE("stat", proc_stat_text),
    PROC_FILE("statm", statm_text),
    PROC_FILE("status", status_text),
    PROC_FILE("maps", proc_maps_text),
    PROC_FILE("smaps", proc_smaps_text),
    PROC_FILE("smaps_rollup", proc_smaps_rollup_text),
    {.name = "pagemap", .mode = S_IFREG | 0400, .raw = proc_pagemap_raw},
    PROC_FILE("children", proc_children_text),
    PROC_FILE("schedstat", proc_schedstat_text),
    PROC_FILE("wchan", proc_wchan_text),
    {.name = NULL},
};
static const struct proc_entry task_entry = PROC_DIR("task", task_children);

static int task_lookup(struct proc_ref *ref, const char *name, const struct proc_entry **ret)
{
    ref->tid = proc_number(name);
    struct process *owner = NULL;
    struct thread *t = ref->tid > 0 ? thread_lookup_get(ref->tid, &owner) : NULL;
    bool ours = t && owner->pid == ref->pid;
    if (t) {
        thread_put(t);
        process_put(owner);
    }
    *ret = &task_entry;
    return ours ? 0 : -ENOENT;
}

static int task_readdir(const struct proc_ref *ref, struct dir_ctx *ctx)
{
    AUTO(process_put) struct process *p = process_lookup_get(ref->pid);
    for (unsigned n = (unsigned) ctx->pos; p; n++) {
        struct thread *t = process_thread_get(p, n);
        if (!t)
            break;
        int tid = t->tid;
        thread_put(t);
        if (!emit_number(ctx, tid, (uint64_t) tid, LINUX_DT_DIR, n + 1))
            break;
    }
    return 0;
}

static const struct proc_dynamic task_dynamic = {task_lookup, task_readdir};

const struct proc_entry proc_pid_children[] = {
    {.name = "cmdline", .mode = S_IFREG | 0444, .raw = cmdline_raw},
    {.name = "environ", .mode = S_IFREG | 0400, .raw = environ_raw},
    {.name = "comm", .mode = S_IFREG | 0644, .text = comm_text, .write = comm_write},
    {.name = "exe", .mode = S_IFLNK | 0777, .link_text = exe_link_text, .link = exe_link},
    {.name = "cwd", .mode = S_IFLNK | 0777, .link_text = cwd_text, .link = cwd_link},
    {.name = "root", .mode = S_IFLNK | 0777, .link_text = root_text, .link = root_link},
    {.name = "fd", .mode = S_IFDIR | 0500, .dynamic = &fd_dynamic},
    {.name = "fdinfo", .mode = S_IFDIR | 0555, .dynamic = &fdinfo_dynamic},
    {.name = "task", .mode = S_IFDIR | 0555, .dynamic = &task_dynamic},
    PROC_FILE("maps", proc_maps_text),
    PROC_FILE("smaps", proc_smaps_text),
    PROC_FILE("smaps_rollup", proc_smaps_rollup_text),
    {.name = "pagemap", .mode = S_IFREG | 0400, .raw = proc_pagemap_raw},
    PROC_FILE("stat", proc_stat_text),
    PROC_FILE("statm", statm_text),
    PROC_FILE("status", status_text),
    PROC_FILE("limits", limits_text),
    PROC_FILE("mounts", mounts_text),
    PROC_FILE("mountinfo", mountinfo_text),
    PROC_FILE("cgroup", cgroup_text),
    PROC_FILE("oom_score", proc_oom_score_text),
    {.name = "oom_score_adj",
     .mode = S_IFREG | 0644,
     .text = proc_oom_score_adj_text,
     .write = proc_oom_score_adj_write},
    {.name = "timerslack_ns",
     .mode = S_IFREG | 0666,
     .text = proc_timerslack_text,
     .write = proc_timerslack_write},
    {.name = "auxv", .mode = S_IFREG | 0400, .raw = proc_auxv_raw},
    PROC_FILE("personality", proc_personality_text),
    PROC_FILE("schedstat", proc_schedstat_text),
    PROC_FILE("wchan", proc_wchan_text),
    {.name = "loginuid",
     .mode = S_IFREG | 0644,
     .text = proc_loginuid_text,
     .write = proc_loginuid_write},
    PROC_FILE("sessionid", proc_sessionid_text),
    PROC_FILE("uid_map", proc_id_map_text),
    PROC_FILE("gid_map", proc_id_map_text),
    PROC_FILE("setgroups", proc_setgroups_text),
    PROC_DIR("ns", proc_ns_children),
    PROC_DIR("net", proc_net_children),
    {.name = NULL},
};

/* ---- /proc/PID itself ---- */

static const struct proc_entry pid_entry = PROC_DIR("pid", proc_pid_children);

static int pid_lookup(struct proc_ref *ref, const char *name, const struct proc_entry **ret)
{
    ref->pid = proc_number(name);
    AUTO(process_put) struct process *p = ref->pid > 0 ? process_lookup_get(ref->pid) : NULL;
    *ret = &pid_entry;
    return p ? 0 : -ENOENT;
}

static int pid_readdir(const struct proc_ref *ref, struct dir_ctx *ctx)
{
    for (int pid = (int) ctx->pos;;) {
        AUTO(process_put) struct process *p = process_next_get(pid);
        if (!p || !emit_number(ctx, p->pid, (uint64_t) p->pid, LINUX_DT_DIR, (uint64_t) p->pid + 1))
            return 0;
        pid = p->pid + 1;
    }
}

const struct proc_dynamic proc_pids = {pid_lookup, pid_readdir};
