/* eventfd and timerfd objects. */
#ifndef VFS_EVENTFD_H
#define VFS_EVENTFD_H
#include "libos/vfs/file.h"

must_check int eventfd_new(uint64_t count, bool semaphore, unsigned o_flags, struct file **ret);

bool file_is_eventfd(const struct file *f);
void eventfd_signal(struct file *f); /* adds 1, unless it is full */

must_check int timerfd_new(int clock, unsigned o_flags, struct file **ret);
/* Nanoseconds; value 0 disarms. absolute: value is a time of the timer's clock. */
must_check int timerfd_set(struct file *f, bool absolute, int64_t value_ns, int64_t interval_ns,
                           int64_t *ret_old_value, int64_t *ret_old_interval);
must_check int timerfd_get(struct file *f, int64_t *ret_value, int64_t *ret_interval);
#endif
