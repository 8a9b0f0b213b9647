/* Exchanging pages, when the turn moves from one member of a family to another.
 *
 * For each page both sides are one of ABSENT, COPY (content of its own) and KEPT (content of an immutable
 * file, named by key). Pages in a row that need the same are done together, because a change of
 * permission costs a leaf per run. The common case, both have content and the same permission, is three
 * copies of 4 KB in the cache and changes no permission and no books.
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

static bool is_kept(const struct page_meta *m)
{
    return m && m->live && m->key;
}

bool upage_needs_frame(uintptr_t addr)
{
    return has_content(upage_peek(addr));
}

/* The kernel reads a page that may have no permission now. */
static void copy_out(uintptr_t frame, uintptr_t addr)
{
    if (!(upage_peek(addr)->prot & PROT_R))
        upages_unseal(addr, addr + PAGE_SIZE);
    memcpy(enclave_ptr(frame), enclave_ptr(addr), PAGE_SIZE);
}

struct saved_page upage_entry(uintptr_t addr, uintptr_t frame)
{
    const struct page_meta *m = upage_peek(addr);
    if (!m || !m->live)
        return (struct saved_page){.kind = SAVED_ABSENT};
    uint8_t prot = m->prot;
    if (m->key)
        return (struct saved_page){.kind = SAVED_KEPT, .prot = prot, .key = m->key};
    copy_out(frame, addr);
    if (upage_peek(addr)->prot != prot)
        upages_reseal(addr, addr + PAGE_SIZE, prot);
    return (struct saved_page){.kind = SAVED_COPY, .prot = prot, .frame = frame};
}

bool upage_equals(uintptr_t addr, const struct saved_page *e)
{
    const struct page_meta *m = upage_peek(addr);
    if (e->kind == SAVED_ABSENT)
        return !m || !m->live;
    if (!m || !m->live || m->prot != e->prot)
        return false;
    if (e->kind == SAVED_KEPT)
        return m->key == e->key;
    return !m->key && (m->prot & PROT_R) &&
           memcmp(enclave_ptr(addr), enclave_ptr(e->frame), PAGE_SIZE) == 0;
}

/* ---- runs of pages that need the same -------------------------------------------------------- */
struct run {
    uintptr_t start, end;
    struct saved_page *e;
    enum upage_swap how;
    const struct mm *comes; /* whose entries they are */
    bool ok;
};

/* File content may stay for its member where the one who comes has no mapping. */
static bool unmapped(const struct run *r)
{
    return !vma_first(&r->comes->vmas, r->start, r->end);
}

static void entry_becomes(struct run *r, struct saved_page *e, struct saved_page was)
{
    *e = r->how == SWAP_KEEP ? was : (struct saved_page){.kind = SAVED_ABSENT};
}

/* Both have content: place and entry change sides by way of one more frame. */
static void both_content(struct run *r, int prot, int want)
{
    if (!(prot & PROT_W))
        upages_unseal(r->start, r->end);
    uintptr_t spare = r->how == SWAP_KEEP ? frame_alloc_anyway() : 0;
    struct saved_page *e = r->e;
    for (uintptr_t a = r->start; a < r->end; a += PAGE_SIZE, e++) {
        uintptr_t theirs = e->frame;
        if (spare)
            memcpy(enclave_ptr(spare), enclave_ptr(a), PAGE_SIZE);
        r->ok &= spare || r->how == SWAP_DISCARD;
        memcpy(enclave_ptr(a), enclave_ptr(theirs), PAGE_SIZE);
        struct saved_page was = {.kind = SAVED_ABSENT};
        if (spare)
            was = (struct saved_page){.kind = SAVED_COPY, .prot = (uint8_t) prot, .frame = spare};
        entry_becomes(r, e, was);
        spare = 0;
        if (r->how == SWAP_KEEP && !frame_is_shared(theirs)) {
            spare = theirs;
        } else {
            frame_put(theirs);
            spare = r->how == SWAP_KEEP ? frame_alloc_anyway() : 0;
        }
    }
    if (spare)
        frame_put(spare);
    upages_protect(r->start, r->end, want);
}

