/* Advisory locks: flock, POSIX record locks (owner: the descriptor table, as POSIX wants them per
 * process) and open-file-description locks (owner: the file). */
#ifndef VFS_LOCK_H
#define VFS_LOCK_H
#include "libos/vfs/file.h"

enum lock_kind { LOCK_FLOCK, LOCK_POSIX, LOCK_OFD };
enum { LOCK_READ = 0, LOCK_WRITE = 1, LOCK_NONE = 2 }; /* F_RDLCK, F_WRLCK, F_UNLCK */

struct lock_range {
    enum lock_kind kind;
    int type;
    uint64_t start, end; /* end: last byte, inclusive */
    int pid;             /* out, for lock_test: the holder; -1 for OFD locks */
};
/* 0; -EAGAIN: held by another and wait is false; -ERESTARTSYS, -EDEADLK, -ENOLCK. */
must_check int lock_set(struct file *f, const struct lock_range *range, bool wait);
/* Overwrites *range with the first lock in the way, or type LOCK_NONE. */
void lock_test(struct file *f, struct lock_range *range);
int lock_proc_text(struct text *t); /* /proc/locks */
#endif
