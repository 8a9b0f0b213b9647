/* Entering, leaving, being interrupted: the TCS/SSA state machine and what survives it. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "host/sgx_sim/sim.h"
#include "test/unit/probe.h"
#include "test/unit/quiet.h"
#include "test/unit/test.h"

#define TICK_NS     200000
#define SPIN_ROUNDS 200000

TEST(enter_and_exit)
{
    struct probe p;
    probe_open(&p);
    struct command c = {.op = OP_ECHO, .arg = {41}};
    struct sgx_exit exit;
    sgx_sim_ops.enter(&p.thread, ENTER_RUN, (uint64_t) &c, &exit);
    assert_int_equal(exit.status, 0);
    assert_int_equal(exit.rdi, EXIT_HOSTCALL);
    assert_int_equal(exit.rsi, 42);
    for (unsigned i = 0; i < 100; i++) {
        c.arg[0] = i;
        probe_run(&p.thread, &c);
        assert_int_equal(c.result, i + 1);
    }
    probe_close(&p);
}

TEST(exceptions_delivered)
{
    static const struct {
        uint64_t op;
        unsigned vector, info, rip_offset;
    } cases[] = {
        {FAULT_UD2, 6, 0x80000306, 0},    {FAULT_INT3, 3, 0x80000603, 1},
        {FAULT_DIV, 0, 0x80000300, 4},    {FAULT_SYSCALL, 6, 0x80000306, 5},
        {FAULT_INT80, 6, 0x80000306, 5},  {FAULT_IN, 6, 0x80000306, 0},
        {FAULT_GP, 13, 0x8000030d, 0},    {FAULT_EENTER, 13, 0x8000030d, 0},
        {FAULT_SIMD, 19, 0x80000313, 19},
    };
    struct probe p;
    probe_open(&p);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct command c = {.op = OP_FAULT, .arg = {cases[i].op}};
        probe_run(&p.thread, &c);
        assert_int_equal(c.result, (uint64_t) -1);
        assert_int_equal(c.exceptions, 1);
        assert_int_equal(c.reason_vector, cases[i].vector);
        assert_int_equal(c.exit_info, cases[i].info);
        if (cases[i].op == FAULT_EENTER)
            assert_int_equal(c.rip, ENCLU_STUB);
        if (cases[i].vector == 13)
            assert_int_equal(c.maddr, 0);
    }
    probe_close(&p);
}

TEST(page_faults_delivered)
{
    struct probe p;
    probe_open(&p);
    struct command c = {.op = OP_READ, .arg = {KERNEL_HEAP + 0x123}};
    probe_run(&p.thread, &c);
    assert_int_equal(c.exit_info, 0x8000030e);
    assert_int_equal(c.maddr, KERNEL_HEAP + 0x123);
    assert_int_equal(c.errcd, SGX_PFEC_SGX | SGX_PFEC_P | SGX_PFEC_U);
    c = (struct command){.op = OP_WRITE, .arg = {KERNEL_STUB + 7}};
    probe_run(&p.thread, &c);
    assert_int_equal(c.maddr, KERNEL_STUB + 7);
    assert_int_equal(c.errcd, SGX_PFEC_SGX | SGX_PFEC_P | SGX_PFEC_U | SGX_PFEC_W);
    c = (struct command){.op = OP_JUMP, .arg = {p.scratch}};
    probe_run(&p.thread, &c);
    assert_int_equal(c.maddr, p.scratch);
    assert_int_equal(c.rip, p.scratch);
    assert_true(c.errcd & SGX_PFEC_I);
    /* the host's memory, where it faults, is an ordinary #PF */
    void *hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    c = (struct command){.op = OP_WRITE, .arg = {(uint64_t) hole}};
    probe_run(&p.thread, &c);
    assert_int_equal(c.maddr, (uint64_t) hole);
    assert_false(c.errcd & SGX_PFEC_SGX);
    munmap(hole, 4096);
    /* a TCS cannot be read, the page at zero is not there, non-canonical is #GP */
    assert_false(probe_reads(&p, KERNEL_VCPUS));
    assert_false(probe_reads(&p, 0x10));
    c = (struct command){.op = OP_READ, .arg = {1ul << 62}};
    probe_run(&p.thread, &c);
    assert_int_equal(c.reason_vector, 13);
    probe_close(&p);
}

