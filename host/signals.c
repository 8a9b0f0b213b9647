/* The main thread waits for signals. Those that a terminal or a service manager sends go to the program, as
 * bits in the boot block. When the program stops itself (or its terminal stops it), the enclave says so
 * (job_stop) and this process stops by the same signal, so that the user's shell sees a stopped job and
 * takes its terminal back; SIGCONT goes on to the program. All other threads have these signals blocked.
 */
#include "host/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include "host/control.h"
#include "host/runtime.h"
#include "tools/lib/control.h"

#define STOP_REQUEST (SIGRTMIN + 2)
#define STOP_SECONDS 10

static int stop_signal; /* the request; atomic */
static bool no_shell;   /* a stop had no effect: the group is orphaned; atomic */

static sigset_t waited_for(void)
{
    sigset_t s = control_signals();
    sigaddset(&s, STOP_REQUEST);
    return s;
}

void signals_block(void)
{
    sigset_t s = waited_for();
    pthread_sigmask(SIG_BLOCK, &s, NULL);
}

static void tell_program(int sig)
{
    __atomic_fetch_or(&runtime.boot->signals, 1ull << (sig - 1), __ATOMIC_SEQ_CST);
    vcpu_kick_any();
}

bool signals_stop(int sig)
{
    if (__atomic_load_n(&no_shell, __ATOMIC_SEQ_CST))
        return false;
    __atomic_store_n(&stop_signal, sig, __ATOMIC_SEQ_CST);
    return kill(getpid(), STOP_REQUEST) == 0;
}

int64_t host_call_job_stop(struct host_vcpu *v)
{
    int sig = (int) v->args[0];
    if (sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)
        if (!signals_stop(sig))
            tell_program(SIGCONT);
    return 0;
}

/* Whoever continues it sends SIGCONT, which is blocked and found afterwards; without one it did not stop. */
static void stop_now(int sig)
{
    static const struct timespec at_once = {0};
    sigset_t stop, go_on;
    sigemptyset(&stop);
    sigaddset(&stop, sig);
    sigemptyset(&go_on);
    sigaddset(&go_on, SIGCONT);
    raise(sig);
    pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    if (sigtimedwait(&go_on, NULL, &at_once) < 0)
        __atomic_store_n(&no_shell, true, __ATOMIC_SEQ_CST);
    tell_program(SIGCONT);
}

static void take(int sig, bool control)
{
    if (sig == STOP_REQUEST)
        stop_now(__atomic_load_n(&stop_signal, __ATOMIC_SEQ_CST));
    else if (!control)
        tell_program(sig);
    else if (sig == SIGTERM || sig == SIGINT)
        control_stop(STOP_SECONDS);
}

void signals_forward(bool control)
{
    sigset_t s = waited_for();
    for (;;) {
        int sig;
        if (sigwait(&s, &sig) == 0)
            take(sig, control);
    }
}
