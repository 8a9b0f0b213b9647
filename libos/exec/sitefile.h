/* The patch-site table of an image (abi/sites.h): reading, and making it. Pure but for the heap. */
#ifndef EXEC_SITEFILE_H
#define EXEC_SITEFILE_H
#include "libos/exec/sites.h"

struct sites_db { /* points into the bytes it was read from */
    const struct sites_file *files;
    size_t file_count;
    const struct site *sites;
};

/* bytes: 8-aligned, unchanged as long as the db is used. -EINVAL: malformed. */
must_check int sites_db_read(struct cspan bytes, struct sites_db *ret);
/* The sites of the file with this size and first-page hash; false: not listed. */
bool sites_db_find(const struct sites_db *db, uint64_t size, uint64_t hash,
                   const struct site **ret_sites, size_t *ret_count);

/* For the image builder: the table of count files. Sorts entries; doubles count once. The table is
 * heap memory. */
struct sites_entry {
    uint64_t size, hash; /* hash: sites_hash of the first min(size, 4096) bytes */
    struct site_list list;
};
must_check int sites_db_write(struct sites_entry *entries, size_t count, struct span *ret);
#endif
