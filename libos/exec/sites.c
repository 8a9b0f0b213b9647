/* The site finder. Three steps over one range of code:
 *
 *   1. byte pairs 0f 05 and 0f a2 are collected ("hits"). Most files have none and are done here.
 *   2. a linear sweep decodes everything once. A hit that is an instruction of the sweep is a site;
 *      its neighbours are noted. Direct branches into the surroundings of a hit are noted too: a bit
 *      per byte, [hit - 32, hit + 32), found through a coarse bitmap, so that memory does not grow
 *      with the file.
 *   3. each site gets a window: at least 5 bytes of whole instructions inside one page, to be
 *      overwritten with a jump, that nothing branches into and whose other instructions can move.
 *
 * Windows before the site are preferred, and among them those of 5 bytes and more before it, for then
 * the site itself stays in place and still traps should an unseen jump lead to it. A window behind
 * the site may end in a return and the padding behind that.
 *
 * Data among code may decode to anything, and its end may swallow the first byte of a function: a window
 * that starts there would lose an instruction. A sweep resynchronises within a few instructions; a site
 * counts only if SWEEP_RUN instructions in a row made sense before it, and DOUBT_RUN once something was met
 * that no compiler emits. A quarter of random bytes' instructions are such.
 *
 * The signal-return sequence (mov $15, rax; syscall) stays as it is: unwinders know it by its bytes.
 */
#include "libos/exec/sites.h"
#include "libos/exec/insn.h"
#include "libos/base/errno.h"
#include "libos/mm/heap.h"
#include "abi/layout.h"

#define CHUNK      0x8000u
#define LOOKAHEAD  64u /* a decoded instruction and what follows it lie in the buffer */
#define NEIGHBOURS 4u
#define SWEEP_RUN  4u
#define DOUBT_RUN  32u
#define NEAR       32u /* branch targets this close to a hit matter */
#define COARSE     64u /* bytes per bit of the coarse bitmap */
#define JUMP_LEN   5u
#define SITE_LEN   2u

struct neighbour {
    uint8_t len;
    uint8_t kind; /* enum insn_kind */
};

struct hit {
    uint32_t offset;
    uint8_t kind;       /* enum site_kind */
    bool decoded, keep; /* is an instruction of the sweep; keep: never patch */
    uint8_t prev_count, next_count;
    struct neighbour prev[NEIGHBOURS], next[NEIGHBOURS]; /* nearest first */
    uint64_t targets; /* bit i: something branches to offset - NEAR + i */
};

struct sweep {
    const struct code_source *src;
    uint64_t start, end;
    uint8_t *buf; /* CHUNK bytes: [buf_at, buf_at + buf_n) of the file */
    uint64_t buf_at;
    size_t buf_n;
    struct hit *hits;
    size_t hit_count, hit_cap;
    uint8_t *coarse;
    struct neighbour ring[NEIGHBOURS]; /* nearest first */
    uint32_t ring_count, run;
    bool doubt; /* there was something that is no code */
};

static int pair_kind(uint8_t second)
{
    return second == 0x05 ? SITE_SYSCALL : second == 0xa2 ? SITE_CPUID : -1;
}

/* The next byte pair of a site at or after from; s.n if there is none. */
static size_t pair_find(struct cspan s, size_t from)
{
    while (from + 1 < s.n) {
        const uint8_t *p = memchr(s.p + from, 0x0f, s.n - 1 - from);
        if (!p)
            break;
        if (pair_kind(p[1]) >= 0)
            return (size_t) (p - s.p);
        from = (size_t) (p - s.p) + 1;
    }
    return s.n;
}

bool sites_possible(struct cspan code)
{
    return pair_find(code, 0) < code.n;
}

uint64_t sites_hash(struct cspan s)
{
    uint64_t h = 0x9e3779b97f4a7c15ull ^ s.n;
    while (s.n > 0) {
        uint64_t v = 0;
        size_t n = MIN(s.n, sizeof v);
        memcpy(&v, s.p, n);
        h = (h ^ v) * 0xff51afd7ed558ccdull;
        h ^= h >> 32;
        s = (struct cspan){s.p + n, s.n - n};
    }
    return h;
}

