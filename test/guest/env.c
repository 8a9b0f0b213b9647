/* What a program finds at its start: arguments, environment, and every entry of the auxiliary
 * vector. */
#include "guest_fault.h"
#include <elf.h>
#include <link.h>

#ifndef AT_HWCAP2
#define AT_HWCAP2 26
#endif
#ifndef AT_EXECFN
#define AT_EXECFN 31
#endif
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

extern char _start[];

/* setenv may move environ later; the vector follows the original block. */
static const Elf64_auxv_t *auxv_at_start;
static int argc_at_start;
static char **argv_at_start;

/* Before main, and without its arguments, which musl does not pass to constructors. */
__attribute__((constructor(101))) static void remember(void)
{
    char **e = environ;
    argv_at_start = e - 2;
    while (*e)
        e++;
    auxv_at_start = (const Elf64_auxv_t *) (e + 1);
    argc_at_start = 1;
    while (*(long *) (argv_at_start - 1) != argc_at_start) {
        argv_at_start--;
        argc_at_start++;
    }
}

static unsigned long aux(unsigned long type)
{
    for (const Elf64_auxv_t *a = auxv_at_start; a->a_type != AT_NULL; a++) {
        if (a->a_type == type)
            return a->a_un.a_val;
    }
    test_fail(__FILE__, __LINE__, "no AT entry %lu", type);
}

static const void *aux_pointer(unsigned long type)
{
    unsigned long v = aux(type);
    void *p;
    memcpy(&p, &v, sizeof p);
    return p;
}

TEST_CASE(stack_layout)
{
    CHECK(argc_at_start >= 1);
    CHECK(argv_at_start[argc_at_start] == NULL);
    CHECK_EQ((uintptr_t) (argv_at_start - 1) % 16, 0); /* the initial stack pointer */
    for (int i = 0; i < argc_at_start; i++)
        CHECK(argv_at_start[i] != NULL);
}

TEST_CASE(each_entry_once)
{
    int seen[64] = {0};
    for (const Elf64_auxv_t *a = auxv_at_start; a->a_type != AT_NULL; a++) {
        if (a->a_type < ARRAY_LEN(seen))
            CHECK_EQ(seen[a->a_type]++, 0);
    }
}

TEST_CASE(getauxval_agrees)
{
    static const unsigned long types[] = {AT_PAGESZ, AT_PHDR,   AT_PHNUM,  AT_ENTRY,
                                          AT_UID,    AT_RANDOM, AT_EXECFN, AT_EUID};
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        CHECK_EQ(getauxval(types[i]), aux(types[i]));
    errno = 0;
    CHECK_EQ(getauxval(4000), 0);
    CHECK_EQ(errno, ENOENT);
}

TEST_CASE(constants)
{
    CHECK_EQ(aux(AT_PAGESZ), 4096);
    CHECK_EQ(aux(AT_CLKTCK), 100);
    CHECK_EQ(aux(AT_FLAGS), 0);
    CHECK_EQ(aux(AT_SECURE), 0);
    CHECK_STR((const char *) aux_pointer(AT_PLATFORM), "x86_64");
    CHECK_EQ(sysconf(_SC_PAGESIZE), 4096);
    CHECK_EQ(sysconf(_SC_CLK_TCK), 100);
}

TEST_CASE(ids)
{
    CHECK_EQ(aux(AT_UID), getuid());
    CHECK_EQ(aux(AT_EUID), geteuid());
    CHECK_EQ(aux(AT_GID), getgid());
    CHECK_EQ(aux(AT_EGID), getegid());
}

