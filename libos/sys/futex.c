/* futex and futex_waitv. */
#include "abi/linux/sched.h"
#include "libos/base/log.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/sys/timespec.h"
#include "libos/task/futex.h"
#include "libos/task/timers.h"

/* FUTEX_WAIT's timeout is relative, the others' are absolute; LOCK_PI's is always CLOCK_REALTIME. */
static int wait_deadline(int op, uaddr_t timeout, int64_t *ret)
{
    int64_t ns;
    int cmd = op & FUTEX_CMD_MASK;
    *ret = FOREVER;
    if (uaddr_null(timeout))
        return 0;
    int r = timespec_from_user(timeout, &ns);
    if (r < 0)
        return r;
    if (cmd == FUTEX_WAIT)
        *ret = sleep_deadline(ns);
    else if ((op & FUTEX_CLOCK_REALTIME) || cmd == FUTEX_LOCK_PI)
        *ret = MAX(ns - clock_boot_real_ns(), 0);
    else
        *ret = ns;
    return 0;
}

static long wait(uaddr_t word, int op, uint32_t value, uaddr_t timeout, uint32_t bits)
{
    int64_t deadline;
    int r = wait_deadline(op, timeout, &deadline);
    if (r == 0)
        r = futex_wait(word, value, bits, deadline);
    if (r != -EINTR)
        return r;
    if ((op & FUTEX_CMD_MASK) == FUTEX_WAIT && deadline != FOREVER)
        return sleep_interrupted(deadline);
    return -ERESTARTSYS;
}

/* A program never sees that a signal interrupted these. */
static long hide_interrupt(int r)
{
    return r == -EINTR ? -ERESTARTNOINTR : r;
}

static long lock_pi(uaddr_t word, int op, uaddr_t timeout)
{
    int64_t deadline;
    int r = wait_deadline(op, timeout, &deadline);
    return r < 0 ? r : hide_interrupt(futex_lock_pi(word, false, deadline));
}

static long wait_requeue_pi(uaddr_t word, int op, uint32_t value, uaddr_t timeout, uaddr_t lock)
{
    int64_t deadline;
    int r = wait_deadline(op, timeout, &deadline);
    return r < 0 ? r : hide_interrupt(futex_wait_requeue_pi(word, value, deadline, lock));
}

static int count_of(uint32_t n)
{
    return n > INT32_MAX ? INT32_MAX : (int) n;
}

static bool may_use_realtime(int cmd)
{
    return cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_WAIT_REQUEUE_PI || cmd == FUTEX_LOCK_PI2;
}

/* full */
SYSCALL(futex, uaddr_t, word, int, op, uint32_t, value, uaddr_t, timeout, uaddr_t, word2, uint32_t,
        value3)
{
    int second = (int) timeout.v; /* "val2" shares the argument with the timeout */
    int cmd = op & FUTEX_CMD_MASK;
    if ((op & FUTEX_CLOCK_REALTIME) && !may_use_realtime(cmd))
        return -ENOSYS;
    switch (cmd) {
    case FUTEX_WAIT:
        return wait(word, op, value, timeout, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAIT_BITSET:
        return wait(word, op, value, timeout, value3);
    case FUTEX_WAKE:
        return futex_wake(word, count_of(value));
    case FUTEX_WAKE_BITSET:
        return futex_wake_bits(word, count_of(value), value3);
    case FUTEX_REQUEUE:
        return futex_requeue(word, word2, (int) value, second, NULL);
    case FUTEX_CMP_REQUEUE:
        return futex_requeue(word, word2, (int) value, second, &value3);
    case FUTEX_WAKE_OP:
        return futex_wake_op(word, word2, count_of(value), second, value3);
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        return lock_pi(word, op, timeout);
    case FUTEX_TRYLOCK_PI:
        return futex_lock_pi(word, true, 0);
    case FUTEX_UNLOCK_PI:
        return futex_unlock_pi(word);
    case FUTEX_WAIT_REQUEUE_PI:
        return wait_requeue_pi(word, op, value, timeout, word2);
    case FUTEX_CMP_REQUEUE_PI:
        return futex_cmp_requeue_pi(word, word2, (int) value, second, value3);
    default:
        return -ENOSYS;
    }
}

/* ---- futex_waitv ------------------------------------------------------------------------------ */
static int wanted_from_user(uaddr_t waiters, unsigned count, struct futex_wanted *ret)
{
    for (unsigned i = 0; i < count; i++) {
        struct linux_futex_waitv w;
        if (get_user(&w, uaddr_add(waiters, i * sizeof w)) < 0)
            return -EFAULT;
        if ((w.flags & ~(uint32_t) FUTEX_PRIVATE_FLAG) != LINUX_FUTEX_32 || w.reserved)
            return -EINVAL;
        ret[i] = (struct futex_wanted){UADDR(w.uaddr), (uint32_t) w.val};
    }
    return 0;
}

static int waitv_deadline(uaddr_t timeout, int clock, int64_t *ret)
{
    *ret = FOREVER;
    if (uaddr_null(timeout))
        return 0;
    if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
        return -EINVAL;
    int64_t ns;
    int r = timespec_from_user(timeout, &ns);
    if (r == 0)
        *ret = clock == CLOCK_REALTIME ? MAX(ns - clock_boot_real_ns(), 0) : ns;
    return r;
}

/* full */
SYSCALL(futex_waitv, uaddr_t, waiters, unsigned, count, unsigned, flags, uaddr_t, timeout, int,
        clock)
{
    struct futex_wanted wanted[LINUX_FUTEX_WAITV_MAX];
    if (flags || count == 0 || count > LINUX_FUTEX_WAITV_MAX || uaddr_null(waiters))
        return -EINVAL;
    int64_t deadline;
    int r = waitv_deadline(timeout, clock, &deadline);
    if (r == 0)
        r = wanted_from_user(waiters, count, wanted);
    if (r == 0)
        r = futex_wait_any(wanted, count, deadline);
    return r == -EINTR ? -ERESTARTSYS : r;
}