uint32_t sites_check(struct cspan window)
{
    return (uint32_t) (sites_hash(window) >> 16);
}

size_t site_checked(const struct site *s)
{
    size_t in_page = PAGE_SIZE - ((s->offset - s->before) & (PAGE_SIZE - 1));
    return MIN(in_page, (size_t) s->len);
}

/* Makes the buffer hold [at, at + CHUNK), as far as the range goes. */
static int sweep_fill(struct sweep *s, uint64_t at)
{
    size_t n = (size_t) MIN(s->end - at, (uint64_t) CHUNK);
    int r = s->src->read(s->src->ctx, at, (struct span){s->buf, n});
    if (r < 0)
        return r;
    s->buf_at = at;
    s->buf_n = n;
    return 0;
}

static int hit_add(struct sweep *s, uint64_t offset, int kind)
{
    if (s->hit_count == SITES_PER_RANGE_MAX || offset > UINT32_MAX)
        return 0; /* the rest traps */
    if (s->hit_count == s->hit_cap) {
        size_t cap = s->hit_cap ? 2 * s->hit_cap : 64;
        struct hit *p = krealloc(s->hits, cap * sizeof *p);
        if (!p)
            return -ENOMEM;
        s->hits = p;
        s->hit_cap = cap;
    }
    s->hits[s->hit_count++] = (struct hit){.offset = (uint32_t) offset, .kind = (uint8_t) kind};
    return 0;
}

/* Step 1. */
static int hits_collect(struct sweep *s)
{
    for (uint64_t at = s->start; at + 1 < s->end; at = s->buf_at + s->buf_n - 1) {
        int r = sweep_fill(s, at);
        struct cspan buf = {s->buf, s->buf_n};
        for (size_t i = 0; r == 0 && (i = pair_find(buf, i)) < buf.n; i++)
            r = hit_add(s, at + i, pair_kind(buf.p[i + 1]));
        if (r < 0)
            return r;
    }
    return 0;
}

static int coarse_make(struct sweep *s)
{
    size_t bits = (size_t) ((s->end - s->start) / COARSE + 2);
    s->coarse = kzalloc(bits / 8 + 1);
    if (!s->coarse)
        return -ENOMEM;
    for (size_t i = 0; i < s->hit_count; i++) {
        uint64_t rel = s->hits[i].offset - s->start;
        uint64_t first = (rel > NEAR ? rel - NEAR : 0) / COARSE, last = (rel + NEAR) / COARSE;
        for (uint64_t b = first; b <= last && b < bits; b++)
            s->coarse[b / 8] |= (uint8_t) (1u << (b % 8));
    }
    return 0;
}

/* The first hit at or after offset. */
static size_t hit_search(const struct sweep *s, uint64_t offset)
{
    size_t low = 0, high = s->hit_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->hits[mid].offset < offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void branch_note(struct sweep *s, uint64_t target)
{
    if (target < s->start || target >= s->end)
        return;
    uint64_t bit = (target - s->start) / COARSE;
    if (!(s->coarse[bit / 8] & (1u << (bit % 8))))
        return;
    uint64_t low = target >= NEAR ? target - NEAR + 1 : 0;
    for (size_t i = hit_search(s, low); i < s->hit_count; i++) {
        uint64_t first = (uint64_t) s->hits[i].offset - MIN(s->hits[i].offset, NEAR);
        if (s->hits[i].offset > target + NEAR)
            break;
        uint64_t pad = NEAR - MIN(s->hits[i].offset, NEAR);
        if (target >= first && target - first + pad < 64)
            s->hits[i].targets |= 1ull << (target - first + pad);
    }
}

static void ring_push(struct sweep *s, const struct insn *in)
{
    for (size_t i = NEIGHBOURS - 1; i > 0; i--)
        s->ring[i] = s->ring[i - 1];
    s->ring[0] = (struct neighbour){in->len, (uint8_t) in->kind};
    s->ring_count = MIN(s->ring_count + 1, NEIGHBOURS);
    s->run++;
}

static bool is_sigreturn(struct cspan before)
{
    static const uint8_t eax[5] = {0xb8, 15, 0, 0, 0}, rax[7] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0};
    return (before.n >= sizeof eax &&
            memcmp(before.p + before.n - sizeof eax, eax, sizeof eax) == 0) ||
           (before.n >= sizeof rax &&
            memcmp(before.p + before.n - sizeof rax, rax, sizeof rax) == 0);
}

