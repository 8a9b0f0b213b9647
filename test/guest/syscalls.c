/* The syscall instruction itself: what it keeps and changes, in patched and unpatched places. */
#include "guest_test.h"
#include <sys/mman.h>

struct regs {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, flags;
};

/* Loads all registers from *in, executes syscall, stores all to *out. */
void all_registers(const struct regs *in, struct regs *out);
__asm__(".text\n"
        ".type all_registers, @function\n"
        "all_registers:\n"
        "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rsi\n"
        "  mov %rdi, %r15\n"
        "  pushq 120(%r15); popfq\n"
        "  mov 0(%r15), %rax; mov 8(%r15), %rbx; mov 16(%r15), %rcx; mov 24(%r15), %rdx\n"
        "  mov 32(%r15), %rsi; mov 40(%r15), %rdi; mov 48(%r15), %rbp; mov 56(%r15), %r8\n"
        "  mov 64(%r15), %r9; mov 72(%r15), %r10; mov 80(%r15), %r11; mov 88(%r15), %r12\n"
        "  mov 96(%r15), %r13; mov 104(%r15), %r14; mov 112(%r15), %r15\n"
        "  syscall\n"
        ".globl after_syscall\n"
        "after_syscall:\n"
        "  push %r15; pushfq; mov 16(%rsp), %r15\n"
        "  popq 120(%r15); popq 112(%r15); cld\n"
        "  mov %rax, 0(%r15); mov %rbx, 8(%r15); mov %rcx, 16(%r15); mov %rdx, 24(%r15)\n"
        "  mov %rsi, 32(%r15); mov %rdi, 40(%r15); mov %rbp, 48(%r15); mov %r8, 56(%r15)\n"
        "  mov %r9, 64(%r15); mov %r10, 72(%r15); mov %r11, 80(%r15); mov %r12, 88(%r15)\n"
        "  mov %r13, 96(%r15); mov %r14, 104(%r15)\n"
        "  pop %rsi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "  ret\n"
        ".size all_registers, . - all_registers\n");

static struct regs sample(uint64_t nr)
{
    return (struct regs){.rax = nr,
                         .rbx = 0x1111111111111111,
                         .rcx = 0x2222222222222222,
                         .rdx = 0x3333333333333333,
                         .rsi = 0x4444444444444444,
                         .rdi = 0x5555555555555555,
                         .rbp = 0x6666666666666666,
                         .r8 = 0x7777777777777777,
                         .r9 = 0x8888888888888888,
                         .r10 = 0x9999999999999999,
                         .r11 = 0xaaaaaaaaaaaaaaaa,
                         .r12 = 0xbbbbbbbbbbbbbbbb,
                         .r13 = 0xcccccccccccccccc,
                         .r14 = 0xdddddddddddddddd,
                         .r15 = 0xeeeeeeeeeeeeeeee,
                         .flags = 0x202};
}

static void check_registers(uint64_t nr, long want)
{
    struct regs in = sample(nr), out = {0};
    all_registers(&in, &out);
    CHECK_EQ(out.rax, want);
    CHECK_EQ(out.rbx, in.rbx);
    CHECK_EQ(out.rdx, in.rdx);
    CHECK_EQ(out.rsi, in.rsi);
    CHECK_EQ(out.rdi, in.rdi);
    CHECK_EQ(out.rbp, in.rbp);
    CHECK_EQ(out.r8, in.r8);
    CHECK_EQ(out.r9, in.r9);
    CHECK_EQ(out.r10, in.r10);
    CHECK_EQ(out.r12, in.r12);
    CHECK_EQ(out.r13, in.r13);
    CHECK_EQ(out.r14, in.r14);
    CHECK_EQ(out.r15, in.r15);
}

TEST_CASE(registers_are_kept)
{
    check_registers(SYS_getpid, getpid());
    check_registers(SYS_sched_yield, 0);
    check_registers(5000, -ENOSYS);
    check_registers(SYS_close, -EBADF);
}

TEST_CASE(unknown_numbers)
{
    static const long numbers[] = {400, 1000, 5000, 0x7fffffff, -1};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        CHECK_ERR(syscall(numbers[i]), ENOSYS);
}

TEST_CASE(direction_flag)
{
    char a[] = "0123456789", b[16] = {0};
    long r;
    int fd = (int) OK(open(test_path("df"), O_RDWR | O_CREAT, 0600));
    /* the kernel must not be misled by a set direction flag */
    __asm__ volatile("std\n\tsyscall\n\tcld"
                     : "=a"(r)
                     : "a"(SYS_write), "D"((long) fd), "S"(a), "d"(10L)
                     : "rcx", "r11", "memory", "cc");
    CHECK_EQ(r, 10);
    __asm__ volatile("std\n\tsyscall\n\tcld"
                     : "=a"(r)
                     : "a"(SYS_pread64), "D"((long) fd), "S"(b), "d"(10L)
                     : "rcx", "r11", "memory", "cc");
    (void) r; /* offset register is arbitrary: only the call's safety matters */
    close(fd);
}