/* What is in place moves to the entries, or is dropped; nothing is live afterwards. */
static void take_away(struct run *r, bool content)
{
    bool save = content && r->how == SWAP_KEEP;
    struct saved_page *e = r->e;
    for (uintptr_t a = r->start; a < r->end; a += PAGE_SIZE, e++) {
        uintptr_t frame = save ? frame_alloc_anyway() : 0;
        struct saved_page was = {.kind = SAVED_ABSENT};
        if (frame || !content)
            was = upage_entry(a, frame);
        r->ok &= !save || frame;
        entry_becomes(r, e, was);
    }
    bool stays = !content && unmapped(r);
    for (uintptr_t a = r->start; stays && a < r->end; a += PAGE_SIZE)
        upage_set_live(a, false);
    if (!stays)
        upages_drop(r->start, r->end);
}

/* Nothing of another one's is live here: brings the entries' copies in. */
static void bring_in(uintptr_t start, const uintptr_t *frame, size_t n, int prot, bool *ok)
{
    uintptr_t end = start + n * PAGE_SIZE;
    bool there = upages_populate_moved(start, end) == 0;
    for (size_t i = 0; i < n; i++) {
        if (there)
            memcpy(enclave_ptr(start + i * PAGE_SIZE), enclave_ptr(frame[i]), PAGE_SIZE);
        frame_put(frame[i]);
    }
    if (there)
        upages_protect(start, end, prot);
    *ok &= there;
}

#define RUN_MAX 64u

static void copy_over_other(struct run *r, bool live, int want)
{
    uintptr_t frame[RUN_MAX];
    size_t n = (r->end - r->start) / PAGE_SIZE;
    for (size_t i = 0; i < n; i++)
        frame[i] = r->e[i].frame;
    if (live)
        take_away(r, false);
    else
        for (size_t i = 0; i < n; i++)
            r->e[i] = (struct saved_page){.kind = SAVED_ABSENT};
    bring_in(r->start, frame, n, want, &r->ok);
}

/* File content comes: if it still is in place it is taken over, else the next touch reads it again. */
static void kept_comes(struct run *r, bool content, bool live)
{
    for (uintptr_t a = r->start; a < r->end; a += PAGE_SIZE, r->e++) {
        struct page_meta *m = upage_peek(a);
        struct run one = {.start = a,
                          .end = a + PAGE_SIZE,
                          .e = r->e,
                          .how = r->how,
                          .comes = r->comes,
                          .ok = true};
        bool same = m && m->committed && m->key == r->e->key;
        uint8_t prot = r->e->prot;
        if (same && m->prot == prot) {
            entry_becomes(r, r->e, live ? upage_entry(a, 0) : (struct saved_page){0});
            upage_set_live(a, true);
            continue;
        }
        if (live)
            take_away(&one, content);
        else
            *r->e = (struct saved_page){.kind = SAVED_ABSENT};
        if (!live)
            upages_drop(a, a + PAGE_SIZE);
        r->ok &= one.ok;
    }
}

static void swap_run(struct run *r, bool live, bool content, int prot)
{
    int want = r->e->prot;
    switch ((enum saved_kind) r->e->kind) {
    case SAVED_COPY:
        if (content)
            both_content(r, prot, want);
        else
            copy_over_other(r, live, want);
        break;
    case SAVED_KEPT:
        kept_comes(r, content, live);
        break;
    case SAVED_ABSENT:
        if (live)
            take_away(r, content);
        else if (!unmapped(r))
            upages_drop(r->start, r->end);
        break;
    }
}

/* What decides how a page is treated, as one number. */
static uint32_t class_of(uintptr_t addr, const struct saved_page *e)
{
    const struct page_meta *m = upage_peek(addr);
    uint32_t prot = m ? m->prot : 0;
    return (uint32_t) e->kind | (uint32_t) e->prot << 4 | prot << 8 |
           (uint32_t) has_content(m) << 12 | (uint32_t) is_kept(m) << 13;
}

bool upages_swap(uintptr_t start, size_t n, struct saved_page *e, enum upage_swap how,
                 const struct mm *comes)
{
    bool ok = true;
    for (size_t i = 0, k; i < n; i += k) {
        uintptr_t a = start + i * PAGE_SIZE;
        uint32_t class = class_of(a, &e[i]);
        for (k = 1; k < RUN_MAX && i + k < n; k++)
            if (class_of(a + k * PAGE_SIZE, &e[i + k]) != class)
                break;
        struct run r = {.start = a,
                        .end = a + k * PAGE_SIZE,
                        .e = &e[i],
                        .how = how,
                        .comes = comes,
                        .ok = true};
        swap_run(&r, class >> 12 & 3, class >> 12 & 1, class >> 8 & 15);
        ok &= r.ok;
    }
    return ok;
}
