/* Spans: pointer and length never travel apart. A reader parses untrusted bytes straight through. */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H
#include "libos/base/types.h"
#include "libos/base/string.h"

struct span {
    uint8_t *p;
    size_t n;
};
struct cspan {
    const uint8_t *p;
    size_t n;
};

#define SPAN_OF(obj)  ((struct span){(uint8_t *) &(obj), sizeof(obj)})
#define CSPAN_OF(obj) ((struct cspan){(const uint8_t *) &(obj), sizeof(obj)})

static inline struct cspan cspan(struct span s)
{
    return (struct cspan){s.p, s.n};
}

static inline must_check bool span_sub(struct span s, size_t off, size_t len, struct span *ret)
{
    if (off > s.n || len > s.n - off)
        return false;
    *ret = (struct span){s.p + off, len};
    return true;
}

static inline must_check bool cspan_sub(struct cspan s, size_t off, size_t len, struct cspan *ret)
{
    if (off > s.n || len > s.n - off)
        return false;
    *ret = (struct cspan){s.p + off, len};
    return true;
}

/* Copies an object of exactly len bytes out of s at off. */
static inline must_check bool cspan_get(struct cspan s, size_t off, void *dst, size_t len)
{
    struct cspan part;
    if (!cspan_sub(s, off, len, &part))
        return false;
    memcpy(dst, part.p, len);
    return true;
}

/* Sticky reader: after the first short read everything reads as zero and bad stays set. */
struct rd {
    struct cspan s;
    bool bad;
};

static inline struct cspan rd_bytes(struct rd *r, size_t n)
{
    if (r->bad || n > r->s.n) {
        r->bad = true;
        return (struct cspan){0};
    }
    struct cspan out = {r->s.p, n};
    r->s = (struct cspan){r->s.p + n, r->s.n - n};
    return out;
}

static inline void rd_copy(struct rd *r, void *dst, size_t n)
{
    struct cspan b = rd_bytes(r, n);
    if (b.p)
        memcpy(dst, b.p, n);
    else
        memset(dst, 0, n);
}

static inline uint32_t rd_u32(struct rd *r)
{
    uint32_t v;
    rd_copy(r, &v, sizeof v);
    return v;
}

static inline uint64_t rd_u64(struct rd *r)
{
    uint64_t v;
    rd_copy(r, &v, sizeof v);
    return v;
}
#endif
