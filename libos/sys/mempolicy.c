/* Memory policies, as on a machine with one node: everything is checked and kept, nothing is placed. */
#include "abi/layout.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/task/process.h"

enum {
    MODE_DEFAULT,
    MODE_PREFERRED,
    MODE_BIND,
    MODE_INTERLEAVE,
    MODE_LOCAL,
    MODE_MANY,
    MODE_COUNT
};
enum { STATIC_NODES = 1 << 15, RELATIVE_NODES = 1 << 14, BALANCING = 1 << 13 };
enum { GET_NODE = 1, GET_ADDR = 2, GET_ALLOWED = 4 };
enum { MOVE_STRICT = 1, MOVE = 2, MOVE_ALL = 4 };
#define THE_NODE               1ull /* as a mask */
#define MASK_BITS_MAX          (PAGE_SIZE * 8)
#define POLICY_OF(mode, nodes) ((uint16_t) ((mode) | ((nodes) ? 0x100 : 0)))

/* A node mask of the guest, whose length counts one bit more than it has. Bits of nodes that are not
 * there make it -EINVAL where they do not fit a kernel's mask at all, as on Linux. */
static int mask_from_user(uaddr_t ua, uint64_t max, uint64_t *ret)
{
    *ret = 0;
    if (max > 0)
        max--;
    if (max == 0 || uaddr_null(ua))
        return 0;
    if (max > MASK_BITS_MAX)
        return -EINVAL;
    for (uint64_t at = 0; at < max; at += 64) {
        uint64_t word;
        if (get_user(&word, uaddr_add(ua, at / 8)) < 0)
            return -EFAULT;
        if (max - at < 64)
            word &= (1ull << (max - at)) - 1;
        if (at == 0)
            *ret = word;
        else if (word)
            return -EINVAL;
    }
    return 0;
}

/* Which nodes a mode takes: none for DEFAULT and LOCAL, any for PREFERRED, some for the others. */
static int policy_check(int *mode, int *flags, uint64_t *nodes)
{
    *flags = *mode & (STATIC_NODES | RELATIVE_NODES | BALANCING);
    *mode &= ~*flags;
    if (*mode < 0 || *mode >= MODE_COUNT ||
        (*flags & (STATIC_NODES | RELATIVE_NODES)) == (STATIC_NODES | RELATIVE_NODES) ||
        ((*flags & BALANCING) && *mode != MODE_BIND))
        return -EINVAL;
    bool none = *nodes == 0;
    if (*mode == MODE_DEFAULT)
        return none && !*flags ? 0 : -EINVAL;
    if (*mode == MODE_LOCAL || (*mode == MODE_PREFERRED && none)) {
        *mode = MODE_LOCAL;
        return none && !(*flags & ~BALANCING) ? 0 : -EINVAL;
    }
    if (*flags & RELATIVE_NODES)
        *nodes = none ? 0 : THE_NODE;
    *nodes &= THE_NODE;
    return *nodes ? 0 : -EINVAL;
}

/* full */
SYSCALL(set_mempolicy, int, mode, uaddr_t, mask, uint64_t, max_node)
{
    uint64_t nodes;
    int flags, r = mask_from_user(mask, max_node, &nodes);
    if (r == 0)
        r = policy_check(&mode, &flags, &nodes);
    if (r < 0)
        return r;
    current()->wishes.memory_mode = (uint16_t) (mode | flags);
    current()->wishes.memory_nodes = nodes;
    return 0;
}

/* The mask goes out in full: zeros behind the one word that may have bits. */
static int mask_to_user(uaddr_t ua, uint64_t max, uint64_t nodes)
{
    if (uaddr_null(ua))
        return 0;
    if (max < 2)
        return -EINVAL;
    uint64_t bytes = ROUND_UP(max - 1, 64ull) / 8;
    if (bytes > PAGE_SIZE)
        return -EINVAL;
    if (put_user(ua, nodes) < 0)
        return -EFAULT;
    return bytes > 8 ? clear_user(uaddr_add(ua, 8), bytes - 8) : 0;
}

static int policy_at(uint64_t addr, uint64_t flags, int *ret_mode, uint64_t *ret_nodes)
{
    if (!(flags & GET_ADDR)) {
        *ret_mode = current()->wishes.memory_mode;
        *ret_nodes = current()->wishes.memory_nodes;
        return 0;
    }
    uint16_t policy;
    int r = mm_policy_get(current_mm(), addr, &policy);
    if (r < 0)
        return r;
    *ret_mode = policy & ~0x100;
    *ret_nodes = policy & 0x100 ? THE_NODE : 0;
    return 0;
}

