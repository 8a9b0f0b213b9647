/* Pipes and FIFOs. */
#ifndef VFS_PIPE_H
#define VFS_PIPE_H
#include "libos/vfs/file.h"

must_check int pipe_new(unsigned o_flags, struct file **ret_read, struct file **ret_write);
must_check int pipe_reopen(struct file *old, unsigned o_flags, struct file **ret);
bool file_is_pipe(const struct file *f);
/* Copies up to n bytes from one pipe to another and leaves them in the first. */
must_check long pipe_tee(struct file *in, struct file *out, size_t n, bool nowait);
/* The first bytes of a pipe are copied and claimed: until pipe_consume takes n of them out, other readers
 * wait as if there were none. 0: the end, nothing is claimed. */
must_check long pipe_claim(struct file *f, struct span to, bool nowait);
void pipe_consume(struct file *f, size_t n);
/* How much fits now, at least 1. Other writers may come first; pipe_push takes all of it nevertheless, as
 * long as there is memory. */
must_check long pipe_wait_room(struct file *f, bool nowait);
must_check long pipe_push(struct file *f, struct cspan from);
bool pipe_same(const struct file *a, const struct file *b); /* both are pipes */
long pipe_get_size(struct file *f);
must_check long pipe_set_size(struct file *f, uint64_t size);
extern const struct file_ops fifo_file_ops;
#endif
