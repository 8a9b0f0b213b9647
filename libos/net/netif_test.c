/* Interfaces as a lying host describes them: what does not hold together is left out. */
#include "libos/net/netif.h"
#include "libos/base/errno.h"
#include "libos/base/string.h"
#include "libos/host/fake/fake.h"
#include "libos/host/posix/unit.h"
#include "libos/mm/heap.h"
#include "test/unit/test.h"

static const struct host_interface good = {
    .index = 1, .flags = 73, .mtu = 65536, .family = 2, .prefix = 8, .name = "lo"};
static struct host_interface answer[4];
static unsigned answers;

static int64_t host_interfaces(struct cspan in, struct span out, const uint64_t args[4])
{
    memcpy(out.p, answer, answers * sizeof *answer);
    return (int64_t) (answers * sizeof *answer);
}

static size_t count(void)
{
    struct netif_list *l = netif_list();
    size_t n = l->count;
    kfree(l);
    return n;
}

TEST(netif_entries)
{
    unit_process();
    fake_host_reset();
    fake_host_on(HOSTCALL_net_interfaces, host_interfaces);
    answers = 1;
    answer[0] = good;
    assert_int_equal(count(), 1);
    struct host_interface bad[8];
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        bad[i] = good;
    memset(bad[0].name, 'x', sizeof bad[0].name); /* no end */
    memset(bad[1].name, 0, sizeof bad[1].name);
    bad[2].index = 0;
    bad[3].index = UINT32_MAX;
    bad[4].prefix = 33;
    bad[5].hw_size = 9;
    bad[6].family = 3;
    bad[7].family = 0; /* an interface itself has no prefix */
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        answers = 2;
        answer[0] = bad[i];
        answer[1] = good;
        assert_int_equal(count(), 1);
    }
    answers = 0;
    assert_int_equal(count(), 0);
}

TEST(netif_lengths)
{
    unit_process();
    fake_host_reset();
    fake_host_answer(HOSTCALL_net_interfaces, sizeof good - 1, 1); /* not a whole one */
    assert_int_equal(count(), 0);
    fake_host_answer(HOSTCALL_net_interfaces, (HOST_INTERFACES_MAX + 1) * sizeof good, 1);
    assert_int_equal(count(), 0);
    fake_host_answer(HOSTCALL_net_interfaces, -EPERM, 1);
    assert_int_equal(count(), 0);
}
