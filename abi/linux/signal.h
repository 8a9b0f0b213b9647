/* Linux' signal ABI on x86-64: numbers, codes and the structures user programs see. */
#ifndef ABI_LINUX_SIGNAL_H
#define ABI_LINUX_SIGNAL_H
#include <stddef.h>
#include <stdint.h>

#ifndef SIGHUP
#define SIGHUP    1
#define SIGINT    2
#define SIGQUIT   3
#define SIGILL    4
#define SIGTRAP   5
#define SIGABRT   6
#define SIGBUS    7
#define SIGFPE    8
#define SIGKILL   9
#define SIGUSR1   10
#define SIGSEGV   11
#define SIGUSR2   12
#define SIGPIPE   13
#define SIGALRM   14
#define SIGTERM   15
#define SIGSTKFLT 16
#define SIGCHLD   17
#define SIGCONT   18
#define SIGSTOP   19
#define SIGTSTP   20
#define SIGTTIN   21
#define SIGTTOU   22
#define SIGURG    23
#define SIGXCPU   24
#define SIGXFSZ   25
#define SIGVTALRM 26
#define SIGPROF   27
#define SIGWINCH  28
#define SIGIO     29
#define SIGPWR    30
#define SIGSYS    31
#endif
#define SIG_RT_FIRST 32
#define SIG_COUNT    64

#define SIG_HANDLER_DFL 0
#define SIG_HANDLER_IGN 1

#ifndef SA_NOCLDSTOP
#define SA_NOCLDSTOP 0x00000001
#define SA_NOCLDWAIT 0x00000002
#define SA_SIGINFO   0x00000004
#define SA_ONSTACK   0x08000000
#define SA_RESTART   0x10000000
#define SA_NODEFER   0x40000000
#define SA_RESETHAND 0x80000000
#define SIG_BLOCK    0
#define SIG_UNBLOCK  1
#define SIG_SETMASK  2
#define SS_ONSTACK   1
#define SS_DISABLE   2
#define MINSIGSTKSZ  2048
#endif
#define SA_RESTORER_FLAG 0x04000000
#define SA_KNOWN_FLAGS                                                                             \
    (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER |             \
     SA_RESETHAND | SA_RESTORER_FLAG)
#define SS_AUTODISARM_FLAG 0x80000000u

#ifndef SI_USER
#define SI_USER         0
#define SI_KERNEL       0x80
#define SI_QUEUE        (-1)
#define SI_TIMER        (-2)
#define SI_MESGQ        (-3)
#define SI_ASYNCIO      (-4)
#define SI_SIGIO        (-5)
#define SI_TKILL        (-6)
#define ILL_ILLOPN      2
#define FPE_INTDIV      1
#define FPE_FLTINV      7
#define SEGV_MAPERR     1
#define SEGV_ACCERR     2
#define BUS_ADRALN      1
#define BUS_ADRERR      2
#define TRAP_BRKPT      1
#define TRAP_TRACE      2
#define CLD_EXITED      1
#define CLD_KILLED      2
#define CLD_DUMPED      3
#define CLD_TRAPPED     4
#define CLD_STOPPED     5
#define CLD_CONTINUED   6
#define SIGEV_SIGNAL    0
#define SIGEV_NONE      1
#define SIGEV_THREAD    2
#define SIGEV_THREAD_ID 4
#endif

struct linux_sigaction {
    uint64_t handler, flags, restorer, mask;
};
_Static_assert(sizeof(struct linux_sigaction) == 32, "Linux ABI");

struct linux_sigaltstack {
    uint64_t sp;
    int32_t flags;
    uint32_t pad;
    uint64_t size;
};
_Static_assert(sizeof(struct linux_sigaltstack) == 24, "Linux ABI");

/* The part of siginfo_t that carries meaning; the guest's is 128 bytes, the rest zero. */
struct linux_siginfo {
    int32_t signo, error, code;
    uint32_t pad;
    union {
        struct {
            int32_t pid;
            uint32_t uid;
            uint64_t value;
        } rt; /* kill, sigqueue */
        struct {
            int32_t id, overrun;
            uint64_t value;
        } timer;
        struct {
            int32_t pid;
            uint32_t uid;
            int32_t status;
            uint32_t pad;
            int64_t utime, stime;
        } chld;
        struct {
            uint64_t addr;
            uint64_t lsb;
        } fault;
        struct {
            int64_t band;
            int32_t fd;
        } poll;
        uint8_t bytes[32];
    };
};
#define LINUX_SIGINFO_SIZE 128
_Static_assert(sizeof(struct linux_siginfo) == 48, "Linux ABI");
_Static_assert(offsetof(struct linux_siginfo, rt.value) == 24, "Linux ABI");
_Static_assert(offsetof(struct linux_siginfo, chld.utime) == 32, "Linux ABI");

struct linux_sigevent {
    uint64_t value;
    int32_t signo, notify;
    int32_t tid;
    uint8_t pad[44];
};
_Static_assert(sizeof(struct linux_sigevent) == 64, "Linux ABI");

struct linux_sigcontext {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
    uint16_t cs, gs, fs, ss;
    uint64_t err, trapno, oldmask, cr2;
    uint64_t fpstate;
    uint64_t reserved[8];
};
_Static_assert(sizeof(struct linux_sigcontext) == 256, "Linux ABI");
_Static_assert(offsetof(struct linux_sigcontext, fpstate) == 184, "Linux ABI");

#define UC_FP_XSTATE_FLAG         1
#define UC_SIGCONTEXT_SS_FLAG     2
#define UC_STRICT_RESTORE_SS_FLAG 4
struct linux_ucontext {
    uint64_t flags, link;
    struct linux_sigaltstack stack;
    struct linux_sigcontext mcontext;
    uint64_t sigmask;
};
_Static_assert(sizeof(struct linux_ucontext) == 304, "Linux ABI");
_Static_assert(offsetof(struct linux_ucontext, mcontext) == 40, "Linux ABI");

struct linux_rt_sigframe {
    uint64_t pretcode;
    struct linux_ucontext uc;
    uint8_t info[LINUX_SIGINFO_SIZE];
};
_Static_assert(sizeof(struct linux_rt_sigframe) == 440, "Linux ABI");

/* In bytes 464..511 of the FXSAVE image a signal frame carries. */
#define FP_XSTATE_MAGIC_1      0x46505853u
#define FP_XSTATE_MAGIC_2      0x46505845u
#define FP_XSTATE_MAGIC_2_SIZE 4
#define FP_SW_RESERVED_OFFSET  464
struct linux_fpx_sw_bytes {
    uint32_t magic1, extended_size;
    uint64_t xfeatures;
    uint32_t xstate_size;
    uint32_t pad[7];
};
_Static_assert(sizeof(struct linux_fpx_sw_bytes) == 48, "Linux ABI");

struct linux_signalfd_siginfo {
    uint32_t signo;
    int32_t error, code;
    uint32_t pid, uid;
    int32_t fd;
    uint32_t tid, band, overrun, trapno;
    int32_t status, value_int;
    uint64_t value_ptr, utime, stime, addr;
    uint8_t pad[48];
};
_Static_assert(sizeof(struct linux_signalfd_siginfo) == 128, "Linux ABI");
#endif
