/* Handlers that count, masks of one signal, and a child that sends one. */
#ifndef GUEST_SIGNAL_H
#define GUEST_SIGNAL_H
#include "guest_test.h"

static UNUSED volatile sig_atomic_t count, last_signal, last_code, last_value, last_pid;

static UNUSED void on_signal(int sig)
{
    count++;
    last_signal = sig;
}

static UNUSED void on_info(int sig, siginfo_t *info, void *context)
{
    (void) context;
    count++;
    last_signal = sig;
    last_code = info->si_code;
    last_pid = info->si_pid;
    last_value = info->si_value.sival_int;
}

static UNUSED void catch_signal(int sig, void (*fn)(int), int flags)
{
    struct sigaction act = {.sa_handler = fn, .sa_flags = flags};
    sigemptyset(&act.sa_mask);
    OK(sigaction(sig, &act, NULL));
    count = last_signal = 0;
}

static UNUSED void catch_info(int sig, int flags)
{
    struct sigaction act = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO | flags};
    sigemptyset(&act.sa_mask);
    OK(sigaction(sig, &act, NULL));
    count = last_signal = 0;
}

static UNUSED sigset_t one(int sig)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sig);
    return set;
}

static UNUSED void mask(int how, int sig)
{
    sigset_t set = one(sig);
    OK(sigprocmask(how, &set, NULL));
}

static UNUSED bool is_pending(int sig)
{
    sigset_t set;
    OK(sigpending(&set));
    return sigismember(&set, sig) == 1;
}

/* kill(PID, SIGNAL) from another process. */
CHILD(send)
{
    return kill(atoi(argv[0]), atoi(argv[1])) == 0 ? 0 : 1;
}
#endif
