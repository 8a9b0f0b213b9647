/* User and group ids, groups and capabilities as system calls change them. Programs start as root; what
 * follows from a change is in task/cred.c. */
#include "abi/linux/resource.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/task/process.h"

#define KEEP UINT32_MAX

/* full */
SYSCALL(getuid)
{
    return current_cred()->uid;
}

/* full */
SYSCALL(geteuid)
{
    return current_cred()->euid;
}

/* full */
SYSCALL(getgid)
{
    return current_cred()->gid;
}

/* full */
SYSCALL(getegid)
{
    return current_cred()->egid;
}

static bool one_of(uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
    return id == KEEP || id == a || id == b || id == c;
}

/* ---- users ------------------------------------------------------------------------------------ */
static long set_uids(uint32_t r, uint32_t e, uint32_t s)
{
    struct cred *c = cred_copy();
    if (!c)
        return -ENOMEM;
    c->uid = r == KEEP ? c->uid : r;
    c->euid = e == KEEP ? c->euid : e;
    c->suid = s == KEEP ? c->suid : s;
    c->fsuid = c->euid;
    cred_commit(c);
    return 0;
}

/* full */
SYSCALL(setuid, uint32_t, uid)
{
    const struct cred *c = current_cred();
    if (uid == KEEP)
        return -EINVAL;
    if (cred_capable(c, CAP_SETUID))
        return set_uids(uid, uid, uid);
    return uid == c->uid || uid == c->suid ? set_uids(KEEP, uid, KEEP) : -EPERM;
}

/* full */
SYSCALL(setreuid, uint32_t, ruid, uint32_t, euid)
{
    const struct cred *c = current_cred();
    if (!cred_capable(c, CAP_SETUID) &&
        !(one_of(ruid, c->uid, c->euid, c->euid) && one_of(euid, c->uid, c->euid, c->suid)))
        return -EPERM;
    bool sets_saved = ruid != KEEP || (euid != KEEP && euid != c->uid);
    return set_uids(ruid, euid, !sets_saved ? KEEP : euid == KEEP ? c->euid : euid);
}

/* full */
SYSCALL(setresuid, uint32_t, ruid, uint32_t, euid, uint32_t, suid)
{
    const struct cred *c = current_cred();
    if (!cred_capable(c, CAP_SETUID) &&
        !(one_of(ruid, c->uid, c->euid, c->suid) && one_of(euid, c->uid, c->euid, c->suid) &&
          one_of(suid, c->uid, c->euid, c->suid)))
        return -EPERM;
    return set_uids(ruid, euid, suid);
}

/* full */
SYSCALL(getresuid, uaddr_t, ret_ruid, uaddr_t, ret_euid, uaddr_t, ret_suid)
{
    const struct cred *c = current_cred();
    if (put_user(ret_ruid, c->uid) < 0 || put_user(ret_euid, c->euid) < 0)
        return -EFAULT;
    return put_user(ret_suid, c->suid);
}

/* full */
SYSCALL(setfsuid, uint32_t, uid)
{
    const struct cred *c = current_cred();
    uint32_t old = c->fsuid;
    bool may = cred_capable(c, CAP_SETUID) || one_of(uid, c->uid, c->euid, c->suid) || uid == old;
    struct cred *changed = uid != KEEP && may ? cred_copy() : NULL;
    if (changed) { /* else, as for any other reason, the old one says that nothing changed */
        changed->fsuid = uid;
        cred_commit(changed);
    }
    return old;
}

/* ---- groups ----------------------------------------------------------------------------------- */
static long set_gids(uint32_t r, uint32_t e, uint32_t s)
{
    struct cred *c = cred_copy();
    if (!c)
        return -ENOMEM;
    c->gid = r == KEEP ? c->gid : r;
    c->egid = e == KEEP ? c->egid : e;
    c->sgid = s == KEEP ? c->sgid : s;
    c->fsgid = c->egid;
    cred_commit(c);
    return 0;
}

/* full */
SYSCALL(setgid, uint32_t, gid)
{
    const struct cred *c = current_cred();
    if (gid == KEEP)
        return -EINVAL;
    if (cred_capable(c, CAP_SETGID))
        return set_gids(gid, gid, gid);
    return gid == c->gid || gid == c->sgid ? set_gids(KEEP, gid, KEEP) : -EPERM;
}

/* full */
SYSCALL(setregid, uint32_t, rgid, uint32_t, egid)
{
    const struct cred *c = current_cred();
    if (!cred_capable(c, CAP_SETGID) &&
        !(one_of(rgid, c->gid, c->egid, c->egid) && one_of(egid, c->gid, c->egid, c->sgid)))
        return -EPERM;
    bool sets_saved = rgid != KEEP || (egid != KEEP && egid != c->gid);
    return set_gids(rgid, egid, !sets_saved ? KEEP : egid == KEEP ? c->egid : egid);
}

/* full */
SYSCALL(setresgid, uint32_t, rgid, uint32_t, egid, uint32_t, sgid)
{
    const struct cred *c = current_cred();
    if (!cred_capable(c, CAP_SETGID) &&
        !(one_of(rgid, c->gid, c->egid, c->sgid) && one_of(egid, c->gid, c->egid, c->sgid) &&
          one_of(sgid, c->gid, c->egid, c->sgid)))
        return -EPERM;
    return set_gids(rgid, egid, sgid);
}

