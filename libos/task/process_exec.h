/* What execve asks of a process. The new program is complete in its own mm before the first of these
 * is called. */
#ifndef TASK_PROCESS_EXEC_H
#define TASK_PROCESS_EXEC_H
#include "libos/base/types.h"
#include "libos/task/cred.h"

struct mm;
struct file;

struct process_image {
    struct mm *mm;           /* handed over */
    const struct cred *cred; /* after cred_exec; the thread takes it over */
    struct file *exe;        /* handed over: /proc/PID/exe */
    char comm[16];
    uintptr_t arg_start, arg_end, env_start, env_end, stack_start;
};

/* Ends all other threads of the calling process and waits for them; the caller becomes the leader.
 * -ERESTARTNOINTR: another thread's exec or exit won and the caller is about to die; -ENOMEM. */
must_check int process_exec_begin(void);
/* The point of no return; cannot fail. Replaces mm, exe, comm and argument ranges; handlers go back to
 * default, pending signals and the mask stay; alternate stack, robust list, clear_child_tid (woken in
 * the old mm), POSIX timers and close-on-exec descriptors go; an unshared descriptor table and sighand
 * are made first if CLONE_FILES/CLONE_SIGHAND shared them; the vfork parent is released; the credentials are
 * those of the image; did_exec is set, dumpable unless ids differ. Afterwards uaccess means the new mm. */
void process_exec_commit(struct process_image *img);
#endif
