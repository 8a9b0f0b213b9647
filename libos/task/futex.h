/* Fast user-space mutexes: the waiting side. */
#ifndef TASK_FUTEX_H
#define TASK_FUTEX_H
#include "libos/task/thread.h"

struct thread;

/* Waits while *word == value; bits: which wakers may wake it (never 0). Deadline in monotonic time.
 * 0 woken, -EAGAIN the value differs, -ETIMEDOUT, -EINTR, -EFAULT, -EINVAL. */
must_check int futex_wait(uaddr_t word, uint32_t value, uint32_t bits, int64_t deadline_ns);
/* Waits on several words at once; the index of one that was woken, else as above. */
struct futex_wanted {
    uaddr_t word;
    uint32_t value;
};
must_check int futex_wait_any(const struct futex_wanted *wanted, size_t count, int64_t deadline_ns);
/* Wakes up to count waiters whose bits meet; the number woken, or -EINVAL. */
int futex_wake_bits(uaddr_t word, int count, uint32_t bits);
int futex_wake(uaddr_t word, int count);
/* Wakes up to wake, moves up to move of the others to word2. expected NULL: unconditionally, else only
 * while *word == *expected (-EAGAIN). The number woken (and moved, with expected). */
int futex_requeue(uaddr_t word, uaddr_t word2, int wake, int move, const uint32_t *expected);
/* FUTEX_WAKE_OP */
int futex_wake_op(uaddr_t word, uaddr_t word2, int wake, int wake2, uint32_t op);

/* Priority-inheritance locks; futex_pi.c. -EDEADLK, -ESRCH (owner is gone), -EAGAIN (only_try),
 * -ETIMEDOUT, -EINTR, -EPERM (unlock by another). */
must_check int futex_lock_pi(uaddr_t word, bool only_try, int64_t deadline_ns);
must_check int futex_unlock_pi(uaddr_t word);
/* Waits on word to be moved to the lock, which it owns when it returns 0. */
must_check int futex_wait_requeue_pi(uaddr_t word, uint32_t value, int64_t deadline_ns,
                                     uaddr_t lock);
must_check int futex_cmp_requeue_pi(uaddr_t word, uaddr_t lock, int wake, int move,
                                    uint32_t expected);
/* The PI locks a dying thread owns go to their first waiters. After futex_exit_robust. */
void futex_exit_pi(struct thread *t);

/* Marks the robust futexes a dying thread still holds (FUTEX_OWNER_DIED) and wakes one waiter each. */
void futex_exit_robust(struct thread *t);
#endif
