/* Robust futexes: a list in user memory of the locks a thread holds. When the thread dies the kernel
 * walks it, marks each lock whose owner is the thread and wakes one waiter. The list is the program's:
 * it may be broken, endless or somebody else's, so every step is bounded and every fault ends it. */
#include "abi/linux/sched.h"
#include "libos/mm/uaccess.h"
#include "libos/base/errno.h"
#include "libos/task/futex.h"

#define ROBUST_LIST_LIMIT 2048
#define ROBUST_PI         1u

/* 0, or an error that ends the walk. */
static int owner_died(uaddr_t word, int tid, bool pi, bool pending_op)
{
    uint32_t value, found;
    if (word.v % sizeof(uint32_t) != 0)
        return -EINVAL;
    int r = user_load_u32(word, &value);
    if (r < 0)
        return r;
    if (pending_op && !pi && value == 0) { /* died between the unlocking store and the wake */
        futex_wake(word, 1);
        return 0;
    }
    while ((value & FUTEX_TID_MASK) == (uint32_t) tid) {
        r = user_cmpxchg_u32(word, value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &found);
        if (r < 0)
            return r;
        if (found == value) {
            if (!pi && (value & FUTEX_WAITERS))
                futex_wake(word, 1);
            return 0;
        }
        value = found;
    }
    return 0;
}

static uaddr_t word_of(uint64_t entry, int64_t offset)
{
    return UADDR((entry & ~(uint64_t) ROBUST_PI) + (uint64_t) offset);
}

static int next_entry(uint64_t entry, uint64_t *ret)
{
    return get_user(ret, UADDR(entry & ~(uint64_t) ROBUST_PI));
}

void futex_exit_robust(struct thread *t)
{
    uaddr_t at = t->robust_list;
    struct linux_robust_list_head head;
    t->robust_list = UADDR(0);
    if (uaddr_null(at) || get_user(&head, at) < 0)
        return;
    uint64_t pending = head.list_op_pending;
    uint64_t entry = head.list;
    for (int n = 0; (entry & ~(uint64_t) ROBUST_PI) != at.v && n < ROBUST_LIST_LIMIT; n++) {
        uint64_t next = 0;
        int r = next_entry(entry, &next); /* before the wake: the memory may go away after it */
        bool same = (entry ^ pending) <= ROBUST_PI;
        if (!same &&
            owner_died(word_of(entry, head.futex_offset), t->tid, entry & ROBUST_PI, false) < 0)
            return;
        if (r < 0)
            break;
        entry = next;
    }
    if (pending)
        (void) owner_died(word_of(pending, head.futex_offset), t->tid, pending & ROBUST_PI, true);
}
