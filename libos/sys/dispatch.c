/* From a user frame to the function of a system call and back. Nothing here depends on how the call
 * came in (patched site, trap, AT_OCCLUM_ENTRY). Unknown numbers are ENOSYS, named once. */
#include "libos/arch/vcpu.h"
#include "libos/base/atomic.h"
#include "libos/base/log.h"
#include "libos/base/panic.h"
#include "libos/sys/dispatch.h"
#include "libos/sys/syscall.h"
#include "libos/sys/trace.h"
#include "libos/task/process.h"
#include "libos/task/sched.h"

enum { NR_EXECVE = 59, NR_EXIT = 60, NR_EXIT_GROUP = 231 };

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

static long call(uint64_t nr, const struct syscall_args *a)
{
    return likely(nr < SYSCALL_MAX && syscall_table[nr].fn) ? syscall_table[nr].fn(a) : unknown(nr);
}

/* Calls that do not return (exit) or return elsewhere (exec) are printed before they are made. */
static long traced_call(uint64_t nr, const struct syscall_args *a)
{
    char line[TRACE_LINE];
    (void) trace_call(line, sizeof line, nr, a);
    if (nr == NR_EXIT || nr == NR_EXIT_GROUP || nr == NR_EXECVE)
        log_emit(LOG_ERROR, "[%d] %s ...", current()->tid, line);
    long r = call(nr, a);
    trace_result(line, r);
    return r;
}

void syscall_run(struct user_frame *f)
{
    uint64_t nr = f->orig_rax;
    const struct syscall_args a = {{f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9}};
    f->rax = (uint64_t) (unlikely(syscall_trace) ? traced_call(nr, &a) : call(nr, &a));
}

#define CALLS_PER_TICK 1024u /* about 100 us of short ones */

static bool work_pending(void)
{
    struct vcpu *v = this_vcpu();
    if (unlikely(++v->calls % CALLS_PER_TICK == 0))
        v->tick_pending = 1;
    return atomic_load(&current()->work) || v->tick_pending;
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
