/* Looking into other processes: process_vm_readv and its relatives, kcmp. Who may is decided as ptrace
 * would: the same user and a dumpable process, or CAP_SYS_PTRACE. */
#include "abi/layout.h"
#include "libos/arch/random.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/mm/uio.h"
#include "libos/sys/syscall.h"
#include "libos/task/process.h"
#include "libos/vfs/pidfd.h"
#include "libos/vfs/vfs.h"

DEFINE_AUTO(struct fdtable, fdtable_put)

static bool may_look(struct process *p)
{
    if (p == current_process())
        return true;
    const struct cred *mine = current_cred();
    AUTO(cred_put) const struct cred *theirs = process_cred_get(p);
    bool same = mine->uid == theirs->uid && mine->uid == theirs->euid &&
                mine->uid == theirs->suid && mine->gid == theirs->gid &&
                mine->gid == theirs->egid && mine->gid == theirs->sgid;
    return (same && p->dumpable) || capable(CAP_SYS_PTRACE);
}

/* ---- memory ----------------------------------------------------------------------------------- */
struct transfer {
    struct mm *mm;
    struct uio local;
    bool write; /* to the other process */
    uint8_t *buf;
};

/* Bytes of one page at most; -EFAULT where nothing is mapped or the mapping does not allow it. */
static long move_part(struct transfer *t, uint64_t addr, size_t n)
{
    struct mm_area area;
    if (addr >= ELRANGE_SIZE || !mm_area_at(t->mm, addr, &area))
        return -EFAULT;
    if (area.file)
        file_put(area.file);
    if (area.start > addr || !(area.prot & (t->write ? PROT_W : PROT_R)))
        return -EFAULT;
    n = MIN(n, PAGE_SIZE - addr % PAGE_SIZE);
    int r =
        t->write ? uio_take(&t->local, t->buf, n) : mm_read(t->mm, (struct span){t->buf, n}, addr);
    if (r == 0)
        r = t->write ? mm_write(t->mm, addr, (struct cspan){t->buf, n})
                     : uio_put(&t->local, t->buf, n);
    return r < 0 ? -EFAULT : (long) n;
}

static long move_all(struct transfer *t, const struct user_iovec *remote, size_t count)
{
    size_t done = 0;
    for (size_t i = 0; i < count; i++)
        for (uint64_t at = 0; at < remote[i].len && t->local.left > 0;) {
            size_t want = MIN((size_t) (remote[i].len - at), t->local.left);
            long n = move_part(t, remote[i].base + at, want);
            if (n < 0)
                return done ? (long) done : n;
            at += (uint64_t) n;
            done += (size_t) n;
            if (thread_dying()) /* a signal does not cut it short */
                return (long) done;
        }
    return (long) done;
}

static int remote_vec_from_user(struct user_iovec *vec, uaddr_t ua, uint64_t count)
{
    if (copy_from_user((struct span){(uint8_t *) vec, count * sizeof *vec}, ua) < 0)
        return -EFAULT;
    uint64_t total = 0;
    for (uint64_t i = 0; i < count; i++)
        if (ck_add(&total, total, vec[i].len) || (int64_t) total < 0)
            return -EINVAL;
    return 0;
}

struct vectors {
    struct user_iovec local[IOV_LIMIT], remote[IOV_LIMIT];
    uint8_t page[PAGE_SIZE];
};

static long move_between(int pid, struct vectors *v, uint64_t local_count, uint64_t remote_count,
                         bool write)
{
    AUTO(process_put) struct process *p = process_of_task_get(pid);
    if (!p)
        return -ESRCH;
    AUTO(mm_put) struct mm *mm = process_mm_get(p);
    if (!mm)
        return -ESRCH;
    if (!may_look(p))
        return -EPERM;
    struct transfer t = {.mm = mm, .write = write, .buf = v->page};
    t.local = uio_user_vec(v->local, local_count);
    return move_all(&t, v->remote, remote_count);
}

static long process_vm(int pid, uaddr_t local, uint64_t local_count, uaddr_t remote,
                       uint64_t remote_count, uint64_t flags, bool write)
{
    if (flags || local_count > IOV_LIMIT || remote_count > IOV_LIMIT)
        return -EINVAL;
    struct vectors *v = kzalloc(sizeof *v);
    if (!v)
        return -ENOMEM;
    long r = remote_vec_from_user(v->local, local, local_count);
    if (r == 0)
        r = remote_vec_from_user(v->remote, remote, remote_count);
    if (r == 0 && local_count > 0 && remote_count > 0)
        r = move_between(pid, v, local_count, remote_count, write);
    kfree(v);
    return r;
}

/* full */
SYSCALL(process_vm_readv, int, pid, uaddr_t, local, uint64_t, local_count, uaddr_t, remote,
        uint64_t, remote_count, uint64_t, flags)
{
    return process_vm(pid, local, local_count, remote, remote_count, flags, false);
}

/* full */
SYSCALL(process_vm_writev, int, pid, uaddr_t, local, uint64_t, local_count, uaddr_t, remote,
        uint64_t, remote_count, uint64_t, flags)
{
    return process_vm(pid, local, local_count, remote, remote_count, flags, true);
}