TEST_CASE(program_headers)
{
    const Elf64_Phdr *ph = aux_pointer(AT_PHDR);
    bool load = false, self = false;
    CHECK_EQ(aux(AT_PHENT), sizeof *ph);
    CHECK(aux(AT_PHNUM) >= 2 && aux(AT_PHNUM) < 64);
    unsigned long bias = 0;
    for (size_t i = 0; i < aux(AT_PHNUM); i++) {
        if (ph[i].p_type == PT_PHDR) {
            bias = aux(AT_PHDR) - ph[i].p_vaddr;
            self = true;
        }
    }
    CHECK(self);
    for (size_t i = 0; i < aux(AT_PHNUM); i++) {
        unsigned long from = ph[i].p_vaddr + bias;
        if (ph[i].p_type == PT_LOAD && (ph[i].p_flags & PF_X))
            load |= aux(AT_ENTRY) >= from && aux(AT_ENTRY) < from + ph[i].p_memsz;
    }
    CHECK(load);
    CHECK_EQ(aux(AT_ENTRY), (unsigned long) _start);
}

TEST_CASE(interpreter_base)
{
    unsigned long base = aux(AT_BASE);
    CHECK_EQ(base % PAGE, 0);
    if (base)
        CHECK(memcmp(aux_pointer(AT_BASE), ELFMAG, SELFMAG) == 0);
}

TEST_CASE(processor)
{
    unsigned eax = 1, ebx, ecx = 0, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    CHECK_EQ(aux(AT_HWCAP), edx);
    CHECK((aux(AT_HWCAP2) & ~0x3UL) == 0); /* ring 3 mwait, fsgsbase */
    if (aux(AT_HWCAP2) & 2) {
        unsigned long fs;
        __asm__ volatile("rdfsbase %0" : "=r"(fs));
        CHECK(fs != 0);
    }
}

TEST_CASE(execfn)
{
    CHECK_STR((const char *) aux_pointer(AT_EXECFN), test_program);
}

static void print_random(void)
{
    const unsigned char *r = aux_pointer(AT_RANDOM);
    for (int i = 0; i < 16; i++)
        printf("%02x", r[i]);
    printf("\n");
}

CHILD(random_bytes)
{
    dup2(atoi(argv[0]), 1);
    print_random();
    return 0;
}

TEST_CASE(random_differs)
{
    char text[3][64] = {{0}};
    for (int i = 0; i < 3; i++) {
        int pipes[2];
        OK(pipe(pipes));
        CHECK_EQ(child_wait(child_start("random_bytes", num(pipes[1]), NULL)), 0);
        CHECK_EQ(read(pipes[0], text[i], 63), 33);
        close(pipes[0]);
        close(pipes[1]);
    }
    CHECK(strcmp(text[0], text[1]) && strcmp(text[1], text[2]) && strcmp(text[0], text[2]));
}

static const void *vdso_symbol(const Elf64_Ehdr *eh, const char *name)
{
    const char *base = (const char *) eh, *strings = NULL;
    const Elf64_Phdr *ph = (const void *) (base + eh->e_phoff);
    const Elf64_Dyn *dyn = NULL;
    const Elf64_Sym *symbols = NULL;
    const uint32_t *hash = NULL;
    uintptr_t bias = 0;
    for (int i = 0; i < eh->e_phnum; i++) {
        if (ph[i].p_type == PT_LOAD && ph[i].p_offset == 0)
            bias = (uintptr_t) base - ph[i].p_vaddr;
        if (ph[i].p_type == PT_DYNAMIC)
            dyn = (const void *) (base + ph[i].p_offset);
    }
    for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
        const void *p = (const void *) (bias + dyn->d_un.d_ptr);
        if (dyn->d_tag == DT_STRTAB)
            strings = p;
        else if (dyn->d_tag == DT_SYMTAB)
            symbols = p;
        else if (dyn->d_tag == DT_HASH)
            hash = p;
    }
    if (!strings || !symbols || !hash)
        return NULL;
    for (uint32_t i = 0; i < hash[1]; i++) {
        if (strcmp(strings + symbols[i].st_name, name) == 0 && symbols[i].st_shndx != 0)
            return (const void *) (bias + symbols[i].st_value);
    }
    return NULL;
}

