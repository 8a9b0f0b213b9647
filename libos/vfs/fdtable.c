/* Descriptor tables. The spin lock covers the slots; files are put after it is dropped, because the
 * last reference may sleep. `next_free` never lies above the lowest free descriptor. */
#include "libos/vfs/fdtable.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/task/process.h"
#include "libos/vfs/aio.h"

#define SLOTS_FIRST         16u
#define SLOTS_MAX           65536u
#define RLIMIT_NOFILE_INDEX 7

struct fd_slot {
    struct file *file; /* a reference */
    bool cloexec;
};

struct fdtable {
    struct ref ref;
    struct spinlock lock;
    uint32_t count, next_free;
    struct fd_slot *slot; /* count of them */
    struct aio_context *aio;
};

struct fdtable *current_fds(void)
{
    return current_process()->files;
}

static struct fdtable *table_new(uint32_t count)
{
    struct fdtable *t = new_zero(struct fdtable);
    if (!t)
        return NULL;
    t->slot = kzalloc(count * sizeof *t->slot);
    if (!t->slot) {
        kfree(t);
        return NULL;
    }
    ref_init(&t->ref);
    t->count = count;
    return t;
}

struct fdtable *fdtable_new(void)
{
    return table_new(SLOTS_FIRST);
}

struct fdtable *fdtable_dup(struct fdtable *old)
{
    for (;;) {
        uint32_t count = atomic_load(&old->count);
        struct fdtable *t = table_new(count);
        if (!t)
            return NULL;
        spin_lock(&old->lock);
        bool fits = old->count <= count;
        for (uint32_t i = 0; fits && i < old->count; i++) {
            t->slot[i] = old->slot[i];
            if (t->slot[i].file)
                file_get(t->slot[i].file);
        }
        t->next_free = old->next_free;
        spin_unlock(&old->lock);
        if (fits)
            return t;
        fdtable_put(t);
    }
}

void fdtable_get(struct fdtable *t)
{
    ref_get(&t->ref);
}

void fdtable_put(struct fdtable *t)
{
    if (!ref_put_last(&t->ref))
        return;
    aio_drop_all(t);
    for (uint32_t i = 0; i < t->count; i++)
        if (t->slot[i].file) {
            file_flush(t->slot[i].file, t);
            file_put(t->slot[i].file);
        }
    kfree(t->slot);
    kfree(t);
}

static struct file *get_locked(struct fdtable *t, int fd)
{
    if ((unsigned) fd >= t->count)
        return NULL;
    return t->slot[fd].file;
}

struct file *fdtable_lookup_get(struct fdtable *t, int fd)
{
    spin_lock(&t->lock);
    struct file *f = get_locked(t, fd);
    if (f)
        file_get(f);
    spin_unlock(&t->lock);
    return f;
}

struct file *fd_get_any(int fd)
{
    return fdtable_lookup_get(current_fds(), fd);
}

struct file *fd_get(int fd)
{
    return fd_get_any(fd);
}

static struct file *take_locked(struct fdtable *t, uint32_t fd)
{
    struct file *f = t->slot[fd].file;
    t->slot[fd] = (struct fd_slot){0};
    t->next_free = MIN(t->next_free, fd);
    return f;
}

int fdtable_close(struct fdtable *t, int fd)
{
    spin_lock(&t->lock);
    struct file *f = get_locked(t, fd);
    if (f)
        (void) take_locked(t, (uint32_t) fd); /* it is f */
    spin_unlock(&t->lock);
    if (!f)
        return -EBADF;
    file_flush(f, t);
    file_put(f);
    return 0;
}

void fdtable_close_range(struct fdtable *t, unsigned first, unsigned last, bool cloexec_only)
{
    for (unsigned fd = first; fd <= last && fd < t->count; fd++) {
        if (!cloexec_only) {
            (void) fdtable_close(t, (int) fd); /* holes are fine */
            continue;
        }
        SPIN_GUARD(&t->lock);
        if (fd < t->count && t->slot[fd].file)
            t->slot[fd].cloexec = true;
    }
}

