/* What a reader of an open file will want next, guessed from its last reads. Only hints: threads that read through one
 * descriptor at a time spoil them for each other, nothing else. */
#ifndef VFS_READAHEAD_H
#define VFS_READAHEAD_H
#include "libos/vfs/pagecache.h"

struct readahead {
    uint64_t first, next; /* of the last read: its first page, the one behind it */
    int64_t stride;       /* between the last two */
    uint32_t window;      /* pages, or strides, worth reading ahead */
    bool strided;
};

void readahead_note(struct readahead *a, uint64_t first, uint64_t next); /* a read begins */
/* For a page that is not in memory, of a read of `more` more pages, this one included. */
struct load_plan readahead_plan(const struct readahead *a, uint64_t more);
#endif
