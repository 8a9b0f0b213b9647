/* Processes that are made from nothing: pid 1, and in a running instance the first process of each session
 * that the host adds (`occlum exec`). Both start as a kernel thread in their own process, which becomes the
 * program (process_hooks.load_init); the idle pid 1 of a running instance stays in the kernel.
 */
#include "abi/linux/resource.h"
#include "abi/linux/wait.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/task/family.h"
#include "libos/task/signal.h"

void (*process_init_exited)(int wait_status);
void (*process_init_stopped)(int sig);

static const struct rlimit_pair default_rlimits[RLIMIT_COUNT] = {
    [RLIMIT_CPU] = {LINUX_RLIM_INFINITY, LINUX_RLIM_INFINITY},
    [RLIMIT_FSIZE] = {LINUX_RLIM_INFINITY, LINUX_RLIM_INFINITY},
    [RLIMIT_DATA] = {LINUX_RLIM_INFINITY, LINUX_RLIM_INFINITY},
    [RLIMIT_STACK] = {8ul << 20, LINUX_RLIM_INFINITY},
    [RLIMIT_CORE] = {0, LINUX_RLIM_INFINITY},
    [RLIMIT_RSS] = {LINUX_RLIM_INFINITY, LINUX_RLIM_INFINITY},
    [RLIMIT_NPROC] = {PID_MAX / 2, PID_MAX / 2},
    [RLIMIT_NOFILE] = {1024, 1048576},
    [RLIMIT_MEMLOCK] = {8ul << 20, 8ul << 20},
    [RLIMIT_AS] = {LINUX_RLIM_INFINITY, LINUX_RLIM_INFINITY},
    [RLIMIT_LOCKS] = {LINUX_RLIM_INFINITY, LINUX_RLIM_INFINITY},
    [RLIMIT_SIGPENDING] = {16384, 16384},
    [RLIMIT_MSGQUEUE] = {819200, 819200},
    [RLIMIT_NICE] = {0, 0},
    [RLIMIT_RTPRIO] = {0, 0},
    [RLIMIT_RTTIME] = {LINUX_RLIM_INFINITY, LINUX_RLIM_INFINITY},
};

const char *process_start_error(int error)
{
    switch (error) {
    case ENOENT:
        return "it or its interpreter is not in the image; copy it there and run `occlum build`";
    case EACCES:
        return "it is not an executable file; chmod +x it in image/ and run `occlum build`";
    case ENOEXEC:
        return "it is neither an x86-64 ELF program nor a #! script";
    case ELIBBAD:
        return "its ELF interpreter is damaged";
    case ENOMEM:
        return "not enough memory; raise resource_limits.user_space_size in Occlum.json";
    case EIO:
        return "the root image is damaged; run `occlum build -f`";
    default:
        return "it cannot be loaded";
    }
}

static void tell_done(const struct spawn_params *params, int error)
{
    if (params->done)
        params->done(params, error);
}

static void spawn_main(void *arg)
{
    const struct spawn_params *params = arg;
    if (params->idle)
        params->idle();
    int r = process_hooks.load_init(params);
    if (thread_dying()) { /* killed meanwhile, which is no error of the program's */
        tell_done(params, 0);
        process_exit_thread(0);
    }
    if (r < 0) {
        log_error("cannot start %s: %s (error %d)", params->path, process_start_error(-r), -r);
        tell_done(params, -r);
        process_exit_group((r == -ENOENT ? 127 : 126) << 8);
    }
    tell_done(params, 0);
    sigmask_set(0);
    thread_enter_user();
}

