/* Pages: what EADD and EEXTEND accept, and every transition of the SGX2 page states, asked for
 * by the driver calls from outside and by ENCLU from inside. */
#include <errno.h>
#include <string.h>
#include "host/sgx_sim/sim.h"
#include "test/unit/probe.h"
#include "test/unit/test.h"

#define R    SGX_SECINFO_R
#define W    SGX_SECINFO_W
#define X    SGX_SECINFO_X
#define REG  SGX_SECINFO_REG
#define PEND SGX_SECINFO_PENDING
#define MOD  SGX_SECINFO_MODIFIED
#define PR   SGX_SECINFO_PR
#define HEAP KERNEL_HEAP
#define GP   (PROBE_FAULT + 13)
#define PF   (PROBE_FAULT + 14)

TEST(eadd_rules)
{
    static uint8_t page[SGX_PAGE_SIZE] __attribute__((aligned(4096)));
    static const struct {
        uint64_t offset, length, flags;
        size_t dirty;
        int result;
    } cases[] = {
        {0x10000, 4096, REG | R | W, 0, 0},
        {0x10000, 4096, REG | R, 0, -EBUSY},
        {0x20000, 8192, REG | R, 0, -EINVAL}, /* dirty source address, see below */
        {0x11000, 4096, REG | W, 0, -EINVAL},
        {0x11000, 4096, REG | R | PEND, 0, -EINVAL},
        {0x11000, 4096, SGX_SECINFO_TRIM, 0, -EINVAL},
        {0x11000, 4096, SGX_SECINFO_TCS | R, 0, -EINVAL},
        {0x11000, 0, REG | R, 0, -EINVAL},
        {0x11000, 100, REG | R, 0, -EINVAL},
        {0x11001, 4096, REG | R, 0, -EINVAL},
        {0x100000, 4096, REG | R, 0, -EINVAL},
        {0xff000, 8192, REG | R, 0, -EINVAL},
        {~0xffful, 4096, REG | R, 0, -EINVAL},
        {0x12000, 4096, SGX_SECINFO_TCS, 0, 0},
        {0x13000, 4096, SGX_SECINFO_TCS, 88, -EIO},
        {0x13000, 4096, SGX_SECINFO_TCS, 4095, -EIO},
        {0x13000, 4096, SGX_SECINFO_TCS, 80, -EIO},
        {0x13000, 4096, SGX_SECINFO_TCS, 24, 0}, /* CSSA: cleared, not refused */
    };
    struct sgx_secs secs = {.size = 1 << 20, .ssa_frame_size = 1, .attributes = {4, 3}};
    struct sgx_enclave *enclave;
    assert_int_equal(sgx_sim_ops.open(&enclave), 0);
    assert_int_equal(sgx_sim_ops.create(enclave, &secs), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sgx_secinfo secinfo = {.flags = cases[i].flags};
        memset(page, 0, sizeof page);
        page[cases[i].dirty] = cases[i].dirty != 0;
        int r = sgx_sim_ops.add_pages(enclave, page + (i == 2), cases[i].offset, cases[i].length,
                                      &secinfo, true);
        if (r != cases[i].result)
            fail_msg("case %zu: %d", i, r);
    }
    assert_int_equal(((struct sgx_tcs *) alias_of(enclave, 0x13000))->cssa, 0);
    struct sgx_secinfo bad = {.flags = REG | R, .reserved = {[55] = 1}};
    assert_int_equal(sgx_sim_ops.add_pages(enclave, page, 0x14000, 4096, &bad, true), -EINVAL);
    sgx_sim_ops.close(enclave);
}

TEST(eextend_rules)
{
    struct sgx_secs secs = {.size = 1 << 20, .ssa_frame_size = 1, .attributes = {4, 3}};
    struct sgx_enclave *enclave;
    assert_int_equal(sgx_sim_ops.open(&enclave), 0);
    assert_int_equal(sgx_sim_ops.create(enclave, &secs), 0);
    assert_int_equal(epcm_eextend_locked(enclave, 0x10000).vector, VECTOR_PF);
    assert_int_equal(epcm_eextend_locked(enclave, 0x10080).vector, VECTOR_GP);
    assert_int_equal(epcm_eextend_locked(enclave, 1 << 20).vector, VECTOR_GP);
    assert_int_equal(epcm_eaug_locked(enclave, 0x10000).vector, VECTOR_GP); /* not initialised */
    assert_int_equal(epcm_emodpr_locked(enclave, 0x10000, R).vector, VECTOR_GP);
    sgx_sim_ops.close(enclave);
}

