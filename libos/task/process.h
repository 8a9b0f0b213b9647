/* Processes: what threads of a thread group share.
 *
 * States: LIVE -> (last thread gone) ZOMBIE -> (waited for) REAPED. The table and all family links are
 * under the one process_table lock; everything else that several threads change is under proc->lock
 * (spin) unless a field says otherwise. mm, files and fs are shared objects with references of their
 * own (clone flags decide who shares).
 */
#ifndef TASK_PROCESS_H
#define TASK_PROCESS_H
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/base/string.h"
#include "libos/task/cred.h"
#include "libos/task/thread.h"
#include "libos/task/mutex.h"
#include "libos/task/clock.h"

struct mm;
struct fdtable;
struct fs_ctx;
struct file;
struct sighand;
struct console;

struct itimers;
struct linux_siginfo;
struct sem_undo;

enum process_state { PROCESS_LIVE, PROCESS_ZOMBIE, PROCESS_REAPED };

/* Signals sent and not yet taken; signal.h. Under proc->lock, the threads' sets too. */
struct sigpending {
    uint64_t set; /* bit n - 1: signal n */
    struct list queue;
};

#define PID_MAX      32768
#define RLIMIT_COUNT 16
struct rlimit_pair {
    uint64_t cur, max;
};

struct usage { /* getrusage, beside the times */
    uint64_t minflt, nvcsw, nivcsw;
    uint64_t peak_pages; /* resident at once */
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
    struct list group_link;  /* members of the process group */
    bool adopted;            /* by pid 1, which never sees it and reaps it at once */
    struct waitq child_wait; /* parents sleep here for their children */

    /* threads: lock */
    struct list threads;
    int thread_count;
    struct thread *leader;
    bool exiting;          /* exit_group, fatal signal or the last thread left */
    bool exec_in_progress; /* all threads but exec_thread have to go */
    struct thread *exec_thread;
    struct sighand *exec_sighand; /* between process_exec_begin and _commit */
    struct fdtable *exec_files;
    struct waitq thread_wait; /* exec waits here for the others to go, a dumper for them to park */
    struct thread *dumper;    /* writes the core file; coredump.c */
    int parked;               /* threads that wait for it */

    struct mm *mm;
    struct fdtable *files;
    bool files_shared; /* CLONE_FILES was used: exec takes a copy */
    struct fs_ctx *fs;
    struct sighand *sighand;   /* dispositions; signal.h */
    struct sigpending pending; /* to the process, any thread may take them */
    uint32_t queued_signals;   /* entries in all queues; RLIMIT_SIGPENDING */
    struct waitq signal_wait;  /* signalfd: something was sent */
    struct waitq stop_wait;    /* stopped threads sleep here */
    struct waitq exit_wait;    /* pidfd: it is a zombie */
    struct file *exe;          /* /proc/self/exe */

    int exit_code; /* wait status: (code << 8) or signal (| 0x80 core) */
    int exit_signal;
    int pdeath_signal;
    bool dumpable, child_subreaper, did_exec;
    bool immortal; /* the idle pid 1: signals are lost on it */
    bool outside;  /* its parent is a process of the host, which can continue it after a stop */
    uint64_t timer_slack_ns;
    bool stopped, continued, stop_reported; /* lock; the last two: what wait has still to see */
    bool tell_continued; /* a thread on its way out of the stop tells the parent */
    int stop_signal;
    struct waitq vfork_wait; /* the parent, until vfork_done: exec or exit */
    bool vfork_done;

    struct rlimit_pair rlimits[RLIMIT_COUNT]; /* lock for writing; one value is read without */
    const struct cred *cred;                  /* the leader's, a reference; cred.h */
    char comm[16];
    uaddr_t arg_start, arg_end, env_start, env_end, stack_start; /* for /proc */
    int64_t start_ns;
    int64_t dead_utime_ns, dead_stime_ns;   /* of threads that are gone */
    int64_t child_utime_ns, child_stime_ns; /* of children waited for */
    struct usage dead_usage, child_usage;   /* the same */
    struct list posix_timers;               /* lock; posix_timer.c */
    int next_timer_id;
    struct itimers *itimers;    /* NULL: never used; itimer.c */
    struct sem_undo *sem_undos; /* NULL: none; ipc/sem_undo.c */
    uint64_t tty_link;          /* finds the controlling terminal; 0: none; fs/tty/tty.c's lock */
    int tty_old_pgid;           /* a leader's: foreground group of the terminal that hung up */
    int nice, ioprio;
    uint32_t personality;
    bool thp_disabled;
    int oom_score_adj;                 /* kept and shown */
    uint32_t login_uid, login_session; /* as audit has them; UINT32_MAX: not set */
};

static inline struct process *current_process(void)
{
    return current()->proc;
}

struct process *process_lookup_get(int pid); /* a new reference, or NULL; zombies are found too */
/* Most calls that take a pid take the id of any thread as well and mean its process. */
struct process *process_of_task_get(int id);
struct process *process_next_get(int pid); /* the first with this pid or a higher one */
/* The thread and its process, both with a new reference; NULL if it is gone. A thread's proc pointer
 * alone is good only while the thread lives. */
