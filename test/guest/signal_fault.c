/* Synchronous faults: signal, code and address; repairing the context; state kept over handlers. */
#include "guest_fault.h"
#include <sys/mman.h>
#include <ucontext.h>

#define GREG(uc, name) ((uc)->uc_mcontext.gregs[REG_##name])

static void divide(void *arg)
{
    int quotient = 1000;
    __asm__ volatile("cltd\n\tidivl %1" : "+a"(quotient) : "r"(0) : "rdx", "cc");
    *(int *) arg = quotient;
}
static void undefined(void *arg)
{
    (void) arg;
    __asm__ volatile("ud2");
}
static void privileged(void *arg)
{
    (void) arg;
    __asm__ volatile("hlt");
}
static void port_in(void *arg)
{
    (void) arg;
    __asm__ volatile("inl (%%dx), %%eax" : : "d"(0x5658) : "rax");
}
static void port_out(void *arg)
{
    (void) arg;
    __asm__ volatile("outb %%al, $0x80" : : : "memory");
}
static void port_string(void *arg)
{
    __asm__ volatile("rep insw" : : "D"(arg), "c"(1), "d"(0x1f0) : "memory");
}
static void interrupt(void *arg)
{
    (void) arg;
    __asm__ volatile("int $0x81");
}
static void counter(void *arg)
{
    (void) arg;
    __asm__ volatile("rdpmc" : : "c"(0x7fff) : "rax", "rdx");
}
static void breakpoint(void *arg)
{
    (void) arg;
    __asm__ volatile("int3");
}
static void not_canonical(void *arg)
{
    (void) arg;
    volatile char *p;
    uintptr_t a = (uintptr_t) 0x8000000000000000u;
    memcpy(&p, &a, sizeof p);
    *p = 1;
}
static void float_divide(void *arg)
{
    unsigned csr = 0x1f80 & ~0x200u; /* unmask divide by zero */
    double zero = 0;
    __asm__ volatile("ldmxcsr %0" : : "m"(csr));
    __asm__ volatile("divsd %1, %0" : "+x"(*(double *) arg) : "x"(zero));
}
static void jump_to_null(void *arg)
{
    (void) arg;
    void (*volatile fn)(void) = NULL;
    fn();
}

/* Nowhere near anything of ours: other halves, other worlds, and where a LibOS keeps its data. */
TEST_CASE(wild_jumps)
{
    static const uintptr_t places[] = {0x600000001000, 0xffffffff81000000, 0xff10000000,
                                       0xff08005000,   0xff0f000000,       0xf800000000};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct fault f = fault_call(places[i]);
        CHECK_EQ(f.sig, SIGSEGV);
        CHECK_EQ((uintptr_t) f.addr, places[i]);
    }
}

/* TF over a system call: a trace trap or none, but never one in the kernel. */
static void traced_call(void *arg)
{
    long nr = SYS_getppid;
    __asm__ volatile("sub $128, %%rsp\n\tpushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\tsyscall\n\t"
                     "pushfq\n\tandl $~0x100, (%%rsp)\n\tpopfq\n\tadd $128, %%rsp"
                     : "+a"(nr)
                     :
                     : "rcx", "r11", "memory", "cc");
    *(long *) arg = nr;
}

TEST_CASE(trace_flag)
{
    long r = getppid();
    struct fault f = fault_run(traced_call, &r);
    CHECK(f.sig == SIGTRAP || (f.sig == 0 && r == getppid()));
}

TEST_CASE(kinds)
{
    int n = 0;
    double d = 1;
    struct fault f = fault_run(divide, &n);
    CHECK(f.sig == SIGFPE && f.code == FPE_INTDIV && f.addr != NULL);
    f = fault_run(undefined, NULL);
    CHECK(f.sig == SIGILL && f.code == ILL_ILLOPN && f.addr != NULL);
    void (*const protected[])(void *) = {privileged,  port_in,   port_out,
                                         port_string, interrupt, counter};
    for (size_t i = 0; i < ARRAY_LEN(protected); i++) {
        f = fault_run(protected[i], &n);
        CHECK(f.sig == SIGSEGV && f.code == SI_KERNEL && f.addr == NULL);
    }
    f = fault_run(breakpoint, NULL);
    CHECK(f.sig == SIGTRAP && f.code == SI_KERNEL);
    f = fault_run(not_canonical, NULL);
    CHECK(f.sig == SIGSEGV && f.code == SI_KERNEL && f.addr == NULL);
    f = fault_run(float_divide, &d);
    CHECK(f.sig == SIGFPE && f.code == FPE_FLTDIV);
    unsigned csr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(csr));
}

