/* Exchanging pages, when the turn moves from one member of a family to another.
 *
 * For each page both sides are one of ABSENT, COPY (content) and KEPT (content of an immutable file, named
 * by key). Pages in a row that need the same are done together, because a change of permission costs a
 * leaf per run. The common case, both have content and the same permission, is two copies of 4 KB in the
 * cache and changes no permission and no books.
 *
 * File content that has to make room is copied like any other, with its key, while there is memory: to
 * read and verify it again costs more. Patched pages are not, because their stubs may be somebody else's
 * when they come back. Where the one who comes has no mapping file content stays in place, left over.
 */
#include "libos/mm/upages_swap.h"
#include "libos/base/panic.h"
#include "libos/base/string.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/frame.h"
#include "libos/mm/upages.h"

static bool has_content(const struct page_meta *m)
{
    return m && m->live && !m->key;
}

bool upage_needs_frame(uintptr_t addr)
{
    return has_content(upage_peek(addr));
}

/* What is live at addr, as an entry with its content in frame. It may have no permission now. */
static struct saved_page copy_of(const struct page_meta *m, uintptr_t addr, uintptr_t frame)
{
    uint8_t prot = m->prot;
    if (!(prot & PROT_R))
        upages_unseal(addr, addr + PAGE_SIZE);
    memcpy(enclave_ptr(frame), enclave_ptr(addr), PAGE_SIZE);
    if (m->prot != prot)
        upages_reseal(addr, addr + PAGE_SIZE, prot);
    return (struct saved_page){.kind = SAVED_COPY, .prot = prot, .key = m->key, .frame = frame};
}

struct saved_page upage_entry(uintptr_t addr, uintptr_t frame)
{
    const struct page_meta *m = upage_peek(addr);
    if (!m || !m->live)
        return (struct saved_page){.kind = SAVED_ABSENT};
    if (m->key)
        return (struct saved_page){.kind = SAVED_KEPT, .prot = m->prot, .key = m->key};
    return copy_of(m, addr, frame);
}

bool upage_equals(uintptr_t addr, const struct saved_page *e)
{
    const struct page_meta *m = upage_peek(addr);
    if (e->kind == SAVED_ABSENT)
        return !m || !m->live;
    if (!m || !m->live || m->prot != e->prot || m->key != e->key)
        return false;
    return m->key ||
           ((m->prot & PROT_R) && memcmp(enclave_ptr(addr), enclave_ptr(e->frame), PAGE_SIZE) == 0);
}

/* ---- runs of pages that need the same -------------------------------------------------------- */
#define RUN_MAX 64u

struct run {
    uintptr_t start, end;
    struct saved_page *e;
    const struct mm *comes; /* whose entries they are */
    struct mm *goes;        /* whose pages are in place; NULL: nobody's */
    bool ok;
};

static bool unmapped(const struct run *r)
{
    return !vma_first(&r->comes->vmas, r->start, r->end);
}

/* What is live at a, as an entry, before something else comes there. *frame, if there is one, is for its
 * content; 0 afterwards if it is used. */
static struct saved_page entry_of_going(struct run *r, const struct page_meta *m, uintptr_t a,
                                        uintptr_t *frame)
{
    if (!r->goes)
        return (struct saved_page){.kind = SAVED_ABSENT};
    if (m->key && (!*frame || ((m->prot & PROT_X) && mm_exec_patched_hook(r->goes, a))))
        return upage_entry(a, 0);
    uintptr_t to = *frame;
    *frame = 0;
    r->ok &= to != 0;
    return to ? copy_of(m, a, to) : (struct saved_page){.kind = SAVED_ABSENT};
}

static void copy_in(struct page_meta *m, uintptr_t a, const struct saved_page *e)
{
    memcpy(enclave_ptr(a), enclave_ptr(e->frame), PAGE_SIZE);
    m->key = e->key;
}

/* Content on both sides: place and entry change sides by way of one more frame. */
static void both_content(struct run *r, uint8_t prot, int want)
{
    struct saved_page *e = r->e;
    uintptr_t spare = r->goes ? frame_alloc_anyway() : 0;
    if (!(prot & PROT_W))
        upages_unseal(r->start, r->end);
    for (uintptr_t a = r->start; a < r->end; a += PAGE_SIZE, e++) {
        struct page_meta *m = upage_peek(a);
        struct saved_page was = entry_of_going(r, m, a, &spare);
        was.prot = prot;
        copy_in(m, a, e);
        if (spare || !r->goes)
            frame_put(e->frame);
        else
            spare = frame_renew(e->frame);
        *e = was;
    }
    if (spare)
        frame_put(spare);
    if (prot != want || !(prot & PROT_W))
        upages_protect(r->start, r->end, want);
}

