// Unwinding through the frame of a signal: exceptions thrown by handlers, and backtraces as debuggers and
// profilers take them.
#include <csignal>
#include <cstdio>
#include <execinfo.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

struct guard {
    const char *name;
    ~guard()
    {
        std::printf("unwound %s\n", name);
    }
};

struct search {
    void *function; // that was interrupted
    int signal_frames, found;
};
static search looked_for;

static _Unwind_Reason_Code look(_Unwind_Context *context, void *argument)
{
    search *s = static_cast<search *>(argument);
    int before = 0;
    void *ip = reinterpret_cast<void *>(_Unwind_GetIPInfo(context, &before));
    s->signal_frames += before;
    s->found += _Unwind_FindEnclosingFunction(ip) == s->function;
    return _URC_NO_REASON;
}

static void look_back()
{
    void *frames[32];
    search s = looked_for;
    _Unwind_Backtrace(look, &s);
    std::printf("%s, %s, %d\n", backtrace(frames, 32) >= 4 ? "deep enough" : "too shallow",
                s.signal_frames ? "a signal" : "no signal", s.found);
}

static void thrower(int sig)
{
    look_back();
    throw sig;
}

static void no_thrower(int)
{
    look_back();
}

__attribute__((noinline)) static int touch(volatile int *p)
{
    guard g{"the fault"};
    looked_for = {reinterpret_cast<void *>(touch), 0, 0};
    return *p + 1;
}

__attribute__((noinline)) static void send(int sig)
{
    guard g{"the call"};
    int (*volatile may_throw)(pid_t, int) = kill;
    looked_for = {reinterpret_cast<void *>(send), 0, 0};
    may_throw(getpid(), sig);
}

int main()
{
    struct sigaction sa = {};
    sa.sa_handler = thrower;
    sa.sa_flags = SA_NODEFER;
    sigaction(SIGSEGV, &sa, nullptr);
    sigaction(SIGUSR1, &sa, nullptr);
    sa.sa_handler = no_thrower;
    sigaction(SIGUSR2, &sa, nullptr);
    void *page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < 2; round++) {
        try {
            std::printf("read %d\n", touch(static_cast<int *>(page)));
        } catch (int sig) {
            std::printf("caught %s\n", sig == SIGSEGV ? "SIGSEGV" : "another");
        }
        try {
            send(SIGUSR1);
        } catch (int sig) {
            std::printf("caught %s\n", sig == SIGUSR1 ? "SIGUSR1" : "another");
        }
        send(SIGUSR2);
    }
    return 0;
}