/* A handler that faults gets the next frame; when all are taken the enclave is dead. */
TEST(nested_exceptions)
{
    struct probe p;
    probe_open(&p);
    struct command c = {.op = OP_FAULT, .arg = {FAULT_UD2}, .fault_in_handler = 2};
    probe_run(&p.thread, &c);
    assert_int_equal(c.exceptions, 2);
    assert_int_equal(c.depth, 2);
    c = (struct command){.op = OP_FAULT, .arg = {FAULT_UD2}, .fault_in_handler = 9};
    struct sgx_exit exit;
    sgx_sim_ops.enter(&p.thread, ENTER_RUN, (uint64_t) &c, &exit);
    assert_int_equal(exit.status, -EFAULT);
    assert_int_equal(exit.vector, 6);
    assert_int_equal(c.depth, VCPU_NSSA - 1);
    sgx_sim_ops.enter(&p.thread, ENTER_RUN, (uint64_t) &c, &exit); /* CSSA == NSSA stays */
    assert_int_equal(exit.status, -EFAULT);
    assert_int_equal(exit.vector, 13);
    probe_close(&p);
}

TEST(enclave_says_dead)
{
    struct probe p;
    probe_open(&p);
    struct command c = {.op = OP_FAULT, .arg = {FAULT_UD2}, .die = 1};
    struct sgx_exit exit;
    sgx_sim_ops.enter(&p.thread, ENTER_RUN, (uint64_t) &c, &exit);
    assert_int_equal(exit.status, 0);
    assert_int_equal(exit.rdi, EXIT_DEAD);
    probe_close(&p);
}

TEST(exit_elsewhere_refused)
{
    struct probe p;
    probe_open(&p);
    struct command c = {.op = OP_EXIT_TO, .arg = {0x1234}};
    struct sgx_exit exit;
    int quiet = quiet_begin();
    sgx_sim_ops.enter(&p.thread, ENTER_RUN, (uint64_t) &c, &exit);
    quiet_end(quiet);
    assert_int_equal(exit.status, -EFAULT);
    probe_close(&p);
}

/* EENTER's checks, each broken once in the TCS (through the alias: hardware would not let us). */
TEST(eenter_rules)
{
    static const struct {
        size_t offset;
        uint64_t value;
        size_t bytes;
        int vector;
    } cases[] = {
        {offsetof(struct sgx_tcs, flags), 4, 8, 13},
        {offsetof(struct sgx_tcs, flags), SGX_TCS_AEXNOTIFY, 8, 13},
        {offsetof(struct sgx_tcs, ossa), 8, 8, 13},
        {offsetof(struct sgx_tcs, ossa), KERNEL_STUB, 8, 14},
        {offsetof(struct sgx_tcs, ossa), ELRANGE_END, 8, 14},
        {offsetof(struct sgx_tcs, cssa), 3, 4, 13},
        {offsetof(struct sgx_tcs, nssa), 0, 4, 13},
        {offsetof(struct sgx_tcs, oentry), 1ul << 47, 8, 13},
        {offsetof(struct sgx_tcs, ofs_base), 0x10, 8, 13},
        {offsetof(struct sgx_tcs, ogs_base), 1ul << 50, 8, 13},
        {offsetof(struct sgx_tcs, state), 1, 8, 13},
    };
    struct probe p;
    probe_open(&p);
    struct sgx_tcs *tcs = (struct sgx_tcs *) alias_of(p.enclave, KERNEL_VCPUS), saved = *tcs;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy((uint8_t *) tcs + cases[i].offset, &cases[i].value, cases[i].bytes);
        struct command c = {.op = OP_ECHO};
        struct sgx_exit exit;
        sgx_sim_ops.enter(&p.thread, ENTER_RUN, (uint64_t) &c, &exit);
        if (exit.status != -EFAULT || exit.vector != cases[i].vector)
            fail_msg("case %zu: %d, vector %u", i, exit.status, exit.vector);
        *tcs = saved;
    }
    struct sim_thread *thread = p.thread.priv;
    assert_int_equal(tcs_eenter(thread, KERNEL_VCPUS + 8).vector, VECTOR_GP);
    assert_int_equal(tcs_eenter(thread, ELRANGE_END).vector, VECTOR_GP);
    assert_int_equal(tcs_eenter(thread, KERNEL_STUB).vector, VECTOR_PF);
    assert_int_equal(tcs_eenter(thread, KERNEL_HEAP).vector, VECTOR_PF);
    assert_int_equal(tcs_eresume(thread, KERNEL_VCPUS).vector, VECTOR_GP); /* CSSA is 0 */
    assert_int_equal(tcs_eenter(thread, KERNEL_VCPUS).vector, 0);
    assert_int_equal(tcs_eenter(thread, KERNEL_VCPUS).vector, VECTOR_GP); /* taken */
    assert_int_equal(tcs_edeccssa(thread).vector, VECTOR_GP);             /* no frame to leave */
    tcs->cssa = 2;
    assert_int_equal(tcs_edeccssa(thread).vector, 0);
    assert_int_equal(tcs->cssa, 1);
    *tcs = saved;
    probe_close(&p);
}