TEST(edmm_augment_accept)
{
    struct probe p;
    probe_open(&p);
    assert_int_equal(probe_accept(&p, REG | R | W | PEND, HEAP), 0); /* absent: EAUG comes first */
    assert_true(probe_reads(&p, HEAP) && probe_writes(&p, HEAP));
    assert_int_equal(probe_accept(&p, REG | R | W | PEND, HEAP), SGX_PAGE_ATTRIBUTES_MISMATCH);
    assert_false(probe_reads(&p, HEAP + 0x1000)); /* touched: EAUG, but nobody accepted */
    assert_int_equal(probe_accept(&p, REG | R | PEND, HEAP + 0x1000), SGX_PAGE_ATTRIBUTES_MISMATCH);
    assert_false(probe_reads(&p, HEAP + 0x1000));
    assert_int_equal(probe_accept(&p, REG | R | W | PEND, HEAP + 0x1000), 0);
    assert_true(probe_writes(&p, HEAP + 0x1000));
    probe_close(&p);
}

TEST(edmm_accept_operands)
{
    static const struct {
        uint64_t flags, page;
        uint64_t result;
    } cases[] = {
        {REG | R | W, HEAP, GP}, /* neither PENDING nor PR */
        {REG | R | W | PEND | MOD, HEAP, GP},
        {REG | R | W | MOD, HEAP, GP},
        {SGX_SECINFO_TRIM | PEND, HEAP, GP},
        {SGX_SECINFO_TRIM, HEAP, GP},
        {SGX_SECINFO_TCS | MOD | PR, HEAP, GP},
        {R | W | PEND, HEAP, GP},                   /* PT SECS */
        {REG | R | W | PEND | 1ul << 20, HEAP, GP}, /* reserved bit */
        {REG | R | W | PEND, HEAP + 8, GP},
        {REG | R | W | PEND, ELRANGE_END, GP},
        {REG | R | W | PEND, 0, PF}, /* below what Linux lets anyone map */
    };
    struct probe p;
    probe_open(&p);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t r = probe_accept(&p, cases[i].flags, cases[i].page);
        if (r != cases[i].result)
            fail_msg("case %zu: 0x%lx", i, r);
    }
    uint64_t secinfo = p.scratch;
    assert_int_equal(probe_leaf(&p, SGX_EACCEPT, secinfo + 8, HEAP, 0), GP);   /* misaligned */
    assert_int_equal(probe_leaf(&p, SGX_EACCEPT, ELRANGE_END, HEAP, 0), GP);   /* outside */
    assert_int_equal(probe_leaf(&p, SGX_EACCEPT, HEAP + 0x5000, HEAP, 0), PF); /* absent */
    assert_int_equal(probe_leaf(&p, SGX_EACCEPT, KERNEL_VCPUS, HEAP, 0), PF);  /* a TCS */
    struct sgx_secinfo reserved = {.flags = REG | R | W | PEND, .reserved = {[9] = 1}};
    probe_put(&p, 0, &reserved, sizeof reserved);
    assert_int_equal(probe_leaf(&p, SGX_EACCEPT, secinfo, HEAP, 0), GP);
    assert_int_equal(probe_leaf(&p, 8, secinfo, HEAP, 0), GP); /* no such leaf */
    assert_int_equal(probe_leaf(&p, SGX_ERESUME, secinfo, HEAP, 0), GP);
    probe_close(&p);
}

