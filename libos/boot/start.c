/* Start-up: the only place that knows every module, in the order they need each other.
 *
 * vCPU 0 brings the kernel up on its boot stack and starts a kernel thread that mounts the root, starts
 * the first process and then ends; the other vCPUs wait for it outside. Nothing from the host is
 * believed before it was copied in and checked (host_boot_init).
 */
#include "abi/enter.h"
#include "abi/layout.h"
#include "libos/arch/enclu.h"
#include "libos/arch/fpu.h"
#include "libos/arch/vcpu.h"
#include "libos/base/log.h"
#include "libos/base/panic.h"
#include "libos/boot/boot.h"
#include "libos/boot/config.h"
#include "libos/host/host.h"
#include "libos/host/validate.h"
#include "libos/arch/random.h"
#include "libos/mm/heap.h"
#include "libos/mm/heap_init.h"
#include "libos/task/clock.h"
#include "libos/task/sched.h"

static struct boot_config config;
static uint32_t boot_done;

struct vcpu *vcpu_init(uintptr_t tcs, struct host_vcpu *host);
noreturn_fn void vcpu_start(uintptr_t tcs, uint64_t host_vcpu);

const struct boot_config *boot_config(void)
{
    return &config;
}

static void log_to_host(const char *line, size_t n)
{
    (void) hostcall_io(HOSTCALL_log, (struct cspan){(const uint8_t *) line, n}, (struct span){0}, 0,
                       0, 0, 0); /* a log that the host drops is lost */
}

static uint64_t enclave_xfrm(void)
{
    static struct sgx_report report aligned_to(512);
    static const struct sgx_targetinfo target aligned_to(512);
    static const uint8_t data[64] aligned_to(128);
    enclu_report(&target, data, &report);
    return report.attributes.xfrm;
}

static void boot_first(uint64_t boot_address)
{
    log_sink = log_to_host;
    enum boot_config_error e =
        boot_config_parse((const void *) KERNEL_CONFIG, KERNEL_CONFIG_MAX, &config);
    if (e)
        panic("measured configuration: %s", boot_config_error_text(e));
    uint64_t secret;
    random_bytes(SPAN_OF(secret));
    heap_init(config.header->limits.kernel_heap_size, secret);
    fpu_init(enclave_xfrm());
    if (host_boot_init(HADDR(boot_address)) < 0)
        panic("the host's boot parameters are malformed");
    clock_init(host_params.clock.tsc, host_params.clock.realtime_ns, host_params.clock.tsc_hz);
    log_level = MIN((enum log_level) host_params.log_level, LOG_TRACE);
    sched_init(host_params.vcpus);
    check(kthread_start("boot", boot_thread, NULL));
    __atomic_store_n(&boot_done, 1, __ATOMIC_RELEASE);
}

__attribute__((no_stack_protector)) void vcpu_start(uintptr_t tcs, uint64_t host_vcpu)
{
    if (!host_range_ok(host_vcpu, sizeof(struct host_vcpu)) || !IS_ALIGNED(host_vcpu, 64ul))
        __builtin_trap();
    struct vcpu *v = vcpu_init(tcs, (struct host_vcpu *) host_vcpu);
    if (v->index == 0) {
        uint64_t boot = __atomic_load_n(&v->host->boot, __ATOMIC_RELAXED);
        boot_first(boot);
    }
    while (!__atomic_load_n(&boot_done, __ATOMIC_ACQUIRE))
        __builtin_ia32_pause();
    check(v->index < (unsigned) sched_cpu_count());
    sched_run_vcpu();
}