/* ERESUME refuses frames that XRSTOR or the address rules would fault on, and leaves the TCS
 * free. */
TEST(eresume_rules)
{
    struct probe p;
    probe_open(&p);
    struct sim_thread *thread = p.thread.priv;
    struct sgx_tcs *tcs = (struct sgx_tcs *) alias_of(p.enclave, KERNEL_VCPUS);
    uint8_t *frame = alias_of(p.enclave, KERNEL_VCPUS + VCPU_SSA);
    static const struct {
        size_t offset;
        uint8_t value;
    } cases[] = {
        {512 + 7, 0x80},
        {512 + 8, 1},
        {512 + 23, 1},
        {24 + 3, 1},
        {4096 - 184 + 136 + 7, 0x10},
        {4096 - 184 + 168 + 7, 0x10},
        {4096 - 184 + 176 + 6, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(frame, 0, 4096);
        tcs->cssa = 1;
        frame[cases[i].offset] = cases[i].value;
        if (tcs_eresume(thread, KERNEL_VCPUS).vector != VECTOR_GP)
            fail_msg("case %zu", i);
        assert_int_equal(tcs->state, 0);
        assert_int_equal(tcs->cssa, 1);
    }
    memset(frame, 0, 4096);
    assert_int_equal(tcs_eresume(thread, KERNEL_VCPUS).vector, 0);
    assert_int_equal(tcs->cssa, 0);
    tcs->state = 0;
    probe_close(&p);
}

static timer_t start_ticks(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    struct itimerspec every = {{0, TICK_NS}, {0, TICK_NS}};
    timer_t timer;
    event._sigev_un._tid = (pid_t) syscall(SYS_gettid);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &every, NULL), 0);
    return timer;
}

/* Spins with a pattern in every register until it was interrupted often enough. */
static void spin_under_ticks(struct sgx_thread *thread, bool wide, uint64_t want_ticks)
{
    timer_t timer = start_ticks();
    uint64_t damaged = 0, ticks = 0;
    for (unsigned i = 0; i < 20000 && ticks < want_ticks; i++) {
        struct command c = {.op = OP_SPIN, .arg = {SPIN_ROUNDS, wide}};
        probe_run(thread, &c);
        damaged += c.result;
        ticks += c.ticks;
    }
    timer_delete(timer);
    assert_int_equal(damaged, 0);
    assert_true(ticks >= want_ticks);
}

static bool has_avx512(const struct sgx_enclave *enclave)
{
    return (enclave->secs.attributes.xfrm & SGX_XFRM_AVX512) == SGX_XFRM_AVX512;
}

