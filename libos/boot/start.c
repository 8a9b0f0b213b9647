/* Start-up: the only place that knows every module, in the order they need each other.
 *
 * vCPU 0 brings the kernel up on its boot stack and starts a kernel thread that mounts the root, starts
 * the first process and then ends. The host lets the other vCPUs in when they are kicked; one that it
 * lets in before has no pages to save state in, and EENTER fails. Zero pages (.bss, the slots of the
 * other vCPUs) are not part of the image: measuring them would cost more at each start than accepting
 * them. Nothing from the host is believed before it was copied in and checked (host_boot_init).
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
#include "libos/mm/epc.h"
#include "libos/mm/heap.h"
#include "libos/mm/heap_init.h"
#include "libos/task/clock.h"
#include "libos/task/sched.h"

static struct boot_config config;
static uint32_t boot_done;
extern uint8_t bss_start[], kernel_end[];

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

/* Before anything looks at a variable that starts as zero. */
__attribute__((no_stack_protector)) static void accept_bss(void)
{
    size_t pages = (size_t) (kernel_end - bss_start) / PAGE_SIZE;
    if (epc_commit((uintptr_t) bss_start, pages) < 0)
        __builtin_trap();
}

/* The pages with which EENTER works come last. */
static void accept_slot(uintptr_t slot)
{
    static const struct {
        uintptr_t at;
        size_t pages;
    } parts[] = {
        {VCPU_GS, VCPU_GS_PAGES},
        {VCPU_FS, 1},
        {VCPU_TRAP_STACK, VCPU_TRAP_PAGES},
        {VCPU_IDLE_STACK, VCPU_IDLE_PAGES},
        {VCPU_SSA, VCPU_NSSA * VCPU_SSAFRAMESIZE},
    };
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        check(epc_commit(slot + parts[i].at, parts[i].pages) == 0);
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
    for (uint32_t i = 1; i < host_params.vcpus; i++)
        accept_slot(KERNEL_VCPUS + i * VCPU_SLOT_SIZE);
    sched_init(host_params.vcpus);
    check(kthread_start("boot", boot_thread, NULL));
    __atomic_store_n(&boot_done, 1, __ATOMIC_RELEASE);
}

__attribute__((no_stack_protector)) void vcpu_start(uintptr_t tcs, uint64_t host_vcpu)
{
    if (!host_range_ok(host_vcpu, sizeof(struct host_vcpu)) || !IS_ALIGNED(host_vcpu, 64ul))
        __builtin_trap();
    if (tcs == KERNEL_VCPUS)
        accept_bss();
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
