/* Host calls: log, clocks, page management. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "host/runtime.h"

int64_t host_call_log(struct host_vcpu *v)
{
    size_t n = v->in_size <= HOST_DATA_MAX ? v->in_size : 0;
    return write(2, v->data, n) >= 0 ? (int64_t) n : 0;
}

int64_t host_call_clock_read(struct host_vcpu *v)
{
    struct host_clock c = {.monotonic_ns = now_ns(CLOCK_MONOTONIC),
                           .tsc = read_tsc(),
                           .realtime_ns = now_ns(CLOCK_REALTIME)};
    memcpy(v->data, &c, sizeof c);
    return 0;
}

static int64_t done_or_error(int r, uint64_t count)
{
    return count > 0 ? (int64_t) count : r < 0 ? r : 0;
}

int64_t host_call_page_restrict(struct host_vcpu *v)
{
    uint64_t count = 0;
    int r =
        runtime.ops->restrict_perms(runtime.enclave, v->args[0], v->args[1], v->args[2], &count);
    return done_or_error(r, count);
}

int64_t host_call_page_trim(struct host_vcpu *v)
{
    uint64_t count = 0;
    int r = runtime.ops->modify_types(runtime.enclave, v->args[0], v->args[1], SGX_PT_TRIM, &count);
    return done_or_error(r, count);
}

int64_t host_call_page_remove(struct host_vcpu *v)
{
    uint64_t count = 0;
    int r = runtime.ops->remove_pages(runtime.enclave, v->args[0], v->args[1], &count);
    return done_or_error(r, count);
}
