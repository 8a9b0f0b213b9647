/* The files of /proc that speak of the system and /proc/sys. */
#include "libos/arch/random.h"
#include "libos/fs/proc/ipc.h"
#include "libos/fs/proc/numbers.h"
#include "libos/fs/proc/proc.h"
#include "libos/host/host.h"
#include "libos/mm/heap.h"
#include "libos/task/clock.h"
#include "libos/task/load.h"
#include "libos/task/process.h"
#include "libos/task/sched.h"
#include "libos/task/uts.h"
#include "libos/vfs/dcache.h"
#include "libos/vfs/lock.h"
#include "libos/vfs/pagecache.h"
#include "libos/vfs/registry.h"
#include "abi/layout.h"

static int meminfo_text(const struct proc_ref *ref, struct text *t)
{
    struct heap_stats h;
    heap_stats(&h);
    unsigned long total = h.limit * (PAGE_SIZE / 1024), used = h.used_pages * (PAGE_SIZE / 1024);
    unsigned long free = total > used ? total - used : 0;
    unsigned long cached = pages_cached() * (PAGE_SIZE / 1024);
    text_add(t, "MemTotal:       %8lu kB\nMemFree:        %8lu kB\nMemAvailable:   %8lu kB\n",
             total, free, MIN(free + cached, total));
    text_add(t,
             "Buffers:               0 kB\nCached:         %8lu kB\nSwapCached:            0 kB\n",
             cached);
    text_add(t,
             "Active:         %8lu kB\nInactive:              0 kB\nSwapTotal:             0 kB\n",
             used);
    text_add(
        t,
        "SwapFree:              0 kB\nDirty:                 0 kB\nWriteback:             0 kB\n");
    text_add(
        t,
        "AnonPages:             0 kB\nMapped:                0 kB\nShmem:                 0 kB\n");
    text_add(t,
             "HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n");
    return 0;
}

/* Objects of the kernel heap by size, in the format of Linux, whose caches have names instead. */
static int slabinfo_text(const struct proc_ref *ref, struct text *t)
{
    text_add(t, "slabinfo - version: 2.1\n"
                "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
                " : tunables <limit> <batchcount> <sharedfactor>"
                " : slabdata <active_slabs> <num_slabs> <sharedavail>\n");
    struct heap_class_stats s;
    for (unsigned i = 0; heap_class_stats(i, &s); i++)
        text_add(t,
                 "kmalloc-%-9u %6u %6u %6u %4u %4u : tunables    0    0    0 : slabdata %6u %6u"
                 "      0\n",
                 s.size, s.used, s.objects, s.size, s.slabs ? s.objects / s.slabs : 0, s.slab_pages,
                 s.slabs, s.slabs);
    return 0;
}

static const struct host_cpuid *cpuid_leaf(uint32_t leaf, uint32_t subleaf)
{
    for (unsigned i = 0; i < host_params.cpuid_count; i++)
        if (host_params.cpuid[i].leaf == leaf && host_params.cpuid[i].subleaf == subleaf)
            return &host_params.cpuid[i];
    static const struct host_cpuid none;
    return &none;
}

static void cpu_name(char name[49])
{
    for (uint32_t i = 0; i < 3; i++) {
        const struct host_cpuid *c = cpuid_leaf(0x80000002u + i, 0);
        const uint32_t r[4] = {c->eax, c->ebx, c->ecx, c->edx};
        memcpy(name + 16 * i, r, 16);
    }
    name[48] = 0;
    for (char *p = name; *p; p++)
        if ((uint8_t) *p < ' ' || (uint8_t) *p > '~')
            *p = ' ';
}

struct flag_name {
    uint32_t leaf, reg, bit; /* reg: 0 eax .. 3 edx */
    const char *name;
};