TEST_CASE(null_and_wild_pointers)
{
    CHECK_FAULT(fault_read(NULL), SIGSEGV, SEGV_MAPERR, NULL);
    CHECK_FAULT(fault_write(8), SIGSEGV, SEGV_MAPERR, 8);
    CHECK_FAULT(fault_run(jump_to_null, NULL), SIGSEGV, SEGV_MAPERR, NULL);
    CHECK_FAULT(fault_read(0x7ffffffff000 - 4096 * 1024), SIGSEGV, SEGV_MAPERR,
                0x7ffffffff000 - 4096 * 1024);
}

/* Addresses that are never a program's own. */
TEST_CASE(kernel_addresses)
{
    static const uintptr_t addrs[] = {0xffff800000000000u, 0xfffffffffffff000u};
    for (size_t i = 0; i < ARRAY_LEN(addrs); i++) {
        CHECK_EQ(fault_read(addrs[i]).sig, SIGSEGV);
        CHECK_EQ(fault_write(addrs[i]).sig, SIGSEGV);
        CHECK_ERR(syscall(SYS_write, 1, addrs[i], 1L), EFAULT);
    }
    /* the LibOS keeps its own memory here: system calls must not serve it */
    CHECK_ERR(syscall(SYS_write, 1, 0xffUL << 32, 1L), EFAULT);
}

static volatile int fixed;
static volatile char *fix_page;
static void repair(int sig, siginfo_t *info, void *context)
{
    (void) sig;
    (void) context;
    fixed++;
    if ((char *) info->si_addr >= fix_page && (char *) info->si_addr < fix_page + PAGE)
        mprotect((void *) fix_page, PAGE, PROT_READ | PROT_WRITE);
    else
        _exit(50);
}

TEST_CASE(repaired_by_mprotect)
{
    struct sigaction act = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO}, old;
    fix_page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(fix_page != (volatile char *) MAP_FAILED);
    OK(sigaction(SIGSEGV, &act, &old));
    fixed = 0;
    for (int i = 0; i < 200; i++) {
        OK(mprotect((void *) fix_page, PAGE, i % 2 ? PROT_READ : PROT_NONE));
        fix_page[i] = (char) i;
        CHECK_EQ(fixed, i + 1);
    }
    for (int i = 0; i < 200; i++)
        CHECK_EQ(fix_page[i], (char) i);
    OK(sigaction(SIGSEGV, &old, NULL));
    OK(munmap((void *) fix_page, PAGE));
}

static void skip_ud2(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void) sig;
    if (GREG(uc, RIP) != (greg_t) (uintptr_t) info->si_addr)
        _exit(51);
    GREG(uc, RIP) += 2;
    GREG(uc, RBX) += 1;
    GREG(uc, R15) = 0x1234567890;
}

TEST_CASE(context_is_read_and_written)
{
    struct sigaction act = {.sa_sigaction = skip_ud2, .sa_flags = SA_SIGINFO}, old;
    unsigned long rbx = 41, r15 = 0, r12 = 77;
    OK(sigaction(SIGILL, &act, &old));
    __asm__ volatile(
        "mov %2, %%r12\n\tmov %0, %%rbx\n\tud2\n\tmov %%rbx, %0\n\tmov %%r15, %1\n\tmov "
        "%%r12, %2"
        : "+r"(rbx), "+r"(r15), "+r"(r12)
        :
        : "rbx", "r12", "r15", "memory");
    OK(sigaction(SIGILL, &old, NULL));
    CHECK_EQ(rbx, 42);
    CHECK_EQ(r15, 0x1234567890);
    CHECK_EQ(r12, 77);
}

static volatile unsigned long seen_err, seen_trap, seen_cr2;
static void note_context(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void) sig;
    (void) info;
    seen_err = (unsigned long) GREG(uc, ERR);
    seen_trap = (unsigned long) GREG(uc, TRAPNO);
    seen_cr2 = (unsigned long) GREG(uc, CR2);
    siglongjmp(fault_leave, 1);
}

TEST_CASE(page_fault_details)
{
    struct sigaction act = {.sa_sigaction = note_context, .sa_flags = SA_SIGINFO}, old;
    char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(p[0], 0);
    OK(sigaction(SIGSEGV, &act, &old));
    if (sigsetjmp(fault_leave, 1) == 0)
        *(volatile char *) (p + 3) = 1;
    CHECK_EQ(seen_trap, 14);
    CHECK_EQ(seen_err & 6, 6); /* a write from user mode */
    CHECK_EQ(seen_cr2, (uintptr_t) (p + 3));
    OK(munmap(p, PAGE));
    if (sigsetjmp(fault_leave, 1) == 0)
        (void) *(volatile char *) p;
    CHECK_EQ(seen_err & 6, 4);
    CHECK_EQ(seen_cr2, (uintptr_t) p);
    OK(sigaction(SIGSEGV, &old, NULL));
}

