/* The boot thread: everything that needs a thread to sleep in. Mounts the root, checks what the host
 * wants to run against the measured policy, starts the first process and ends. */
#include "libos/arch/fpu.h"
#include "libos/arch/vcpu.h"
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/base/panic.h"
#include "libos/boot/boot.h"
#include "libos/boot/config.h"
#include "libos/boot/load_init.h"
#include "libos/crypto/cpu.h"
#include "libos/exec/exec.h"
#include "libos/exec/patch.h"
#include "libos/fs/rootimg/rootimg.h"
#include "libos/host/host.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/sys/dispatch.h"
#include "libos/task/process.h"
#include "libos/task/sched.h"
#include "libos/vfs/vfs.h"

enum { EXIT_REFUSED = 126 };

static struct spawn_params init_params;

noreturn_fn static void refuse(const char *why, const char *what)
{
    log_error("%s%s", why, what);
    host_shutdown(EXIT_REFUSED);
}

/* argv and the environment as the host gave them, checked for form by host_boot_init. */
static const char *next_string(const char *s)
{
    return s + strlen(s) + 1;
}

static bool env_is_set(const char *const *env, size_t count, const char *var)
{
    size_t n = (size_t) (strchr(var, '=') - var) + 1;
    for (size_t i = 0; i < count; i++)
        if (strncmp(env[i], var, n) == 0)
            return true;
    return false;
}

/* The host's variables that the policy lets in override the measured defaults. */
static const char *const *make_env(const char *host_env)
{
    const struct boot_config *c = boot_config();
    const char **env = kzalloc((host_params.envc + c->env_default_count + 1) * sizeof *env);
    check(env);
    size_t n = 0;
    const char *s = host_env;
    for (unsigned i = 0; i < host_params.envc; i++, s = next_string(s)) {
        const char *eq = strchr(s, '=');
        if (eq && boot_config_env_allowed(c, s, (size_t) (eq - s)))
            env[n++] = s;
    }
    for (size_t i = 0; i < c->env_default_count; i++) {
        const char *var = boot_config_str(c, c->env_default[i]);
        if (!env_is_set(env, n, var))
            env[n++] = var;
    }
    return env;
}

static void make_params(void)
{
    const struct boot_config *c = boot_config();
    const char **argv = kzalloc((host_params.argc + 1) * sizeof *argv);
    check(argv);
    const char *s = host_params.strings;
    for (unsigned i = 0; i < host_params.argc; i++, s = next_string(s))
        argv[i] = s;
    if (!boot_config_entry_allowed(c, argv[0]))
        refuse("not below any of the entry_points in Occlum.json: ", argv[0]);
    if (!boot_config_args_allowed(c, host_params.argc, argv))
        refuse("these arguments are not allowed by the policy in Occlum.json: ", argv[0]);
    init_params = (struct spawn_params){.path = argv[0], .argv = argv, .envp = make_env(s)};
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
    report_counters();
    int sig = wait_status & 0x7f;
    host_shutdown(sig ? 128 + sig : wait_status >> 8 & 0xff);
}

void boot_thread(void *arg)
{
    const struct boot_config *c = boot_config();
    mm_set_limit(c->header->limits.user_space_size);
    syscall_trace = host_params.trace && c->header->identity.debuggable;
    process_init_exited = init_exited;
    host_signal_hook = signal_from_host;
    crypto_setup(xstate_mask(), host_params.cpuid, host_params.cpuid_count);
    rootimg_configure(&c->header->image);
    if (vfs_init() < 0 || exec_init(host_params.cpuid, host_params.cpuid_count) < 0)
        panic("start-up: vfs or exec");
    boot_mount_root();
    make_params();
    int r = process_spawn_init(&init_params);
    if (r < 0)
        panic("the first process: error %d", r);
}
