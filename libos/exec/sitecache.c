/* A direct-mapped cache of site tables by inode. A table of a file that can change may be out of date:
 * its user checks every site against the code and forgets the table when one does not fit, and a file
 * whose size differs gets a new one. Two threads may disassemble the same file at once; the later
 * table replaces the earlier. The lock protects the slots only.
 */
#include "libos/exec/sitecache.h"
#include "libos/exec/sitefile.h"
#include "libos/base/errno.h"
#include "libos/base/lock.h"
#include "libos/base/log.h"
#include "libos/mm/heap.h"
#include "libos/vfs/vfs.h"
#include "abi/layout.h"

#define CACHE_SLOTS 256u

static struct {
    struct spinlock lock;
    struct site_table *slots[CACHE_SLOTS];
    struct sites_db image; /* empty if the image has no table */
} sitecache;

static unsigned cache_slot(uint64_t unique)
{
    return (unsigned) ((unique * 0x9e3779b97f4a7c15ull) >> 56);
}
_Static_assert(CACHE_SLOTS == 1u << (64 - 56), "cache_slot");

static struct site_table *cache_lookup_get(uint64_t unique, uint64_t size)
{
    SPIN_GUARD(&sitecache.lock);
    struct site_table *t = sitecache.slots[cache_slot(unique)];
    if (!t || t->unique != unique || t->size != size)
        return NULL;
    ref_get(&t->ref);
    return t;
}

static void cache_replace(uint64_t unique, struct site_table *from, struct site_table *to)
{
    spin_lock(&sitecache.lock);
    struct site_table *old = sitecache.slots[cache_slot(unique)];
    bool change = !from || old == from;
    if (change)
        sitecache.slots[cache_slot(unique)] = to;
    spin_unlock(&sitecache.lock);
    if (change && old)
        sitecache_put(old);
}

void sitecache_forget(struct site_table *t)
{
    cache_replace(t->unique, t, NULL);
}

void sitecache_put(struct site_table *t)
{
    if (!ref_put_last(&t->ref))
        return;
    kfree(t->owned);
    kfree(t);
}

/* Reads a file by pages; the last page read is kept, for sites are looked at one after the other. */
struct page_reader {
    struct inode *inode;
    uint8_t *page;
    uint64_t index; /* of page; UINT64_MAX: none */
};

static int page_reader_read(void *ctx, uint64_t offset, struct span dst)
{
    struct page_reader *r = ctx;
    while (dst.n > 0) {
        uint64_t index = offset >> PAGE_SHIFT, in_page = offset & (PAGE_SIZE - 1);
        size_t n = (size_t) MIN(PAGE_SIZE - in_page, (uint64_t) dst.n);
        if (index != r->index) {
            r->index = UINT64_MAX;
            int e = inode_read_page(r->inode, index, r->page);
            if (e < 0)
                return e;
            r->index = index;
        }
        memcpy(dst.p, r->page + in_page, n);
        dst = (struct span){dst.p + n, dst.n - n};
        offset += n;
    }
    return 0;
}

/* From the image's table if it knows a file with these bytes, else by disassembling, or -EAGAIN. */
static int table_fill(struct site_table *t, struct page_reader *r, bool only_known)
{
    size_t head = (size_t) MIN(t->size, PAGE_SIZE);
    int e = inode_read_page(r->inode, 0, r->page);
    if (e < 0)
        return e == -ENXIO ? 0 : e;
    r->index = 0;
    uint64_t hash = sites_hash((struct cspan){r->page, head});
    if (sites_db_find(&sitecache.image, t->size, hash, &t->sites, &t->count))
        return 0;
    if (only_known)
        return -EAGAIN;
    struct site_list list = {0};
    const struct code_source src = {.read = page_reader_read, .ctx = r};
    e = sites_scan_file(&src, t->size, &list);
    if (e == -ENOEXEC)
        e = 0; /* no ELF file: nothing is known about its code, it traps */
    t->owned = list.p;
    t->sites = list.p;
    t->count = e < 0 ? 0 : list.count;
    return e;
}

static struct site_table *table_make(struct inode *inode, bool only_known)
{
    uint64_t unique = inode_unique(inode), size = inode_size(inode);
    struct page_reader r = {.inode = inode, .page = kpages_alloc(1), .index = UINT64_MAX};
    struct site_table *t = new_zero(struct site_table);
    int e = -ENOMEM;
    if (t && r.page) {
        ref_init(&t->ref);
        t->unique = unique;
        t->size = size;
        e = table_fill(t, &r, only_known);
    }
    if (r.page)
        kpages_free(r.page, 1);
    if (e < 0) {
        if (e != -EAGAIN)
            log_warn("exec: no patch sites of a file: error %d; its system calls trap", -e);
        if (t)
            kfree(t->owned);
        kfree(t);
        return NULL;
    }
    ref_get(&t->ref);
    cache_replace(unique, NULL, t);
    return t;
}

struct site_table *sitecache_get(struct inode *inode)
{
    struct site_table *t = cache_lookup_get(inode_unique(inode), inode_size(inode));
    return t ? t : table_make(inode, false);
}

struct site_table *sitecache_known_get(struct inode *inode)
{
    struct site_table *t = cache_lookup_get(inode_unique(inode), inode_size(inode));
    if (t || !inode_immutable(inode) || sitecache.image.file_count == 0)
        return t;
    return table_make(inode, true);
}

size_t site_search(const struct site_table *t, uint64_t offset)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (t->sites[mid].offset < offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int image_table_read(struct file *f)
{
    uint64_t size = inode_size(file_inode(f));
    if (size > SITES_MAX_SIZE)
        return -EFBIG;
    uint8_t *p = kzalloc((size_t) size + 1);
    if (!p)
        return -ENOMEM;
    long n = file_pread(f, (struct span){p, (size_t) size}, 0);
    int r = n < 0 ? (int) n : n != (long) size ? -EIO : 0;
    if (r == 0)
        r = sites_db_read((struct cspan){p, (size_t) size}, &sitecache.image);
    if (r < 0)
        kfree(p);
    return r;
}

void sitecache_init(void)
{
    AUTO(file_put) struct file *f = NULL;
    int r = vfs_open(SITES_PATH, 0, 0, &f);
    if (r == 0)
        r = image_table_read(f);
    if (r == 0)
        log_debug("exec: patch sites of %zu files are known", sitecache.image.file_count);
    else if (r != -ENOENT)
        log_warn("exec: %s: error %d; sites are looked for at load", SITES_PATH, -r);
}