TEST_CASE(sse_registers)
{
    uint64_t in[2] = {0x0123456789abcdef, 0xfedcba9876543210}, out[16][2];
    __asm__ volatile("movdqu %1, %%xmm0; movdqa %%xmm0, %%xmm1; movdqa %%xmm0, %%xmm5;"
                     "movdqa %%xmm0, %%xmm8; movdqa %%xmm0, %%xmm15; mov %2, %%eax; syscall;"
                     "movdqu %%xmm0, 0(%0); movdqu %%xmm1, 16(%0); movdqu %%xmm5, 32(%0);"
                     "movdqu %%xmm8, 48(%0); movdqu %%xmm15, 64(%0)"
                     :
                     : "r"(out), "m"(in), "i"(SYS_sched_yield)
                     : "rax", "rcx", "r11", "memory", "xmm0", "xmm1", "xmm5", "xmm8", "xmm15");
    for (int i = 0; i < 5; i++)
        CHECK(memcmp(out[i], in, 16) == 0);
}

__attribute__((target("avx2"))) static bool ymm_kept(void)
{
    static uint64_t in[4] = {1, 2, 3, 4}, out[4], out15[4];
    __asm__ volatile("vmovdqu %2, %%ymm0; vmovdqu %2, %%ymm15; mov %3, %%eax; syscall;"
                     "vmovdqu %%ymm0, %0; vmovdqu %%ymm15, %1"
                     : "=m"(out), "=m"(out15)
                     : "m"(in), "i"(SYS_sched_yield)
                     : "rax", "rcx", "r11", "xmm0", "xmm15");
    return memcmp(in, out, 32) == 0 && memcmp(in, out15, 32) == 0;
}

__attribute__((target("avx512f,avx512bw"))) static bool zmm_kept(void)
{
    static uint64_t in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[8], out31[8], k;
    __asm__ volatile("vmovdqu64 %3, %%zmm0; vmovdqu64 %3, %%zmm31; mov $0x55aa, %%eax;"
                     "kmovq %%rax, %%k5; mov %4, %%eax; syscall;"
                     "vmovdqu64 %%zmm0, %0; vmovdqu64 %%zmm31, %1; kmovq %%k5, %2"
                     : "=m"(out), "=m"(out31), "=m"(k)
                     : "m"(in), "i"(SYS_sched_yield)
                     : "rax", "rcx", "r11", "xmm0", "xmm31", "k5");
    return memcmp(in, out, 64) == 0 && memcmp(in, out31, 64) == 0 && k == 0x55aa;
}

TEST_CASE(wide_registers)
{
    if (__builtin_cpu_supports("avx2"))
        CHECK(ymm_kept());
    if (__builtin_cpu_supports("avx512bw"))
        CHECK(zmm_kept());
}

static void *yield_with_vectors(void *arg)
{
    for (int i = 0; i < 300; i++) {
        if (__builtin_cpu_supports("avx2"))
            CHECK(ymm_kept());
        if (__builtin_cpu_supports("avx512bw"))
            CHECK(zmm_kept());
    }
    return arg;
}

TEST_CASE(wide_registers_over_switches)
{
    pthread_t t[6];
    for (int i = 0; i < 6; i++)
        ZERO(pthread_create(&t[i], NULL, yield_with_vectors, NULL));
    for (int i = 0; i < 6; i++)
        ZERO(pthread_join(t[i], NULL));
}

TEST_CASE(control_words)
{
    unsigned csr = 0x7f80, got = 0; /* round to zero */
    unsigned short cw = 0x0f7f, got_cw = 0;
    __asm__ volatile("ldmxcsr %3; fldcw %4; mov %5, %%eax; syscall; stmxcsr %0; fnstcw %1;"
                     "movl $0x1f80, %2; ldmxcsr %2; fninit"
                     : "=m"(got), "=m"(got_cw), "+m"(csr)
                     : "m"(csr), "m"(cw), "i"(SYS_sched_yield)
                     : "rax", "rcx", "r11");
    CHECK_EQ(got & 0xffc0, 0x7f80);
    CHECK_EQ(got_cw, 0x0f7f);
}

TEST_CASE(red_zone)
{
    uint64_t ok;
    __asm__ volatile("movq $0x1357, -8(%%rsp); movq $0x2468, -128(%%rsp); mov %1, %%eax; syscall;"
                     "mov -8(%%rsp), %%rcx; xor $0x1357, %%rcx; mov -128(%%rsp), %0;"
                     "xor $0x2468, %0; or %%rcx, %0"
                     : "=&r"(ok)
                     : "i"(SYS_getppid)
                     : "rax", "rcx", "r11", "memory", "cc");
    CHECK_EQ(ok, 0);
}

