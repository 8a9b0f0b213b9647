/* Puts jumps to stubs over the instructions an enclave may not execute. mm calls patch_page whenever it
 * has filled a page of executable code from a file; a page that it kept from an earlier process comes
 * back patched, and so do its stubs, because a stub area belongs to addresses and not to a process.
 *
 * What cannot be patched stays as it is and traps; results are the same, only slower.
 *
 * patch_page runs under the lock of the mm it works for; areas are created once per granule and never
 * freed. trap_rip_is_stub runs in stage 1 of a tick: one table read, no locks.
 */
#include "libos/exec/patch.h"
#include "libos/base/atomic.h"
#include "libos/exec/sitecache.h"
#include "libos/exec/sites.h"
#include "libos/exec/stubarea.h"
#include "libos/arch/trap.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/task/signal.h"
#include "libos/vfs/vfs.h"

#define BATCH        16u
#define WINDOW_REACH 64u /* a site is at most this far behind its window's start */

static struct {
    struct spinlock lock;    /* creation of areas */
    struct stubarea **areas; /* by the granule the area lies in; not granule 0; GRANULE_COUNT */
    struct stubarea *low[MM_LOW_SLICES];
    struct exec_counters counters;
} patch;

/* Where the area around a stub's address is kept; NULL: no stubs there. */
static struct stubarea **area_place(uintptr_t addr)
{
    size_t granule = addr >> GRANULE_SHIFT;
    if (granule > 0)
        return granule < GRANULE_COUNT && patch.areas ? &patch.areas[granule] : NULL;
    return addr >= EXEC_LOW_STUBS ? &patch.low[(addr - EXEC_LOW_STUBS) / EXEC_LOW_STUBS_LEN] : NULL;
}

static struct stubarea *area_of(uintptr_t addr)
{
    struct stubarea **place = area_place(addr);
    return place ? atomic_load(place) : NULL;
}

static bool rip_is_stub(uint64_t rip)
{
    const struct stubarea *a = area_of(rip);
    return a && rip >= a->base && rip < a->end;
}

static int area_make(uintptr_t base, uintptr_t end)
{
    if (area_of(base))
        return 0;
    struct stubarea *a = stubarea_new(base, end);
    if (!a)
        return -ENOMEM;
    spin_lock(&patch.lock);
    struct stubarea **slot = area_place(base);
    if (!*slot) {
        atomic_store(slot, a);
        a = NULL;
    }
    spin_unlock(&patch.lock);
    kfree(a);
    return 0;
}

static uintptr_t low_stubs(struct mm *mm)
{
    return EXEC_LOW_STUBS + mm_low_slice(mm) * EXEC_LOW_STUBS_LEN;
}

int patch_prepare(struct mm *mm, bool low)
{
    struct mm_layout lay;
    mm_layout(mm, &lay);
    int r = area_make(lay.stubs, lay.stubs_end);
    if (r == 0)
        r = mm_map_stubs(mm, lay.stubs, lay.stubs_end - lay.stubs);
    uintptr_t slice = low_stubs(mm);
    if (r == 0 && low)
        r = area_make(slice, slice + EXEC_LOW_STUBS_LEN);
    if (r == 0 && low)
        r = mm_map_stubs(mm, slice, EXEC_LOW_STUBS_LEN);
    return r;
}

/* The area whose stubs code at addr in mm can reach. */
static struct stubarea *area_for(struct mm *mm, uintptr_t addr)
{
    struct mm_layout lay;
    if (addr < GRANULE_SIZE)
        return area_of(low_stubs(mm));
    mm_layout(mm, &lay);
    return area_of(lay.stubs);
}

static void count(uint8_t kind, bool patched)
{
    struct exec_counters *c = &patch.counters;
    uint64_t *n = kind == SITE_CPUID ? (patched ? &c->cpuid_patched : &c->cpuid_trapped)
                                     : (patched ? &c->syscall_patched : &c->syscall_trapped);
    atomic_add(n, 1);
}

/* A site whose stub is made but not yet in place. */
struct pending {
    const struct site *site;
    uintptr_t window, at;
    uint32_t slot;
    uint8_t *code;
    uint8_t jump[STUB_JUMP];
    struct stub stub;
};

/* A page being patched. Stubs in a row are written together, for each write opens the area. */
struct patching {
    struct mm *mm;
    struct stubarea *area;
    struct stub_page *page;
    struct span bytes; /* the page */
    uintptr_t addr;
    uint64_t file_start;
    size_t count;
    struct pending batch[BATCH];
    uint8_t code[BATCH * STUB_SIZE];
};

/* Puts the stubs in place and then the jumps. */
static void batch_flush(struct patching *p)
{
    if (p->count == 0)
        return;
    struct cspan code = {p->code, p->count * STUB_SIZE};
    bool ok = mm_write_stub(p->mm, p->batch[0].at, code) == 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct pending *b = &p->batch[i];
        count(b->site->kind, ok);
        if (!ok)
            continue;
        stubarea_slot_set(p->area, b->slot, b->window, b->site, &b->stub);
        memcpy(b->code, b->jump, sizeof b->jump);
    }
    p->count = 0;
}

