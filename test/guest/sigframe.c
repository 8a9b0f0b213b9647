/* What a signal frame holds and how alternate stacks behave: the vector state and its markers, nesting,
 * leaving by siglongjmp, SS_AUTODISARM, a stack that is too small. */
#include "guest_test.h"
#include <immintrin.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif
#define MAGIC1      0x46505853u
#define MAGIC2      0x46505845u
#define SW_RESERVED 464 /* offset in the image: magic1, size with magic2, features, size */
#define XSTATE_BV   512
#define FEATURE_YMM 4ull
#define YMM_OFFSET  576 /* upper halves, standard format */
#define STACK_SIZE  65536

static void install(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
    struct sigaction act = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags};
    sigemptyset(&act.sa_mask);
    OK(sigaction(sig, &act, NULL));
}

/* ---- vector state ----------------------------------------------------------------------------- */
static uint32_t word_at(const void *p, size_t offset)
{
    uint32_t v;
    memcpy(&v, (const char *) p + offset, sizeof v);
    return v;
}

static volatile uint32_t seen_magic1, seen_magic2, seen_size, seen_extended;
static volatile uint64_t seen_features, seen_bv;
static volatile size_t seen_alignment;

static void look_at_image(int sig, siginfo_t *info, void *context)
{
    (void) sig;
    (void) info;
    const char *fp = (const char *) ((ucontext_t *) context)->uc_mcontext.fpregs;
    seen_alignment = (uintptr_t) fp % 64;
    seen_magic1 = word_at(fp, SW_RESERVED);
    seen_extended = word_at(fp, SW_RESERVED + 4);
    seen_features = word_at(fp, SW_RESERVED + 8) | (uint64_t) word_at(fp, SW_RESERVED + 12) << 32;
    seen_size = word_at(fp, SW_RESERVED + 16);
    seen_bv = word_at(fp, XSTATE_BV) | (uint64_t) word_at(fp, XSTATE_BV + 4) << 32;
    seen_magic2 = word_at(fp, seen_size);
}

TEST_CASE(image_has_its_markers)
{
    install(SIGUSR1, look_at_image, 0);
    raise(SIGUSR1);
    CHECK_EQ(seen_alignment, 0);
    CHECK_EQ(seen_magic1, MAGIC1);
    CHECK_EQ(seen_magic2, MAGIC2);
    CHECK_EQ(seen_extended, seen_size + 4);
    CHECK((seen_features & 3) == 3);
    CHECK((seen_bv & ~seen_features) == 0);
    CHECK(seen_size >= 576);
}

__attribute__((target("avx"))) static void fill_ymm(unsigned char v)
{
    __asm__ volatile("vmovd %0, %%xmm7\n\tvpshufd $0, %%xmm7, %%xmm7\n\t"
                     "vinsertf128 $1, %%xmm7, %%ymm7, %%ymm7" ::"r"(v * 0x01010101u)
                     : "xmm7");
}

static void spoil_vectors(int sig, siginfo_t *info, void *context)
{
    (void) sig;
    (void) info;
    (void) context;
    fill_ymm(0xee);
}

/* Writes 0x77 into the saved upper half of ymm7 and 0x66 into the lower. */
static void edit_vectors(int sig, siginfo_t *info, void *context)
{
    (void) sig;
    (void) info;
    char *fp = (char *) ((ucontext_t *) context)->uc_mcontext.fpregs;
    memset(fp + 160 + 7 * 16, 0x66, 16);
    memset(fp + YMM_OFFSET + 7 * 16, 0x77, 16);
    fill_ymm(0xee);
}

__attribute__((target("avx"))) static void signal_with_ymm(unsigned char out[32])
{
    long r;
    __asm__ volatile("vmovd %[v], %%xmm7\n\tvpshufd $0, %%xmm7, %%xmm7\n\t"
                     "vinsertf128 $1, %%xmm7, %%ymm7, %%ymm7\n\t"
                     "syscall\n\tvmovdqu %%ymm7, (%[out])"
                     : "=a"(r)
                     : "a"(SYS_tkill), "D"(syscall(SYS_gettid)),
                       "S"(SIGUSR1), [v] "r"(0x11111111), [out] "r"(out)
                     : "rcx", "r11", "xmm7", "memory");
    CHECK_EQ(r, 0);
}

