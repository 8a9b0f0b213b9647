/* Threads: stackful kernel contexts, scheduled on a few vCPUs.
 *
 * States: NEW -> RUNNABLE <-> RUNNING -> ASLEEP -> RUNNABLE ... -> DEAD. Only the vCPU that runs a
 * thread moves it out of RUNNING; whoever moves it from ASLEEP to RUNNABLE (thread_wake) puts it on a
 * run queue. on_cpu stays set until the thread has left its kernel stack; nobody runs it before.
 * Kernel code is not preempted: current() cannot change under it except in thread_sleep/thread_yield
 * and what calls them.
 */
#ifndef TASK_THREAD_H
#define TASK_THREAD_H
#include "libos/arch/frame.h"
#include "libos/base/list.h"
#include "libos/base/lock.h"
#include "libos/base/ref.h"
#include "libos/task/waitq.h"

struct cred;
struct process;
struct signal_state;

enum thread_state { THREAD_NEW, THREAD_RUNNABLE, THREAD_RUNNING, THREAD_ASLEEP, THREAD_DEAD };

#define KSTACK_SIZE 0x8000ul

/* What a thread asks of the scheduler and of memory placement; a new thread has its maker's. */
struct thread_wishes {
    uint8_t policy, rt_priority; /* rt_priority orders run queues; everything else is only kept */
    bool reset_on_fork;
    uint16_t memory_mode; /* set_mempolicy */
    uint64_t memory_nodes;
};

struct thread {
    /* known to entry.S, by offset */
    uintptr_t ksp;        /* saved kernel stack pointer while not running */
    uintptr_t kstack_top; /* user_frame sits right below */
    uint64_t fs_base;     /* user's; valid while not running (else in the register) */
    void *xsave;          /* user vector state while not running; 64-aligned, XSTATE_AREA_SIZE */

    /* scheduler (sched.c) */
    struct spinlock lock; /* state, wake_token */
    enum thread_state state;
    bool wake_token;
    bool interruptible, killable; /* how it sleeps; set before state becomes ASLEEP */
    uint32_t on_cpu;
    int last_cpu;
    struct list run_link;
    uint64_t cpu_mask;                      /* sched_setaffinity */
    int64_t utime_ns, stime_ns, charged_ns; /* CPU time, up to charged_ns; 0: it does not run */
    bool in_kernel;                         /* where the last tick met it: what comes counts so */
    int64_t entered_ns;                     /* since when running */
    uint64_t nvcsw, nivcsw, minflt;         /* slept; gave way; page faults */
    struct thread_wishes wishes;
    bool turn_pin; /* mm/low.c: runs whoever is resident */

    /* identity */
    struct ref ref;
    struct process *proc; /* one reference; NULL for kernel threads */
    int tid;
    uint16_t heap_owner;   /* mm/heap.h: charged for what it allocates */
    struct list proc_link; /* proc->threads, proc->lock */
    char comm[16];
    const struct cred *cred; /* who it is, a reference; NULL for kernel threads; cred.h */

    /* anything to do before going back to user mode: THREAD_WORK_* bits, set atomically */
    uint32_t work;

    /* process.c, signal.c, futex.c */
    uint64_t sigmask, saved_sigmask; /* own thread only, except under proc->sig_lock */
    struct signal_state *sig;        /* pending signals, altstack ...; signal.c */
    uaddr_t clear_child_tid, set_child_tid, robust_list;
    bool pi_settled;             /* dying: nobody may wait any more for what it owns; futex_pi.c */
    int exit_signal;             /* of the thread group leader: sent to the parent */
    struct process *vfork_child; /* waiting for it */
    void (*restart_fn)(void);    /* ERESTART_RESTARTBLOCK: unused by default */
    int64_t restart_deadline_ns; /* sleeping calls that go on after a stop */

    void (*kthread_fn)(void *arg); /* kernel threads */
    void *kthread_arg;
    LOCK_STACK(mutexes) /* that it holds; debug builds */
};

enum {
    THREAD_WORK_SIGNAL = 1u << 0,  /* a signal may be deliverable */
    THREAD_WORK_EXIT = 1u << 1,    /* the thread must exit (exit_group, exec, kill) */
    THREAD_WORK_RESCHED = 1u << 2, /* its time is up */
    THREAD_WORK_STOP = 1u << 3,    /* job control */
};

struct thread *current(void);
static inline struct user_frame *thread_frame(const struct thread *t)
{
    return (struct user_frame *) (t->kstack_top - sizeof(struct user_frame));
}

/* A thread in state NEW with a kernel stack and a zeroed user frame; NULL for lack of memory. */
must_check struct thread *thread_new(struct process *proc, int tid);
/* A copy of the calling thread's user frame and vector state, for clone; state NEW. */
must_check struct thread *thread_clone(struct process *proc, int tid);
must_check struct thread *kthread_start(const char *name, void (*fn)(void *), void *arg);
void thread_start(struct thread *t); /* NEW -> RUNNABLE */
void thread_get(struct thread *t);
void thread_put(struct thread *t); /* frees stack and struct with the last reference */
/* Leaves the scheduler for good; the scheduler drops the reference the run queue held. */
noreturn_fn void thread_exit_final(void);

void thread_wake(struct thread *t);      /* may be called from anywhere, with any spin lock held */
void thread_interrupt(struct thread *t); /* wakes it if it sleeps interruptibly; sets no token */
void thread_set_work(struct thread *t, uint32_t bits); /* and makes a running thread notice soon */
void thread_yield(void);                               /* if another thread waits for this vCPU */
void thread_give_way(void);                            /* in any case behind all that wait */
bool thread_dying(void);                               /* current() has THREAD_WORK_EXIT */
bool thread_interrupted(void); /* a signal or exit is to be taken by current() */

/* Enters user mode with the thread's frame as it is now. Never returns. */
noreturn_fn void thread_enter_user(void);

void user_fs_base_set(uint64_t base); /* of the calling thread */
uint64_t user_fs_base(void);
/* Vector state of the calling thread in XSAVE standard format, for signal frames and fork. The area
 * has xstate_size() bytes, 64-aligned. xstate_restore refuses malformed images (-EINVAL). */
size_t xstate_size(void);
uint64_t xstate_mask(void); /* XFRM */
/* Where XSAVE puts a component (2..), measured by executing it: the host's CPUID is not to be believed
 * in what buffers are sized by. Size 0: not in XFRM. */
struct xstate_part {
    uint32_t offset, size;
};
struct xstate_part xstate_part(unsigned component);
void xstate_save(void *area);
must_check int xstate_restore(const void *area);
void xstate_reset(void); /* the initial state, for exec */

int sched_cpu_count(void);
int sched_current_cpu(void);
DEFINE_AUTO(struct thread, thread_put)
#endif
