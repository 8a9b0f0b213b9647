/* Death by a signal that dumps core: the bit of the wait status, SIGCHLD's code, limits, and what the file tells
 * a debugger: signal, registers of all threads, memory that was changed, names of mapped files. */
#include "guest_test.h"
#include <elf.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/user.h>

#define MARK 0x1122334455667788ull
static volatile uint64_t marked_data = 1;
static volatile uint64_t *marked_heap, *marked_shared;

static void limit_core(rlim_t bytes)
{
    struct rlimit l;
    getrlimit(RLIMIT_CORE, &l);
    l.rlim_cur = bytes;
    if (setrlimit(RLIMIT_CORE, &l) < 0)
        _exit(99);
}

/* Cores go to "core" in the working directory? A machine may pipe them to a program instead. */
static int cores_are_plain(void)
{
    char pattern[128] = "", with_pid[8] = "0";
    int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);
    if (fd >= 0 && read(fd, pattern, sizeof pattern - 1) < 0)
        pattern[0] = 0;
    close(fd);
    fd = open("/proc/sys/kernel/core_uses_pid", O_RDONLY);
    if (fd >= 0 && read(fd, with_pid, sizeof with_pid - 1) < 0)
        with_pid[0] = 0;
    close(fd);
    return strcmp(pattern, "core\n") == 0 && with_pid[0] == '0';
}

static char directory[64];
static void die_here(void (*fn)(void), rlim_t limit)
{
    if (chdir(directory) < 0)
        _exit(98);
    limit_core(limit);
    fn();
    _exit(97);
}
/* Runs fn in a child in a directory of its own, which stays; the wait status. */
static int die(void (*fn)(void), rlim_t limit, pid_t *ret_pid)
{
    strcpy(directory, "/tmp/core_file.XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        die_here(fn, limit);
    if (ret_pid)
        *ret_pid = pid;
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}
static int core_size(struct stat *ret)
{
    char path[96];
    snprintf(path, sizeof path, "%s/core", directory);
    return stat(path, ret);
}
static void clean_up(void)
{
    char path[96];
    snprintf(path, sizeof path, "%s/core", directory);
    unlink(path);
    rmdir(directory);
}

static void do_abort(void)
{
    abort();
}
static void do_segv(void)
{
    *(volatile int *) 16 = 1;
}
static void do_quit(void)
{
    raise(SIGQUIT);
}
static void do_term(void)
{
    raise(SIGTERM);
}
static void do_not_dumpable(void)
{
    prctl(PR_SET_DUMPABLE, 0);
    abort();
}
static void do_ignored_segv(void)
{
    signal(SIGSEGV, SIG_IGN);
    do_segv();
}
static void do_blocked_segv(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    do_segv();
}

TEST_CASE(status_bit)
{
    if (!cores_are_plain())
        SKIP("core files go elsewhere");
    static const struct {
        void (*fn)(void);
        int sig, dumps;
    } cases[] = {
        {do_abort, SIGABRT, 1},        {do_segv, SIGSEGV, 1},         {do_quit, SIGQUIT, 1},
        {do_term, SIGTERM, 0},         {do_not_dumpable, SIGABRT, 0}, {do_ignored_segv, SIGSEGV, 1},
        {do_blocked_segv, SIGSEGV, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stat st;
        int status = die(cases[i].fn, RLIM_INFINITY, NULL);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), cases[i].sig);
        CHECK_EQ(!!WCOREDUMP(status), cases[i].dumps);
        CHECK_EQ(core_size(&st) == 0, cases[i].dumps);
        if (cases[i].dumps)
            CHECK_EQ(st.st_mode & 07777, 0600);
        clean_up();
    }
}

TEST_CASE(limit)
{
    if (!cores_are_plain())
        SKIP("core files go elsewhere");
    struct stat st;
    int status = die(do_abort, 0, NULL);
    CHECK_EQ(WTERMSIG(status), SIGABRT);
    CHECK(!WCOREDUMP(status));
    CHECK_ERR(core_size(&st), ENOENT);
    clean_up();
    status = die(do_abort, 8192, NULL); /* too small: what is written is cut there */
    CHECK_EQ(WTERMSIG(status), SIGABRT);
    CHECK(core_size(&st) < 0 || st.st_size <= 8192);
    clean_up();
}

TEST_CASE(sigchld_code)
{
    if (!cores_are_plain())
        SKIP("core files go elsewhere");
    strcpy(directory, "/tmp/core_file.XXXXXX");
    CHECK(mkdtemp(directory) != NULL);
    pid_t pid = (pid_t) OK(fork());
    if (pid == 0)
        die_here(do_abort, RLIM_INFINITY);
    siginfo_t info = {0};
    CHECK_EQ(waitid(P_PID, (id_t) pid, &info, WEXITED), 0);
    CHECK_EQ(info.si_code, CLD_DUMPED);
    CHECK_EQ(info.si_status, SIGABRT);
    clean_up();
}