static const struct flag_name flag_names[] = {
    {1, 3, 0, "fpu"},         {1, 3, 4, "tsc"},       {1, 3, 8, "cx8"},       {1, 3, 15, "cmov"},
    {1, 3, 23, "mmx"},        {1, 3, 24, "fxsr"},     {1, 3, 25, "sse"},      {1, 3, 26, "sse2"},
    {1, 3, 28, "ht"},         {1, 2, 0, "pni"},       {1, 2, 1, "pclmulqdq"}, {1, 2, 9, "ssse3"},
    {1, 2, 12, "fma"},        {1, 2, 13, "cx16"},     {1, 2, 19, "sse4_1"},   {1, 2, 20, "sse4_2"},
    {1, 2, 22, "movbe"},      {1, 2, 23, "popcnt"},   {1, 2, 25, "aes"},      {1, 2, 26, "xsave"},
    {1, 2, 28, "avx"},        {1, 2, 29, "f16c"},     {1, 2, 30, "rdrand"},   {7, 1, 0, "fsgsbase"},
    {7, 1, 3, "bmi1"},        {7, 1, 5, "avx2"},      {7, 1, 8, "bmi2"},      {7, 1, 9, "erms"},
    {7, 1, 16, "avx512f"},    {7, 1, 17, "avx512dq"}, {7, 1, 18, "rdseed"},   {7, 1, 19, "adx"},
    {7, 1, 29, "sha_ni"},     {7, 1, 30, "avx512bw"}, {7, 1, 31, "avx512vl"}, {7, 2, 9, "vaes"},
    {7, 2, 10, "vpclmulqdq"},
};

static void cpu_flags(struct text *t)
{
    text_add(t, "flags\t\t:");
    for (size_t i = 0; i < ARRAY_SIZE(flag_names); i++) {
        const struct host_cpuid *c = cpuid_leaf(flag_names[i].leaf, 0);
        const uint32_t r[4] = {c->eax, c->ebx, c->ecx, c->edx};
        if (r[flag_names[i].reg] >> flag_names[i].bit & 1)
            text_add(t, " %s", flag_names[i].name);
    }
    text_add(t, " constant_tsc nonstop_tsc\n");
}

static int cpuinfo_text(const struct proc_ref *ref, struct text *t)
{
    char name[49], vendor[13] = {0};
    const struct host_cpuid *id = cpuid_leaf(0, 0), *c = cpuid_leaf(1, 0);
    const uint32_t v[3] = {id->ebx, id->edx, id->ecx};
    memcpy(vendor, v, 12);
    for (char *p = vendor; *p; p++)
        if ((uint8_t) *p <= ' ' || (uint8_t) *p > '~')
            *p = '?';
    cpu_name(name);
    unsigned family = (c->eax >> 8 & 15) + (c->eax >> 20 & 255);
    unsigned model = (c->eax >> 4 & 15) | (c->eax >> 12 & 0xf0);
    unsigned long mhz = host_params.clock.tsc_hz / 1000000;
    int n = sched_cpu_count();
    for (int cpu = 0; cpu < n; cpu++) {
        text_add(
            t,
            "processor\t: %d\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\n",
            cpu, vendor, family, model, name);
        text_add(t,
                 "stepping\t: %u\ncpu MHz\t\t: %lu.000\ncache size\t: 1024 KB\nphysical id\t: 0\n",
                 c->eax & 15, mhz);
        text_add(t, "siblings\t: %d\ncore id\t\t: %d\ncpu cores\t: %d\nfpu\t\t: yes\n", n, cpu, n);
        cpu_flags(t);
        text_add(
            t,
            "bogomips\t: %lu.00\nclflush size\t: 64\naddress sizes\t: 40 bits physical, 40 bits "
            "virtual\n\n",
            mhz * 2);
    }
    return 0;
}

static void cpu_times(struct text *t, const struct cpu_load *l)
{
    text_add(t, " %ld 0 %ld %ld 0 0 0 0 0 0\n", ticks(l->user_ns), ticks(l->system_ns),
             ticks(l->idle_ns));
}

static struct cpu_load load_of_all(void)
{
    struct cpu_load sum = {0}, l;
    for (int cpu = 0; cpu < sched_cpu_count(); cpu++) {
        load_cpu((uint32_t) cpu, &l);
        sum.user_ns += l.user_ns;
        sum.system_ns += l.system_ns;
        sum.idle_ns += l.idle_ns;
        sum.ticks += l.ticks;
    }
    return sum;
}

static int system_stat_text(const struct proc_ref *ref, struct text *t)
{
    struct cpu_load sum = load_of_all();
    struct sched_stats stats;
    sched_stats(&stats);
    text_add(t, "cpu ");
    cpu_times(t, &sum);
    for (int cpu = 0; cpu < sched_cpu_count(); cpu++) {
        struct cpu_load l;
        load_cpu((uint32_t) cpu, &l);
        text_add(t, "cpu%d", cpu);
        cpu_times(t, &l);
    }
    text_add(t, "intr %lu\nctxt %lu\nbtime %ld\nprocesses %lu\nprocs_running %u\nprocs_blocked 0\n",
             sum.ticks, stats.switches, (long) (clock_boot_real_ns() / NSEC_PER_SEC),
             process_count_ever(), sched_running());
    return 0;
}