TEST(edmm_extend_restrict)
{
    struct probe p;
    uint64_t count;
    probe_open(&p);
    assert_int_equal(probe_accept(&p, REG | R | W | PEND, HEAP), 0);
    assert_int_equal(probe_extend(&p, REG | R | W | X, HEAP), 0);
    assert_int_equal(probe_extend(&p, REG | W, HEAP), GP);
    assert_int_equal(probe_extend(&p, REG | R, HEAP + 0x1000), PF); /* pending */
    assert_int_equal(sgx_sim_ops.restrict_perms(p.enclave, HEAP, 4096, R | X, &count), 0);
    assert_int_equal(count, 4096);
    assert_false(probe_writes(&p, HEAP)); /* at once */
    assert_true(probe_reads(&p, HEAP));
    assert_int_equal(probe_accept(&p, REG | R | W | X | PR, HEAP), SGX_PAGE_ATTRIBUTES_MISMATCH);
    assert_int_equal(probe_accept(&p, REG | R | X | PR, HEAP), 0);
    assert_int_equal(sgx_sim_ops.restrict_perms(p.enclave, HEAP, 8192, R, &count), -EFAULT);
    assert_int_equal(count, 4096); /* the second page is PENDING: not modifiable */
    assert_int_equal(sgx_sim_ops.restrict_perms(p.enclave, HEAP, 4096, W, &count), -EINVAL);
    assert_int_equal(sgx_sim_ops.restrict_perms(p.enclave, HEAP, 4096, 8, &count), -EINVAL);
    assert_int_equal(sgx_sim_ops.restrict_perms(p.enclave, HEAP + 0x9000, 4096, R, &count),
                     -EFAULT);
    assert_int_equal(sgx_sim_ops.restrict_perms(p.enclave, KERNEL_VCPUS, 4096, R, &count), -EINVAL);
    assert_int_equal(sgx_sim_ops.restrict_perms(p.enclave, HEAP, 0, R, &count), -EINVAL);
    assert_int_equal(sgx_sim_ops.restrict_perms(p.enclave, ELRANGE_END, 4096, R, &count), -EINVAL);
    assert_int_equal(sgx_sim_ops.restrict_perms(p.enclave, HEAP, 4096, 0, &count), 0);
    assert_false(probe_reads(&p, HEAP));
    probe_close(&p);
}

TEST(edmm_trim_remove)
{
    struct probe p;
    uint64_t count;
    probe_open(&p);
    assert_int_equal(probe_accept(&p, REG | R | W | PEND, HEAP), 0);
    assert_true(probe_writes(&p, HEAP + 5));
    assert_int_equal(sgx_sim_ops.remove_pages(p.enclave, HEAP, 4096, &count), -EPERM);
    assert_int_equal(sgx_sim_ops.modify_types(p.enclave, HEAP, 4096, SGX_PT_REG, &count), -EINVAL);
    assert_int_equal(sgx_sim_ops.modify_types(p.enclave, HEAP, 4096, SGX_PT_TRIM, &count), 0);
    assert_false(probe_reads(&p, HEAP));
    assert_int_equal(sgx_sim_ops.remove_pages(p.enclave, HEAP, 4096, &count),
                     -EPERM); /* not accepted */
    assert_int_equal(sgx_sim_ops.modify_types(p.enclave, HEAP, 4096, SGX_PT_TRIM, &count), -EINVAL);
    assert_int_equal(probe_extend(&p, REG | R, HEAP), PF);
    assert_int_equal(probe_accept(&p, REG | R | PR, HEAP), SGX_PAGE_ATTRIBUTES_MISMATCH);
    assert_int_equal(probe_accept(&p, SGX_SECINFO_TRIM | MOD, HEAP), 0);
    assert_false(probe_reads(&p, HEAP));
    assert_int_equal(sgx_sim_ops.remove_pages(p.enclave, HEAP, 4096, &count), 0);
    assert_int_equal(sgx_sim_ops.remove_pages(p.enclave, HEAP, 4096, &count), -EFAULT);
    assert_int_equal(probe_accept(&p, REG | R | W | PEND, HEAP), 0);
    struct command c = {.op = OP_READ, .arg = {HEAP + 5}};
    probe_run(&p.thread, &c);
    assert_int_equal(c.result, 0); /* a new page, zero */
    probe_close(&p);
}

TEST(edmm_accept_copy)
{
    struct sgx_secinfo secinfo = {.flags = REG | R | X};
    struct probe p;
    probe_open(&p);
    uint64_t operand = probe_put(&p, 0, &secinfo, sizeof secinfo), from = p.scratch + 0x1000;
    probe_put(&p, 0x1000, "\xc3 copied", 9);
    assert_int_equal(probe_leaf(&p, SGX_EACCEPTCOPY, operand, HEAP, from), 0);
    assert_true(probe_reads(&p, HEAP));
    assert_false(probe_writes(&p, HEAP));
    struct command c = {.op = OP_JUMP, .arg = {HEAP}};
    probe_run(&p.thread, &c);
    assert_int_equal(c.exceptions, 0); /* it is a RET */
    c = (struct command){.op = OP_READ, .arg = {HEAP + 2}};
    probe_run(&p.thread, &c);
    assert_int_equal(c.result, 'c');
    assert_int_equal(probe_leaf(&p, SGX_EACCEPTCOPY, operand, HEAP, from),
                     SGX_PAGE_ATTRIBUTES_MISMATCH);
    assert_int_equal(probe_leaf(&p, SGX_EACCEPTCOPY, operand, HEAP + 0x1000, HEAP + 0x3000), PF);
    assert_int_equal(probe_leaf(&p, SGX_EACCEPTCOPY, operand, HEAP + 0x1000, from + 8), GP);
    assert_int_equal(probe_leaf(&p, SGX_EACCEPTCOPY, operand, HEAP + 8, from), GP);
    secinfo.flags = REG | R | PEND;
    probe_put(&p, 0, &secinfo, sizeof secinfo);
    assert_int_equal(probe_leaf(&p, SGX_EACCEPTCOPY, operand, HEAP + 0x1000, from), GP);
    secinfo.flags = REG | W;
    probe_put(&p, 0, &secinfo, sizeof secinfo);
    assert_int_equal(probe_leaf(&p, SGX_EACCEPTCOPY, operand, HEAP + 0x1000, from), GP);
    probe_close(&p);
}