struct aio_context **fdtable_aio(struct fdtable *t, struct spinlock **ret_lock)
{
    *ret_lock = &t->lock;
    return &t->aio;
}

/* The first file from *fd on that exec closes; *fd is behind it then. NULL: no more. */
static struct file *take_cloexec(struct fdtable *t, uint32_t *fd)
{
    SPIN_GUARD(&t->lock);
    while (*fd < t->count) {
        uint32_t i = (*fd)++;
        if (t->slot[i].file && t->slot[i].cloexec)
            return take_locked(t, i);
    }
    return NULL;
}

void fdtable_close_on_exec(struct fdtable *t)
{
    aio_drop_all(t);
    uint32_t fd = 0;
    for (struct file *f; (f = take_cloexec(t, &fd));) {
        file_flush(f, t);
        file_put(f);
    }
}

/* Makes room for descriptor fd; the lock is not held. */
static int grow(struct fdtable *t, uint32_t fd)
{
    uint32_t count = SLOTS_FIRST;
    while (count <= fd)
        count *= 2;
    struct fd_slot *slot = kzalloc(count * sizeof *slot), *old = NULL;
    if (!slot)
        return -ENOMEM;
    spin_lock(&t->lock);
    if (t->count < count) {
        memcpy(slot, t->slot, t->count * sizeof *slot);
        old = t->slot;
        t->slot = slot;
        t->count = count;
    } else {
        old = slot;
    }
    spin_unlock(&t->lock);
    kfree(old);
    return 0;
}

static uint32_t limit(void)
{
    uint64_t cur = current_process()->rlimits[RLIMIT_NOFILE_INDEX].cur;
    return (uint32_t) MIN(cur, (uint64_t) SLOTS_MAX);
}

int fdtable_install(struct fdtable *t, struct file *f, unsigned min, bool cloexec)
{
    uint32_t max = limit();
    for (;;) {
        spin_lock(&t->lock);
        uint32_t fd = MAX((uint32_t) min, t->next_free);
        while (fd < t->count && t->slot[fd].file)
            fd++;
        bool fits = fd < t->count && fd < max;
        if (fits) {
            t->slot[fd] = (struct fd_slot){f, cloexec};
            if (min <= t->next_free)
                t->next_free = fd + 1;
        }
        spin_unlock(&t->lock);
        if (fits)
            return (int) fd;
        if (fd >= max)
            return -EMFILE;
        int r = grow(t, fd);
        if (r < 0)
            return r;
    }
}

int fd_install(struct file *f, unsigned o_flags)
{
    return fdtable_install(current_fds(), f, 0, o_flags & O_CLOEXEC);
}

int fdtable_install_at(struct fdtable *t, struct file *f, int fd, bool cloexec)
{
    if (fd < 0 || (uint32_t) fd >= limit())
        return -EBADF;
    if ((uint32_t) fd >= t->count) {
        int r = grow(t, (uint32_t) fd);
        if (r < 0)
            return r;
    }
    spin_lock(&t->lock);
    struct file *old = t->slot[fd].file;
    t->slot[fd] = (struct fd_slot){f, cloexec};
    spin_unlock(&t->lock);
    if (old) {
        file_flush(old, t);
        file_put(old);
    }
    return fd;
}

int fdtable_set_cloexec(struct fdtable *t, int fd, bool on)
{
    SPIN_GUARD(&t->lock);
    if (!get_locked(t, fd))
        return -EBADF;
    t->slot[fd].cloexec = on;
    return 0;
}

bool fdtable_cloexec(struct fdtable *t, int fd)
{
    SPIN_GUARD(&t->lock);
    return get_locked(t, fd) && t->slot[fd].cloexec;
}

int fdtable_next(struct fdtable *t, int from)
{
    SPIN_GUARD(&t->lock);
    for (uint32_t fd = (uint32_t) MAX(from, 0); fd < t->count; fd++)
        if (t->slot[fd].file)
            return (int) fd;
    return -1;
}