static bool all_are(const unsigned char *p, size_t n, unsigned char v)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != v)
            return false;
    return true;
}

TEST_CASE(vectors_come_back)
{
    if (!__builtin_cpu_supports("avx"))
        SKIP("no AVX");
    unsigned char out[32];
    install(SIGUSR1, spoil_vectors, 0);
    signal_with_ymm(out);
    CHECK(all_are(out, 32, 0x11));
}

TEST_CASE(vectors_can_be_edited)
{
    if (!__builtin_cpu_supports("avx"))
        SKIP("no AVX");
    unsigned char out[32];
    install(SIGUSR1, edit_vectors, 0);
    signal_with_ymm(out);
    CHECK(all_are(out, 16, 0x66));
    CHECK(all_are(out + 16, 16, 0x77));
}

/* ---- nesting ---------------------------------------------------------------------------------- */
static volatile int depth, deepest, order[16], order_count;

static void nest(int sig, siginfo_t *info, void *context)
{
    (void) info;
    (void) context;
    depth++;
    deepest = depth > deepest ? depth : deepest;
    order[order_count++] = sig;
    if (sig < SIGRTMIN + 3)
        raise(sig + 1);
    order[order_count++] = -sig;
    depth--;
}

TEST_CASE(handlers_nest)
{
    depth = deepest = order_count = 0;
    for (int i = 0; i < 4; i++)
        install(SIGRTMIN + i, nest, i % 2 ? SA_ONSTACK : 0);
    raise(SIGRTMIN);
    CHECK_EQ(deepest, 4);
    CHECK_EQ(order_count, 8);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(order[i], SIGRTMIN + i);
        CHECK_EQ(order[4 + i], -(SIGRTMIN + 3 - i));
    }
}

static void again(int sig, siginfo_t *info, void *context)
{
    (void) info;
    (void) context;
    if (++depth < 50)
        raise(sig);
}

TEST_CASE(nodefer_nests_in_itself)
{
    depth = 0;
    install(SIGUSR1, again, SA_NODEFER);
    raise(SIGUSR1);
    CHECK_EQ(depth, 50);
}

static sigjmp_buf out_of_it;

static void jump(int sig, siginfo_t *info, void *context)
{
    (void) sig;
    (void) info;
    (void) context;
    siglongjmp(out_of_it, 1);
}

/* ---- alternate stacks ------------------------------------------------------------------------- */
static char *alternate;

static void use_alternate(unsigned flags)
{
    if (!alternate)
        alternate = malloc(STACK_SIZE);
    stack_t s = {.ss_sp = alternate, .ss_size = STACK_SIZE, .ss_flags = (int) flags};
    OK(sigaltstack(&s, NULL));
}

static void no_alternate(void)
{
    stack_t s = {.ss_flags = SS_DISABLE};
    OK(sigaltstack(&s, NULL));
}

TEST_CASE(jumping_off_the_alternate_stack)
{
    use_alternate(0);
    install(SIGUSR1, jump, SA_ONSTACK);
    for (volatile int i = 0; i < 100; i++)
        if (sigsetjmp(out_of_it, 1) == 0)
            raise(SIGUSR1);
    stack_t now;
    OK(sigaltstack(NULL, &now));
    CHECK_EQ(now.ss_flags, 0); /* not on it any more */
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    CHECK(!sigismember(&mask, SIGUSR1));
    no_alternate();
}

static volatile stack_t inside_stack, frame_stack;
static volatile int change_error;
static volatile bool was_on_it;

static void look_at_stack(int sig, siginfo_t *info, void *context)
{
    (void) sig;
    (void) info;
    char here;
    stack_t other = {.ss_sp = alternate, .ss_size = STACK_SIZE / 2};
    was_on_it = &here > alternate && &here < alternate + STACK_SIZE;
    stack_t now;
    sigaltstack(NULL, &now);
    inside_stack = now;
    change_error = sigaltstack(&other, NULL) == 0 ? 0 : errno;
    frame_stack = ((ucontext_t *) context)->uc_stack;
}