/* The sweep is at a site: note what is around it. rest: the code behind the site. */
static void hit_decode(struct sweep *s, struct hit *h, struct cspan rest)
{
    size_t back = (size_t) MIN((uint64_t) h->offset - s->buf_at, (uint64_t) INSN_MAX);
    h->decoded = true;
    h->keep = is_sigreturn((struct cspan){rest.p - SITE_LEN - back, back});
    h->prev_count = (uint8_t) s->ring_count;
    memcpy(h->prev, s->ring, sizeof h->prev);
    while (h->next_count < NEIGHBOURS) {
        struct insn in;
        if (!insn_decode(rest, &in))
            break;
        h->next[h->next_count++] = (struct neighbour){in.len, (uint8_t) in.kind};
        rest = (struct cspan){rest.p + in.len, rest.n - in.len};
    }
}

static void sweep_one(struct sweep *s, uint64_t at, const struct insn *in, struct cspan rest)
{
    if (in->relative)
        branch_note(s, at + in->len + (uint64_t) (int64_t) in->rel);
    if (in->kind == INSN_SYSCALL || in->kind == INSN_CPUID) {
        uint64_t site = at + in->len - SITE_LEN; /* behind prefixes, if any */
        size_t i = hit_search(s, site);
        if (i < s->hit_count && s->hits[i].offset == site && in->len == SITE_LEN &&
            s->run >= (s->doubt ? DOUBT_RUN : SWEEP_RUN))
            hit_decode(s, &s->hits[i], rest);
    }
    ring_push(s, in);
}

/* Step 2. The buffer moves on, keeping LOOKAHEAD bytes behind the current position for is_sigreturn,
 * when less than LOOKAHEAD bytes are left in front. */
static int sweep_run(struct sweep *s)
{
    int r = sweep_fill(s, s->start);
    uint64_t at = s->start;
    while (r == 0 && at < s->end) {
        size_t pos = (size_t) (at - s->buf_at);
        if (s->buf_n - pos < LOOKAHEAD && s->buf_at + s->buf_n < s->end) {
            r = sweep_fill(s, MAX(at, s->start + LOOKAHEAD) - LOOKAHEAD);
            continue;
        }
        struct cspan code = {s->buf + pos, s->buf_n - pos};
        struct insn in;
        bool ok = insn_decode(code, &in);
        if (!ok || in.unlikely) {
            s->ring_count = s->run = 0;
            s->doubt = true;
        }
        if (!ok) {
            at++;
            continue;
        }
        sweep_one(s, at, &in, (struct cspan){code.p + in.len, code.n - in.len});
        at += in.len;
    }
    return r;
}

static bool movable(uint8_t kind)
{
    return kind == INSN_PLAIN || kind == INSN_RIP || kind == INSN_JCC || kind == INSN_PAD;
}

/* Does anything branch to a byte in (offset + from, offset + to), both relative to the site? */
static bool branched_into(const struct hit *h, int from, int to)
{
    for (int i = from + 1; i < to; i++)
        if (h->targets & (1ull << (i + (int) NEAR)))
            return true;
    return false;
}

/* The window [from, to) around the site; its first in_page bytes must lie in one page, for they are
 * read and written when that page is filled. */
static bool window_good(const struct hit *h, int from, int to, int in_page)
{
    if (to - from < (int) JUMP_LEN || from < -(int) NEAR || to > (int) NEAR)
        return false;
    uint64_t first = (uint64_t) ((int64_t) h->offset + from);
    uint64_t last = first + (uint64_t) in_page - 1;
    return first >> PAGE_SHIFT == last >> PAGE_SHIFT && !branched_into(h, from, to);
}

