/* Which sites a file has: from the image's table, or found by disassembling it once. */
#ifndef EXEC_SITECACHE_H
#define EXEC_SITECACHE_H
#include "abi/sites.h"
#include "libos/base/ref.h"

struct inode;

struct site_table {
    struct ref ref;
    uint64_t unique, size; /* of the file it was made for */
    struct site *owned;    /* heap, or NULL: sites point into the image's table */
    const struct site *sites;
    size_t count;
};

void sitecache_init(void); /* reads SITES_PATH if the image has it */
/* A reference; an empty table for what is no ELF file. NULL: no memory or the file cannot be read.
 * Sleeps. */
struct site_table *sitecache_get(struct inode *inode);
/* The same, if the table is there or the image has it; NULL: it would have to be disassembled. */
struct site_table *sitecache_known_get(struct inode *inode);
void sitecache_put(struct site_table *t);
void sitecache_forget(struct site_table *t); /* it does not fit the file any more */
/* The first site at or after offset; count if none. */
size_t site_search(const struct site_table *t, uint64_t offset);
#endif