TEST(edmm_copy_batches)
{
    struct probe p;
    uint64_t left;
    probe_open(&p);
    probe_put(&p, 0x1000, "first", 6);
    probe_put(&p, 0x2000, "second", 7);
    uint64_t from = p.scratch + 0x1000;
    assert_int_equal(probe_copies(&p, REG | R, HEAP, from, 2, &left), 0);
    assert_int_equal(left, 0);
    assert_memory_equal(alias_of(p.enclave, HEAP), "first", 6);
    assert_memory_equal(alias_of(p.enclave, HEAP + 0x1000), "second", 7);
    assert_true(probe_reads(&p, HEAP) && probe_reads(&p, HEAP + 0x1000));
    assert_false(probe_writes(&p, HEAP) || probe_writes(&p, HEAP + 0x1000));
    /* stops at a page that is there, at a source that is not */
    assert_int_equal(probe_copies(&p, REG | R, HEAP - 0x1000, from, 2, &left),
                     SGX_PAGE_ATTRIBUTES_MISMATCH);
    assert_int_equal(left, 1);
    assert_int_equal(probe_copies(&p, REG | R, HEAP + 0x4000, HEAP + 0x1000, 2, &left), PF);
    assert_memory_equal(alias_of(p.enclave, HEAP + 0x4000), "second", 7);
    assert_false(probe_reads(&p, HEAP + 0x5000));
    probe_close(&p);
}

/* Pages that change again and again are mapped apart; what they allow is not changed by that, nor what
 * their neighbours allow. */
TEST(edmm_many_changes)
{
    struct probe p;
    uint64_t count, left;
    probe_open(&p);
    assert_int_equal(probe_pages(&p, SGX_EACCEPT, REG | R | W | PEND, HEAP, 4, &left), 0);
    for (int round = 0; round < 6; round++) {
        uint64_t page = HEAP + (round % 2 ? 0x1000 : 0x2000), perms = round % 3 ? R : 0;
        assert_int_equal(sgx_sim_ops.restrict_perms(p.enclave, page, 4096, perms, &count), 0);
        assert_int_equal(probe_accept(&p, REG | perms | PR, page), 0);
        assert_int_equal(probe_reads(&p, page), perms != 0);
        assert_false(probe_writes(&p, page));
        assert_true(probe_writes(&p, HEAP) && probe_writes(&p, HEAP + 0x3000));
        assert_int_equal(probe_extend(&p, REG | R | W, page), 0);
        assert_true(probe_reads(&p, page) && probe_writes(&p, page));
    }
    assert_int_equal(sgx_sim_ops.restrict_perms(p.enclave, HEAP, 4 * 4096, R, &count), 0);
    for (uint64_t at = HEAP; at < HEAP + 4 * 4096; at += 4096)
        assert_false(probe_writes(&p, at));
    probe_close(&p);
}

