/* prctl and arch_prctl. What does not apply answers as a kernel built without it. */
#include "abi/layout.h"
#include "abi/linux/resource.h"
#include "abi/linux/sched.h"
#include "abi/linux/signal.h"
#include "libos/base/log.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/task/process.h"

enum {
    PR_SET_PDEATHSIG = 1,
    PR_GET_PDEATHSIG = 2,
    PR_GET_DUMPABLE = 3,
    PR_SET_DUMPABLE = 4,
    PR_GET_KEEPCAPS = 7,
    PR_SET_KEEPCAPS = 8,
    PR_SET_NAME = 15,
    PR_GET_NAME = 16,
    PR_GET_SECCOMP = 21,
    PR_SET_SECCOMP = 22,
    PR_CAPBSET_READ = 23,
    PR_CAPBSET_DROP = 24,
    PR_GET_TIMING = 13,
    PR_SET_TIMING = 14,
    PR_GET_TSC = 25,
    PR_SET_TSC = 26,
    PR_GET_SECUREBITS = 27,
    PR_SET_SECUREBITS = 28,
    PR_SET_TIMERSLACK = 29,
    PR_GET_TIMERSLACK = 30,
    PR_MCE_KILL_GET = 34,
    PR_SET_CHILD_SUBREAPER = 36,
    PR_GET_CHILD_SUBREAPER = 37,
    PR_SET_NO_NEW_PRIVS = 38,
    PR_GET_NO_NEW_PRIVS = 39,
    PR_GET_TID_ADDRESS = 40,
    PR_SET_THP_DISABLE = 41,
    PR_GET_THP_DISABLE = 42,
    PR_CAP_AMBIENT = 47,
    PR_SET_PTRACER = 0x59616d61,
    PR_SET_VMA = 0x53564d41,
};
enum {
    PR_CAP_AMBIENT_IS_SET = 1,
    PR_CAP_AMBIENT_RAISE = 2,
    PR_CAP_AMBIENT_LOWER = 3,
    PR_CAP_AMBIENT_CLEAR_ALL = 4,
};
#define TIMER_SLACK_DEFAULT_NS 50000
#define PR_TSC_ENABLE          1

static long set_name(uaddr_t name)
{
    struct thread *t = current();
    char buf[16] = "";
    long n = str_from_user(buf, sizeof buf, name);
    if (n == -ENAMETOOLONG) {
        if (copy_from_user((struct span){(uint8_t *) buf, sizeof buf - 1}, name) < 0)
            return -EFAULT;
    } else if (n < 0) {
        return n;
    }
    SPIN_GUARD(&t->proc->lock);
    str_copy(t->comm, buf, sizeof t->comm);
    if (t == t->proc->leader)
        str_copy(t->proc->comm, buf, sizeof t->proc->comm);
    return 0;
}

/* All 16 bytes, without what an earlier name left behind the end. */
static long get_name(uaddr_t ret_name)
{
    char name[sizeof current()->comm] = "";
    str_copy(name, current()->comm, sizeof name);
    return copy_to_user(ret_name, CSPAN_OF(name));
}

static long capbset_drop(uint64_t cap)
{
    if (!capable(CAP_SETPCAP))
        return -EPERM;
    if (cap > CAP_LAST)
        return -EINVAL;
    struct cred *c = cred_copy();
    if (!c)
        return -ENOMEM;
    c->cap_bounding &= ~CAP_BIT(cap);
    cred_commit(c);
    return 0;
}

static long set_ambient(uint64_t ambient)
{
    struct cred *c = cred_copy();
    if (!c)
        return -ENOMEM;
    c->cap_ambient = ambient;
    cred_commit(c);
    return 0;
}

