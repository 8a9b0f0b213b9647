/* vCPUs: one host thread each, which enters the enclave, answers its host calls and sleeps for it. The
 * enclave's first kick of a vCPU starts it; before, it has no pages to run with.
 *
 * A tick timer runs on the thread's CPU time, so an idle vCPU gets none. All other signals are blocked
 * here and taken by the main thread. A hostile host may tick as it likes; --tick does (by the clock, since
 * timers of CPU time are only looked at when Linux itself ticks). */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "abi/enter.h"
#include "host/net.h"
#include "host/runtime.h"

#define TICK_SIGNAL (SIGRTMIN + 1)
#define TICK_NS     4000000

static hostcall_fn *const handlers[HOSTCALL_COUNT] = {
#define HOSTCALL(name, kind, errnos) [HOSTCALL_##name] = host_call_##name,
#include "abi/hostcalls.def"
#undef HOSTCALL
};

static void *vcpu_main(void *arg);

/* New threads inherit the caller's signal mask, which is that of vCPUs. */
static int start_once(unsigned index)
{
    static bool started[VCPU_MAX];
    if (__atomic_exchange_n(&started[index], true, __ATOMIC_SEQ_CST))
        return 0;
    int r = pthread_create(&runtime.threads[index], NULL, vcpu_main, runtime.vcpus[index]);
    return r == 0 ? 0 : -EAGAIN;
}

void vcpu_kick(unsigned index)
{
    if (index >= runtime.vcpu_count)
        return;
    uint32_t *word = &runtime.vcpus[index]->kick;
    __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    net_kick(index);
}

void vcpu_kick_any(void)
{
    for (unsigned i = 0; i < runtime.vcpu_count; i++)
        vcpu_kick(i);
}

static void park(struct host_vcpu *v, uint64_t max_ns)
{
    if (net_park(v, max_ns))
        return;
    struct timespec ts = {.tv_sec = (time_t) (max_ns / 1000000000),
                          .tv_nsec = (long) (max_ns % 1000000000)};
    if (!__atomic_load_n(&v->kick, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, &v->kick, FUTEX_WAIT_PRIVATE, 0, max_ns == UINT64_MAX ? NULL : &ts, NULL,
                0);
    __atomic_store_n(&v->kick, 0, __ATOMIC_SEQ_CST);
}

int64_t host_call_kick(struct host_vcpu *v)
{
    unsigned index = (unsigned) v->args[0];
    if (index < runtime.vcpu_count && start_once(index) < 0)
        fprintf(stderr, "occlum-run: vCPU %u: no more host threads\n", index);
    vcpu_kick(index);
    return 0;
}

static void hostcall_run(struct host_vcpu *v)
{
    uint32_t nr = v->nr;
    v->ret = nr < HOSTCALL_COUNT && handlers[nr] ? handlers[nr](v) : -ENOSYS;
}

static void start_ticks(void)
{
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TICK_SIGNAL};
    ev._sigev_un._tid = (pid_t) syscall(SYS_gettid);
    bool hostile = runtime.tick_us >= 0;
    int64_t ns = hostile ? runtime.tick_us * 1000ll : TICK_NS;
    struct timespec period = {ns / 1000000000, ns % 1000000000};
    timer_t timer;
    if (timer_create(hostile ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &ev, &timer) == 0)
        timer_settime(timer, 0, &(struct itimerspec){period, period}, NULL);
}

static void died(const struct sgx_exit *e)
{
    fprintf(stderr,
            "occlum-run: the enclave died: fault %u at 0x%llx that it could not handle.\n"
            "This is a bug in the LibOS or its simulator; OCCLUM_LOG_LEVEL=debug may tell more.\n",
            e->vector, (unsigned long long) e->fault_addr);
    runtime_exit(PANIC_STATUS);
}

static void *vcpu_main(void *arg)
{
    struct host_vcpu *v = arg;
    struct sgx_thread thread = {
        .enclave = runtime.enclave,
        .tcs = KERNEL_VCPUS + v->index * VCPU_SLOT_SIZE + VCPU_TCS,
    };
    if (runtime.ops->thread_init(&thread) < 0) {
        fprintf(stderr, "occlum-run: vCPU %u cannot be set up; `occlum doctor` tells why\n",
                v->index);
        runtime_exit(PANIC_STATUS);
    }
    start_ticks();
    uint64_t arg1 = (uint64_t) v;
    for (;;) {
        struct sgx_exit e;
        runtime.ops->enter(&thread, ENTER_RUN, arg1, &e);
        arg1 = 0;
        if (e.status != 0)
            died(&e);
        if (e.rdi == EXIT_HOSTCALL)
            hostcall_run(v);
        else if (e.rdi == EXIT_PARK)
            park(v, e.rsi);
        else
            runtime_exit((int) (e.rsi & 0xff));
    }
    return NULL;
}

static void block_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    int keep[] = {SIGSEGV, SIGBUS, SIGFPE, SIGTRAP, SIGILL, SIGSYS, SIGABRT, TICK_SIGNAL};
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++)
        sigdelset(&all, keep[i]);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
}

int vcpu_start(void)
{
    sigset_t old;
    pthread_sigmask(SIG_SETMASK, NULL, &old);
    block_signals();
    if (runtime.ops->tick_signal(TICK_SIGNAL) < 0)
        return -EIO;
    int r = start_once(0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r;
}