TEST_CASE(vdso)
{
    const Elf64_Ehdr *eh = aux_pointer(AT_SYSINFO_EHDR);
    CHECK_EQ((uintptr_t) eh % PAGE, 0);
    CHECK(memcmp(eh->e_ident, ELFMAG, SELFMAG) == 0);
    CHECK_EQ(eh->e_machine, EM_X86_64);
    CHECK_EQ(eh->e_type, ET_DYN);
    static const char *const names[] = {"__vdso_clock_gettime", "__vdso_gettimeofday",
                                        "__vdso_time", "__vdso_getcpu"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!vdso_symbol(eh, names[i]))
            test_fail(__FILE__, __LINE__, "the vDSO has no %s", names[i]);
    }
    int (*get)(clockid_t, struct timespec *);
    const void *p = vdso_symbol(eh, names[0]);
    memcpy(&get, &p, sizeof get);
    struct timespec a, b;
    OK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &a));
    CHECK_EQ(get(CLOCK_MONOTONIC, &b), 0);
    CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
    CHECK(b.tv_sec - a.tv_sec < 30);
    CHECK_EQ(fault_write(eh).sig, SIGSEGV);
}

TEST_CASE(minimal_signal_stack)
{
    for (const Elf64_auxv_t *a = auxv_at_start; a->a_type != AT_NULL; a++) {
        if (a->a_type == AT_MINSIGSTKSZ)
            CHECK(a->a_un.a_val >= 1000 && a->a_un.a_val < 65536);
    }
}

TEST_CASE(environment)
{
    OK(setenv("GUEST_A", "1", 1));
    CHECK_STR(getenv("GUEST_A"), "1");
    OK(unsetenv("GUEST_A"));
    CHECK(getenv("GUEST_A") == NULL);
}

static int spawn_with(char **argv, char **envp)
{
    pid_t pid;
    ZERO(posix_spawn(&pid, test_program, NULL, NULL, argv, envp));
    return child_wait(pid);
}

TEST_CASE(child_gets_exactly_this)
{
    char *argv[] = {(char *) test_program,
                    (char *) "--child",
                    (char *) "expect",
                    (char *) "",
                    (char *) "two words",
                    (char *) "\xc3\xa9\x01",
                    NULL};
    char *envp[] = {(char *) "A=b=c", (char *) "EMPTY=", (char *) "NOEQUALS", NULL};
    CHECK_EQ(spawn_with(argv, envp), 0);
}

CHILD(expect)
{
    if (argc != 3 || strcmp(argv[0], "") || strcmp(argv[1], "two words") ||
        strcmp(argv[2], "\xc3\xa9\x01"))
        return 1;
    if (strcmp(environ[0], "A=b=c") || strcmp(environ[1], "EMPTY=") ||
        strcmp(environ[2], "NOEQUALS") || environ[3])
        return 2;
    return strcmp(getenv("A"), "b=c") == 0 ? 0 : 3;
}

TEST_CASE(empty_environment)
{
    char *argv[] = {(char *) test_program, (char *) "--child", (char *) "no_environment", NULL};
    char *envp[] = {NULL};
    CHECK_EQ(spawn_with(argv, envp), 0);
}

CHILD(no_environment)
{
    return environ[0] ? 1 : 0;
}

TEST_CASE(long_arguments)
{
    enum { COUNT = 400, LENGTH = 2000 };
    static char text[LENGTH + 1], *argv[COUNT + 4];
    memset(text, 'l', LENGTH);
    argv[0] = (char *) test_program;
    argv[1] = (char *) "--child";
    argv[2] = (char *) "total_length";
    for (int i = 0; i < COUNT; i++)
        argv[3 + i] = text;
    char *envp[] = {text, NULL};
    CHECK_EQ(spawn_with(argv, envp), COUNT * LENGTH / 10000);
}

CHILD(total_length)
{
    size_t sum = 0;
    for (int i = 0; i < argc; i++)
        sum += strlen(argv[i]);
    return (int) (sum / 10000);
}
