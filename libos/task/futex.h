/* Fast user-space mutexes: the waiting side. */
#ifndef TASK_FUTEX_H
#define TASK_FUTEX_H
#include "libos/task/thread.h"

struct thread;

/* Waits while *word == value; bits: which wakers may wake it (never 0). Deadline in monotonic time.
 * 0 woken, -EAGAIN the value differs, -ETIMEDOUT, -EINTR, -EFAULT, -EINVAL. */
must_check int futex_wait(uaddr_t word, uint32_t value, uint32_t bits, int64_t deadline_ns);
/* Wakes up to count waiters whose bits meet; the number woken, or -EINVAL. */
int futex_wake_bits(uaddr_t word, int count, uint32_t bits);
int futex_wake(uaddr_t word, int count);
/* Wakes up to wake, moves up to move of the others to word2. expected NULL: unconditionally, else only
 * while *word == *expected (-EAGAIN). The number woken (and moved, with expected). */
int futex_requeue(uaddr_t word, uaddr_t word2, int wake, int move, const uint32_t *expected);
/* FUTEX_WAKE_OP */
int futex_wake_op(uaddr_t word, uaddr_t word2, int wake, int wake2, uint32_t op);

/* Marks the robust futexes a dying thread still holds (FUTEX_OWNER_DIED) and wakes one waiter each. */
void futex_exit_robust(struct thread *t);
#endif
