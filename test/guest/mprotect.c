/* Protection is enforced: every right for itself, split areas, system calls, executing. */
#include "guest_fault.h"
#include <sys/mman.h>

static unsigned char *area(size_t pages)
{
    unsigned char *p =
        mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    memset(p, 0xc3, pages * PAGE); /* ret */
    return p;
}

TEST_CASE(read_only)
{
    unsigned char *p = area(3);
    OK(mprotect(p + PAGE, PAGE, PROT_READ));
    CHECK_EQ(fault_read(p + PAGE).sig, 0);
    CHECK_FAULT(fault_write(p + PAGE), SIGSEGV, SEGV_ACCERR, p + PAGE);
    CHECK_FAULT(fault_write(p + PAGE + 123), SIGSEGV, SEGV_ACCERR, p + PAGE + 123);
    CHECK_EQ(fault_write(p).sig, 0);
    CHECK_EQ(fault_write(p + 2 * PAGE).sig, 0);
    OK(mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE));
    CHECK_EQ(fault_write(p + PAGE).sig, 0);
    OK(munmap(p, 3 * PAGE));
}

TEST_CASE(none)
{
    unsigned char *p = area(1);
    p[9] = 77;
    OK(mprotect(p, PAGE, PROT_NONE));
    CHECK_FAULT(fault_read(p + 9), SIGSEGV, SEGV_ACCERR, p + 9);
    CHECK_FAULT(fault_write(p + 9), SIGSEGV, SEGV_ACCERR, p + 9);
    OK(mprotect(p, PAGE, PROT_READ));
    CHECK_EQ(p[9], 77); /* the contents stay */
    OK(munmap(p, PAGE));
}

