/* Taking the live pages of a range away and bringing them back, for address spaces that take turns at
 * the same addresses (low.c). Kept file content is not copied: if it is still there on return it is
 * taken over, else faults fill it again. */
#include "abi/layout.h"
#include "libos/base/errno.h"
#include "libos/base/string.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/heap.h"
#include "libos/mm/upages.h"

static int save_page(const struct page_meta *m, uintptr_t a, struct saved_page *ret)
{
    *ret = (struct saved_page){.addr = a, .key = m->key, .prot = m->prot};
    if (m->key)
        return 0;
    ret->copy = kpages_alloc(1);
    if (!ret->copy)
        return -ENOMEM;
    if (!(m->prot & PROT_R))
        upages_unseal(a, a + PAGE_SIZE);
    memcpy(ret->copy, enclave_ptr(a), PAGE_SIZE);
    return 0;
}

/* Saved pages leave their mapping: kept content stays, writable pages stay zeroed, others go. */
static void evict(uintptr_t start, uintptr_t end, const struct saved_pages *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct page_meta *m = upage_peek(s->list[i].addr);
        if (!m->key && m->prot != (PROT_R | PROT_W))
            continue;
        if (!m->key)
            memset(enclave_ptr(s->list[i].addr), 0, PAGE_SIZE);
        upage_set_live(s->list[i].addr, false);
    }
    upages_drop_live(start, end);
}

int upages_save(uintptr_t start, uintptr_t end, struct saved_pages *ret)
{
    struct saved_pages s = {.list = kzalloc((upages_count_live(start, end) + 1) * sizeof *s.list)};
    int r = s.list ? 0 : -ENOMEM;
    for (uintptr_t a = upage_next_live(start, end); a < end && r == 0;
         a = upage_next_live(a + PAGE_SIZE, end)) {
        const struct page_meta *m = upage_peek(a);
        if (m->key != PAGE_KEY_STUB)
            r = save_page(m, a, &s.list[s.count++]);
    }
    if (r < 0) {
        upages_forget(&s);
        return r;
    }
    evict(start, end, &s);
    *ret = s;
    return 0;
}

/* How many entries from i on continue each other with copies of the same permission. */
static size_t saved_run(const struct saved_pages *s, size_t i)
{
    size_t n = 1;
    while (i + n < s->count && s->list[i + n].copy && s->list[i + n].prot == s->list[i].prot &&
           s->list[i + n].addr == s->list[i].addr + n * PAGE_SIZE)
        n++;
    return n;
}

static int restore_run(const struct saved_page *p, size_t n)
{
    uintptr_t end = p->addr + n * PAGE_SIZE;
    int r = upages_populate_anon(p->addr, end, PROT_R | PROT_W);
    for (size_t k = 0; k < n && r == 0; k++)
        memcpy(enclave_ptr(p[k].addr), p[k].copy, PAGE_SIZE);
    if (r == 0)
        upages_protect(p->addr, end, p->prot);
    return r;
}

int upages_restore(struct saved_pages *s)
{
    int r = 0;
    for (size_t i = 0, n; i < s->count && r == 0; i += n) {
        const struct saved_page *p = &s->list[i];
        n = p->copy ? saved_run(s, i) : 1;
        const struct page_meta *m = upage_peek(p->addr);
        if (p->copy)
            r = restore_run(p, n);
        else if (m && m->key == p->key && m->prot == p->prot)
            upage_set_live(p->addr, true);
    }
    upages_forget(s);
    return r;
}

void upages_forget(struct saved_pages *s)
{
    for (size_t i = 0; i < s->count; i++)
        kpages_free(s->list[i].copy, 1);
    kfree(s->list);
    *s = (struct saved_pages){0};
}
