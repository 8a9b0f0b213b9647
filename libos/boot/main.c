/* The boot thread: everything that needs a thread to sleep in. Mounts the root, checks what the host
 * wants to run against the measured policy, starts the first process and ends. */
#include "libos/arch/fpu.h"
#include "libos/arch/vcpu.h"
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/base/panic.h"
#include "libos/boot/boot.h"
#include "libos/boot/config.h"
#include "libos/boot/control.h"
#include "libos/boot/command.h"
#include "libos/crypto/cpu.h"
#include "libos/exec/core.h"
#include "libos/exec/exec.h"
#include "libos/exec/patch.h"
#include "libos/fs/cowfs/volume.h"
#include "libos/fs/rootimg/rootimg.h"
#include "libos/host/host.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/sys/dispatch.h"
#include "libos/task/process.h"
#include "libos/task/sched.h"
#include "libos/vfs/vfs.h"

enum { EXIT_REFUSED = 126 };

noreturn_fn static void refuse(const char *what, const char *why)
{
    log_error("%s may not be started: %s", what, why);
    host_shutdown(EXIT_REFUSED);
}

static void first_done(const struct spawn_params *params, int error)
{
    boot_command_free(boot_command_of(params));
}

static const struct spawn_params *first_program(void)
{
    struct boot_command *c;
    const char *why = NULL;
    int r = boot_command_new(host_params.strings, host_params.strings_size, host_params.argc,
                             host_params.envc, &c, &why);
    if (r < 0)
        refuse(host_params.strings, why ? why : "out of memory");
    c->params.done = first_done;
    return &c->params;
}

/* `occlum start`: programs come later, from outside. */
static const struct spawn_params *idle(void)
{
    static const struct spawn_params params = {.path = "init", .idle = control_main};
    if (!boot_config()->header->features.exec)
        refuse("an instance without a program", "control.exec in Occlum.json does not allow it");
    return &params;
}

static void report_counters(void)
{
    struct exec_counters p;
    struct sched_stats s;
    struct heap_stats h;
    patch_counters(&p);
    sched_stats(&s);
    heap_stats(&h);
    log_info("sites: syscall %lu patched, %lu left as traps; cpuid %lu patched, %lu left as traps",
             p.syscall_patched, p.syscall_trapped, p.cpuid_patched, p.cpuid_trapped);
    log_info("traps taken: syscall %lu, cpuid %lu", syscall_counters.trapped,
             syscall_counters.cpuid_trapped);
    log_info("switches %lu, steals %lu, parks %lu, kicks %lu; kernel heap %lu pages", s.switches,
             s.steals, s.parks, s.kicks, h.used_pages);
}

static void init_exited(int wait_status)
{
    vfs_sync_all();
    report_counters();
    int sig = wait_status & 0x7f;
    host_shutdown(sig ? 128 + sig : wait_status >> 8 & 0xff);
}

/* The host's shell may want its terminal back. */
static void init_stopped(int sig)
{
    (void) hostcall(HOSTCALL_job_stop, (uint64_t) sig, 0, 0); /* a host that goes on runs nothing */
}

/* The measured configuration says which key is the user's; of any other one nothing is made. */
static void take_user_key(const struct config_image *image)
{
    static const uint8_t none[sizeof image->key_check];
    const struct cspan key = cspan(host_params.image_key);
    uint8_t derived[32];
    if (key.n == 0 || memcmp(image->key_check, none, sizeof none) == 0)
        return;
    int r = image_key_derive(image, key, derived);
    wipe(derived, sizeof derived);
    if (r == 0)
        cowfs_user_key(key);
    else if (image->cipher == CONFIG_CIPHER_NONE)
        refuse("the instance",
               "this is not the --volume-key that `occlum build` had (EKEYREJECTED)");
}

void boot_thread(void *arg)
{
    const struct boot_config *c = boot_config();
    mm_set_limit(c->header->limits.user_space_size);
    core_to_host = c->header->identity.debuggable;
    syscall_trace = host_params.trace && c->header->identity.debuggable;
    process_init_exited = init_exited;
    process_init_stopped = init_stopped;
    host_signal_hook = signal_from_host;
    crypto_setup(xstate_mask(), host_params.cpuid, host_params.cpuid_count);
    take_user_key(&c->header->image);
    rootimg_configure(&c->header->image, host_params.image_key);
    if (vfs_init() < 0 || exec_init(host_params.cpuid, host_params.cpuid_count) < 0)
        panic("start-up: vfs or exec");
    boot_mount_root();
    int r = process_spawn_init(host_params.control ? idle() : first_program());
    if (r < 0)
        panic("the first process: error %d", r);
}