/* A process that nobody sees yet; *ret_thread: its only thread. */
static struct process *spawn_new(const struct spawn_params *params, struct thread **ret_thread)
{
    struct process *p = process_new();
    if (!p)
        return NULL;
    p->mm = mm_new();
    p->files = process_hooks.files_new();
    p->fs = process_hooks.fs_new();
    p->sighand = sighand_new();
    p->cred = cred_new_root();
    struct thread *t = thread_new(p, 0);
    if (t)
        t->sig = signal_state_new();
    if (!p->mm || !p->files || !p->fs || !p->sighand || !p->cred || !t || !t->sig) {
        if (t)
            thread_discard(t);
        process_discard(p);
        return NULL;
    }
    memcpy(p->rlimits, default_rlimits, sizeof p->rlimits);
    t->cred = cred_get(p->cred);
    p->dumpable = true;
    p->login_uid = p->login_session = UINT32_MAX;
    p->outside = !params->idle;
    p->exit_signal = SIGCHLD;
    t->sigmask = ~sigbit(SIGKILL); /* loading is not interrupted; what comes meanwhile waits */
    t->kthread_fn = spawn_main;
    t->kthread_arg = unconst(params);
    *ret_thread = t;
    return p;
}

/* The number is reserved by the caller. */
static void enter_locked(struct process *p, struct thread *t, int pid)
{
    struct pid_slot *s = pid_slot_locked(pid);
    p->pid = t->tid = pid;
    p->leader = t;
    p->thread_count = 1;
    list_add_tail(&p->threads, &t->proc_link);
    t->heap_owner =
        p->immortal ? 0 : heap_owner_of(pid); /* control goes on when programs used all */
    process_get(p);                           /* the thread's */
    s->proc = p;
    s->thread = t;
    process_table_count++;
    process_table_count_ever++;
    family_join_group_locked(p, pid);
    family_join_session_locked(p, pid);
}

static void init_process_enter(struct process *p, struct thread *t)
{
    SPIN_GUARD(&process_table_lock);
    struct pid_slot *s = pid_slot_make_locked(PID_INIT);
    check(s && !s->reserved);
    s->reserved = true;
    enter_locked(p, t, PID_INIT);
}

int process_spawn_init(const struct spawn_params *params)
{
    struct thread *t;
    struct process *p = spawn_new(params, &t);
    if (!p)
        return -ENOMEM;
    if (params->idle) {
        p->immortal = true;
        str_copy(p->comm, "init", sizeof p->comm);
        str_copy(t->comm, "init", sizeof t->comm);
    }
    init_process_enter(p, t);
    thread_start(t);
    return 0;
}

static int session_enter(struct process *p, struct thread *t)
{
    struct process *init = current_process();
    check(init->pid == PID_INIT);
    SPIN_GUARD(&process_table_lock);
    int pid = pid_alloc_locked();
    if (pid < 0)
        return pid;
    family_add_child_locked(init, p);
    enter_locked(p, t, pid);
    return pid;
}

int process_spawn_session(const struct spawn_params *params)
{
    struct thread *t;
    struct process *p = spawn_new(params, &t);
    if (!p)
        return -ENOMEM;
    int pid = session_enter(p, t);
    if (pid < 0) {
        thread_discard(t);
        process_discard(p);
        return pid;
    }
    thread_start(t);
    return pid;
}

/* ---- helpers of pid 1 ---- */

struct helper {
    void (*fn)(void *arg);
    void *arg;
};

static void helper_main(void *arg)
{
    struct helper h = *(struct helper *) arg;
    kfree(arg);
    h.fn(h.arg);
    process_exit_thread(0);
}

static int helper_enter(struct process *p, struct thread *t)
{
    SPIN_GUARD(&process_table_lock);
    int tid = pid_alloc_locked();
    if (tid < 0)
        return tid;
    t->tid = tid;
    spin_lock(&p->lock);
    process_get(p);
    list_add_tail(&p->threads, &t->proc_link);
    atomic_post(&p->thread_count, p->thread_count + 1);
    spin_unlock(&p->lock);
    pid_slot_locked(tid)->thread = t;
    return 0;
}

int process_spawn_helper(void (*fn)(void *arg), void *arg)
{
    struct process *p = current_process();
    struct helper *h = new_zero(struct helper);
    struct thread *t = thread_new(p, 0);
    if (t)
        t->sig = signal_state_new();
    int r = h && t && t->sig ? helper_enter(p, t) : -ENOMEM;
    if (r < 0) {
        if (t)
            thread_discard(t);
        kfree(h);
        return r;
    }
    *h = (struct helper){fn, arg};
    t->kthread_fn = helper_main;
    t->kthread_arg = h;
    thread_start(t);
    return 0;
}
