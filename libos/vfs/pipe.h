/* Pipes and FIFOs. */
#ifndef VFS_PIPE_H
#define VFS_PIPE_H
#include "libos/vfs/file.h"

must_check int pipe_new(unsigned o_flags, struct file **ret_read, struct file **ret_write);
must_check int pipe_reopen(struct file *old, unsigned o_flags, struct file **ret);
bool file_is_pipe(const struct file *f);
/* Copies up to n bytes from one pipe to another and leaves them in the first. */
must_check long pipe_tee(struct file *in, struct file *out, size_t n, bool nowait);
bool pipe_same(const struct file *a, const struct file *b); /* both are pipes */
long pipe_get_size(struct file *f);
must_check long pipe_set_size(struct file *f, uint64_t size);
extern const struct file_ops fifo_file_ops;
#endif