TEST(edmm_batches)
{
    struct probe p;
    uint64_t left;
    probe_open(&p);
    assert_int_equal(probe_pages(&p, SGX_EACCEPT, REG | R | W | PEND, HEAP, 64, &left), 0);
    assert_int_equal(left, 0);
    assert_true(probe_writes(&p, HEAP) && probe_writes(&p, HEAP + 63 * 4096));
    assert_int_equal(probe_pages(&p, SGX_EMODPE, REG | R | X, HEAP + 0x8000, 8, &left), 0);
    assert_int_equal(left, 0);
    assert_true(probe_writes(&p, HEAP + 0x8000));
    /* stops at the first page that is accepted already */
    assert_int_equal(probe_pages(&p, SGX_EACCEPT, REG | R | W | PEND, HEAP - 0x3000, 5, &left),
                     SGX_PAGE_ATTRIBUTES_MISMATCH);
    assert_int_equal(left, 2);
    assert_true(probe_writes(&p, HEAP - 0x1000));
    /* a fault in the middle: those before it are done, the rest untouched */
    assert_int_equal(probe_pages(&p, SGX_EMODPE, REG | R | X, HEAP + 62 * 4096, 4, &left), PF);
    assert_int_equal(left, 2);
    assert_int_equal(
        probe_pages(&p, SGX_EACCEPT, REG | R | W | PEND, ELRANGE_END - 0x2000, 3, &left), GP);
    assert_int_equal(left, 1);
    probe_close(&p);
}

/* A new thread: REG page written, turned into a TCS, accepted, entered. */
TEST(edmm_new_tcs)
{
    struct probe p;
    uint64_t count;
    probe_open(&p);
    struct sgx_tcs tcs = *(struct sgx_tcs *) alias_of(p.enclave, KERNEL_VCPUS + VCPU_SLOT_SIZE);
    probe_put(&p, 0x1000, &tcs, sizeof tcs);
    uint64_t page = p.scratch + 0x1000;
    assert_int_equal(sgx_sim_ops.modify_types(p.enclave, page, 4096, SGX_PT_TCS, &count), 0);
    struct sgx_thread thread = {.enclave = p.enclave, .tcs = page};
    struct sgx_exit exit;
    sgx_sim_ops.thread_fini(&p.thread);
    assert_int_equal(sgx_sim_ops.thread_init(&thread), 0);
    sgx_sim_ops.enter(&thread, ENTER_RUN, 0, &exit);
    assert_int_equal(exit.status, -EFAULT); /* MODIFIED: not yet a TCS */
    assert_int_equal(exit.vector, VECTOR_PF);
    sgx_sim_ops.thread_fini(&thread);
    assert_int_equal(sgx_sim_ops.thread_init(&p.thread), 0);
    assert_int_equal(probe_accept(&p, SGX_SECINFO_TCS | MOD, page), 0);
    sgx_sim_ops.thread_fini(&p.thread);
    assert_int_equal(sgx_sim_ops.thread_init(&thread), 0);
    struct command c = {.op = OP_ECHO, .arg = {9}};
    probe_run(&thread, &c);
    assert_int_equal(c.result, 10);
    sgx_sim_ops.thread_fini(&thread);
    assert_int_equal(sgx_sim_ops.thread_init(&p.thread), 0);
    probe_close(&p);
}

TEST(edmm_bad_tcs_not_accepted)
{
    struct probe p;
    uint64_t count;
    static const size_t dirty[] = {0, 8, 24, 40, 80, 88, 4095};
    probe_open(&p);
    for (size_t i = 0; i < sizeof dirty / sizeof *dirty; i++) {
        uint64_t page = HEAP + i * 4096;
        struct sgx_tcs tcs = *(struct sgx_tcs *) alias_of(p.enclave, KERNEL_VCPUS);
        tcs.state = 0, tcs.aep = 0, tcs.cssa = 0;
        ((uint8_t *) &tcs)[dirty[i]] = 0xff;
        assert_int_equal(probe_accept(&p, REG | R | W | PEND, page), 0);
        struct command c = {.op = OP_COPY_IN, .arg = {page, (uint64_t) &tcs, sizeof tcs}};
        probe_run(&p.thread, &c);
        assert_int_equal(sgx_sim_ops.modify_types(p.enclave, page, 4096, SGX_PT_TCS, &count), 0);
        assert_int_equal(probe_accept(&p, SGX_SECINFO_TCS | MOD, page), GP);
    }
    probe_close(&p);
}

/* The view may lag behind the EPCM; the fault repairs it and the enclave notices nothing. */
TEST(view_repaired)
{
    struct probe p;
    probe_open(&p);
    assert_int_equal(probe_accept(&p, REG | R | W | PEND, HEAP), 0);
    uint16_t *entry = &p.enclave->epcm[page_index(p.enclave, HEAP)];
    *entry &= (uint16_t) ~EPCM_RWX;
    assert_int_equal(epcm_apply_view_locked(p.enclave, HEAP, 1), 0);
    *entry |= EPCM_RWX;
    assert_true(probe_writes(&p, HEAP));
    probe_close(&p);
}