TEST_CASE(data_is_not_executable)
{
    unsigned char *p = area(1), on_stack[16] = {0xc3};
    CHECK_FAULT(fault_call(p), SIGSEGV, SEGV_ACCERR, p);
    OK(mprotect(p, PAGE, PROT_READ));
    CHECK_FAULT(fault_call(p), SIGSEGV, SEGV_ACCERR, p);
    OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
    CHECK_EQ(fault_call(p).sig, 0);
    OK(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
    CHECK_FAULT(fault_call(p), SIGSEGV, SEGV_ACCERR, p);
    unsigned char *volatile s = on_stack;
    CHECK_FAULT(fault_call(s), SIGSEGV, SEGV_ACCERR, s);
    OK(munmap(p, PAGE));
}

TEST_CASE(code_made_at_run_time)
{
    unsigned char *p = area(1);
    for (int value = 1; value < 5; value++) {
        OK(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
        memcpy(p, "\xb8\0\0\0\0\xc3", 6);
        p[1] = (unsigned char) value;
        OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
        int (*fn)(void);
        memcpy(&fn, &p, sizeof fn);
        CHECK_EQ(fn(), value);
    }
    OK(munmap(p, PAGE));
}

TEST_CASE(own_text_is_not_writable)
{
    void *text;
    int (*fn)(int, char **) = main;
    memcpy(&text, &fn, sizeof text);
    CHECK_FAULT(fault_write(text), SIGSEGV, SEGV_ACCERR, text);
    static const char constant[] = "constant";
    CHECK_FAULT(fault_write(constant), SIGSEGV, SEGV_ACCERR, constant);
}

TEST_CASE(across_areas)
{
    unsigned char *p = area(9);
    OK(mprotect(p + 2 * PAGE, 2 * PAGE, PROT_READ));
    OK(mprotect(p + 5 * PAGE, 2 * PAGE, PROT_NONE));
    OK(mprotect(p + PAGE, 7 * PAGE, PROT_READ));
    for (int i = 0; i < 9; i++) {
        CHECK_EQ(fault_read(p + i * PAGE).sig, 0);
        CHECK_EQ(fault_write(p + i * PAGE).sig, i == 0 || i == 8 ? 0 : SIGSEGV);
    }
    OK(mprotect(p, 9 * PAGE, PROT_READ | PROT_WRITE));
    memset(p, 1, 9 * PAGE);
    OK(munmap(p, 9 * PAGE));
}

TEST_CASE(arguments)
{
    unsigned char *p = area(4);
    CHECK_ERR(syscall(SYS_mprotect, p + 1, PAGE, PROT_READ), EINVAL);
    OK(mprotect(p, 0, PROT_NONE));
    CHECK_EQ(fault_write(p).sig, 0);
    CHECK_ERR(mprotect(p, PAGE, 0x40), EINVAL);
    OK(mprotect(p, PAGE + 1, PROT_READ)); /* rounded up to two pages */
    CHECK_EQ(fault_write(p + 2 * PAGE - 1).sig, SIGSEGV);
    OK(munmap(p + 2 * PAGE, PAGE));
    CHECK_ERR(mprotect(p, 4 * PAGE, PROT_READ | PROT_WRITE), ENOMEM); /* a hole */
    CHECK_ERR(mprotect((void *) 0x10000, PAGE, PROT_READ), ENOMEM);
    OK(munmap(p, 4 * PAGE));
}

TEST_CASE(system_calls_respect_it)
{
    unsigned char *p = area(2);
    int zero = (int) OK(open("/dev/zero", O_RDONLY)), pipes[2];
    OK(pipe(pipes));
    OK(mprotect(p, PAGE, PROT_READ));
    CHECK_ERR(read(zero, p, 100), EFAULT);
    CHECK_EQ(p[0], 0xc3);
    CHECK_EQ(write(pipes[1], p, 10), 10);
    CHECK_ERR(pipe((int *) (void *) p), EFAULT);
    OK(mprotect(p, PAGE, PROT_NONE));
    CHECK_ERR(write(pipes[1], p, 10), EFAULT);
    CHECK_ERR(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, (void *) p), EFAULT);
    OK(munmap(p, 2 * PAGE));
    close(zero);
    close(pipes[0]);
    close(pipes[1]);
}

static void *hammer(void *arg)
{
    unsigned char *p = arg;
    for (int i = 0; i < 400; i++) {
        OK(mprotect(p, PAGE, i & 1 ? PROT_READ : PROT_NONE));
        OK(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
        p[i] = (unsigned char) i;
    }
    return NULL;
}

TEST_CASE(from_many_threads)
{
    unsigned char *p = area(8);
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        ZERO(pthread_create(&t[i], NULL, hammer, p + i * 2 * PAGE));
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(t[i], NULL));
    for (int i = 0; i < 4; i++)
        CHECK_EQ(p[i * 2 * PAGE + 255], 255);
    OK(munmap(p, 8 * PAGE));
}

TEST_CASE(fault_kills_without_handler)
{
    CHECK_EQ(child_wait(child_start("write_constant", NULL)), 128 + SIGSEGV);
}

CHILD(write_constant)
{
    unsigned char *p = area(1);
    OK(mprotect(p, PAGE, PROT_READ));
    *(volatile unsigned char *) p = 1;
    return 0;
}

/* More changes of permission than a host has mappings for: the limit is an error, and what is protected
 * stays so. */
TEST_CASE(in_many_pieces)
{
    size_t pages = 70000, i = 0;
    unsigned char *p = area(pages);
    while (i < pages && mprotect(p + i * PAGE, PAGE, PROT_READ) == 0)
        i += 2;
    CHECK(i > 60000 && i < pages);
    CHECK_ERR(mprotect(p + i * PAGE, PAGE, PROT_READ), ENOMEM);
    for (size_t k = 1; k < i; k += 2)
        p[k * PAGE] = (unsigned char) k;
    for (size_t k = 0; k + 1 < i; k += 1000) {
        CHECK_FAULT(fault_write(p + k * PAGE), SIGSEGV, SEGV_ACCERR, p + k * PAGE);
        CHECK_EQ(p[k * PAGE], 0xc3);
        CHECK_EQ(p[(k + 1) * PAGE], (unsigned char) (k + 1));
    }
    OK(munmap(p, pages * PAGE));
}

/* What the dynamic linker does for a library that wants an executable stack. */
TEST_CASE(grows_down)
{
    uint8_t deep[3 * PAGE];
    uintptr_t page = (uintptr_t) &deep[2 * PAGE] & ~(PAGE - 1);
    OK(mprotect((void *) page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN));
    static const uint8_t ret42[] = {0xb8, 42, 0, 0, 0, 0xc3};
    memcpy(deep, ret42, sizeof ret42); /* below the page that was named */
    int (*volatile code)(void);
    void *at = deep;
    memcpy((void *) &code, &at, sizeof at);
    CHECK_EQ(code(), 42);
    OK(mprotect((void *) page, PAGE, PROT_READ | PROT_WRITE | PROT_GROWSDOWN));
    void *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_ERR(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN), EINVAL);
    CHECK_ERR(mprotect(p, PAGE, PROT_READ | 0x04000000), EINVAL);
    munmap(p, PAGE);
    CHECK_ERR(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN), ENOMEM);
}
