/* User and group ids. Programs start as root; what they change is kept and shown, and decides about
 * kill and files. Capabilities follow the effective uid as on Linux. */
#include "abi/linux/resource.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/task/process.h"

#define CAPS_ALL       ((1ull << (LINUX_CAP_LAST + 1)) - 1)
#define CAP_SETGID_BIT (1ull << 6)
#define CAP_SETUID_BIT (1ull << 7)
#define KEEP           UINT32_MAX

static struct cred cred_now(void)
{
    struct cred c;
    process_cred(current_process(), &c);
    return c;
}

/* After a change of uids: leaving root drops capabilities, becoming root effectively restores them. */
static void cred_commit(struct cred *c)
{
    struct process *p = current_process();
    SPIN_GUARD(&p->lock);
    bool was_root = !p->cred.uid || !p->cred.euid || !p->cred.suid;
    if (was_root && c->uid && c->euid && c->suid && !p->keep_caps)
        c->cap_permitted = c->cap_effective = 0;
    else if (!p->cred.euid && c->euid)
        c->cap_effective = 0;
    else if (p->cred.euid && !c->euid)
        c->cap_effective = c->cap_permitted;
    p->cred = *c;
}

SYSCALL(getuid)
{
    return current_process()->cred.uid;
}

SYSCALL(geteuid)
{
    return current_process()->cred.euid;
}

SYSCALL(getgid)
{
    return current_process()->cred.gid;
}

SYSCALL(getegid)
{
    return current_process()->cred.egid;
}

static bool one_of(uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
    return id == KEEP || id == a || id == b || id == c;
}

/* ---- users ------------------------------------------------------------------------------------ */
static long set_uids(uint32_t r, uint32_t e, uint32_t s)
{
    struct cred c = cred_now();
    bool may = c.cap_effective & CAP_SETUID_BIT;
    if (!may && !(one_of(r, c.uid, c.euid, c.suid) && one_of(e, c.uid, c.euid, c.suid) &&
                  one_of(s, c.uid, c.euid, c.suid)))
        return -EPERM;
    c.uid = r == KEEP ? c.uid : r;
    c.euid = e == KEEP ? c.euid : e;
    c.suid = s == KEEP ? c.suid : s;
    c.fsuid = c.euid;
    cred_commit(&c);
    return 0;
}

SYSCALL(setuid, uint32_t, uid)
{
    if (uid == KEEP)
        return -EINVAL;
    bool may = current_process()->cred.cap_effective & CAP_SETUID_BIT;
    return may ? set_uids(uid, uid, uid) : set_uids(KEEP, uid, KEEP);
}

SYSCALL(setreuid, uint32_t, ruid, uint32_t, euid)
{
    struct cred c = cred_now();
    bool sets_saved = ruid != KEEP || (euid != KEEP && euid != c.uid);
    return set_uids(ruid, euid, !sets_saved ? KEEP : euid == KEEP ? c.euid : euid);
}

SYSCALL(setresuid, uint32_t, ruid, uint32_t, euid, uint32_t, suid)
{
    return set_uids(ruid, euid, suid);
}

SYSCALL(getresuid, uaddr_t, ret_ruid, uaddr_t, ret_euid, uaddr_t, ret_suid)
{
    struct cred c = cred_now();
    if (put_user(ret_ruid, c.uid) < 0 || put_user(ret_euid, c.euid) < 0)
        return -EFAULT;
    return put_user(ret_suid, c.suid);
}

SYSCALL(setfsuid, uint32_t, uid)
{
    struct cred c = cred_now();
    uint32_t old = c.fsuid;
    if ((c.cap_effective & CAP_SETUID_BIT && uid != KEEP) ||
        (uid != KEEP && one_of(uid, c.uid, c.euid, c.suid))) {
        c.fsuid = uid;
        cred_commit(&c);
    }
    return old;
}

/* ---- groups ----------------------------------------------------------------------------------- */
static long set_gids(uint32_t r, uint32_t e, uint32_t s)
{
    struct cred c = cred_now();
    bool may = c.cap_effective & CAP_SETGID_BIT;
    if (!may && !(one_of(r, c.gid, c.egid, c.sgid) && one_of(e, c.gid, c.egid, c.sgid) &&
                  one_of(s, c.gid, c.egid, c.sgid)))
        return -EPERM;
    c.gid = r == KEEP ? c.gid : r;
    c.egid = e == KEEP ? c.egid : e;
    c.sgid = s == KEEP ? c.sgid : s;
    c.fsgid = c.egid;
    cred_commit(&c);
    return 0;
}

SYSCALL(setgid, uint32_t, gid)
{
    if (gid == KEEP)
        return -EINVAL;
    bool may = current_process()->cred.cap_effective & CAP_SETGID_BIT;
    return may ? set_gids(gid, gid, gid) : set_gids(KEEP, gid, KEEP);
}