/* ---- advice ----------------------------------------------------------------------------------- */
enum { ADVICE_WILLNEED = 3, ADVICE_COLD = 20, ADVICE_PAGEOUT = 21, ADVICE_COLLAPSE = 25 };

static long advise_all(struct mm *mm, const struct user_iovec *vec, uint64_t count, int advice)
{
    uint64_t done = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t len = ROUND_UP(vec[i].len, PAGE_SIZE);
        bool odd = vec[i].base % PAGE_SIZE || (vec[i].len && !len);
        int r = odd ? -EINVAL : len > ELRANGE_SIZE ? -ENOMEM : 0;
        if (r == 0 && len > 0)
            r = mm_advise(mm, vec[i].base, len, advice);
        if (r < 0)
            return done ? (long) done : r;
        done += vec[i].len;
    }
    return (long) done;
}

static long advise(struct process *p, uaddr_t vec, uint64_t count, int advice)
{
    AUTO(mm_put) struct mm *mm = process_mm_get(p);
    if (!mm)
        return -ESRCH;
    if (!may_look(p) || (p != current_process() && !capable(CAP_SYS_NICE)))
        return -EPERM;
    struct user_iovec *v = kzalloc((count + 1) * sizeof *v);
    if (!v)
        return -ENOMEM;
    long r = remote_vec_from_user(v, vec, count);
    if (r == 0)
        r = advise_all(mm, v, count, advice);
    kfree(v);
    return r;
}

/* full */
SYSCALL(process_madvise, int, pidfd, uaddr_t, vec, uint64_t, count, int, advice, unsigned, flags)
{
    if (flags || count > IOV_LIMIT)
        return -EINVAL;
    AUTO(process_put) struct process *p = NULL;
    int r = pidfd_process_get(pidfd, &p);
    if (r < 0)
        return r;
    bool known = advice == ADVICE_WILLNEED || advice == ADVICE_COLD || advice == ADVICE_PAGEOUT ||
                 advice == ADVICE_COLLAPSE;
    return known ? advise(p, vec, count, advice) : -EINVAL;
}

/* full */
SYSCALL(process_mrelease, int, pidfd, unsigned, flags)
{
    if (flags)
        return -EINVAL;
    AUTO(process_put) struct process *p = NULL;
    int r = pidfd_process_get(pidfd, &p);
    if (r < 0)
        return r;
    AUTO(mm_put) struct mm *mm = process_mm_get(p);
    if (!mm)
        return -ESRCH;
    return p->exiting ? 0 : -EINVAL; /* one that dies gives its memory back by itself */
}

/* ---- kcmp ------------------------------------------------------------------------------------- */
enum { KCMP_FILE, KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND, KCMP_IO, KCMP_SYSVSEM };

/* 0 equal, 1 less, 2 greater, in an order that tells nothing of addresses. */
static long order(const void *a, const void *b)
{
    static uint64_t cookie[2];
    static struct spinlock lock;
    spin_lock(&lock);
    if (!cookie[0])
        random_bytes(SPAN_OF(cookie));
    uint64_t key = cookie[0], odd = cookie[1] | 1;
    spin_unlock(&lock);
    uint64_t x = ((uintptr_t) a ^ key) * odd, y = ((uintptr_t) b ^ key) * odd;
    return x == y ? 0 : x < y ? 1 : 2;
}

static struct file *file_of(struct process *p, uint64_t fd)
{
    AUTO(fdtable_put) struct fdtable *t = process_files_get(p);
    return t && fd <= INT32_MAX ? fdtable_lookup_get(t, (int) fd) : NULL;
}

static long compare_files(struct process *a, struct process *b, uint64_t fd1, uint64_t fd2)
{
    AUTO(file_put) struct file *x = file_of(a, fd1);
    AUTO(file_put) struct file *y = file_of(b, fd2);
    return x && y ? order(x, y) : -EBADF;
}

static long compare(struct process *a, struct process *b, int type, uint64_t idx1, uint64_t idx2)
{
    switch (type) {
    case KCMP_FILE:
        return compare_files(a, b, idx1, idx2);
    case KCMP_VM:
        return order(a->mm, b->mm);
    case KCMP_FILES:
        return order(a->files, b->files);
    case KCMP_FS:
        return order(a->fs, b->fs);
    case KCMP_SIGHAND:
        return order(a->sighand, b->sighand);
    case KCMP_IO: /* nobody has such contexts */
        return 0;
    case KCMP_SYSVSEM:
        return order(a->sem_undos, b->sem_undos);
    default:
        return -EINVAL;
    }
}

/* partial: no KCMP_EPOLL_TFD */
SYSCALL(kcmp, int, pid1, int, pid2, int, type, uint64_t, idx1, uint64_t, idx2)
{
    AUTO(process_put) struct process *a = process_of_task_get(pid1);
    AUTO(process_put) struct process *b = process_of_task_get(pid2);
    if (!a || !b)
        return -ESRCH;
    if (!may_look(a) || !may_look(b))
        return -EPERM;
    return compare(a, b, type, idx1, idx2);
}
