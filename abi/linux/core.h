/* What a core file of Linux holds beside the memory: notes of the owner "CORE" and "LINUX" (core(5), elf(5);
 * the structures of <sys/procfs.h>). */
#ifndef ABI_LINUX_CORE_H
#define ABI_LINUX_CORE_H
#include <stddef.h>
#include <stdint.h>

enum {
    LINUX_NT_PRSTATUS = 1,
    LINUX_NT_PRFPREG = 2,
    LINUX_NT_PRPSINFO = 3,
    LINUX_NT_AUXV = 6,
    LINUX_NT_X86_XSTATE = 0x202,
    LINUX_NT_FILE = 0x46494c45,
    LINUX_NT_SIGINFO = 0x53494749,
};

struct linux_user_regs { /* struct user_regs_struct */
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
    uint64_t rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, rflags, rsp, ss;
    uint64_t fs_base, gs_base, ds, es, fs, gs;
};

struct linux_prstatus { /* struct elf_prstatus: one thread */
    int32_t signo, code, error;
    int16_t cursig, pad;
    uint64_t pending, blocked;
    int32_t tid, ppid, pgid, sid;
    int64_t utime[2], stime[2], cutime[2], cstime[2]; /* s, us */
    struct linux_user_regs regs;
    int32_t fp_valid, pad2;
};
_Static_assert(sizeof(struct linux_prstatus) == 336, "Linux ABI");
_Static_assert(offsetof(struct linux_prstatus, regs) == 112, "Linux ABI");

struct linux_prpsinfo { /* struct elf_prpsinfo: the process */
    uint8_t state, state_letter, zombie;
    int8_t nice;
    uint8_t pad[4];
    uint64_t flags;
    uint32_t uid, gid;
    int32_t pid, ppid, pgid, sid;
    char name[16], args[80];
};
_Static_assert(sizeof(struct linux_prpsinfo) == 136, "Linux ABI");
#endif