TEST(registers_survive_ticks)
{
    struct probe p;
    probe_open(&p);
    spin_under_ticks(&p.thread, has_avx512(p.enclave), 500);
    probe_close(&p);
}

/* Entries, exits, leaves and faults under the same timer: signals hit every crossing. */
TEST(crossings_survive_ticks)
{
    struct probe p;
    probe_open(&p);
    timer_t timer = start_ticks();
    unsigned rounds = p.enclave->strict ? 3000 : 60000;
    for (unsigned i = 0; i < rounds; i++) {
        struct command c = {.op = OP_ECHO, .arg = {i}};
        probe_run(&p.thread, &c);
        assert_int_equal(c.result, i + 1);
        if (i % 16 == 0) {
            c = (struct command){.op = OP_FAULT, .arg = {i / 16 % 9}};
            probe_run(&p.thread, &c);
            assert_int_equal(c.exceptions, 1);
        }
        if (i % 8 == 1)
            assert_int_equal(
                probe_accept(&p, SGX_SECINFO_REG | SGX_SECINFO_R | SGX_SECINFO_PR, KERNEL_STUB),
                SGX_PAGE_ATTRIBUTES_MISMATCH);
    }
    timer_delete(timer);
    probe_close(&p);
}

TEST(vectors_survive_leaves)
{
    struct probe p;
    probe_open(&p);
    struct sgx_secinfo secinfo = {.flags = SGX_SECINFO_REG | SGX_SECINFO_R | SGX_SECINFO_W |
                                           SGX_SECINFO_PENDING};
    struct sgx_keyrequest request = {.key_name = SGX_KEY_SEAL};
    uint64_t operand = probe_put(&p, 0, &secinfo, sizeof secinfo);
    uint64_t key_request = probe_put(&p, 512, &request, sizeof request);
    for (uint64_t i = 0; i < 20; i++) {
        struct command c = {.op = OP_LEAF_KEEPS,
                            .arg = {SGX_EACCEPT, operand, KERNEL_HEAP + i * 4096}};
        probe_run(&p.thread, &c);
        assert_int_equal(c.arg[0], 0);
        assert_int_equal(c.result, 0);
        c = (struct command){.op = OP_LEAF_KEEPS,
                             .arg = {SGX_EGETKEY, key_request, p.scratch + 1024}};
        probe_run(&p.thread, &c);
        assert_int_equal(c.arg[0], 0);
        assert_int_equal(c.result, 0);
    }
    probe_close(&p);
}

/* A leaf must find its thread even when the enclave moved its GS base. */
TEST(leaf_with_foreign_gs)
{
    struct probe p;
    probe_open(&p);
    struct sgx_secinfo secinfo = {.flags = SGX_SECINFO_REG | SGX_SECINFO_R | SGX_SECINFO_W |
                                           SGX_SECINFO_PENDING};
    uint64_t operand = probe_put(&p, 0, &secinfo, sizeof secinfo);
    for (uint64_t i = 1; i < 4; i++) {
        struct command c = {.op = OP_GS,
                            .arg = {i * 0x11000, SGX_EACCEPT, operand, KERNEL_HEAP + i * 4096}};
        probe_run(&p.thread, &c);
        assert_int_equal(c.exceptions, 0);
        assert_int_equal(c.arg[1], 0);
        assert_true(probe_writes(&p, KERNEL_HEAP + i * 4096));
    }
    probe_close(&p);
}

struct worker {
    struct sgx_thread thread;
    unsigned index;
    uint64_t bad, busy;
};

