/* /proc/PID/maps, smaps, smaps_rollup and pagemap: the mappings of a process, and which pages of them are
 * in memory. How many processes share a page is not known here, so the proportional sizes are the whole. */
#include "libos/fs/proc/pid_memory.h"
#include "abi/layout.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/task/process.h"
#include "libos/vfs/memfd.h"

static void area_name(struct text *t, const struct mm_area *a, char *buf)
{
    const char *name = a->stack ? "[stack]" : a->heap ? "[heap]" : a->vdso ? "[vdso]" : "";
    if (a->file) {
        const char *mem = memfd_name(a->file->inode);
        if (mem)
            name = mem;
        else if (file_path(a->file, buf, PATH_LIMIT) > 0)
            name = buf;
    }
    text_add(t, *name ? "                    %s\n" : "\n", name);
}

static void area_line(struct text *t, const struct mm_area *a, char *buf)
{
    uint64_t dev = a->file ? inode_dev(a->file->inode) : 0;
    text_add(t, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", (unsigned long) a->start,
             (unsigned long) a->end, a->prot & PROT_R ? 'r' : '-', a->prot & PROT_W ? 'w' : '-',
             a->prot & PROT_X ? 'x' : '-', a->shared ? 's' : 'p', (unsigned long) a->offset,
             linux_major(dev), linux_minor(dev),
             a->file ? (unsigned long) inode_ino(a->file->inode) : 0ul);
    area_name(t, a, buf);
}

struct sizes { /* in pages */
    size_t resident, clean, dirty, shared, anonymous, locked;
};

/* A private page that may be written counts as written to: nobody looked. */
static void count(struct mm *mm, const struct mm_area *a, struct sizes *s)
{
    size_t n = mm_resident_in(mm, a->start, a->end);
    s->resident += n;
    *(a->shared ? &s->shared : a->changed || !a->file ? &s->dirty : &s->clean) += n;
    s->anonymous += a->file ? 0 : n;
    s->locked += a->locked ? n : 0;
}

static void add_size(struct text *t, const char *name, size_t pages)
{
    text_add(t, "%-16s%8lu kB\n", name, (unsigned long) (pages * (PAGE_SIZE / 1024)));
}

static void sizes_text(struct text *t, const struct sizes *s)
{
    static const char *const never[] = {
        "KSM:",           "LazyFree:",       "AnonHugePages:",   "ShmemPmdMapped:",
        "FilePmdMapped:", "Shared_Hugetlb:", "Private_Hugetlb:", "Swap:",
        "SwapPss:",
    };
    add_size(t, "Rss:", s->resident);
    add_size(t, "Pss:", s->resident);
    add_size(t, "Pss_Dirty:", s->dirty);
    add_size(t, "Shared_Clean:", s->shared);
    add_size(t, "Shared_Dirty:", 0);
    add_size(t, "Private_Clean:", s->clean);
    add_size(t, "Private_Dirty:", s->dirty);
    add_size(t, "Referenced:", s->resident);
    add_size(t, "Anonymous:", s->anonymous);
    for (size_t i = 0; i < ARRAY_SIZE(never); i++)
        add_size(t, never[i], 0);
    add_size(t, "Locked:", s->locked);
}

/* ---- walking ---------------------------------------------------------------------------------- */
struct walk {
    struct mm *mm;
    struct text *t;
    char *buf;
    struct sizes sum;
    uintptr_t first, last;
};

static void maps_area(struct walk *w, const struct mm_area *a)
{
    area_line(w->t, a, w->buf);
}

static void smaps_area(struct walk *w, const struct mm_area *a)
{
    struct sizes s = {0};
    count(w->mm, a, &s);
    area_line(w->t, a, w->buf);
    add_size(w->t, "Size:", (a->end - a->start) / PAGE_SIZE);
    add_size(w->t, "KernelPageSize:", 1);
    add_size(w->t, "MMUPageSize:", 1);
    sizes_text(w->t, &s);
    text_add(w->t, "THPeligible:    0\nVmFlags:%s%s%s%s mr mw me%s%s\n",
             a->prot & PROT_R ? " rd" : "", a->prot & PROT_W ? " wr" : "",
             a->prot & PROT_X ? " ex" : "", a->shared ? " sh" : "", a->stack ? " gd" : "",
             a->locked ? " lo" : "");
}

static void rollup_area(struct walk *w, const struct mm_area *a)
{
    count(w->mm, a, &w->sum);
    w->first = MIN(w->first, a->start);
    w->last = a->end;
}

static int walk(const struct proc_ref *ref, struct walk *w,
                void (*fn)(struct walk *w, const struct mm_area *a))
{
    AUTO(process_put) struct process *p = process_lookup_get(ref->pid);
    if (!p)
        return -ESRCH;
    AUTO(mm_put) struct mm *mm = process_mm_get(p);
    w->buf = kzalloc(PATH_LIMIT);
    if (!w->buf)
        return -ENOMEM;
    w->mm = mm;
    struct mm_area a;
    for (uintptr_t at = 0; mm && !w->t->full && mm_area_at(mm, at, &a); at = a.end) {
        fn(w, &a);
        if (a.file)
            file_put(a.file);
    }
    kfree(w->buf);
    return 0;
}

int proc_maps_text(const struct proc_ref *ref, struct text *t)
{
    struct walk w = {.t = t};
    return walk(ref, &w, maps_area);
}

int proc_smaps_text(const struct proc_ref *ref, struct text *t)
{
    struct walk w = {.t = t};
    return walk(ref, &w, smaps_area);
}

int proc_smaps_rollup_text(const struct proc_ref *ref, struct text *t)
{
    struct walk w = {.t = t, .first = UINTPTR_MAX};
    int r = walk(ref, &w, rollup_area);
    if (r < 0 || w.last == 0)
        return r;
    text_add(t, "%08lx-%08lx ---p 00000000 00:00 0                    [rollup]\n",
             (unsigned long) w.first, (unsigned long) w.last);
    sizes_text(t, &w.sum);
    return 0;
}

/* ---- pagemap: a word per page ----------------------------------------------------------------- */
#define PAGEMAP_PRESENT (1ull << 63)
#define TASK_PAGES      (1ull << (47 - 12)) /* as many as Linux has */

/* Page frame numbers are never told, as without CAP_SYS_ADMIN. */
int proc_pagemap_raw(const struct proc_ref *ref, struct uio *uio, uint64_t pos)
{
    AUTO(process_put) struct process *p = process_lookup_get(ref->pid);
    if (!p)
        return -ESRCH;
    if (pos % sizeof(uint64_t) || uio->left % sizeof(uint64_t))
        return -EINVAL;
    AUTO(mm_put) struct mm *mm = process_mm_get(p);
    int r = 0;
    for (uint64_t page = pos / sizeof(uint64_t); r == 0 && mm && uio->left && page < TASK_PAGES;
         page++) {
        uint64_t word = mm_page_state(mm, page * PAGE_SIZE) == 0 ? PAGEMAP_PRESENT : 0;
        r = uio_put(uio, &word, sizeof word);
        if (thread_interrupted())
            break;
    }
    return r;
}