static void spoil_vectors(int sig)
{
    (void) sig;
    __asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n\tmovdqa %%xmm0, %%xmm1\n\tmovdqa %%xmm0, %%xmm7\n\t"
                     "movdqa %%xmm0, %%xmm15\n\tfninit\n\tfld1"
                     :
                     :
                     : "xmm0", "xmm1", "xmm7", "xmm15", "memory");
    if (__builtin_cpu_supports("avx2"))
        __asm__ volatile("vpcmpeqd %%ymm3, %%ymm3, %%ymm3\n\tvpcmpeqd %%ymm15, %%ymm15, %%ymm15"
                         :
                         :
                         : "xmm3", "xmm15");
}

__attribute__((target("avx2"))) static int ymm_over_ud2(void)
{
    static uint64_t in[4] = {11, 22, 33, 44}, out[4];
    __asm__ volatile("vmovdqu %1, %%ymm3\n\tvmovdqu %1, %%ymm15\n\tud2\n\t"
                     "vmovdqu %%ymm3, %0\n\tvpxor %%ymm3, %%ymm15, %%ymm3\n\tvptest %%ymm3, %%ymm3"
                     : "=m"(out)
                     : "m"(in)
                     : "xmm3", "xmm15", "cc");
    return memcmp(in, out, sizeof in) == 0;
}

static void spoil_and_skip(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void) info;
    spoil_vectors(sig);
    GREG(uc, RIP) += 2;
}

TEST_CASE(vectors_survive_a_handler)
{
    struct sigaction act = {.sa_sigaction = spoil_and_skip, .sa_flags = SA_SIGINFO}, old;
    uint64_t in[2] = {0x1111, 0x2222}, out0[2], out15[2];
    double st = 2.5, back = 0;
    OK(sigaction(SIGILL, &act, &old));
    __asm__ volatile("fldl %4\n\tmovdqu %3, %%xmm0\n\tmovdqu %3, %%xmm15\n\tud2\n\t"
                     "movdqu %%xmm0, %0\n\tmovdqu %%xmm15, %1\n\tfstpl %2"
                     : "=m"(out0), "=m"(out15), "=m"(back)
                     : "m"(in), "m"(st)
                     : "xmm0", "xmm15");
    CHECK(memcmp(in, out0, sizeof in) == 0);
    CHECK(memcmp(in, out15, sizeof in) == 0);
    CHECK(back == 2.5);
    if (__builtin_cpu_supports("avx2"))
        CHECK(ymm_over_ud2());
    OK(sigaction(SIGILL, &old, NULL));
}

TEST_CASE(red_zone_survives)
{
    struct sigaction act = {.sa_sigaction = skip_ud2, .sa_flags = SA_SIGINFO}, old;
    unsigned long got = 0;
    OK(sigaction(SIGILL, &act, &old));
    __asm__ volatile("movq $0x5a5a, -120(%%rsp)\n\tud2\n\tmovq -120(%%rsp), %0"
                     : "=&r"(got)
                     :
                     : "rbx", "r15", "memory");
    OK(sigaction(SIGILL, &old, NULL));
    CHECK_EQ(got, 0x5a5a);
}

CHILD(faults)
{
    switch (atoi(argv[0])) {
    case 0:
        fault_do_read(NULL);
        break;
    case 1:
        undefined(NULL);
        break;
    case 2:
        divide(&argc);
        break;
    case 3: { /* a blocked synchronous signal kills */
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        fault_do_read(NULL);
        break;
    }
    case 4: /* so does an ignored one */
        signal(SIGSEGV, SIG_IGN);
        fault_do_read(NULL);
        break;
    default: { /* no room for the frame */
        struct sigaction act = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO};
        sigaction(SIGSEGV, &act, NULL);
        __asm__ volatile("xor %%esp, %%esp\n\tpush %%rax" : : : "memory");
    }
    }
    return 1;
}

TEST_CASE(kill_without_handler)
{
    static const int want[] = {SIGSEGV, SIGILL, SIGFPE, SIGSEGV, SIGSEGV, SIGSEGV};
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        CHECK_EQ(child_wait(child_start("faults", num((long) i), NULL)), 128 + want[i]);
}

static void *fault_in_thread(void *arg)
{
    for (int i = 0; i < 500; i++) {
        unsigned long rbx = (unsigned long) i, want = rbx + 1;
        __asm__ volatile("mov %0, %%rbx\n\tud2\n\tmov %%rbx, %0"
                         : "+r"(rbx)
                         :
                         : "rbx", "r15", "memory");
        CHECK_EQ(rbx, want);
    }
    return arg;
}

TEST_CASE(in_many_threads)
{
    struct sigaction act = {.sa_sigaction = skip_ud2, .sa_flags = SA_SIGINFO}, old;
    pthread_t t[6];
    OK(sigaction(SIGILL, &act, &old));
    for (int i = 0; i < 6; i++)
        ZERO(pthread_create(&t[i], NULL, fault_in_thread, NULL));
    for (int i = 0; i < 6; i++)
        ZERO(pthread_join(t[i], NULL));
    OK(sigaction(SIGILL, &old, NULL));
}
