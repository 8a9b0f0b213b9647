/* A small /sys: processors, the one memory node, huge pages that are not there. */
#include "libos/fs/proc/proc.h"
#include "libos/mm/totals.h"
#include "libos/task/process.h"

#define CONST_TEXT(name, text_)                                                                    \
    static int name##_text(const struct proc_ref *ref, struct text *t)                             \
    {                                                                                              \
        text_add(t, "%s\n", (text_));                                                              \
        return 0;                                                                                  \
    }
CONST_TEXT(zero, "0")
CONST_TEXT(one, "1")
CONST_TEXT(ten, "10")
CONST_TEXT(empty_line, "")
CONST_TEXT(kernel_max, "31")
CONST_TEXT(never, "always madvise [never]")
CONST_TEXT(shmem_never, "always within_size advise [never] deny force")
#undef CONST_TEXT

/* ---- processors: what runtimes count ---------------------------------------------------------- */
static int cpu_range_text(const struct proc_ref *ref, struct text *t)
{
    int n = sched_cpu_count();
    text_add(t, n > 1 ? "0-%d\n" : "%d\n", n - 1);
    return 0;
}

static int cpu_dir_lookup(struct proc_ref *ref, const char *name, const struct proc_entry **ret);

static int cpu_dir_readdir(const struct proc_ref *ref, struct dir_ctx *ctx)
{
    for (int cpu = (int) ctx->pos; cpu < sched_cpu_count(); cpu++) {
        char name[16];
        fmt_str(name, sizeof name, "cpu%d", cpu);
        if (!ctx->emit(ctx, QNAME(name), (uint64_t) cpu + 100, LINUX_DT_DIR, (uint64_t) cpu + 1))
            break;
    }
    return 0;
}

static int core_id_text(const struct proc_ref *ref, struct text *t)
{
    text_add(t, "%d\n", ref->fd);
    return 0;
}

static const struct proc_entry topology_children[] = {
    PROC_FILE("core_id", core_id_text),
    PROC_FILE("physical_package_id", zero_text),
    PROC_FILE("thread_siblings_list", core_id_text),
    PROC_FILE("core_siblings_list", cpu_range_text),
    {.name = NULL},
};
static const struct proc_entry one_cpu_children[] = {
    PROC_DIR("topology", topology_children),
    PROC_FILE("online", one_text),
    {.name = NULL},
};
static const struct proc_entry one_cpu = PROC_DIR("cpu", one_cpu_children);
static const struct proc_dynamic cpu_dynamic = {cpu_dir_lookup, cpu_dir_readdir};

static int cpu_dir_lookup(struct proc_ref *ref, const char *name, const struct proc_entry **ret)
{
    ref->fd = str_starts(name, "cpu") ? proc_number(name + 3) : -1;
    *ret = &one_cpu;
    return ref->fd >= 0 && ref->fd < sched_cpu_count() ? 0 : -ENOENT;
}

static const struct proc_entry cpu_children[] = {
    PROC_FILE("online", cpu_range_text),
    PROC_FILE("possible", cpu_range_text),
    PROC_FILE("present", cpu_range_text),
    PROC_FILE("offline", empty_line_text),
    PROC_FILE("isolated", empty_line_text),
    PROC_FILE("kernel_max", kernel_max_text),
    {.name = NULL},
};

/* ---- memory: one node, no huge pages ---------------------------------------------------------- */
static int node_meminfo_text(const struct proc_ref *ref, struct text *t)
{
    struct mm_totals m;
    mm_totals(&m);
    text_add(t, "Node 0 MemTotal:       %lu kB\nNode 0 MemFree:        %lu kB\n",
             (unsigned long) m.total / 1024, (unsigned long) m.free / 1024);
    text_add(t, "Node 0 MemUsed:        %lu kB\n", (unsigned long) (m.total - m.free) / 1024);
    return 0;
}

static int cpu_map_text(const struct proc_ref *ref, struct text *t)
{
    int n = sched_cpu_count();
    text_add(t, "%08x\n", n >= 32 ? UINT32_MAX : (1u << n) - 1);
    return 0;
}

static const struct proc_entry node0_children[] = {
    PROC_FILE("cpulist", cpu_range_text),
    PROC_FILE("cpumap", cpu_map_text),
    PROC_FILE("meminfo", node_meminfo_text),
    PROC_FILE("distance", ten_text),
    {.name = NULL},
};
static const struct proc_entry node_children[] = {
    PROC_FILE("online", zero_text),
    PROC_FILE("possible", zero_text),
    PROC_FILE("has_cpu", zero_text),
    PROC_FILE("has_memory", zero_text),
    PROC_FILE("has_normal_memory", zero_text),
    PROC_DIR("node0", node0_children),
    {.name = NULL},
};
static const struct proc_entry thp_children[] = {
    PROC_FILE("enabled", never_text),
    PROC_FILE("defrag", never_text),
    PROC_FILE("shmem_enabled", shmem_never_text),
    PROC_FILE("use_zero_page", zero_text),
    {.name = NULL},
};
static const struct proc_entry mm_children[] = {
    PROC_DIR("transparent_hugepage", thp_children),
    {.name = NULL},
};
static const struct proc_entry kernel_children[] = {
    PROC_DIR("mm", mm_children),
    {.name = NULL},
};

static const struct proc_entry system_children[] = {
    PROC_DIR("node", node_children),
    {.name = "cpu", .mode = S_IFDIR | 0555, .children = cpu_children, .dynamic = &cpu_dynamic},
    {.name = NULL},
};
static const struct proc_entry devices_children[] = {
    PROC_DIR("system", system_children),
    {.name = NULL},
};
static const struct proc_entry nothing[] = {{.name = NULL}};
static const struct proc_entry fs_children[] = {
    PROC_DIR("cgroup", nothing),
    {.name = NULL},
};
const struct proc_entry sysfs_children[] = {
    PROC_DIR("devices", devices_children),
    PROC_DIR("kernel", kernel_children),
    PROC_DIR("fs", fs_children),
    PROC_DIR("class", nothing),
    PROC_DIR("block", nothing),
    PROC_DIR("bus", nothing),
    PROC_DIR("module", nothing),
    {.name = NULL},
};