/* A window that starts with instructions before the site, at least need bytes of them. */
static bool window_before(const struct hit *h, int need, struct site *ret)
{
    int before = 0;
    for (size_t i = 0; i < h->prev_count && before < need; i++) {
        if (!movable(h->prev[i].kind))
            return false;
        before += h->prev[i].len;
    }
    int in_page = before < (int) JUMP_LEN ? before + (int) SITE_LEN : before;
    if (before < need || !window_good(h, -before, (int) SITE_LEN, in_page))
        return false;
    ret->form = SITE_BEFORE;
    ret->before = (uint8_t) before;
    ret->len = (uint8_t) (before + (int) SITE_LEN);
    return true;
}

static bool window_after(const struct hit *h, struct site *ret)
{
    int len = (int) SITE_LEN;
    bool ended = false;
    for (size_t i = 0; i < h->next_count && len < (int) JUMP_LEN; i++) {
        uint8_t kind = h->next[i].kind;
        bool ends = kind == INSN_RET || kind == INSN_JMP;
        if (ended ? kind != INSN_PAD : !(movable(kind) || ends))
            return false;
        ended = ended || ends;
        len += h->next[i].len;
    }
    if (!window_good(h, 0, len, len))
        return false;
    ret->form = SITE_AFTER;
    ret->before = 0;
    ret->len = (uint8_t) len;
    return true;
}

static int list_grow(struct site_list *list)
{
    size_t cap = list->cap ? 2 * list->cap : 32;
    struct site *p = krealloc(list->p, cap * sizeof *p);
    if (!p)
        return -ENOMEM;
    list->p = p;
    list->cap = cap;
    return 0;
}

/* Two windows must not overlap: the later site loses. */
static bool overlaps_last(const struct site_list *list, const struct site *s)
{
    if (list->count == 0)
        return false;
    const struct site *last = &list->p[list->count - 1];
    return last->form != SITE_TRAP &&
           last->offset - last->before + last->len > s->offset - s->before;
}

static struct site site_choose(const struct hit *h, const struct site_list *list)
{
    struct site none = {.offset = h->offset, .kind = h->kind, .len = SITE_LEN}, site = none;
    bool found = !h->keep &&
                 (window_before(h, (int) JUMP_LEN, &site) ||
                  window_before(h, (int) (JUMP_LEN - SITE_LEN), &site) || window_after(h, &site));
    return found && !overlaps_last(list, &site) ? site : none;
}

static int site_add(struct sweep *s, struct site_list *list, const struct hit *h)
{
    struct site site = site_choose(h, list);
    uint8_t window[2 * NEAR];
    struct span bytes = {window, site_checked(&site)};
    int r = s->src->read(s->src->ctx, site.offset - site.before, bytes);
    if (r == 0 && list->count == list->cap)
        r = list_grow(list);
    if (r < 0)
        return r;
    site.check = sites_check(cspan(bytes));
    list->p[list->count++] = site;
    return 0;
}

/* Step 3. */
static int windows_choose(struct sweep *s, struct site_list *list)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < s->hit_count; i++)
        if (s->hits[i].decoded)
            r = site_add(s, list, &s->hits[i]);
    return r;
}

int sites_scan(const struct code_source *src, uint64_t start, uint64_t end, struct site_list *list)
{
    struct sweep s = {.src = src, .start = start, .end = end};
    size_t before = list->count;
    if (start >= end)
        return 0;
    s.buf = kzalloc(CHUNK);
    int r = s.buf ? hits_collect(&s) : -ENOMEM;
    if (r == 0 && s.hit_count > 0)
        r = coarse_make(&s);
    if (r == 0 && s.hit_count > 0)
        r = sweep_run(&s);
    if (r == 0)
        r = windows_choose(&s, list);
    if (r < 0)
        list->count = before;
    kfree(s.buf);
    kfree(s.hits);
    kfree(s.coarse);
    return r;
}

void site_list_free(struct site_list *list)
{
    kfree(list->p);
    *list = (struct site_list){0};
}