static int uptime_text(const struct proc_ref *ref, struct text *t)
{
    long up = ticks(clock_mono_ns()) + 1, idle = ticks(load_of_all().idle_ns); /* never 0 */
    text_add(t, "%ld.%02ld %ld.%02ld\n", up / 100, up % 100, idle / 100, idle % 100);
    return 0;
}

static int loadavg_text(const struct proc_ref *ref, struct text *t)
{
    uint64_t loads[3];
    load_averages(sched_running(), loads);
    for (int i = 0; i < 3; i++) {
        uint64_t hundredths = (loads[i] * 100 + LOAD_ONE / 2) >> LOAD_SHIFT;
        text_add(t, "%lu.%02lu ", hundredths / 100, hundredths % 100);
    }
    text_add(t, "%u/%d %d\n", sched_running(), process_thread_total(), process_last_pid());
    return 0;
}

static int version_text(const struct proc_ref *ref, struct text *t)
{
    struct linux_utsname u;
    uts_get(&u);
    text_add(t, "%s version %s (occlum) %s\n", u.sysname, u.release, u.version);
    return 0;
}

static int filesystems_text(const struct proc_ref *ref, struct text *t)
{
    for (const struct fs_type *const *f = fs_type_table; *f; f++)
        text_add(t, "nodev\t%s\n", (*f)->name);
    return 0;
}