struct thread *thread_lookup_get(int tid, struct process **ret_proc);
/* The same for a thread of p: true for the n-th (0, 1, ...) in order of age; for /proc/PID/task. */
struct thread *process_thread_get(struct process *p, unsigned n);
/* Shared objects of a process that may be exiting: a new reference or NULL. */
struct mm *process_mm_get(struct process *p);
struct fdtable *process_files_get(struct process *p);
struct fs_ctx *process_fs_get(struct process *p);
struct file *process_exe_get(struct process *p);
int process_parent_pid(struct process *p);
bool process_number_used(int pid);            /* by a thread, a process, a group or a session */
char process_state_letter(struct process *p); /* R S T Z as in /proc/PID/stat */
void process_get(struct process *p);
void process_put(struct process *p);
/* Calls fn for each process in pid order until it returns non-zero; the table is locked: do not sleep. */
int process_for_each(int (*fn)(struct process *p, void *arg), void *arg);
int process_count(void);
unsigned long process_count_ever(void); /* since the start, also those that are gone */
int process_thread_total(void);         /* of all processes */
int process_last_pid(void);             /* given to anybody */
DEFINE_AUTO(struct process, process_put)

/* How a process that has no parent to be cloned from begins. */
struct spawn_params {
    const char *path;
    const char *const *argv, *const *envp; /* kernel strings, NULL terminated */
    struct console *console;               /* its standard files */
    void (*idle)(void); /* pid 1 only, instead of a program: what it does for ever; or NULL */
    /* The process, in its own context, needs params no more; error: why it ends, or 0. NULL: not asked. */
    void (*done)(const struct spawn_params *params, int error);
};
/* What processes need of the layers above; one constant table, in boot/process_hooks.c. */
struct process_hooks {
    struct fdtable *(*files_new)(void);
    struct fdtable *(*files_dup)(struct fdtable *t);
    void (*files_get)(struct fdtable *t);
    void (*files_put)(struct fdtable *t);
    void (*files_close_on_exec)(struct fdtable *t);
    struct fs_ctx *(*fs_new)(void);
    struct fs_ctx *(*fs_dup)(struct fs_ctx *c);
    void (*fs_get)(struct fs_ctx *c);
    void (*fs_put)(struct fs_ctx *c);
    void (*file_get)(struct file *f);
    void (*file_put)(struct file *f);
    /* In the first process's own context: opens the standard descriptors, loads the program and ends
     * in process_exec_commit. -errno: the program cannot be started. */
    int (*load_init)(const struct spawn_params *params);
    /* Runs the system call frame->orig_rax with the frame's arguments once more; its result. */
    long (*syscall_again)(struct user_frame *frame);
    /* p, which is about to end, gives up the terminal of the session it leads, if it leads one. */
    void (*tty_leader_exit)(struct process *p);
    /* p, which is about to end, undoes its semaphore operations. */
    void (*sem_exit)(struct process *p);
    /* The core file of the calling process, whose other threads are parked; was it written? */
    bool (*core_write)(const struct linux_siginfo *info);
    /* An open pidfd for p in the calling process; -errno. */
    int (*pidfd_open)(struct process *p);
};
extern const struct process_hooks process_hooks;

/* The first process, pid 1: becomes params->path. Boot only; params must live until done() is called.
 * Pid 1 is the program itself. When it exits, every other process is killed, then
 * process_init_exited is called. Orphans become its children by getppid(), but it never sees them in
 * wait and they are reaped at once, unless it made itself a child subreaper. */
must_check int process_spawn_init(const struct spawn_params *params);
/* A child of pid 1, which is the caller, in a session and a process group of its own; its number, or
 * -errno. If it cannot load its program it exits with 126 or 127, as a shell's child would. */
must_check int process_spawn_session(const struct spawn_params *params);
/* A thread of the calling process, which is an idle pid 1, for work that may have to wait. */
must_check int process_spawn_helper(void (*fn)(void *arg), void *arg);
/* Kills every process but pid 1, which is the caller, and waits a few seconds for their end. */
void process_end_others(void);
/* What to do about an error of loading, for the person at the terminal. */
const char *process_start_error(int error);
/* When init exits: the enclave's exit status (128 + n if killed). Installed by boot. */
extern void (*process_init_exited)(int wait_status);
/* When init was stopped by sig: whoever started the enclave may stop, too. Installed by boot, or NULL. */
extern void (*process_init_stopped)(int sig);

/* Ends the calling thread / the whole process. Called from system calls and signal delivery. */
noreturn_fn void process_exit_thread(int code); /* 0..255 */
noreturn_fn void process_exit_group(int wait_status);

/* Signals, as other subsystems send them; more in signal.h. */
void signal_send_process(struct process *p, int sig); /* from the kernel (SI_KERNEL) */
void signal_send_pgrp(int pgid, int sig);
/* A synchronous fault of the calling thread; forced: if blocked or ignored, the process dies. */
void signal_fault(int sig, int code, uaddr_t addr, int trapno, uint64_t error_code);
/* A signal the host forwards: terminal signals to the foreground group, others to pid 1's. */
void signal_from_host(int sig);
extern int (*signal_foreground_pgid)(void); /* installed by the terminal driver; 0: none */

/* Before the return to user mode with work pending: delivers signals, exits, reschedules, and runs a
 * system call again that has to be restarted. Called with the thread's frame complete whenever work
 * is set or a system call returned one of the -ERESTART* codes. from_syscall: frame->rax holds a
 * system call's result (frame->orig_rax its number). Afterwards frame->full says how to go back. */
void thread_user_work(struct user_frame *frame, bool from_syscall);
#endif
