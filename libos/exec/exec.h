/* Starting programs: what process start-up and execve use. */
#ifndef EXEC_EXEC_H
#define EXEC_EXEC_H
#include "libos/base/span.h"

struct mm;
struct file;
struct host_cpuid;

#define EXEC_STRING_MAX  0x20000ul  /* one argument or variable, as Linux' MAX_ARG_STRLEN */
#define EXEC_STRINGS_MAX 0x200000ul /* all of them with their pointers */
#define EXEC_NEST_MAX    5          /* interpreters of interpreters, as Linux */

/* count strings, each with its NUL, back to back: n bytes. */
struct exec_strings {
    const char *p;
    size_t n, count;
};

struct exec_params {
    struct file *file; /* borrowed; from vfs_open_exec */
    const char *path;  /* the name it was started by: AT_EXECFN, $0 of scripts, comm */
    struct exec_strings argv, envp;
    uint64_t stack_limit; /* RLIMIT_STACK */
    uint32_t uid, euid, gid, egid;
    bool secure;        /* AT_SECURE */
    uint8_t random[16]; /* AT_RANDOM */
};

struct exec_result {
    uintptr_t entry, sp;
    char comm[16];
    uintptr_t arg_start, arg_end, env_start, env_end, stack_start;
    struct file *exe; /* a reference: the ELF program, for scripts the interpreter */
};

/* Loads a program (ELF or #! script) into the fresh, unused mm. Sleeps. -ENOEXEC, -ELIBBAD (malformed
 * ELF interpreter), -ELOOP, -E2BIG, -ENOENT (no interpreter), -EACCES, -ENOMEM, -EIO ...; afterwards
 * mm is only good for mm_put. */
must_check int exec_load(struct mm *mm, const struct exec_params *in, struct exec_result *ret);

/* Once at boot, before the first exec_load: vDSO, patching hooks, CPUID table. */
must_check int exec_init(const struct host_cpuid *cpuid, size_t cpuid_count);
/* Once at boot, after the root is mounted: reads the image's table of patch sites. */
void exec_sites_load(void);
#endif
