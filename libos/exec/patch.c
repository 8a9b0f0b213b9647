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
#include "libos/exec/sitecache.h"
#include "libos/exec/sites.h"
#include "libos/exec/stubarea.h"
#include "libos/arch/trap.h"
#include "libos/base/errno.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/vfs/vfs.h"

#define WINDOW_REACH 64u /* a site is at most this far behind its window's start */

static struct {
    struct spinlock lock;                  /* creation of areas */
    struct stubarea *areas[GRANULE_COUNT]; /* by the granule the area lies in */
    struct exec_counters counters;
} patch;

static struct stubarea *area_of(uintptr_t addr)
{
    size_t granule = addr >> GRANULE_SHIFT;
    return granule < GRANULE_COUNT ? __atomic_load_n(&patch.areas[granule], __ATOMIC_ACQUIRE)
                                   : NULL;
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
    struct stubarea **slot = &patch.areas[base >> GRANULE_SHIFT];
    if (!*slot) {
        __atomic_store_n(slot, a, __ATOMIC_RELEASE);
        a = NULL;
    }
    spin_unlock(&patch.lock);
    kfree(a);
    return 0;
}

int patch_prepare(struct mm *mm, bool low)
{
    struct mm_layout lay;
    mm_layout(mm, &lay);
    int r = area_make(lay.stubs, lay.stubs_end);
    if (r == 0)
        r = mm_map_stubs(mm, lay.stubs, lay.stubs_end - lay.stubs);
    if (r == 0 && low)
        r = area_make(EXEC_LOW_STUBS, GRANULE_SIZE);
    if (r == 0 && low)
        r = mm_map_stubs(mm, EXEC_LOW_STUBS, EXEC_LOW_STUBS_LEN);
    return r;
}

/* The area whose stubs code at addr in mm can reach. */
static struct stubarea *area_for(struct mm *mm, uintptr_t addr)
{
    struct mm_layout lay;
    if (addr < GRANULE_SIZE)
        return area_of(EXEC_LOW_STUBS);
    mm_layout(mm, &lay);
    return area_of(lay.stubs);
}

static void count(uint8_t kind, bool patched)
{
    struct exec_counters *c = &patch.counters;
    uint64_t *n = kind == SITE_CPUID ? (patched ? &c->cpuid_patched : &c->cpuid_trapped)
                                     : (patched ? &c->syscall_patched : &c->syscall_trapped);
    __atomic_fetch_add(n, 1, __ATOMIC_RELAXED);
}

/* A page being patched. */
struct patching {
    struct mm *mm;
    struct stubarea *area;
    struct stub_page *page;
    struct span bytes; /* the page, in place */
    uintptr_t addr;
    uint64_t file_start;
};

/* False: the site stays a trap. A slot taken in vain stays with the page until it is refilled. */
static bool site_patch(struct patching *p, const struct site *site)
{
    uint64_t start = site->offset - site->before - p->file_start;
    uintptr_t window = p->addr + start;
    struct span code;
    struct stub stub;
    uint8_t jump[STUB_JUMP];
    uint32_t slot;
    if (!span_sub(p->bytes, start, site_checked(site), &code))
        return false;
    uintptr_t at = stubarea_slot_take(p->area, p->page, &slot);
    if (at == 0 || !stub_make(site, cspan(code), window, at, &stub) ||
        !stub_jump(window, at, jump) || code.n < sizeof jump ||
        mm_write_stub(p->mm, at, (struct cspan){stub.code, stub.len}) < 0)
        return false;
    stubarea_slot_set(p->area, slot, window, site, &stub);
    memcpy(code.p, jump, sizeof jump);
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
        if (site_fits(p, site))
            count(site->kind, site->form != SITE_TRAP && site_patch(p, site));
        else
            fits = false;
    }
    if (!fits)
        sitecache_forget(t);
}