/* Commits its own range, page by page and in batches, and spins under ticks meanwhile. */
static void *work(void *argument)
{
    struct worker *w = argument;
    struct sgx_secinfo secinfo = {.flags = SGX_SECINFO_REG | SGX_SECINFO_R | SGX_SECINFO_W |
                                           SGX_SECINFO_PENDING};
    if (sgx_sim_ops.thread_init(&w->thread) != 0) {
        w->bad++;
        return NULL;
    }
    struct command c = {.op = OP_SCRATCH};
    struct sgx_exit exit;
    sgx_sim_ops.enter(&w->thread, ENTER_RUN, (uint64_t) &c, &exit);
    uint64_t operand = c.result + w->index * 64, heap = KERNEL_HEAP + w->index * (1ul << 28);
    c = (struct command){.op = OP_COPY_IN, .arg = {operand, (uint64_t) &secinfo, sizeof secinfo}};
    sgx_sim_ops.enter(&w->thread, ENTER_RUN, (uint64_t) &c, &exit);
    timer_t timer = start_ticks();
    for (unsigned i = 0; i < 200; i++) {
        c = (struct command){.op = OP_PAGES, .arg = {SGX_EACCEPT, operand, heap + i * 0x8000, 8}};
        sgx_sim_ops.enter(&w->thread, ENTER_RUN, (uint64_t) &c, &exit);
        w->bad += exit.status || c.arg[0] || c.exceptions;
        c = (struct command){.op = OP_WRITE, .arg = {heap + i * 0x8000 + 0x7000}};
        sgx_sim_ops.enter(&w->thread, ENTER_RUN, (uint64_t) &c, &exit);
        w->bad += exit.status || c.exceptions;
        c = (struct command){.op = OP_SPIN, .arg = {20000}};
        sgx_sim_ops.enter(&w->thread, ENTER_RUN, (uint64_t) &c, &exit);
        w->bad += exit.status || c.result;
    }
    timer_delete(timer);
    sgx_sim_ops.thread_fini(&w->thread);
    return NULL;
}

TEST(threads_on_their_own_tcs)
{
    struct worker workers[PROBE_VCPUS - 1];
    pthread_t threads[PROBE_VCPUS - 1];
    struct probe p;
    probe_open(&p);
    for (unsigned i = 0; i < PROBE_VCPUS - 1; i++) {
        workers[i] = (struct worker){.index = i};
        workers[i].thread.enclave = p.enclave;
        workers[i].thread.tcs = KERNEL_VCPUS + (i + 1) * VCPU_SLOT_SIZE;
        pthread_create(&threads[i], NULL, work, &workers[i]);
    }
    for (unsigned i = 0; i < PROBE_VCPUS - 1; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].bad, 0);
    }
    probe_close(&p);
}

/* What the enclave leaves in the x87 unit must not hit the host. */
TEST(exit_with_pending_x87_exception)
{
    struct probe p;
    probe_open(&p);
    struct command c = {.op = OP_X87};
    probe_run(&p.thread, &c);
    assert_int_equal(c.exceptions, 0);
    volatile long double third = 1;
    third /= 3;
    assert_true(third > 0.333L && third < 0.334L);
    probe_close(&p);
}

/* Two threads on one TCS: one is refused while the other is inside, never both admitted. */
static void *contend(void *argument)
{
    struct worker *w = argument;
    if (sgx_sim_ops.thread_init(&w->thread) != 0)
        return NULL;
    for (unsigned i = 0; i < 2000; i++) {
        struct command c = {.op = OP_SPIN, .arg = {1000}};
        struct sgx_exit exit;
        sgx_sim_ops.enter(&w->thread, ENTER_RUN, (uint64_t) &c, &exit);
        if (exit.status == 0)
            w->bad += c.result != 0;
        else
            w->busy += exit.vector == 13;
    }
    sgx_sim_ops.thread_fini(&w->thread);
    return NULL;
}

TEST(one_tcs_contended)
{
    struct worker workers[2];
    pthread_t threads[2];
    struct probe p;
    probe_open(&p);
    for (unsigned i = 0; i < 2; i++) {
        workers[i] = (struct worker){.index = i};
        workers[i].thread.enclave = p.enclave;
        workers[i].thread.tcs = KERNEL_VCPUS + VCPU_SLOT_SIZE;
        pthread_create(&threads[i], NULL, contend, &workers[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].bad, 0);
    }
    probe_close(&p);
}
