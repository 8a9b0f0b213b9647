/* Threads are born and die: their memory, and the stack on which they begin.
 *
 * The last reference gives a thread's memory back; 64 dead ones are kept with their stacks for those that come
 * next. The scheduler has a reference of its own from thread_start to finish_switch after death (sched.c).
 */
#include "libos/arch/fpu.h"
#include "libos/arch/vcpu.h"
#include "libos/base/panic.h"
#include "libos/base/string.h"
#include "libos/mm/heap.h"
#include "libos/mm/kstack.h"
#include "libos/task/cred.h"
#include "libos/task/thread.h"

static struct {
    struct spinlock lock;
    struct thread *thread[64]; /* dead, with their stacks */
    uint32_t count;
} spare;

/* The thread struct and its vector area live at the low end of the stack's pages. */
static struct thread *thread_storage(void)
{
    spin_lock(&spare.lock);
    struct thread *t = spare.count > 0 ? spare.thread[--spare.count] : NULL;
    spin_unlock(&spare.lock);
    if (t)
        return t;
    t = kzalloc(ROUND_UP(sizeof *t, 64ul) + XSTATE_AREA_SIZE);
    uintptr_t stack = t ? kstack_alloc() : 0;
    if (!stack) {
        kfree(t);
        return NULL;
    }
    t->kstack_top = stack + KSTACK_SIZE;
    return t;
}

struct thread *thread_new(struct process *proc, int tid)
{
    struct thread *t = thread_storage();
    if (!t)
        return NULL;
    uintptr_t top = t->kstack_top;
    *t = (struct thread){.kstack_top = top,
                         .proc = proc,
                         .tid = tid,
                         .last_cpu = -1,
                         .cpu_mask = ~0ull,
                         .state = THREAD_NEW};
    t->xsave = (uint8_t *) t + ROUND_UP(sizeof *t, 64ul);
    fpu_area_init(t->xsave);
    ref_init(&t->ref);
    list_init(&t->run_link);
    list_init(&t->proc_link);
    struct user_frame *f = thread_frame(t);
    *f = (struct user_frame){.rflags = 0x202, .full = 1, .orig_rax = UINT64_MAX};
    uintptr_t *sp = (uintptr_t *) f;
    sp -= 2; /* the trampoline's call finds the stack 16-aligned */
    *--sp = (uintptr_t) thread_trampoline;
    sp -= 6; /* the registers context_switch pops */
    memset(sp, 0, 6 * sizeof *sp);
    t->ksp = (uintptr_t) sp;
    return t;
}

struct thread *thread_clone(struct process *proc, int tid)
{
    struct thread *t = thread_new(proc, tid), *me = current();
    if (!t)
        return NULL;
    *thread_frame(t) = *thread_frame(me);
    thread_frame(t)->full = 1;
    t->fs_base = user_fs_base();
    t->cpu_mask = me->cpu_mask;
    if (!me->wishes.reset_on_fork)
        t->wishes = me->wishes;
    memcpy(t->comm, me->comm, sizeof t->comm);
    fpu_save(t->xsave);
    return t;
}

struct thread *kthread_start(const char *name, void (*fn)(void *), void *arg)
{
    struct thread *t = thread_new(NULL, 0);
    if (!t)
        return NULL;
    t->in_kernel = true;
    t->kthread_fn = fn;
    t->kthread_arg = arg;
    str_copy(t->comm, name, sizeof t->comm);
    thread_start(t);
    return t;
}

void thread_get(struct thread *t)
{
    ref_get(&t->ref);
}

void thread_put(struct thread *t)
{
    if (!ref_put_last(&t->ref))
        return;
    if (t->cred)
        cred_put(TAKE(t->cred));
    check(t->state == THREAD_NEW || (t->state == THREAD_DEAD && !t->on_cpu));
    spin_lock(&spare.lock);
    bool kept = spare.count < ARRAY_SIZE(spare.thread);
    if (kept)
        spare.thread[spare.count++] = t;
    spin_unlock(&spare.lock);
    if (kept)
        return;
    kstack_free(t->kstack_top - KSTACK_SIZE);
    kfree(t);
}