SYSCALL(setregid, uint32_t, rgid, uint32_t, egid)
{
    struct cred c = cred_now();
    bool sets_saved = rgid != KEEP || (egid != KEEP && egid != c.gid);
    return set_gids(rgid, egid, !sets_saved ? KEEP : egid == KEEP ? c.egid : egid);
}

SYSCALL(setresgid, uint32_t, rgid, uint32_t, egid, uint32_t, sgid)
{
    return set_gids(rgid, egid, sgid);
}

SYSCALL(getresgid, uaddr_t, ret_rgid, uaddr_t, ret_egid, uaddr_t, ret_sgid)
{
    struct cred c = cred_now();
    if (put_user(ret_rgid, c.gid) < 0 || put_user(ret_egid, c.egid) < 0)
        return -EFAULT;
    return put_user(ret_sgid, c.sgid);
}

SYSCALL(setfsgid, uint32_t, gid)
{
    struct cred c = cred_now();
    uint32_t old = c.fsgid;
    if ((c.cap_effective & CAP_SETGID_BIT && gid != KEEP) ||
        (gid != KEEP && one_of(gid, c.gid, c.egid, c.sgid))) {
        c.fsgid = gid;
        cred_commit(&c);
    }
    return old;
}

SYSCALL(getgroups, int, size, uaddr_t, ret_list)
{
    struct cred c = cred_now();
    if (size < 0 || (size > 0 && (uint32_t) size < c.group_count))
        return -EINVAL;
    struct cspan list = {(const uint8_t *) c.groups, c.group_count * sizeof *c.groups};
    if (size > 0 && copy_to_user(ret_list, list) < 0)
        return -EFAULT;
    return c.group_count;
}

SYSCALL(setgroups, int, count, uaddr_t, list)
{
    struct cred c = cred_now();
    if (!(c.cap_effective & CAP_SETGID_BIT))
        return -EPERM;
    if (count < 0 || (size_t) count > ARRAY_SIZE(c.groups))
        return -EINVAL;
    struct span groups = {(uint8_t *) c.groups, (size_t) count * sizeof *c.groups};
    if (copy_from_user(groups, list) < 0)
        return -EFAULT;
    c.group_count = (uint32_t) count;
    cred_commit(&c);
    return 0;
}

/* ---- capabilities ----------------------------------------------------------------------------- */
/* The number of 32-bit halves, or -EINVAL after telling the version we know. */
static int cap_halves(uaddr_t header, struct linux_cap_header *ret)
{
    if (get_user(ret, header) < 0)
        return -EFAULT;
    switch (ret->version) {
    case LINUX_CAP_VERSION_1:
        return 1;
    case LINUX_CAP_VERSION_2:
    case LINUX_CAP_VERSION_3:
        return 2;
    default:
        ret->version = LINUX_CAP_VERSION_3;
        return put_user(header, *ret) < 0 ? -EFAULT : -EINVAL;
    }
}

SYSCALL(capget, uaddr_t, header, uaddr_t, ret_data)
{
    struct linux_cap_header h;
    int n = cap_halves(header, &h);
    if (n < 0)
        return n == -EINVAL && uaddr_null(ret_data) ? 0 : n;
    if (h.pid < 0)
        return -EINVAL;
    AUTO(process_put)
    struct process *p = process_lookup_get(h.pid ? h.pid : current_process()->pid);
    if (!p)
        return -ESRCH;
    struct cred c;
    process_cred(p, &c);
    struct linux_cap_data d[2];
    for (int i = 0; i < 2; i++)
        d[i] = (struct linux_cap_data){(uint32_t) (c.cap_effective >> 32 * i),
                                       (uint32_t) (c.cap_permitted >> 32 * i),
                                       (uint32_t) (c.cap_inheritable >> 32 * i)};
    return copy_to_user(ret_data, (struct cspan){(const uint8_t *) d, (size_t) n * sizeof *d});
}

SYSCALL(capset, uaddr_t, header, uaddr_t, data)
{
    struct linux_cap_header h;
    struct linux_cap_data d[2] = {0};
    int n = cap_halves(header, &h);
    if (n < 0)
        return n;
    if (h.pid != 0 && h.pid != current_process()->pid)
        return -EPERM;
    if (copy_from_user((struct span){(uint8_t *) d, (size_t) n * sizeof *d}, data) < 0)
        return -EFAULT;
    struct cred c = cred_now();
    uint64_t e = (d[0].effective | (uint64_t) d[1].effective << 32) & CAPS_ALL;
    uint64_t pm = (d[0].permitted | (uint64_t) d[1].permitted << 32) & CAPS_ALL;
    if ((pm & ~c.cap_permitted) || (e & ~pm))
        return -EPERM;
    c.cap_effective = e;
    c.cap_permitted = pm;
    c.cap_inheritable = (d[0].inheritable | (uint64_t) d[1].inheritable << 32) & CAPS_ALL;
    struct process *p = current_process();
    SPIN_GUARD(&p->lock);
    p->cred = c;
    return 0;
}