static long cap_ambient(uint64_t op, uint64_t cap)
{
    const struct cred *c = current_cred();
    if (op == PR_CAP_AMBIENT_CLEAR_ALL)
        return cap ? -EINVAL : set_ambient(0);
    if (cap > CAP_LAST || op < PR_CAP_AMBIENT_IS_SET || op > PR_CAP_AMBIENT_CLEAR_ALL)
        return -EINVAL;
    if (op == PR_CAP_AMBIENT_IS_SET)
        return c->cap_ambient >> cap & 1;
    if (op == PR_CAP_AMBIENT_LOWER)
        return set_ambient(c->cap_ambient & ~CAP_BIT(cap));
    if (!(c->cap_permitted & c->cap_inheritable & CAP_BIT(cap)) ||
        (c->securebits & SECURE_NO_AMBIENT))
        return -EPERM;
    return set_ambient(c->cap_ambient | CAP_BIT(cap));
}

static long change_securebits(uint32_t bits)
{
    struct cred *c = cred_copy();
    if (!c)
        return -ENOMEM;
    c->securebits = bits;
    cred_commit(c);
    return 0;
}

/* A locked bit stays; so does a lock. */
static long set_securebits(uint64_t bits)
{
    const struct cred *c = current_cred();
    uint64_t locked = (c->securebits & SECURE_LOCKS) >> 1;
    if ((locked & (c->securebits ^ bits)) || (c->securebits & SECURE_LOCKS & ~bits) ||
        (bits & ~(uint64_t) SECURE_ALL) || !cred_capable(c, CAP_SETPCAP))
        return -EPERM;
    return change_securebits((uint32_t) bits);
}

static long set_keepcaps(uint64_t on)
{
    uint32_t bits = current_cred()->securebits;
    if (on > 1)
        return -EINVAL;
    if (bits & (SECURE_KEEP_CAPS << 1))
        return -EPERM;
    return change_securebits(on ? bits | SECURE_KEEP_CAPS : bits & ~(uint32_t) SECURE_KEEP_CAPS);
}

static long set_no_new_privs(uint64_t value)
{
    if (value != 1)
        return -EINVAL;
    struct cred *c = cred_copy();
    if (!c)
        return -ENOMEM;
    c->no_new_privs = true;
    cred_commit(c);
    return 0;
}

static long set_timer_slack(struct process *p, int64_t ns)
{
    p->timer_slack_ns = ns > 0 ? (uint64_t) ns : TIMER_SLACK_DEFAULT_NS;
    return 0;
}

static long set_flag(bool *flag, uint64_t value)
{
    if (value > 1)
        return -EINVAL;
    *flag = value;
    return 0;
}

/* Reading; -ENOSYS: not a reading option. */
static long prctl_get(struct process *p, int option, uint64_t a)
{
    switch (option) {
    case PR_GET_PDEATHSIG:
        return put_user(UADDR(a), p->pdeath_signal);
    case PR_GET_DUMPABLE:
        return p->dumpable;
    case PR_GET_KEEPCAPS:
        return !!(current_cred()->securebits & SECURE_KEEP_CAPS);
    case PR_GET_NAME:
        return get_name(UADDR(a));
    case PR_GET_SECCOMP:
    case PR_GET_TIMING: /* PR_TIMING_STATISTICAL */
        return 0;
    case PR_GET_SECUREBITS:
        return current_cred()->securebits;
    case PR_GET_THP_DISABLE:
        return p->thp_disabled;
    case PR_MCE_KILL_GET:
        return 2; /* PR_MCE_KILL_DEFAULT */
    case PR_CAPBSET_READ:
        return a > CAP_LAST ? -EINVAL : (long) (current_cred()->cap_bounding >> a & 1);
    case PR_GET_TSC:
        return put_user(UADDR(a), (int) PR_TSC_ENABLE);
    case PR_GET_TIMERSLACK:
        return (long) (p->timer_slack_ns ? p->timer_slack_ns : TIMER_SLACK_DEFAULT_NS);
    case PR_GET_CHILD_SUBREAPER:
        return put_user(UADDR(a), (int) p->child_subreaper);
    case PR_GET_NO_NEW_PRIVS:
        return current_cred()->no_new_privs;
    case PR_GET_TID_ADDRESS:
        return put_user(UADDR(a), current()->clear_child_tid.v);
    default:
        return -ENOSYS;
    }
}