/* ---- the file --------------------------------------------------------------------------------- */
#define THREADS 3
static pthread_barrier_t all_run;
static void *sleeper(void *arg)
{
    register uint64_t mark __asm__("r15") = MARK + (uintptr_t) arg;
    pthread_barrier_wait(&all_run);
    for (;;)
        __asm__ volatile("pause" : "+r"(mark));
    return NULL;
}
static void do_threads(void)
{
    marked_data = MARK;
    marked_heap = malloc(sizeof *marked_heap);
    *marked_heap = MARK + 100;
    marked_shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *marked_shared = MARK + 200;
    pthread_barrier_init(&all_run, NULL, THREADS + 1);
    for (uintptr_t i = 0; i < THREADS; i++) {
        pthread_t t;
        pthread_create(&t, NULL, sleeper, (void *) (i + 1));
    }
    pthread_barrier_wait(&all_run);
    usleep(20000);
    *(volatile int *) 16 = 1;
}

struct core {
    const uint8_t *p;
    size_t n;
};
static const void *at(const struct core *c, uint64_t offset, size_t n)
{
    return offset <= c->n && n <= c->n - offset ? c->p + offset : NULL;
}
static const Elf64_Phdr *phdrs(const struct core *c, size_t *ret_count)
{
    const Elf64_Ehdr *h = at(c, 0, sizeof *h);
    *ret_count = h ? h->e_phnum : 0;
    return h ? at(c, h->e_phoff, *ret_count * sizeof(Elf64_Phdr)) : NULL;
}
/* The n-th note of a type. */
static const void *note(const struct core *c, uint32_t type, int n, size_t *ret_size)
{
    size_t count;
    const Elf64_Phdr *p = phdrs(c, &count);
    for (size_t i = 0; p && i < count; i++) {
        if (p[i].p_type != PT_NOTE)
            continue;
        for (uint64_t o = p[i].p_offset; o + sizeof(Elf64_Nhdr) <= p[i].p_offset + p[i].p_filesz;) {
            const Elf64_Nhdr *h = at(c, o, sizeof *h);
            uint64_t desc = o + sizeof *h + ((h->n_namesz + 3) & ~3u);
            if (h->n_type == type && n-- == 0) {
                *ret_size = h->n_descsz;
                return at(c, desc, h->n_descsz);
            }
            o = desc + ((h->n_descsz + 3) & ~3u);
        }
    }
    return NULL;
}
static uint64_t word_in(const struct core *c, const volatile void *addr)
{
    size_t count;
    const Elf64_Phdr *p = phdrs(c, &count);
    uintptr_t a = (uintptr_t) addr;
    for (size_t i = 0; p && i < count; i++)
        if (p[i].p_type == PT_LOAD && a >= p[i].p_vaddr && a + 8 <= p[i].p_vaddr + p[i].p_filesz) {
            const void *w = at(c, p[i].p_offset + (a - p[i].p_vaddr), 8);
            uint64_t v = 0;
            if (w)
                memcpy(&v, w, 8);
            return v;
        }
    return 0;
}
static int core_map(struct core *ret)
{
    char path[96];
    snprintf(path, sizeof path, "%s/core", directory);
    int fd = open(path, O_RDONLY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    ret->n = (size_t) st.st_size;
    ret->p = mmap(NULL, ret->n, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return ret->p == MAP_FAILED ? -1 : 0;
}

static void check_threads(const struct core *c, pid_t pid)
{
    uint64_t seen = 0;
    int first = 1;
    size_t size;
    const struct elf_prstatus *s;
    for (int i = 0; (s = note(c, NT_PRSTATUS, i, &size)); i++) {
        struct user_regs_struct regs;
        CHECK_EQ(size, sizeof *s);
        memcpy(&regs, s->pr_reg, sizeof regs);
        if (first) {
            CHECK_EQ(s->pr_cursig, SIGSEGV);
            CHECK_EQ(s->pr_pid, pid);
            CHECK(regs.rip >= (uintptr_t) do_threads && regs.rip < (uintptr_t) do_threads + 1024);
        }
        first = 0;
        CHECK(regs.fs_base != 0);
        if (regs.r15 - MARK <= THREADS)
            seen |= 1ull << (regs.r15 - MARK);
        CHECK_EQ(regs.cs, 0x33);
    }
    CHECK_EQ(seen, 0xe);
    CHECK(note(c, NT_FPREGSET, THREADS, &size) != NULL);
}

/* The parent has the same addresses as the child it forked; only the heap's the child tells. */
TEST_CASE(content)
{
    if (!cores_are_plain())
        SKIP("core files go elsewhere");
    pid_t pid;
    int status = die(do_threads, RLIM_INFINITY, &pid);
    CHECK(WIFSIGNALED(status) && WCOREDUMP(status));
    struct core c;
    CHECK_EQ(core_map(&c), 0);
    const Elf64_Ehdr *h = at(&c, 0, sizeof *h);
    CHECK(h && memcmp(h->e_ident, ELFMAG, SELFMAG) == 0);
    CHECK_EQ(h->e_type, ET_CORE);
    check_threads(&c, pid);
    size_t size;
    const siginfo_t *info = note(&c, NT_SIGINFO, 0, &size);
    CHECK(info && info->si_signo == SIGSEGV && info->si_addr == (void *) 16);
    const struct elf_prpsinfo *ps = note(&c, NT_PRPSINFO, 0, &size);
    CHECK(ps && ps->pr_pid == pid && strncmp(ps->pr_fname, "core_file", 9) == 0);
    const Elf64_auxv_t *aux = note(&c, NT_AUXV, 0, &size);
    CHECK(aux && size % sizeof *aux == 0 && aux[size / sizeof *aux - 1].a_type == AT_NULL);
    const uint64_t *files = note(&c, NT_FILE, 0, &size);
    CHECK(files && files[0] > 0 && files[1] == 4096);
    CHECK(memmem(files, size, "core_file", 9) != NULL);
    CHECK_EQ(word_in(&c, &marked_data), MARK);
    CHECK_EQ(word_in(&c, (void *) (uintptr_t) word_in(&c, &marked_heap)), MARK + 100);
    CHECK_EQ(word_in(&c, (void *) (uintptr_t) word_in(&c, &marked_shared)), MARK + 200);
    clean_up();
}

/* What was there by that name is no longer, but it keeps its content under its other names. */
TEST_CASE(existing_file)
{
    if (!cores_are_plain())
        SKIP("core files go elsewhere");
    static const char old[] = "precious";
    for (int symbolic = 0; symbolic < 2; symbolic++) {
        strcpy(directory, "/tmp/core_file.XXXXXX");
        CHECK(mkdtemp(directory) != NULL);
        char core[96], other[96];
        snprintf(core, sizeof core, "%s/core", directory);
        snprintf(other, sizeof other, "%s/other", directory);
        int fd = (int) OK(open(other, O_CREAT | O_RDWR, 0600));
        CHECK_EQ(write(fd, old, sizeof old), (long) sizeof old);
        close(fd);
        OK(symbolic ? symlink("other", core) : link(other, core));
        pid_t pid = (pid_t) OK(fork());
        if (pid == 0)
            die_here(do_abort, RLIM_INFINITY);
        int status;
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK(WCOREDUMP(status));
        struct stat st;
        OK(lstat(core, &st));
        CHECK(S_ISREG(st.st_mode) && st.st_nlink == 1);
        OK(stat(other, &st));
        CHECK_EQ(st.st_size, (off_t) sizeof old);
        unlink(other);
        clean_up();
    }
}

/* Another program renames a mapped file between a long and a short name all the time: the list of mapped files has
 * one length when it is measured and another one when it is written. */
#define MAPPINGS 60
CHILD(rename_for_ever)
{
    for (;;)
        if (rename(argv[0], argv[1]) < 0 || rename(argv[1], argv[0]) < 0)
            return 1;
}

static char mapped_short[128], mapped_long[400];
static void do_abort_with_mappings(void)
{
    int fd;
    do
        fd = open(mapped_short, O_RDONLY);
    while (fd < 0 && (fd = open(mapped_long, O_RDONLY)) < 0);
    for (int i = 0; i < MAPPINGS; i++)
        if (mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED)
            _exit(96);
    abort();
}

TEST_CASE(renamed_meanwhile)
{
    if (!cores_are_plain())
        SKIP("core files go elsewhere");
    snprintf(mapped_short, sizeof mapped_short, "%s/f", test_dir);
    snprintf(mapped_long, sizeof mapped_long, "%s/%0200d", test_dir, 0);
    write_file(mapped_short, "x", 1);
    pid_t renamer = child_start("rename_for_ever", mapped_short, mapped_long, NULL);
    for (int i = 0; i < 30; i++) {
        struct stat st;
        int status = die(do_abort_with_mappings, RLIM_INFINITY, NULL);
        CHECK_EQ(WTERMSIG(status), SIGABRT);
        CHECK(WCOREDUMP(status));
        OK(core_size(&st));
        clean_up();
    }
    OK(kill(renamer, SIGKILL));
    child_wait(renamer);
}
