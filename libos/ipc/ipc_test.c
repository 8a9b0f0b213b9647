/* IPC objects when memory ends: the budget, and each allocation of each call failing in turn. */
#include <asm/unistd_64.h>
#include "abi/layout.h"
#include "libos/base/errno.h"
#include "libos/host/posix/unit.h"
#include "libos/ipc/budget.h"
#include "libos/ipc/msg.h"
#include "libos/mm/heap.h"
#include "test/unit/test.h"

TEST(ipc_budget)
{
    struct heap_stats h;
    heap_stats(&h);
    size_t quarter = h.limit * PAGE_SIZE / 4;
    assert_true(ipc_charge(quarter));
    assert_false(ipc_charge(1));
    assert_null(msg_new(10));
    assert_false(ipc_charge(SIZE_MAX));
    ipc_uncharge(quarter);
    struct msg *m = msg_new(10);
    assert_non_null(m);
    msg_free(m);
    assert_true(ipc_charge(quarter)); /* nothing was left charged */
    ipc_uncharge(quarter);
}

static long make_set(void)
{
    return unit_syscall(__NR_semget, 0, 5, 0600);
}
static long make_queue(void)
{
    return unit_syscall(__NR_msgget, 0, 0600);
}
static long make_segment(void)
{
    return unit_syscall(__NR_shmget, 0, 5000, 0600);
}
static long undo_once(void)
{
    struct linux_sembuf op = {.op = 1, .flags = LINUX_SEM_UNDO};
    long id = make_set();
    if (id < 0)
        return id;
    long r = unit_syscall(__NR_semop, (uint64_t) id, unit_user_bytes(&op, sizeof op).v, 1);
    unit_syscall(__NR_semctl, (uint64_t) id, 0, IPC_RMID);
    return r < 0 ? r : (int) id;
}
static long send_once(void)
{
    long id = make_queue();
    if (id < 0)
        return id;
    uint64_t message[3] = {1};
    long r =
        unit_syscall(__NR_msgsnd, (uint64_t) id, unit_user_bytes(message, sizeof message).v, 16);
    if (r == 0)
        return id;
    unit_syscall(__NR_msgctl, (uint64_t) id, IPC_RMID);
    return r;
}

static void drop(int remove_nr, long id, uint64_t a, uint64_t b)
{
    assert_true(id >= 0);
    if (remove_nr)
        assert_int_equal(unit_syscall(remove_nr, (uint64_t) id, a, b), 0);
}

/* Fails the 1st, 2nd, ... allocation until the call gets through; each failure leaves nothing behind. */
static void fail_each(long (*call)(void), int remove_nr, uint64_t a, uint64_t b)
{
    drop(remove_nr, call(), a, b); /* makes the tables, which are kept */
    long id = -ENOMEM;
    for (unsigned n = 1; id < 0; n++) {
        assert_true(n < 50);
        size_t before = unit_alloc_count();
        unit_fail_alloc(n);
        id = call();
        unit_fail_alloc(0);
        assert_true(id >= 0 || id == -ENOMEM);
        if (id < 0)
            assert_true(unit_alloc_count() <= before); /* fewer: a removed set's records */
    }
    drop(remove_nr, id, a, b);
}

TEST(ipc_out_of_memory)
{
    unit_process();
    fail_each(make_set, __NR_semctl, 0, IPC_RMID);
    fail_each(make_queue, __NR_msgctl, IPC_RMID, 0);
    fail_each(make_segment, __NR_shmctl, IPC_RMID, 0);
    fail_each(undo_once, 0, 0, 0);
    fail_each(send_once, __NR_msgctl, IPC_RMID, 0);
    unit_user_reset();
}

TEST(ipc_queue_names)
{
    unit_process();
    uint64_t name = unit_user_string("unit").v, none = unit_user_string("none").v;
    assert_int_equal(unit_syscall(__NR_mq_open, none, 2), -ENOENT);
    long fd = unit_syscall(__NR_mq_open, name, 2 | 0100, 0600, 0);
    assert_true(fd >= 0);
    assert_int_equal(unit_syscall(__NR_mq_open, name, 2 | 0100 | 0200, 0600, 0), -EEXIST);
    assert_int_equal(unit_syscall(__NR_mq_unlink, name), 0);
    assert_int_equal(unit_syscall(__NR_mq_unlink, name), -ENOENT);
    assert_int_equal(unit_syscall(__NR_mq_timedsend, (uint64_t) fd, name, 4, 1, 0), 0);
    assert_int_equal(unit_syscall(__NR_mq_timedreceive, (uint64_t) fd, none, 8192, 0, 0), 4);
    assert_int_equal(unit_syscall(__NR_close, (uint64_t) fd), 0);
    unit_user_reset();
}
