/* The kernel's scheduler, wait queues, futexes and turns on vCPUs of a test: the real sources, run under
 * explore.c, which enumerates how vCPUs interleave. scenarios.c says what they do. */
#ifndef TEST_VCPUS_VCPUS_H
#define TEST_VCPUS_VCPUS_H
#include "libos/arch/vcpu.h"
#include "libos/base/list.h"
#include "libos/task/thread.h"

struct scenario {
    const char *name;
    unsigned vcpus;
    unsigned preemptions;   /* at most so many switches that nothing forced */
    void (*setup)(void);    /* on vCPU 0 before any other starts */
    bool (*finished)(void); /* asked when all vCPUs are idle for good */
};
extern const struct scenario scenarios[];
extern const size_t scenario_count;

noreturn_fn void fail(const char *what); /* this execution is wrong */
void *test_alloc(size_t size);           /* zeroed; gone with the execution */
void time_goes_to(int64_t ns);           /* the clock */
void step(void);                         /* a place where another vCPU may come first */

/* A kernel thread of proc (or NULL) on the vCPUs of mask. */
struct thread *start(void (*fn)(void *arg), void *arg, struct process *proc, uint64_t mask);
/* User memory is memory of the test, seen in the window that processes share. */
#define WORD(p)          UADDR(SHARED_BASE + ((uintptr_t) (p) -TEST_MEMORY))
#define TEST_MEMORY      0x600000000000ul
#define TEST_MEMORY_SIZE (16ul << 20)
#endif