/* False: the site stays a trap. A slot taken in vain stays with the page until it is refilled. */
static bool site_prepare(struct patching *p, const struct site *site)
{
    uint64_t start = site->offset - site->before - p->file_start;
    struct span code;
    uint32_t slot;
    if (site->form == SITE_TRAP || !span_sub(p->bytes, start, site_checked(site), &code) ||
        code.n < STUB_JUMP)
        return false;
    uintptr_t at = stubarea_slot_take(p->area, p->page, &slot);
    if (at == 0)
        return false;
    if (p->count == BATCH || (p->count > 0 && at != p->batch[p->count - 1].at + STUB_SIZE))
        batch_flush(p);
    struct pending *b = &p->batch[p->count];
    b->site = site;
    b->window = p->addr + start;
    b->at = at;
    b->slot = slot;
    b->code = code.p;
    if (!stub_make(site, cspan(code), b->window, at, &b->stub) ||
        !stub_jump(b->window, at, b->jump))
        return false;
    memcpy(p->code + p->count * STUB_SIZE, b->stub.code, STUB_SIZE);
    p->count++;
    return true;
}

/* True if the bytes are those the site was found in. */
static bool site_fits(const struct patching *p, const struct site *site)
{
    uint64_t start = site->offset - site->before - p->file_start;
    struct span code;
    return span_sub(p->bytes, start, site_checked(site), &code) &&
           sites_check(cspan(code)) == site->check;
}

static void sites_patch(struct patching *p, struct site_table *t)
{
    bool fits = true;
    for (size_t i = site_search(t, p->file_start); i < t->count; i++) {
        const struct site *site = &t->sites[i];
        uint64_t window = (uint64_t) site->offset - site->before;
        if (site->offset >= p->file_start + PAGE_SIZE + WINDOW_REACH)
            break;
        if (window < p->file_start || window >= p->file_start + PAGE_SIZE)
            continue;
        if (!site_fits(p, site))
            fits = false;
        else if (!site_prepare(p, site))
            count(site->kind, false);
    }
    batch_flush(p);
    if (!fits)
        sitecache_forget(t);
}

/* Does the page have sites? Without a table the bytes tell, but for a site that the end of the page
 * splits: alone on its page it is rare enough to trap. */
static bool page_has_sites(struct inode *inode, uint64_t file_start, struct cspan bytes)
{
    struct site_table *t = sitecache_known_get(inode);
    if (!t)
        return sites_possible(bytes);
    size_t i = site_search(t, file_start);
    bool has = i < t->count && t->sites[i].offset < file_start + PAGE_SIZE + WINDOW_REACH;
    sitecache_put(t);
    return has;
}

static void patch_page(struct mm *mm, struct inode *inode, uint64_t index, uintptr_t addr,
                       void *content)
{
    struct stubarea *area = area_for(mm, addr);
    struct span bytes = {content, PAGE_SIZE};
    if (!area || (!page_has_sites(inode, index << PAGE_SHIFT, cspan(bytes)) &&
                  !stubarea_page_peek(area, addr)))
        return;
    struct patching *p = new_zero(struct patching);
    if (!p)
        return;
    p->mm = mm;
    p->area = area;
    p->bytes = bytes;
    p->addr = addr;
    p->file_start = index << PAGE_SHIFT;
    p->page = stubarea_page_begin(area, addr, inode_unique(inode), index);
    struct site_table *t = p->page ? sitecache_get(inode) : NULL;
    if (t) {
        sites_patch(p, t);
        sitecache_put(t);
    }
    kfree(p);
}

static bool page_is_patched(struct mm *mm, uintptr_t addr)
{
    struct stubarea *area = area_for(mm, addr);
    return area && stubarea_page_peek(area, addr);
}

static void low_slice_taken(uint32_t slice)
{
    exec_stubs_forget(EXEC_LOW_STUBS + slice * EXEC_LOW_STUBS_LEN);
}

void patch_init(void)
{
    patch.areas = kzalloc(GRANULE_COUNT * sizeof *patch.areas);
    check(patch.areas);
    mm_low_slice_hook = low_slice_taken;
    mm_exec_page_hook = patch_page;
    mm_exec_patched_hook = page_is_patched;
    trap_rip_is_stub = rip_is_stub;
    signal_rip_hook = exec_rip_to_guest;
}

void patch_counters(struct exec_counters *ret)
{
    const struct exec_counters *c = &patch.counters;
    *ret = (struct exec_counters){
        .syscall_patched = atomic_load(&c->syscall_patched),
        .syscall_trapped = atomic_load(&c->syscall_trapped),
        .cpuid_patched = atomic_load(&c->cpuid_patched),
        .cpuid_trapped = atomic_load(&c->cpuid_trapped),
    };
}

void exec_stubs_forget(uintptr_t base)
{
    struct stubarea *a = area_of(base);
    if (a)
        stubarea_clear(a);
}

uintptr_t exec_rip_to_guest(uintptr_t rip)
{
    const struct stubarea *a = area_of(rip);
    const struct stub_slot *s = a ? stubarea_slot_at(a, rip) : NULL;
    if (!s)
        return rip;
    uintptr_t at = (rip - a->base) % STUB_SIZE;
    size_t orig = 0;
    for (size_t i = 0; i < s->point_count && i < STUB_POINTS; i++)
        if (s->points[i].at <= at)
            orig = s->points[i].orig;
    return s->window + orig;
}