/* full */
SYSCALL(get_mempolicy, uaddr_t, ret_mode, uaddr_t, ret_mask, uint64_t, max_node, uint64_t, addr,
        uint64_t, flags)
{
    int mode = 0;
    uint64_t nodes = THE_NODE;
    if ((flags & ~(uint64_t) (GET_NODE | GET_ADDR | GET_ALLOWED)) ||
        ((flags & GET_ALLOWED) && (flags & (GET_NODE | GET_ADDR))) ||
        (!(flags & GET_ADDR) && addr && !(flags & GET_ALLOWED)) ||
        (!uaddr_null(ret_mask) && max_node < 2))
        return -EINVAL;
    int r = flags & GET_ALLOWED ? 0 : policy_at(addr, flags, &mode, &nodes);
    if (r == 0 && (flags & GET_NODE)) {
        if (!(flags & GET_ADDR) && (mode & 0xff) != MODE_INTERLEAVE)
            return -EINVAL;
        mode = 0; /* the node itself */
    }
    if (r == 0 && !uaddr_null(ret_mode))
        r = put_user(ret_mode, mode);
    return r < 0 ? r : mask_to_user(ret_mask, max_node, nodes);
}

/* full */
SYSCALL(mbind, uint64_t, addr, uint64_t, len, int, mode, uaddr_t, mask, uint64_t, max_node,
        unsigned, flags)
{
    uint64_t nodes;
    int mode_flags, r = mask_from_user(mask, max_node, &nodes);
    if (r < 0)
        return r;
    if ((flags & ~(unsigned) (MOVE_STRICT | MOVE | MOVE_ALL)) || addr % PAGE_SIZE)
        return -EINVAL;
    if ((flags & MOVE_ALL) && !capable(CAP_SYS_NICE))
        return -EPERM;
    r = policy_check(&mode, &mode_flags, &nodes);
    len = ROUND_UP(len, PAGE_SIZE);
    if (r < 0 || len == 0)
        return r;
    if (len > ELRANGE_SIZE || addr > ELRANGE_SIZE - len)
        return addr + len < addr ? -EINVAL : -EFAULT;
    return mm_policy_set(current_mm(), addr, len, POLICY_OF(mode | mode_flags, nodes));
}

/* full */
SYSCALL(set_mempolicy_home_node, uint64_t, addr, uint64_t, len, uint64_t, node, uint64_t, flags)
{
    if (addr % PAGE_SIZE || flags || node > 0 || addr + len < addr)
        return -EINVAL;
    uint16_t policy;
    len = ROUND_UP(len, PAGE_SIZE);
    for (uint64_t at = addr; at < addr + len && at < ELRANGE_SIZE; at += PAGE_SIZE) {
        if (mm_policy_get(current_mm(), at, &policy) < 0)
            continue;
        int mode = policy & 0xff;
        if (mode != MODE_BIND && mode != MODE_MANY)
            return mode == MODE_DEFAULT ? -ENOENT : -EOPNOTSUPP;
    }
    return 0;
}

/* ---- moving pages between nodes: all are where they can be ------------------------------------ */
static struct mm *memory_of(int pid, int *ret_error)
{
    AUTO(process_put)
    struct process *p = process_of_task_get(pid ? pid : current_process()->pid);
    *ret_error = -ESRCH;
    if (!p)
        return NULL;
    const struct cred *mine = current_cred();
    AUTO(cred_put) const struct cred *theirs = process_cred_get(p);
    *ret_error = -EPERM;
    bool same = mine->euid == theirs->suid || mine->euid == theirs->uid ||
                mine->uid == theirs->suid || mine->uid == theirs->uid;
    if (!same && !capable(CAP_SYS_NICE))
        return NULL;
    *ret_error = -EINVAL; /* about to end */
    return process_mm_get(p);
}

/* full */
SYSCALL(move_pages, int, pid, uint64_t, count, uaddr_t, pages, uaddr_t, nodes, uaddr_t, ret_status,
        int, flags)
{
    int r, node;
    if (flags & ~(MOVE | MOVE_ALL))
        return -EINVAL;
    if ((flags & MOVE_ALL) && !capable(CAP_SYS_NICE))
        return -EPERM;
    AUTO(mm_put) struct mm *mm = memory_of(pid, &r);
    if (!mm)
        return r;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t addr;
        if (get_user(&addr, uaddr_add(pages, i * sizeof addr)) < 0 ||
            (!uaddr_null(nodes) && get_user(&node, uaddr_add(nodes, i * sizeof node)) < 0))
            return -EFAULT;
        if (!uaddr_null(nodes) && node != 0)
            return -ENODEV;
        int state = mm_page_state(mm, ROUND_DOWN(addr, PAGE_SIZE)); /* 0 is the node's number too */
        if (put_user(uaddr_add(ret_status, i * sizeof state), state) < 0)
            return -EFAULT;
        if (thread_interrupted())
            return -ERESTARTNOINTR;
    }
    return 0;
}

/* full */
SYSCALL(migrate_pages, int, pid, uint64_t, max_node, uaddr_t, old, uaddr_t, new)
{
    uint64_t from, to;
    int r = mask_from_user(old, max_node, &from);
    if (r == 0)
        r = mask_from_user(new, max_node, &to);
    if (r < 0)
        return r;
    AUTO(mm_put) struct mm *mm = memory_of(pid, &r);
    if (!mm)
        return r;
    return to & THE_NODE ? 0 : to && !capable(CAP_SYS_NICE) ? -EPERM : -EINVAL;
}
