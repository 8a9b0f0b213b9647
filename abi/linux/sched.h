/* Linux' ABI of clone, scheduling classes, futexes and prctl. */
#ifndef ABI_LINUX_SCHED_H
#define ABI_LINUX_SCHED_H
#include <stddef.h>
#include <stdint.h>

#ifndef CLONE_VM
#define CSIGNAL              0x000000ffu
#define CLONE_VM             0x00000100u
#define CLONE_FS             0x00000200u
#define CLONE_FILES          0x00000400u
#define CLONE_SIGHAND        0x00000800u
#define CLONE_PIDFD          0x00001000u
#define CLONE_PTRACE         0x00002000u
#define CLONE_VFORK          0x00004000u
#define CLONE_PARENT         0x00008000u
#define CLONE_THREAD         0x00010000u
#define CLONE_NEWNS          0x00020000u
#define CLONE_SYSVSEM        0x00040000u
#define CLONE_SETTLS         0x00080000u
#define CLONE_PARENT_SETTID  0x00100000u
#define CLONE_CHILD_CLEARTID 0x00200000u
#define CLONE_DETACHED       0x00400000u
#define CLONE_UNTRACED       0x00800000u
#define CLONE_CHILD_SETTID   0x01000000u
#define CLONE_NEWCGROUP      0x02000000u
#define CLONE_NEWUTS         0x04000000u
#define CLONE_NEWIPC         0x08000000u
#define CLONE_NEWUSER        0x10000000u
#define CLONE_NEWPID         0x20000000u
#define CLONE_NEWNET         0x40000000u
#define CLONE_IO             0x80000000u
#endif
#define LINUX_CLONE_CLEAR_SIGHAND 0x100000000ull
#define LINUX_CLONE_INTO_CGROUP   0x200000000ull
#define LINUX_CLONE_NEWTIME       0x00000080u

struct linux_clone_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    uint64_t set_tid, set_tid_size, cgroup;
};
#define LINUX_CLONE_ARGS_SIZE_MIN 64
_Static_assert(sizeof(struct linux_clone_args) == 88, "Linux ABI");

#ifndef SCHED_OTHER
#define SCHED_OTHER 0
#define SCHED_FIFO  1
#define SCHED_RR    2
#define SCHED_BATCH 3
#define SCHED_IDLE  5
#endif
#define LINUX_SCHED_DEADLINE      6
#define LINUX_SCHED_RESET_ON_FORK 0x40000000

struct linux_sched_attr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};
_Static_assert(sizeof(struct linux_sched_attr) == 48, "Linux ABI");

#define FUTEX_WAIT             0
#define FUTEX_WAKE             1
#define FUTEX_FD               2
#define FUTEX_REQUEUE          3
#define FUTEX_CMP_REQUEUE      4
#define FUTEX_WAKE_OP          5
#define FUTEX_LOCK_PI          6
#define FUTEX_UNLOCK_PI        7
#define FUTEX_TRYLOCK_PI       8
#define FUTEX_WAIT_BITSET      9
#define FUTEX_WAKE_BITSET      10
#define FUTEX_WAIT_REQUEUE_PI  11
#define FUTEX_CMP_REQUEUE_PI   12
#define FUTEX_LOCK_PI2         13
#define FUTEX_PRIVATE_FLAG     128
#define FUTEX_CLOCK_REALTIME   256
#define FUTEX_CMD_MASK         (~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME))
#define FUTEX_BITSET_MATCH_ANY 0xffffffffu
#define FUTEX_WAITERS          0x80000000u
#define FUTEX_OWNER_DIED       0x40000000u
#define FUTEX_TID_MASK         0x3fffffffu

#define LINUX_FUTEX_32        2
#define LINUX_FUTEX_WAITV_MAX 128
struct linux_futex_waitv {
    uint64_t val, uaddr;
    uint32_t flags, reserved;
};
_Static_assert(sizeof(struct linux_futex_waitv) == 24, "Linux ABI");

struct linux_robust_list_head {
    uint64_t list;
    int64_t futex_offset;
    uint64_t list_op_pending;
};
_Static_assert(sizeof(struct linux_robust_list_head) == 24, "Linux ABI");

#define ARCH_SET_GS    0x1001
#define ARCH_SET_FS    0x1002
#define ARCH_GET_FS    0x1003
#define ARCH_GET_GS    0x1004
#define ARCH_GET_CPUID 0x1011
#define ARCH_SET_CPUID 0x1012
#endif