/* Code that no one could have patched when the file was mapped. */
TEST_CASE(generated_code)
{
    static const unsigned char code[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3}; /* getpid */
    unsigned char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    memcpy(p, code, sizeof code);
    OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
    long (*fn)(void);
    memcpy(&fn, &p, sizeof fn);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(fn(), getpid());
    OK(munmap(p, PAGE));
}

TEST_CASE(code_written_while_executable)
{
    static const unsigned char code[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};
    unsigned char *p =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SKIP_IF(p == MAP_FAILED && in_libos(), "no writable and executable memory");
    CHECK(p != MAP_FAILED);
    long (*fn)(void);
    memcpy(&fn, &p, sizeof fn);
    for (int at = 0; at < 5; at++) {
        memset(p, 0x90, 64);
        memcpy(p + at * 7, code, sizeof code);
        CHECK_EQ(fn(), getpid());
    }
    p[1 + 28] = 110; /* getppid */
    CHECK_EQ(fn(), getppid());
    OK(munmap(p, PAGE));
}

/* The syscall straddles two pages, the second is written later. */
TEST_CASE(across_a_page)
{
    unsigned char *p =
        mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    memcpy(p + PAGE - 6, "\xb8\x27\0\0\0\x0f\x05\xc3", 8);
    OK(mprotect(p, 2 * PAGE, PROT_READ | PROT_EXEC));
    unsigned char *start = p + PAGE - 6;
    long (*fn)(void);
    memcpy(&fn, &start, sizeof fn);
    CHECK_EQ(fn(), getpid());
    OK(munmap(p, 2 * PAGE));
}

/* Jumping to the syscall instruction itself, and falling into it: both must work. */
TEST_CASE(site_as_a_jump_target)
{
    for (int jump = 0; jump < 2; jump++) {
        long r = 0;
        __asm__ volatile("mov %1, %%eax\n\ttest %2, %2\n\tjz 1f\n\tjmp 2f\n\t1: nop\n\t"
                         "2: syscall\n\tjmp 3f\n\tnop\n\tnop\n\t3: mov %%rax, %0"
                         : "=r"(r)
                         : "i"(SYS_getpid), "r"(jump)
                         : "rax", "rcx", "r11", "memory", "cc");
        CHECK_EQ(r, getpid());
    }
}

/* The bytes 0f 05 inside another instruction must stay what they are. */
TEST_CASE(bytes_inside_an_immediate)
{
    uint64_t v;
    __asm__ volatile("movabs $0x9090050f9090050f, %0" : "=r"(v));
    CHECK_EQ(v, 0x9090050f9090050f);
}

TEST_CASE(back_to_back)
{
    long a, b;
    __asm__ volatile("mov %2, %%eax\n\tsyscall\n\tmov %%rax, %0\n\tmov %2, %%eax\n\tsyscall\n\t"
                     "mov %%rax, %1"
                     : "=&r"(a), "=&r"(b)
                     : "i"(SYS_getpid)
                     : "rax", "rcx", "r11", "memory");
    CHECK(a == getpid() && b == getpid());
}

TEST_CASE(arch_prctl)
{
    unsigned long fs = 0;
    OK(syscall(SYS_arch_prctl, 0x1003, &fs));
    CHECK(fs != 0);
    CHECK_EQ(*(unsigned long *) fs, fs); /* the thread pointer points at itself */
    CHECK_ERR(syscall(SYS_arch_prctl, 0x9999, 0), EINVAL);
    CHECK_ERR(syscall(SYS_arch_prctl, 0x1003, 8L), EFAULT);
}

TEST_CASE(set_tid_address)
{
    int dummy;
    CHECK_EQ(syscall(SYS_set_tid_address, &dummy), syscall(SYS_gettid));
    static int forever;
    CHECK_EQ(syscall(SYS_set_tid_address, &forever), syscall(SYS_gettid));
}

/* Alignment checks are the program's own business: the kernel reads unaligned data as ever. */
TEST_CASE(alignment_check_flag)
{
    char path[64] = "x/proc/self/stat", buf[9];
    int fd = (int) OK(open(path + 1, O_RDONLY));
    long n;
    __asm__ volatile(
        "pushfq; orq $0x40000, (%%rsp); popfq; syscall; pushfq; andq $~0x40000, (%%rsp); popfq"
        : "=a"(n)
        : "a"(SYS_read), "D"((long) fd), "S"(buf + 1), "d"(7L)
        : "rcx", "r11", "memory", "cc");
    CHECK_EQ(n, 7);
    close(fd);
}
