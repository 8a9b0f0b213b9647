/* The writeback thread of a file system with a store (super_ops.writeback). It is made by the first change. Changes
 * are durable WRITEBACK_NS later; and when more than a share of the page cache is changed it takes pages to the
 * store, long before a writer has to do that itself. */
#ifndef VFS_WRITEBACK_H
#define VFS_WRITEBACK_H
#include "libos/vfs/inode.h"

#define WRITEBACK_NS 5000000000ll

/* Something of s has changed. May start the thread; without memory for it writers do its work. */
void writeback_note(struct super *s);
/* After a write to i, without its mutex: waits for the thread, or does its work, while there are far too many changed
 * pages. */
must_check int writeback_balance(struct inode *i);
void writeback_progress(void); /* after some changed pages became clean */
/* No mount has s any more: waits for the thread's end; there will be none again. */
void writeback_end(struct super *s);
void writeback_free(struct super *s); /* s goes, nothing changes any more */
#endif
