/* From a user frame to the function of a system call and back. Nothing here depends on how the call
 * came in (patched site, trap, AT_OCCLUM_ENTRY). Unknown numbers are ENOSYS, named once. */
#include "libos/arch/vcpu.h"
#include "libos/base/atomic.h"
#include "libos/base/log.h"
#include "libos/base/panic.h"
#include "libos/sys/dispatch.h"
#include "libos/sys/syscall.h"
#include "libos/task/process.h"
#include "libos/task/sched.h"

bool syscall_trace;
struct syscall_counters syscall_counters;

static long unknown(uint64_t nr)
{
    static uint64_t named[SYSCALL_MAX / 64];
    if (nr >= SYSCALL_MAX) {
        log_once(LOG_WARN, "system call %lu does not exist: ENOSYS", nr);
        return -ENOSYS;
    }
    uint64_t bit = 1ull << (nr % 64);
    if (!(atomic_or(&named[nr / 64], bit) & bit))
        log_warn("system call %lu is not supported: ENOSYS (docs/syscalls.md)", nr);
    return -ENOSYS;
}

static void trace_enter(uint64_t nr, const struct syscall_args *a)
{
    const struct syscall_entry *e = nr < SYSCALL_MAX ? &syscall_table[nr] : NULL;
    const char *name = e && e->name ? e->name : "?";
    log_emit(LOG_ERROR, "[%d] %s(%lx, %lx, %lx, %lx, %lx, %lx)", current()->tid, name, a->a[0],
             a->a[1], a->a[2], a->a[3], a->a[4], a->a[5]);
}

static void trace_exit(uint64_t nr, long r)
{
    const char *name = nr < SYSCALL_MAX && syscall_table[nr].name ? syscall_table[nr].name : "?";
    log_emit(LOG_ERROR, "[%d] %s = %ld", current()->tid, name, r);
}

void syscall_run(struct user_frame *f)
{
    uint64_t nr = f->orig_rax;
    const struct syscall_args a = {{f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9}};
    if (unlikely(syscall_trace))
        trace_enter(nr, &a);
    long r =
        likely(nr < SYSCALL_MAX && syscall_table[nr].fn) ? syscall_table[nr].fn(&a) : unknown(nr);
    f->rax = (uint64_t) r;
    if (unlikely(syscall_trace))
        trace_exit(nr, r);
}

static bool work_pending(void)
{
    return atomic_load(&current()->work) || this_vcpu()->tick_pending;
}

long syscall_from_user(struct user_frame *f)
{
    syscall_run(f);
    bool restart = f->rax - (uint64_t) -517 < 6; /* -ERESTART* */
    if (unlikely(work_pending() || restart)) {
        sched_relax();
        thread_user_work(f, true);
    }
    return (long) f->full;
}

noreturn_fn void __stack_chk_fail(void);
void __stack_chk_fail(void)
{
    panic("stack smashing detected");
}
