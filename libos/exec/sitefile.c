/* Reader and writer of the patch-site table. The reader checks the whole table once, so that lookups
 * need no checks: files strictly ascending, their sites inside the array and ascending. */
#include "libos/exec/sitefile.h"
#include "libos/base/ckmath.h"
#include "libos/base/errno.h"
#include "libos/mm/heap.h"

static int key_compare(uint64_t size_a, uint64_t hash_a, uint64_t size_b, uint64_t hash_b)
{
    if (size_a != size_b)
        return size_a < size_b ? -1 : 1;
    return hash_a < hash_b ? -1 : hash_a > hash_b;
}

static bool sites_sorted(const struct site *s, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (s[i].offset <= s[i - 1].offset)
            return false;
    return true;
}

static bool db_good(const struct sites_db *db, size_t site_count)
{
    for (size_t i = 0; i < db->file_count; i++) {
        const struct sites_file *f = &db->files[i];
        if (f->first > site_count || f->count > site_count - f->first ||
            !sites_sorted(db->sites + f->first, f->count))
            return false;
        if (i > 0 && key_compare(f[-1].size, f[-1].hash, f->size, f->hash) >= 0)
            return false;
    }
    return true;
}

int sites_db_read(struct cspan bytes, struct sites_db *ret)
{
    struct sites_header h;
    if (!cspan_get(bytes, 0, &h, sizeof h) || h.magic != SITES_MAGIC ||
        h.version != SITES_VERSION || h.reserved != 0 || bytes.n > SITES_MAX_SIZE ||
        !IS_ALIGNED((uintptr_t) bytes.p, 8))
        return -EINVAL;
    size_t files = (size_t) h.file_count * sizeof(struct sites_file);
    size_t sites = (size_t) h.site_count * sizeof(struct site);
    struct cspan file_part, site_part;
    if (!cspan_sub(bytes, sizeof h, files, &file_part) ||
        !cspan_sub(bytes, sizeof h + files, sites, &site_part) ||
        bytes.n != sizeof h + files + sites)
        return -EINVAL;
    struct sites_db db = {
        .files = (const struct sites_file *) (const void *) file_part.p,
        .file_count = h.file_count,
        .sites = (const struct site *) (const void *) site_part.p,
    };
    if (!db_good(&db, h.site_count))
        return -EINVAL;
    *ret = db;
    return 0;
}

bool sites_db_find(const struct sites_db *db, uint64_t size, uint64_t hash,
                   const struct site **ret_sites, size_t *ret_count)
{
    size_t low = 0, high = db->file_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct sites_file *f = &db->files[mid];
        int c = key_compare(f->size, f->hash, size, hash);
        if (c == 0) {
            *ret_sites = db->sites + f->first;
            *ret_count = f->count;
            return true;
        }
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

static int entry_compare(const struct sites_entry *a, const struct sites_entry *b)
{
    return key_compare(a->size, a->hash, b->size, b->hash);
}

/* Shell sort: short, in place, fast enough for an image's files. */
static void entries_sort(struct sites_entry *e, size_t count)
{
    for (size_t gap = count / 2; gap > 0; gap /= 2)
        for (size_t i = gap; i < count; i++) {
            struct sites_entry x = e[i];
            size_t j = i;
            for (; j >= gap && entry_compare(&e[j - gap], &x) > 0; j -= gap)
                e[j] = e[j - gap];
            e[j] = x;
        }
}

static bool is_double(const struct sites_entry *e, size_t i)
{
    return i > 0 && entry_compare(&e[i - 1], &e[i]) == 0;
}

int sites_db_write(struct sites_entry *entries, size_t count, struct span *ret)
{
    size_t files = 0, sites = 0;
    entries_sort(entries, count);
    for (size_t i = 0; i < count; i++)
        if (!is_double(entries, i)) {
            files++;
            sites += entries[i].list.count;
        }
    struct sites_header h = {.magic = SITES_MAGIC, .version = SITES_VERSION};
    h.file_count = (uint32_t) files;
    h.site_count = (uint32_t) sites;
    size_t n = sizeof h + files * sizeof(struct sites_file) + sites * sizeof(struct site);
    if (n > SITES_MAX_SIZE)
        return -E2BIG;
    uint8_t *p = kzalloc(n);
    if (!p)
        return -ENOMEM;
    memcpy(p, &h, sizeof h);
    size_t file_at = sizeof h, site_at = sizeof h + files * sizeof(struct sites_file);
    uint32_t first = 0;
    for (size_t i = 0; i < count; i++) {
        const struct site_list *l = &entries[i].list;
        if (is_double(entries, i))
            continue;
        struct sites_file f = {entries[i].size, entries[i].hash, first, (uint32_t) l->count};
        memcpy(p + file_at, &f, sizeof f);
        file_at += sizeof f;
        if (l->count > 0)
            memcpy(p + site_at, l->p, l->count * sizeof *l->p);
        site_at += l->count * sizeof *l->p;
        first += (uint32_t) l->count;
    }
    *ret = (struct span){p, n};
    return 0;
}
