/* Processes: what threads of a thread group share.
 *
 * States: LIVE -> (last thread gone) ZOMBIE -> (waited for) REAPED. The table and all family links are
 * under the one process_table lock; everything else that several threads change is under proc->lock
 * (spin) unless a field says otherwise. mm, files and fs are shared objects with references of their
 * own (clone flags decide who shares).
 */
#ifndef TASK_PROCESS_H
#define TASK_PROCESS_H
#include "libos/task/thread.h"
#include "libos/task/mutex.h"
#include "libos/task/clock.h"

struct mm;
struct fdtable;
struct fs_ctx;
struct file;
struct sighand;

enum process_state { PROCESS_LIVE, PROCESS_ZOMBIE, PROCESS_REAPED };

#define PID_MAX       32768
#define RLIMIT_COUNT  16
struct rlimit_pair {
    uint64_t cur, max;
};

struct cred { /* copied by value; proc->lock */
    uint32_t uid, euid, suid, fsuid, gid, egid, sgid, fsgid;
    uint32_t group_count;
    uint32_t groups[32];
    uint64_t cap_effective, cap_permitted, cap_inheritable, cap_bounding;
    bool no_new_privs;
};

struct process {
    struct ref ref;
    struct spinlock lock;
    enum process_state state;
    int pid;

    /* family: process_table lock */
    struct process *parent;
    struct list children, sibling; /* child list of the parent */
    int pgid, sid;
    struct list table_link;
    struct waitq child_wait;       /* parents sleep here for their children */

    /* threads: lock */
    struct list threads;
    int thread_count;
    struct thread *leader;
    bool exiting;                  /* exit_group, fatal signal or exec in progress */
    bool exec_in_progress;
    struct waitq thread_wait;      /* exec waits here for the others to go */

    struct mm *mm;
    struct fdtable *files;
    struct fs_ctx *fs;
    struct sighand *sighand;       /* dispositions and shared pending; signal.c */
    struct file *exe;              /* /proc/self/exe */

    int exit_code;                 /* wait status: (code << 8) or signal (| 0x80 core) */
    int exit_signal;
    int pdeath_signal;
    bool dumpable, child_subreaper, did_exec;
    bool stopped, continued, stop_reported;
    int stop_signal;
    struct process *vfork_parent;  /* to be woken at exec or exit */
    struct waitq vfork_wait;
    bool vfork_done;

    struct rlimit_pair rlimits[RLIMIT_COUNT];
    struct cred cred;
    char comm[16];
    uaddr_t arg_start, arg_end, env_start, env_end, stack_start; /* for /proc */
    int64_t start_ns;
    int64_t dead_utime_ns, dead_stime_ns;     /* of threads that are gone */
    int64_t child_utime_ns, child_stime_ns;   /* of children waited for */
    struct list posix_timers;
    void *itimers;
    struct tty *tty;               /* controlling terminal */
    int nice;
    uint32_t personality;
};

static inline struct process *current_process(void)
{
    return current()->proc;
}

struct process *process_lookup_get(int pid); /* a new reference, or NULL; zombies are found too */
struct thread *thread_lookup_get(int tid);
void process_get(struct process *p);
void process_put(struct process *p);
/* Calls fn for each process in pid order until it returns non-zero; the table is locked: do not sleep. */
int process_for_each(int (*fn)(struct process *p, void *arg), void *arg);
int process_count(void);
DEFINE_AUTO(struct process, process_put)

struct spawn_params {
    const char *path;
    const char *const *argv, *const *envp; /* kernel strings, NULL terminated */
};
/* The first process; boot only. */
must_check int process_spawn_init(const struct spawn_params *params);
/* When init exits: the enclave's exit status (128 + n if killed). Installed by boot. */
extern void (*process_init_exited)(int wait_status);

/* Ends the calling thread / the whole process. Called from system calls and signal delivery. */
noreturn_fn void process_exit_thread(int code);
noreturn_fn void process_exit_group(int wait_status);

/* Signals, as other subsystems send them. */
void signal_send_process(struct process *p, int sig);       /* from the kernel (SI_KERNEL) */
void signal_send_pgrp(int pgid, int sig);
/* A synchronous fault of the calling thread; forced: if blocked or ignored, the process dies. */
void signal_fault(int sig, int code, uaddr_t addr, int trapno, uint64_t error_code);

/* Before the return to user mode with work pending: delivers signals, exits, reschedules. Called by
 * arch with the thread's frame complete. syscall_result: true if frame->rax holds a result that may
 * be one of the -ERESTART* codes (frame->orig_rax the number). */
void thread_user_work(struct user_frame *frame, bool from_syscall);
#endif