static int swaps_text(const struct proc_ref *ref, struct text *t)
{
    text_add(t, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    return 0;
}

static int devices_text(const struct proc_ref *ref, struct text *t)
{
    text_add(t, "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n"
                "136 pts\n\nBlock devices:\n");
    return 0;
}

static int locks_text(const struct proc_ref *ref, struct text *t)
{
    return lock_proc_text(t);
}

static int cmdline_text(const struct proc_ref *ref, struct text *t)
{
    text_add(t, "occlum\n");
    return 0;
}

/* Nothing is ever swapped; blocks read and written are not counted. */
static int vmstat_text(const struct proc_ref *ref, struct text *t)
{
    struct heap_stats h;
    heap_stats(&h);
    unsigned long free = h.limit > h.used_pages ? h.limit - h.used_pages : 0;
    text_add(t, "nr_free_pages %lu\nnr_file_pages %lu\n", free, (unsigned long) pages_cached());
    text_add(t, "pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n");
    return 0;
}

/* ---- links that depend on who reads them ---- */

static long self_text(const struct proc_ref *ref, char *buf, size_t size)
{
    return (long) fmt_str(buf, size, "%d", current_process()->pid);
}

static long thread_self_text(const struct proc_ref *ref, char *buf, size_t size)
{
    return (long) fmt_str(buf, size, "%d/task/%d", current_process()->pid, current()->tid);
}

static long self_mounts_text(const struct proc_ref *ref, char *buf, size_t size)
{
    return (long) fmt_str(buf, size, "self/mounts");
}

static long self_net_text(const struct proc_ref *ref, char *buf, size_t size)
{
    return (long) fmt_str(buf, size, "self/net");
}

/* ---- /proc/sys ---- */

#define UTS_TEXT(field)                                                                            \
    static int field##_text(const struct proc_ref *ref, struct text *t)                            \
    {                                                                                              \
        struct linux_utsname u;                                                                    \
        uts_get(&u);                                                                               \
        text_add(t, "%s\n", u.field);                                                              \
        return 0;                                                                                  \
    }
UTS_TEXT(sysname)
UTS_TEXT(release)
UTS_TEXT(nodename)
UTS_TEXT(domainname)
#undef UTS_TEXT

static long hostname_write(const struct proc_ref *ref, const char *s, size_t n)
{
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    size_t len = n;
    while (len > 0 && s[len - 1] == '\n')
        len--;
    if (len > 64)
        return -EINVAL;
    uts_set_hostname(s, len);
    return (long) n;
}

/* 1: pages that can be read again; 2: names, with the inodes that only they hold; 3: both; 4 silences Linux' log. */
static long drop_caches_write(const struct proc_ref *ref, const char *s, size_t n)
{
    if (n == 0 || s[0] < '1' || s[0] > '4' || (n > 1 && s[1] != '\n'))
        return -EINVAL;
    unsigned what = (unsigned) (s[0] - '0');
    if (what & 1)
        pages_shrink();
    if (what & 2)
        dcache_shrink();
    return (long) n;
}

#define CONST_TEXT(name, text_)                                                                    \
    static int name##_text(const struct proc_ref *ref, struct text *t)                             \
    {                                                                                              \
        text_add(t, "%s\n", (text_));                                                              \
        return 0;                                                                                  \
    }
CONST_TEXT(pid_max, "32768")
CONST_TEXT(threads_max, "32768")
CONST_TEXT(kernel_version, "#1 SMP")
CONST_TEXT(core_pattern, "core")
CONST_TEXT(zero_value, "0")
CONST_TEXT(one_value, "1")
CONST_TEXT(two_value, "2")
CONST_TEXT(cap_last, "40")
CONST_TEXT(ngroups, "65536")
CONST_TEXT(file_max, "65536")
CONST_TEXT(file_nr, "0\t0\t65536")
CONST_TEXT(pipe_max, "1048576")
CONST_TEXT(inotify_queue, "16384")
CONST_TEXT(inotify_watches, "65536")
CONST_TEXT(inotify_instances, "128")
CONST_TEXT(map_count, "65530")
CONST_TEXT(mmap_min, "65536")
CONST_TEXT(somaxconn, "4096")
CONST_TEXT(entropy, "256")
CONST_TEXT(nr_open, "1048576")
CONST_TEXT(aio_max, "65536")
CONST_TEXT(overflow_id, "65534")
CONST_TEXT(printk_levels, "4\t4\t1\t7")
CONST_TEXT(fifty, "50")
CONST_TEXT(hundred, "100")
CONST_TEXT(buffer_size, "212992")

static void uuid_add(struct text *t, uint8_t u[16])
{
    u[6] = (u[6] & 0x0f) | 0x40;
    u[8] = (u[8] & 0x3f) | 0x80;
    for (int i = 0; i < 16; i++)
        text_add(t, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", u[i]);
    text_add(t, "\n");
}

static int uuid_text(const struct proc_ref *ref, struct text *t)
{
    uint8_t u[16];
    random_bytes(SPAN_OF(u));
    uuid_add(t, u);
    return 0;
}

static int boot_id_text(const struct proc_ref *ref, struct text *t)
{
    static uint8_t id[16];
    static struct spinlock lock;
    uint8_t u[16];
    spin_lock(&lock);
    if (!id[6])
        random_bytes(SPAN_OF(id));
    id[6] |= 0x40;
    memcpy(u, id, sizeof u);
    spin_unlock(&lock);
    uuid_add(t, u);
    return 0;
}

static const struct proc_entry random_children[] = {
    PROC_FILE("uuid", uuid_text),
    PROC_FILE("boot_id", boot_id_text),
    PROC_FILE("entropy_avail", entropy_text),
    PROC_FILE("poolsize", entropy_text),
    {.name = NULL},
};
static const struct proc_entry kernel_children[] = {
    {.name = "hostname", .mode = S_IFREG | 0644, .text = nodename_text, .write = hostname_write},
    PROC_FILE("domainname", domainname_text),
    PROC_FILE("osrelease", release_text),
    PROC_FILE("ostype", sysname_text),
    PROC_FILE("version", kernel_version_text),
    PROC_FILE("pid_max", pid_max_text),
    PROC_FILE("threads-max", threads_max_text),
    PROC_FILE("core_pattern", core_pattern_text),
    PROC_FILE("randomize_va_space", two_value_text),
    PROC_FILE("cap_last_cap", cap_last_text),
    PROC_FILE("ngroups_max", ngroups_text),
    PROC_FILE("overflowuid", overflow_id_text),
    PROC_FILE("overflowgid", overflow_id_text),
    PROC_FILE("printk", printk_levels_text),
    PROC_FILE("tainted", zero_value_text),
    PROC_FILE("panic", zero_value_text),
    PROC_FILE("sysrq", zero_value_text),
    PROC_FILE("core_uses_pid", zero_value_text),
    PROC_FILE("dmesg_restrict", zero_value_text),
    PROC_FILE("kptr_restrict", two_value_text),
    PROC_FILE("perf_event_paranoid", two_value_text),
    PROC_FILE("unprivileged_bpf_disabled", two_value_text),
    PROC_LIMIT(sem),
    PROC_LIMIT(msgmax),
    PROC_LIMIT(msgmnb),
    PROC_LIMIT(msgmni),
    PROC_LIMIT(shmmax),
    PROC_LIMIT(shmall),
    PROC_LIMIT(shmmni),
    PROC_FILE("shm_rmid_forced", zero_value_text),
    PROC_DIR("random", random_children),
    {.name = NULL},
};
static const struct proc_entry vm_children[] = {
    {.name = "drop_caches", .mode = S_IFREG | 0200, .write = drop_caches_write},
    PROC_FILE("overcommit_memory", one_value_text),
    PROC_FILE("max_map_count", map_count_text),
    PROC_FILE("mmap_min_addr", mmap_min_text),
    PROC_FILE("swappiness", zero_value_text),
    PROC_FILE("overcommit_ratio", fifty_text),
    PROC_FILE("overcommit_kbytes", zero_value_text),
    PROC_FILE("nr_hugepages", zero_value_text),
    PROC_FILE("panic_on_oom", zero_value_text),
    PROC_FILE("oom_kill_allocating_task", one_value_text),
    PROC_FILE("vfs_cache_pressure", hundred_text),
    PROC_FILE("zone_reclaim_mode", zero_value_text),
    {.name = NULL},
};
static const struct proc_entry inotify_children[] = {
    PROC_FILE("max_queued_events", inotify_queue_text),
    PROC_FILE("max_user_watches", inotify_watches_text),
    PROC_FILE("max_user_instances", inotify_instances_text),
    {.name = NULL},
};
static const struct proc_entry fs_children[] = {
    PROC_FILE("file-max", file_max_text),
    PROC_FILE("file-nr", file_nr_text),
    PROC_FILE("nr_open", nr_open_text),
    PROC_FILE("pipe-max-size", pipe_max_text),
    PROC_FILE("aio-max-nr", aio_max_text),
    PROC_FILE("suid_dumpable", zero_value_text),
    PROC_FILE("protected_hardlinks", zero_value_text),
    PROC_FILE("protected_symlinks", zero_value_text),
    PROC_DIR("inotify", inotify_children),
    PROC_DIR("mqueue", proc_mqueue_children),
    {.name = NULL},
};
static const struct proc_entry core_children[] = {
    PROC_FILE("somaxconn", somaxconn_text),  PROC_FILE("rmem_default", buffer_size_text),
    PROC_FILE("rmem_max", buffer_size_text), PROC_FILE("wmem_default", buffer_size_text),
    PROC_FILE("wmem_max", buffer_size_text), {.name = NULL},
};
static const struct proc_entry net_children[] = {
    PROC_DIR("core", core_children),
    {.name = NULL},
};
const struct proc_entry proc_sys_children[] = {
    PROC_DIR("kernel", kernel_children),
    PROC_DIR("vm", vm_children),
    PROC_DIR("fs", fs_children),
    PROC_DIR("net", net_children),
    {.name = NULL},
};

const struct proc_entry proc_system_children[] = {
    PROC_LINK("self", self_text),
    PROC_LINK("thread-self", thread_self_text),
    PROC_LINK("mounts", self_mounts_text),
    PROC_LINK("net", self_net_text),
    PROC_FILE("meminfo", meminfo_text),
    PROC_FILE("cpuinfo", cpuinfo_text),
    PROC_FILE("stat", system_stat_text),
    PROC_FILE("uptime", uptime_text),
    PROC_FILE("loadavg", loadavg_text),
    PROC_FILE("version", version_text),
    PROC_FILE("filesystems", filesystems_text),
    PROC_FILE("swaps", swaps_text),
    PROC_FILE("devices", devices_text),
    PROC_FILE("cmdline", cmdline_text),
    PROC_FILE("vmstat", vmstat_text),
    PROC_DIR("sys", proc_sys_children),
    PROC_DIR("sysvipc", proc_sysvipc_children),
    PROC_FILE("locks", locks_text),
    {.name = "slabinfo", .mode = S_IFREG | 0400, .text = slabinfo_text},
    {.name = NULL},
};