static long prctl_set(struct process *p, int option, uint64_t a, uint64_t b)
{
    switch (option) {
    case PR_SET_PDEATHSIG:
        if (a > SIG_COUNT)
            return -EINVAL;
        p->pdeath_signal = (int) a;
        return 0;
    case PR_SET_DUMPABLE:
        return set_flag(&p->dumpable, a);
    case PR_SET_KEEPCAPS:
        return set_keepcaps(a);
    case PR_SET_NAME:
        return set_name(UADDR(a));
    case PR_CAPBSET_DROP:
        return capbset_drop(a);
    case PR_SET_TIMERSLACK:
        return set_timer_slack(p, (int64_t) a);
    case PR_SET_CHILD_SUBREAPER:
        p->child_subreaper = a != 0;
        return 0;
    case PR_SET_NO_NEW_PRIVS:
        return set_no_new_privs(a);
    case PR_SET_THP_DISABLE:
        p->thp_disabled = a != 0;
        return 0;
    case PR_SET_TSC:
    case PR_SET_TIMING:
        return a == (option == PR_SET_TSC ? PR_TSC_ENABLE : 0) ? 0 : -EINVAL;
    case PR_SET_PTRACER:
        return 0;
    case PR_SET_SECUREBITS:
        return set_securebits(a);
    case PR_CAP_AMBIENT:
        return cap_ambient(a, b);
    default: /* PR_SET_SECCOMP, PR_SET_VMA ...: as a kernel without them */
        return -EINVAL;
    }
}

/* Newer options insist on zeros behind their arguments. */
static bool unused_are_zero(int option, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    switch (option) {
    case PR_GET_NO_NEW_PRIVS:
    case PR_GET_THP_DISABLE:
    case PR_MCE_KILL_GET:
        return !(a | b | c | d);
    case PR_SET_NO_NEW_PRIVS:
    case PR_SET_THP_DISABLE:
        return !(b | c | d);
    case PR_CAP_AMBIENT:
        return !(c | d);
    default:
        return true;
    }
}

/* partial: options that a kernel may be built without are EINVAL */
SYSCALL(prctl, int, option, uint64_t, a, uint64_t, b, uint64_t, c, uint64_t, d)
{
    struct process *p = current_process();
    if (!unused_are_zero(option, a, b, c, d))
        return -EINVAL;
    long r = prctl_get(p, option, a);
    return r == -ENOSYS ? prctl_set(p, option, a, b) : r;
}

/* partial: ARCH_SET_GS is refused, GS belongs to the enclave */
SYSCALL(arch_prctl, int, option, uint64_t, addr)
{
    switch (option) {
    case ARCH_SET_FS:
        if (addr >= ELRANGE_END)
            return -EPERM;
        user_fs_base_set(addr);
        return 0;
    case ARCH_GET_FS:
        return put_user(UADDR(addr), user_fs_base());
    case ARCH_SET_GS:
        log_once(LOG_WARN, "arch_prctl(ARCH_SET_GS): GS belongs to the enclave; refused");
        return -EINVAL;
    case ARCH_GET_GS:
        return put_user(UADDR(addr), (uint64_t) 0);
    case ARCH_GET_CPUID:
        return 1;
    case ARCH_SET_CPUID:
        return addr ? 0 : -ENODEV;
    default:
        return -EINVAL;
    }
}

/* partial: no filters, no strict mode */
SYSCALL(seccomp, unsigned, op, unsigned, flags, uaddr_t, args)
{
    return -EINVAL;
}

/* partial: stored; only READ_IMPLIES_EXEC and the like have no effect */
SYSCALL(personality, uint32_t, persona)
{
    struct process *p = current_process();
    uint32_t old = p->personality;
    if (persona != UINT32_MAX)
        p->personality = persona;
    return old;
}
