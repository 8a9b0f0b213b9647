/* Inside libos/task: the pid table and the family tree of processes, all under process_table_lock.
 *
 * A number is in use while a thread, a process (zombies too), a process group or a session has it. The
 * table holds no references: whoever looks something up takes one before it drops the lock, and
 * entries leave the table before the object's last reference goes.
 */
#ifndef TASK_FAMILY_H
#define TASK_FAMILY_H
#include "libos/task/process.h"

#define PID_INIT 1

struct pid_slot {
    struct process *proc;
    struct thread *thread;
    struct list group; /* processes whose pgid is this number */
    uint32_t sessions; /* processes whose sid is this number */
    bool reserved;     /* by a thread or a process */
};

extern struct spinlock process_table_lock;

struct process *process_of_task_locked(int id); /* of a process or any of its threads; or NULL */
struct pid_slot *pid_slot_locked(int pid);      /* NULL: never used */
struct pid_slot *pid_slot_make_locked(int pid); /* NULL: no memory */
int pid_alloc_locked(void);                     /* reserves a number; -EAGAIN: none left */
void pid_free_locked(int pid);                  /* by its thread or process */
extern int process_table_count;                 /* live processes */
extern unsigned long process_table_count_ever;  /* all that there have been */

void family_join_group_locked(struct process *p, int pgid);
void family_join_session_locked(struct process *p, int sid);
void family_leave_locked(struct process *p); /* group and session */
bool family_group_orphaned_locked(int pgid, const struct process *except);
void family_add_child_locked(struct process *parent, struct process *child);

/* A child that is ready to be waited for is at the front of its parent's list. Both drop the table's
 * hold on p: the caller puts the reference the tree held after unlocking. */
void family_reap_locked(struct process *p);

int process_for_each_locked(int (*fn)(struct process *p, void *arg), void *arg);

/* Process memory. */
struct process *process_new(void);
void process_discard(struct process *p); /* one that was never visible */
void thread_discard(struct thread *t);   /* the same; its signal state may be there */
void process_thread_exit_times_locked(struct process *p, struct thread *t);
/* The parent learns of a stop or continuation: SIGCHLD and wait. No locks held. */
void process_notify_parent(struct process *p, int cld_code);
void vfork_complete(struct process *p);

/* Signals: the part of birth and death. */
struct signal_state;
must_check struct signal_state *signal_state_new(void);
void signal_thread_exit(struct thread *t); /* frees t->sig; hands its share of signals on */
void signal_process_exit(struct process *p);
void timers_process_exit(struct process *p);
void itimer_process_exit(struct process *p);
#endif