/* What is in place moves to the entries, or is dropped; nothing is live afterwards. */
static void take_away(struct run *r, bool content)
{
    bool stays = !content && unmapped(r);
    struct saved_page *e = r->e;
    for (uintptr_t a = r->start; a < r->end; a += PAGE_SIZE, e++) {
        uintptr_t frame = 0;
        if (r->goes && !stays)
            frame = content ? frame_alloc_anyway() : frame_alloc();
        *e = entry_of_going(r, upage_peek(a), a, &frame);
        if (frame)
            frame_put(frame);
        if (stays)
            upage_set_live(a, false);
    }
    if (!stays)
        upages_drop(r->start, r->end);
}

/* The next touch is a fault: nothing was there, or file content that is gone. */
static void comes_absent(struct run *r, bool live, bool content)
{
    if (live) {
        take_away(r, content);
        return;
    }
    for (size_t i = 0; i < (r->end - r->start) / PAGE_SIZE; i++)
        r->e[i] = (struct saved_page){.kind = SAVED_ABSENT};
    if (!unmapped(r))
        upages_drop(r->start, r->end);
}

/* Nothing of another one's is live here. */
static void copy_over_nothing(struct run *r, int want)
{
    bool there = upages_populate_moved(r->start, r->end) == 0;
    struct saved_page *e = r->e;
    for (uintptr_t a = r->start; a < r->end; a += PAGE_SIZE, e++) {
        if (there)
            copy_in(upage_peek(a), a, e);
        frame_put(e->frame);
        *e = (struct saved_page){.kind = SAVED_ABSENT};
    }
    if (there)
        upages_protect(r->start, r->end, want);
    r->ok &= there;
}

/* The entry's file content still is in place, or again. */
static bool is_in_place(const struct page_meta *m, const struct saved_page *e)
{
    return e->key && m && m->committed && m->key == e->key && m->prot == e->prot;
}

static void stays_in_place(struct run *r, bool live)
{
    struct saved_page *e = r->e;
    for (uintptr_t a = r->start; a < r->end; a += PAGE_SIZE, e++) {
        if (e->kind == SAVED_COPY)
            frame_put(e->frame);
        *e = live && r->goes ? upage_entry(a, 0) : (struct saved_page){.kind = SAVED_ABSENT};
        upage_set_live(a, true);
    }
}

/* What decides how a page is treated, as one number. */
enum { LIVE = 1 << 16, CONTENT = 1 << 17, IN_PLACE = 1 << 18 };

static uint32_t class_of(uintptr_t addr, const struct saved_page *e)
{
    const struct page_meta *m = upage_peek(addr);
    uint32_t c = (uint32_t) e->kind << 8 | (uint32_t) e->prot << 4;
    if (!m)
        return c;
    c |= m->prot;
    if (m->live)
        c |= m->key ? LIVE : LIVE | CONTENT;
    return is_in_place(m, e) ? c | IN_PLACE : c;
}

static void swap_run(struct run *r, uint32_t class)
{
    bool live = class & LIVE;
    if (class & IN_PLACE)
        stays_in_place(r, live);
    else if (r->e->kind != SAVED_COPY)
        comes_absent(r, live, class & CONTENT);
    else if (live)
        both_content(r, class & 15, r->e->prot);
    else
        copy_over_nothing(r, r->e->prot);
}

bool upages_swap(uintptr_t start, size_t n, struct saved_page *e, struct mm *goes,
                 const struct mm *comes)
{
    struct run r = {.goes = goes, .comes = comes, .ok = true};
    for (size_t i = 0, k; i < n; i += k) {
        uintptr_t a = start + i * PAGE_SIZE;
        uint32_t class = class_of(a, &e[i]);
        for (k = 1; k < RUN_MAX && i + k < n; k++)
            if (class_of(a + k * PAGE_SIZE, &e[i + k]) != class)
                break;
        r.start = a;
        r.end = a + k * PAGE_SIZE;
        r.e = &e[i];
        swap_run(&r, class);
    }
    return r.ok;
}
