/* What each signal does by default and which one comes first. Pure functions. */
#include "libos/task/signal_priv.h"

static const uint8_t defaults[SIG_RT_FIRST] = {
    [SIGQUIT] = SIG_DEF_CORE,    [SIGILL] = SIG_DEF_CORE,      [SIGTRAP] = SIG_DEF_CORE,
    [SIGABRT] = SIG_DEF_CORE,    [SIGBUS] = SIG_DEF_CORE,      [SIGFPE] = SIG_DEF_CORE,
    [SIGSEGV] = SIG_DEF_CORE,    [SIGXCPU] = SIG_DEF_CORE,     [SIGXFSZ] = SIG_DEF_CORE,
    [SIGSYS] = SIG_DEF_CORE,     [SIGCHLD] = SIG_DEF_IGNORE,   [SIGURG] = SIG_DEF_IGNORE,
    [SIGWINCH] = SIG_DEF_IGNORE, [SIGCONT] = SIG_DEF_CONTINUE, [SIGSTOP] = SIG_DEF_STOP,
    [SIGTSTP] = SIG_DEF_STOP,    [SIGTTIN] = SIG_DEF_STOP,     [SIGTTOU] = SIG_DEF_STOP,
};

enum sig_default sig_default(int sig)
{
    return sig < SIG_RT_FIRST ? (enum sig_default) defaults[sig] : SIG_DEF_TERMINATE;
}

bool sig_kernel_ignored(uint64_t handler, int sig)
{
    if (handler == SIG_HANDLER_IGN)
        return true;
    enum sig_default d = sig_default(sig);
    return handler == SIG_HANDLER_DFL && (d == SIG_DEF_IGNORE || d == SIG_DEF_CONTINUE);
}

bool sig_stops(int sig)
{
    return sig_default(sig) == SIG_DEF_STOP;
}

int sigset_next(uint64_t set)
{
    uint64_t sync = set & SIGMASK_SYNC;
    if (sync)
        set = sync;
    return set ? __builtin_ctzll(set) + 1 : 0;
}
