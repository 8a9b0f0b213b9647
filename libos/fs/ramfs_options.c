/* Options of ramfs and tmpfs: "size=64m,nr_inodes=1k,mode=1777,uid=0,gid=0". Sizes have a suffix k, m, g, or % of what the
 * kernel's heap may hold. Others are an error of tmpfs, as on Linux, and passed over by ramfs. */
#include "libos/base/errno.h"
#include "libos/base/string.h"
#include "libos/fs/ramfs.h"
#include "libos/mm/heap.h"
#include "abi/layout.h"

/* -EINVAL: no number, or one that overflows. *text: behind it. */
static int number(const char **text, unsigned base, uint64_t *ret)
{
    const char *p = *text;
    uint64_t n = 0;
    for (; *p >= '0' && *p < (char) ('0' + base); p++) {
        if (n > UINT64_MAX / base - base)
            return -EINVAL;
        n = n * base + (uint64_t) (*p - '0');
    }
    bool none = p == *text;
    *text = p;
    *ret = n;
    return none ? -EINVAL : 0;
}

static unsigned shift_of(char suffix)
{
    switch (suffix | 0x20) {
    case 'k':
        return 10;
    case 'm':
        return 20;
    case 'g':
        return 30;
    default:
        return 0;
    }
}

static int size(const char **text, uint64_t *ret)
{
    struct heap_stats h;
    uint64_t n;
    int r = number(text, 10, &n);
    if (r < 0)
        return r;
    if (**text == '%') {
        ++*text;
        heap_stats(&h);
        *ret = MIN(n, (uint64_t) 100) * (h.limit / 100) * PAGE_SIZE;
        return 0;
    }
    unsigned shift = shift_of(**text);
    *text += shift != 0;
    if (n > UINT64_MAX >> shift)
        return -EINVAL;
    *ret = n << shift;
    return 0;
}

static int small(const char **text, unsigned base, uint64_t most, uint32_t *ret)
{
    uint64_t n;
    int r = number(text, base, &n);
    if (r < 0 || n > most)
        return -EINVAL;
    *ret = (uint32_t) n;
    return 0;
}

/* One option, at *text; -ENOENT: not one of these. */
static int one(const char **text, struct ramfs_options *o)
{
    static const char *const keys[] = {"size=", "nr_inodes=", "mode=", "uid=", "gid="};
    unsigned k = 0;
    while (k < ARRAY_SIZE(keys) && !str_starts(*text, keys[k]))
        k++;
    if (k == ARRAY_SIZE(keys))
        return -ENOENT;
    *text += strlen(keys[k]);
    switch (k) {
    case 0:
        return size(text, &o->size);
    case 1:
        return size(text, &o->inodes);
    case 2:
        return small(text, 8, 07777, &o->mode);
    default:
        return small(text, 10, UINT32_MAX - 1, k == 3 ? &o->uid : &o->gid);
    }
}

int ramfs_options_parse(const char *text, bool strict, struct ramfs_options *o)
{
    while (*text) {
        int r = one(&text, o);
        if (r == -EINVAL || (r == 0 && *text && *text != ',') || (r == -ENOENT && strict))
            return -EINVAL;
        while (*text && *text != ',')
            text++;
        text += *text == ',';
    }
    return 0;
}
