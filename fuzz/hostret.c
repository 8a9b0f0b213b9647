// sources: libos/host/validate.c
/* Answers of a hostile host: whatever it returns, what the kernel sees is a value the row allows, or an
 * errno of the row's set, and never more bytes than there is room for. */
#include <stdlib.h>
#include "abi/layout.h"
#include "libos/base/errno.h"
#include "libos/base/span.h"
#include "libos/host/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void judge(struct rd *r)
{
    enum hostcall_nr nr = (enum hostcall_nr)(rd_u32(r) % HOSTCALL_COUNT);
    size_t in = rd_u32(r) % (HOST_DATA_MAX + 1), out = rd_u32(r) % (HOST_DATA_MAX + 1);
    int64_t raw = (int64_t) rd_u64(r);
    if (raw & 1) /* half of the time near something interesting */
        raw = (int64_t) (int16_t) (raw >> 1) + (raw & 2 ? (int64_t) in : (int64_t) out);
    size_t copy = SIZE_MAX;
    long v = hostcall_judge(nr, raw, in, out, &copy);
    require(copy <= out);
    require(v >= 0 || (v > -128 && copy == 0));
    require(v == raw || v == -EIO);
}

static void range(struct rd *r)
{
    uint64_t addr = rd_u64(r), n = rd_u64(r);
    if (!host_range_ok(addr, n))
        return;
    require(addr >= ELRANGE_END && addr + n >= addr && addr + n < 1ull << 47);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = {.s = {data, size}};
    while (!r.bad) {
        judge(&r);
        range(&r);
    }
    return 0;
}