TEST_CASE(busy_alternate_stack)
{
    use_alternate(0);
    install(SIGUSR1, look_at_stack, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(was_on_it);
    CHECK_EQ(inside_stack.ss_flags, SS_ONSTACK);
    CHECK_EQ(change_error, EPERM);
    CHECK(frame_stack.ss_sp == alternate);
    CHECK_EQ(frame_stack.ss_size, STACK_SIZE);
    no_alternate();
}

TEST_CASE(autodisarm)
{
    stack_t now;
    use_alternate(SS_AUTODISARM);
    install(SIGUSR1, look_at_stack, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(was_on_it);
    CHECK_EQ(inside_stack.ss_flags, SS_DISABLE); /* disarmed while the handler runs, */
    CHECK_EQ(change_error, 0);                   /* so it may be changed, */
    OK(sigaltstack(NULL, &now));
    CHECK(now.ss_sp == alternate); /* and the frame brings the old one back */
    CHECK_EQ(now.ss_size, STACK_SIZE);
    CHECK_EQ((unsigned) now.ss_flags, SS_AUTODISARM);
    no_alternate();
}

TEST_CASE(wrong_alternate_stacks)
{
    stack_t s = {.ss_sp = alternate, .ss_size = 1000};
    CHECK_ERR(sigaltstack(&s, NULL), ENOMEM);
    s = (stack_t){.ss_sp = alternate, .ss_size = STACK_SIZE, .ss_flags = 0x100};
    CHECK_ERR(sigaltstack(&s, NULL), EINVAL);
    CHECK_ERR(syscall(SYS_sigaltstack, 1, NULL), EFAULT);
}

static void empty(int sig, siginfo_t *info, void *context)
{
    (void) sig;
    (void) info;
    (void) context;
}

/* A handler whose alternate stack is not there: SIGSEGV, which has none to run on either. */
CHILD(no_room)
{
    char *p = mmap(NULL, STACK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t s = {.ss_sp = p, .ss_size = STACK_SIZE};
    sigaltstack(&s, NULL);
    install(SIGUSR1, empty, SA_ONSTACK);
    install(SIGSEGV, empty, SA_ONSTACK);
    raise(SIGUSR1);
    return 0;
}

TEST_CASE(stack_that_is_not_there)
{
    CHECK_EQ(child_wait(child_start("no_room", NULL)), 128 + SIGSEGV);
}

/* ---- order ------------------------------------------------------------------------------------ */
static volatile int values[64];

static void note_value(int sig, siginfo_t *info, void *context)
{
    (void) context;
    values[order_count++] = sig * 100 + info->si_value.sival_int;
}

/* Real-time signals by number, then in the order sent; each once per sending. */
TEST_CASE(queue_order)
{
    sigset_t set;
    int a = SIGRTMIN + 1, b = SIGRTMIN + 2;
    order_count = 0;
    sigemptyset(&set);
    sigaddset(&set, a);
    sigaddset(&set, b);
    install(a, note_value, 0);
    install(b, note_value, 0);
    struct sigaction act;
    for (int s = a; s <= b; s++) { /* one handler at a time */
        sigaction(s, NULL, &act);
        act.sa_mask = set;
        sigaction(s, &act, NULL);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 10; i++) {
        OK(sigqueue(getpid(), b, (union sigval){.sival_int = i}));
        OK(sigqueue(getpid(), a, (union sigval){.sival_int = i}));
    }
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK_EQ(order_count, 20);
    for (int i = 0; i < 10; i++) {
        int want_a = a * 100 + i, want_b = b * 100 + i;
        CHECK_EQ(values[i], want_a);
        CHECK_EQ(values[10 + i], want_b);
    }
}

/* ---- a busy loop ------------------------------------------------------------------------------ */
CHILD(spin)
{
    (void) !write(1, "x", 1);
    for (volatile bool on = true; on;)
        ;
    return 0;
}

TEST_CASE(kill_reaches_a_busy_loop)
{
    for (int i = 0; i < 5; i++) {
        int p[2], saved = (int) OK(dup(1));
        char c;
        OK(pipe(p));
        fflush(stdout);
        OK(dup2(p[1], 1));
        pid_t pid = child_start("spin", NULL);
        OK(dup2(saved, 1));
        close(saved);
        CHECK_EQ(read(p[0], &c, 1), 1);
        close(p[0]);
        close(p[1]);
        OK(kill(pid, SIGKILL));
        CHECK_EQ(child_wait(pid), 128 + SIGKILL);
    }
}