static void patch_page(struct mm *mm, struct inode *inode, uint64_t index, uintptr_t addr)
{
    struct patching p = {
        .mm = mm,
        .area = area_for(mm, addr),
        .bytes = {(uint8_t *) addr, PAGE_SIZE},
        .addr = addr,
        .file_start = index << PAGE_SHIFT,
    };
    if (!p.area)
        return;
    if (!sites_possible(cspan(p.bytes)) && !stubarea_page_peek(p.area, addr))
        return; /* a window whose site lies on the next page alone: rare enough to trap */
    p.page = stubarea_page_begin(p.area, addr, inode_unique(inode), index);
    struct site_table *t = p.page ? sitecache_get(inode) : NULL;
    if (!t)
        return;
    sites_patch(&p, t);
    sitecache_put(t);
}

void patch_init(void)
{
    sitecache_init();
    mm_exec_page_hook = patch_page;
    trap_rip_is_stub = rip_is_stub;
}

void patch_counters(struct exec_counters *ret)
{
    const struct exec_counters *c = &patch.counters;
    *ret = (struct exec_counters){
        .syscall_patched = __atomic_load_n(&c->syscall_patched, __ATOMIC_RELAXED),
        .syscall_trapped = __atomic_load_n(&c->syscall_trapped, __ATOMIC_RELAXED),
        .cpuid_patched = __atomic_load_n(&c->cpuid_patched, __ATOMIC_RELAXED),
        .cpuid_trapped = __atomic_load_n(&c->cpuid_trapped, __ATOMIC_RELAXED),
    };
}

void exec_stubs_forget(uintptr_t base)
{
    struct stubarea *a = area_of(base);
    if (a)
        stubarea_clear(a);
}

static const struct stub_slot *slot_at(uintptr_t rip, uintptr_t *ret_addr)
{
    const struct stubarea *a = area_of(rip);
    const struct stub_slot *s = a ? stubarea_slot_at(a, rip) : NULL;
    if (s)
        *ret_addr = a->base + ROUND_DOWN(rip - a->base, (uintptr_t) STUB_SIZE);
    return s;
}

uintptr_t exec_rip_to_guest(uintptr_t rip)
{
    uintptr_t addr;
    const struct stub_slot *s = slot_at(rip, &addr);
    if (!s)
        return rip;
    size_t orig = 0;
    for (size_t i = 0; i < s->point_count && i < STUB_POINTS; i++)
        if (addr + s->points[i].at <= rip)
            orig = s->points[i].orig;
    return s->window + orig;
}

uintptr_t exec_stub_to_site(struct mm *mm, uintptr_t rip)
{
    uintptr_t addr;
    const struct stub_slot *s = slot_at(rip, &addr);
    (void) mm; /* stub areas are told apart by address */
    return s ? s->window + s->site : 0;
}

/* The place in a stub of the page for rip; rip itself if no window has it in its middle. */
static uintptr_t page_rip(struct stubarea *a, uintptr_t page, uintptr_t rip)
{
    const struct stub_page *p = stubarea_page_peek(a, page);
    const struct stub_slot *s;
    for (uint32_t i = p ? p->first : STUB_NONE; (s = stubarea_slot(a, i)) != NULL; i = s->next) {
        if (rip <= s->window || rip >= s->window + s->len || s->window == 0)
            continue;
        for (size_t n = 0; n < s->point_count && n < STUB_POINTS; n++)
            if (s->window + s->points[n].orig == rip)
                return stubarea_slot_addr(a, i) + s->points[n].at;
    }
    return rip;
}

uintptr_t exec_rip_from_guest(struct mm *mm, uintptr_t rip)
{
    struct stubarea *a = area_for(mm, rip);
    if (!a)
        return rip;
    uintptr_t page = ROUND_DOWN(rip, PAGE_SIZE);
    uintptr_t to = page_rip(a, page, rip);
    return to != rip ? to : page_rip(a, page - PAGE_SIZE, rip);
}
