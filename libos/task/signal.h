/* Signals inside the kernel.
 *
 * Dispositions live in struct sighand (shared by CLONE_SIGHAND); what is sent and not yet taken in
 * two kinds of sets, the process's and each thread's. proc->lock guards the sets and the masks of all
 * its threads, sighand->lock the dispositions; it is taken inside proc->lock. THREAD_WORK_SIGNAL of a
 * thread is set exactly while it has something to take (signal_recalc_locked).
 */
#ifndef TASK_SIGNAL_H
#define TASK_SIGNAL_H
#include "abi/linux/signal.h"
#include "libos/task/process.h"

struct sighand {
    struct ref ref;
    struct spinlock lock;
    struct linux_sigaction action[SIG_COUNT]; /* handlers are also read without the lock */
};

struct posix_timer;
struct sigqueue {
    struct list link;
    struct linux_siginfo info;
};

struct signal_state {          /* of a thread; own thread only unless it says otherwise */
    struct sigpending pending; /* proc->lock */
    uint64_t waiting;          /* sigtimedwait's set; proc->lock */
    bool restore_mask;         /* saved_sigmask has the mask to go back to */
    bool restarting;           /* the system call runs again: keep the old deadline */
    struct linux_sigaltstack altstack;
    uint64_t trapno, error_code, fault_addr; /* of the last fault, for ucontext */
    void *xstate;                            /* buffer for signal frames; NULL: not yet needed */
};

static inline uint64_t sigbit(int sig)
{
    return 1ull << (sig - 1);
}
#define SIGMASK_UNBLOCKABLE (1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1))

struct sighand *sighand_new(void);
struct sighand *sighand_copy(struct sighand *old, bool reset_handlers); /* not ignored ones */
void sighand_reset(struct sighand *s); /* handlers become the default, as exec does */
bool sighand_is_shared(const struct sighand *s);
void sighand_get(struct sighand *s);
void sighand_put(struct sighand *s);

/* ---- sending. info->signo says which; 0 as signal number only checks. The caller holds references.
 * -EAGAIN: too many queued (only for real-time signals with an origin that wants to know). */
must_check int signal_send(struct process *p, const struct linux_siginfo *info);
must_check int signal_send_thread(struct process *p, struct thread *t,
                                  const struct linux_siginfo *info);
/* All members of a group; each is asked permitted (may be NULL). -ESRCH: none; -EPERM: none allowed. */
must_check int signal_send_group(int pgid, const struct linux_siginfo *info, bool check_permission);
must_check int signal_send_all(const struct linux_siginfo *info); /* kill(-1) */
bool signal_permitted(struct process *target, int sig);           /* may the caller? */
/* Whom fcntl(F_SETOWN) names, and on whose behalf: the ids of who named him. id 0: nobody. */
enum { OWNER_TID, OWNER_PID, OWNER_PGRP };
struct signal_owner {
    int type, id;
    uint32_t uid, euid;
};
void signal_send_owner(const struct signal_owner *o, const struct linux_siginfo *info);
/* What kill() sends. */
struct linux_siginfo siginfo_user(int sig, int code);
struct linux_siginfo siginfo_kernel(int sig);
/* Ends all threads of p; p->lock held. wait_status is the process's unless it is exiting already. */
void process_kill_locked(struct process *p, int wait_status);

/* ---- masks of the calling thread */
void sigmask_set(uint64_t mask);
/* For ppoll, pselect, epoll_pwait, sigsuspend: mask holds until the call ends; a handler that
 * interrupts the call still runs under it, then the old mask comes back. Before returning the caller
 * says whether it was interrupted (-EINTR or -ERESTART*). */
void sigmask_set_temporary(uint64_t mask);
void sigmask_set_for_handler(uint64_t mask); /* forgets the mask to go back to: the frame has it */
void sigmask_restore_unless(bool interrupted);

/* ---- taking, for sigtimedwait and signalfd: one signal in mask, or 0. */
int signal_take(uint64_t mask, struct linux_siginfo *ret);
/* The calling thread takes these itself: senders wake it even if it blocks them. 0: no more. */
void signal_wait_for(uint64_t set);
uint64_t signal_pending_set(void); /* thread's and process's, blocked or not */

/* ---- dispositions of the calling process */
must_check int signal_action(int sig, const struct linux_sigaction *new,
                             struct linux_sigaction *ret_old);
must_check int signal_altstack(const struct linux_sigaltstack *new, uintptr_t sp,
                               struct linux_sigaltstack *ret_old);
long signal_frame_return(void); /* rt_sigreturn */
/* SIGPIPE for the calling thread (a write to a pipe without readers). */
void signal_pipe_broken(void);

/* Where a RIP inside a patch stub belongs in the program; installed by exec. NULL: nothing patched. */
extern uintptr_t (*signal_rip_hook)(uintptr_t rip);
/* rt_sigreturn in the vDSO, with tables for unwinders; 0: none. */
extern uintptr_t signal_restorer;
#endif