/* full */
SYSCALL(getresgid, uaddr_t, ret_rgid, uaddr_t, ret_egid, uaddr_t, ret_sgid)
{
    const struct cred *c = current_cred();
    if (put_user(ret_rgid, c->gid) < 0 || put_user(ret_egid, c->egid) < 0)
        return -EFAULT;
    return put_user(ret_sgid, c->sgid);
}

/* full */
SYSCALL(setfsgid, uint32_t, gid)
{
    const struct cred *c = current_cred();
    uint32_t old = c->fsgid;
    bool may = cred_capable(c, CAP_SETGID) || one_of(gid, c->gid, c->egid, c->sgid) || gid == old;
    struct cred *changed = gid != KEEP && may ? cred_copy() : NULL;
    if (changed) { /* else, as for any other reason, the old one says that nothing changed */
        changed->fsgid = gid;
        cred_commit(changed);
    }
    return old;
}

/* full */
SYSCALL(getgroups, int, size, uaddr_t, ret_list)
{
    const struct groups *g = current_cred()->groups;
    uint32_t count = g ? g->count : 0;
    if (size < 0 || (size > 0 && (uint32_t) size < count))
        return -EINVAL;
    if (size == 0 || count == 0)
        return count;
    struct cspan list = {(const uint8_t *) g->id, count * sizeof g->id[0]};
    return copy_to_user(ret_list, list) < 0 ? -EFAULT : (long) count;
}

/* full */
SYSCALL(setgroups, unsigned, count, uaddr_t, list)
{
    if (!capable(CAP_SETGID))
        return -EPERM;
    if (count > GROUPS_MAX)
        return -EINVAL;
    struct groups *g = groups_new(count);
    if (!g)
        return -ENOMEM;
    if (copy_from_user((struct span){(uint8_t *) g->id, count * sizeof g->id[0]}, list) < 0) {
        groups_put(g);
        return -EFAULT;
    }
    struct cred *c = cred_copy();
    if (!c) {
        groups_put(g);
        return -ENOMEM;
    }
    cred_set_groups(c, g);
    cred_commit(c);
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

/* With a reference; NULL: there is no such thread. */
static const struct cred *cred_of(int tid)
{
    if (tid == 0)
        return cred_get(current_cred());
    AUTO(process_put) struct process *owner = NULL;
    AUTO(thread_put) struct thread *t = thread_lookup_get(tid, &owner);
    if (t)
        return thread_cred_get(t);
    owner = process_lookup_get(tid); /* whose leader is gone */
    return owner ? process_cred_get(owner) : NULL;
}

/* full */
SYSCALL(capget, uaddr_t, header, uaddr_t, ret_data)
{
    struct linux_cap_header h;
    int n = cap_halves(header, &h);
    if (n < 0)
        return n == -EINVAL && uaddr_null(ret_data) ? 0 : n;
    if (h.pid < 0)
        return -EINVAL;
    AUTO(cred_put) const struct cred *c = cred_of(h.pid);
    if (!c)
        return -ESRCH;
    struct linux_cap_data d[2];
    for (int i = 0; i < 2; i++)
        d[i] = (struct linux_cap_data){(uint32_t) (c->cap_effective >> 32 * i),
                                       (uint32_t) (c->cap_permitted >> 32 * i),
                                       (uint32_t) (c->cap_inheritable >> 32 * i)};
    return copy_to_user(ret_data, (struct cspan){(const uint8_t *) d, (size_t) n * sizeof *d});
}

/* Nothing is gained: permitted only shrinks, effective stays inside it, inheritable grows by what is
 * permitted, or with CAP_SETPCAP by what is in the bounding set. */
static int capset_check(const struct cred *c, uint64_t effective, uint64_t permitted,
                        uint64_t inheritable)
{
    bool more = inheritable & ~(c->cap_inheritable | c->cap_permitted);
    if (more && !cred_capable(c, CAP_SETPCAP))
        return -EPERM;
    if ((inheritable & ~(c->cap_inheritable | c->cap_bounding)) ||
        (permitted & ~c->cap_permitted) || (effective & ~permitted))
        return -EPERM;
    return 0;
}

/* full */
SYSCALL(capset, uaddr_t, header, uaddr_t, data)
{
    struct linux_cap_header h;
    struct linux_cap_data d[2] = {0};
    int n = cap_halves(header, &h);
    if (n < 0)
        return n;
    if (h.pid != 0 && h.pid != current()->tid)
        return -EPERM;
    if (copy_from_user((struct span){(uint8_t *) d, (size_t) n * sizeof *d}, data) < 0)
        return -EFAULT;
    uint64_t e = (d[0].effective | (uint64_t) d[1].effective << 32) & CAPS_ALL;
    uint64_t pm = (d[0].permitted | (uint64_t) d[1].permitted << 32) & CAPS_ALL;
    uint64_t in = (d[0].inheritable | (uint64_t) d[1].inheritable << 32) & CAPS_ALL;
    int r = capset_check(current_cred(), e, pm, in);
    struct cred *c = r == 0 ? cred_copy() : NULL;
    if (!c)
        return r < 0 ? r : -ENOMEM;
    c->cap_effective = e;
    c->cap_permitted = pm;
    c->cap_inheritable = in;
    c->cap_ambient &= pm & in;
    cred_commit(c);
    return 0;
}
