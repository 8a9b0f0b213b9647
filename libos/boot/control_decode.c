/* Reading control requests. They come from the host: every field is checked for its operation, fields that
 * the operation does not use must be zero, and the size must be exact. Pure; fuzz/control.c feeds it.
 */
#include "libos/boot/control_decode.h"
#include "abi/hostcall.h"
#include "libos/base/errno.h"

enum { PID_LIMIT = 32768, SIGNAL_LIMIT = 31, RT_SIGNAL_LIMIT = 64 };

static bool in_range(int64_t v, int64_t min, int64_t max)
{
    return v >= min && v <= max;
}

static bool has_session(uint32_t op)
{
    return op == CONTROL_EXEC || op == CONTROL_SIGNAL || op == CONTROL_HANGUP;
}

static bool session_ok(const struct control_request *r)
{
    return has_session(r->op) ? in_range(r->session, 1, HOST_SESSIONS - 1) : r->session == 0;
}

static bool arguments_ok(const struct control_request *r)
{
    switch (r->op) {
    case CONTROL_SIGNAL:
        return in_range(r->a, 1, SIGNAL_LIMIT) && r->b == 0;
    case CONTROL_STOP:
        return in_range(r->a, 0, CONTROL_STOP_MAX) && r->b == 0;
    case CONTROL_LIST:
        return (r->a & ~(int64_t) CONTROL_LIST_STACKS) == 0 && r->b == 0;
    case CONTROL_KILL:
        return in_range(r->a, 1, PID_LIMIT - 1) && in_range(r->b, 0, RT_SIGNAL_LIMIT);
    case CONTROL_EXEC:
    case CONTROL_HANGUP:
    case CONTROL_STATUS:
        return r->a == 0 && r->b == 0;
    default:
        return false;
    }
}

/* Exactly argc + envc strings, the last of which ends where the bytes do. */
static bool strings_ok(const struct control_request *r, struct cspan s)
{
    if (r->op != CONTROL_EXEC)
        return r->argc == 0 && r->envc == 0 && s.n == 0;
    if (r->argc == 0 || s.n == 0 || s.n > CONTROL_STRINGS_MAX || s.p[s.n - 1] != 0)
        return false;
    uint64_t count = 0;
    for (size_t i = 0; i < s.n; i++)
        count += s.p[i] == 0;
    return count == (uint64_t) r->argc + r->envc;
}

int control_decode(struct cspan bytes, struct control_request *ret, const char **ret_strings)
{
    struct rd rd = {.s = bytes};
    struct control_request r;
    rd_copy(&rd, &r, sizeof r);
    struct cspan strings = rd_bytes(&rd, r.strings_size);
    if (rd.bad || rd.s.n != 0 || r.magic != CONTROL_MAGIC || r.id == 0)
        return -EINVAL;
    if (!session_ok(&r) || !arguments_ok(&r) || !strings_ok(&r, strings))
        return -EINVAL;
    *ret = r;
    *ret_strings = r.op == CONTROL_EXEC ? (const char *) strings.p : NULL;
    return 0;
}
