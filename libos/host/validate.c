/* The judge of the host's answers. A kind is a range of good values; everything else, and every errno
 * outside the row's set, is -EIO: callers can trust the result like one of their own. */
#include "abi/layout.h"
#include "libos/base/ckmath.h"
#include "libos/base/errno.h"
#include "libos/host/validate.h"

static const struct {
    enum hostcall_kind kind;
    unsigned __int128 errnos;
} rows[HOSTCALL_COUNT] = {
#define HOSTCALL(name, knd, errs) [HOSTCALL_##name] = {HOSTCALL_##knd, errs},
#include "abi/hostcalls.def"
#undef HOSTCALL
};

static int64_t limit(enum hostcall_kind kind, size_t in_size, size_t out_size)
{
    switch (kind) {
    case HOSTCALL_ZERO:
        return 0;
    case HOSTCALL_OUT:
        return (int64_t) out_size;
    case HOSTCALL_IN:
        return (int64_t) in_size;
    case HOSTCALL_TOKEN:
        return INT32_MAX;
    case HOSTCALL_VALUE:
        return INT64_MAX;
    }
    return 0;
}

long hostcall_judge(enum hostcall_nr nr, int64_t raw, size_t in_size, size_t out_size,
                    size_t *ret_copy)
{
    *ret_copy = 0;
    enum hostcall_kind kind = rows[nr].kind;
    if (raw < 0)
        return raw > -128 && (rows[nr].errnos >> -raw & 1) ? (long) raw : -EIO;
    if (raw > limit(kind, in_size, out_size))
        return -EIO;
    if (kind == HOSTCALL_OUT)
        *ret_copy = (size_t) raw;
    else if (kind == HOSTCALL_ZERO || kind == HOSTCALL_TOKEN)
        *ret_copy = out_size;
    return (long) raw;
}

bool host_range_ok(uint64_t addr, uint64_t size)
{
    uint64_t end;
    return addr >= ELRANGE_END && !ck_add(&end, addr, size) && end < (1ull << 47);
}
