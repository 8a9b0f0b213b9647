/* Between the files that implement signals. */
#ifndef TASK_SIGNAL_PRIV_H
#define TASK_SIGNAL_PRIV_H
#include "libos/task/signal.h"

/* sigset.c: pure functions on numbers and sets */
enum sig_default {
    SIG_DEF_TERMINATE,
    SIG_DEF_CORE,
    SIG_DEF_IGNORE,
    SIG_DEF_STOP,
    SIG_DEF_CONTINUE
};
enum sig_default sig_default(int sig);
bool sig_kernel_ignored(uint64_t handler, int sig); /* does this disposition drop it? */
int sigset_next(uint64_t set);                      /* the one to take first, 0: empty */
bool sig_stops(int sig);
#define SIGMASK_STOPS                                                                              \
    (1ull << (SIGSTOP - 1) | 1ull << (SIGTSTP - 1) | 1ull << (SIGTTIN - 1) | 1ull << (SIGTTOU - 1))
#define SIGMASK_SYNC                                                                               \
    (1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1) | 1ull << (SIGILL - 1) | 1ull << (SIGTRAP - 1) | \
     1ull << (SIGFPE - 1) | 1ull << (SIGSYS - 1))

/* sigqueue.c, p->lock held */
void sigpending_init(struct sigpending *s);
must_check int sigpending_add_locked(struct process *p, struct sigpending *s,
                                     const struct linux_siginfo *info);
void sigpending_take_locked(struct process *p, struct sigpending *s, int sig,
                            struct linux_siginfo *ret);
void sigpending_drop_locked(struct process *p, struct sigpending *s, uint64_t set);
void signal_drop_all_locked(struct process *p, uint64_t set); /* process and all threads */
void signal_recalc_locked(struct thread *t);
int signal_take_locked(struct thread *t, uint64_t mask, struct linux_siginfo *ret);
uint64_t sighand_handler(struct process *p, int sig);
void sighand_default(struct process *p, int sig);
void signal_continue_locked(struct process *p);

/* sigframe.c: 0, or -EFAULT (the process dies of SIGSEGV) */
must_check int sigframe_push(struct user_frame *frame, const struct linux_sigaction *action,
                             const struct linux_siginfo *info, uint64_t mask, bool restart);
/* The calling thread's vector state, kept in sig->xstate until the next signal; NULL: no memory. */
void *signal_xstate_keep(void);
#endif
