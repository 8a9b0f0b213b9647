/* futex */
#include "abi/linux/sched.h"
#include "libos/base/log.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/sys/timespec.h"
#include "libos/task/futex.h"
#include "libos/task/timers.h"

/* FUTEX_WAIT's timeout is relative, FUTEX_WAIT_BITSET's absolute. */
static int wait_deadline(int op, uaddr_t timeout, int64_t *ret)
{
    int64_t ns;
    *ret = FOREVER;
    if (uaddr_null(timeout))
        return 0;
    int r = timespec_from_user(timeout, &ns);
    if (r < 0)
        return r;
    if ((op & FUTEX_CMD_MASK) == FUTEX_WAIT)
        *ret = sleep_deadline(ns);
    else if (op & FUTEX_CLOCK_REALTIME)
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

static int count_of(uint32_t n)
{
    return n > INT32_MAX ? INT32_MAX : (int) n;
}

SYSCALL(futex, uaddr_t, word, int, op, uint32_t, value, uaddr_t, timeout, uaddr_t, word2, uint32_t,
        value3)
{
    int second = (int) timeout.v; /* "val2" shares the argument with the timeout */
    switch (op & FUTEX_CMD_MASK) {
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
    default:
        log_once(LOG_WARN, "futex: operation %d (priority inheritance) is not supported", op);
        return -ENOSYS;
    }
}
