/* /dev/null, zero, full, random and urandom. */
#include "libos/arch/random.h"
#include "libos/task/thread.h"
#include "libos/mm/uaccess.h"
#include "libos/task/thread.h"
#include "libos/vfs/file.h"
#include "libos/vfs/registry.h"

static long null_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    return 0;
}

static long swallow(struct file *f, struct uio *uio, uint64_t *pos)
{
    size_t n = uio->left;
    uio->left = 0;
    return (long) n;
}

static long zero_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    size_t n = uio->left;
    int r = uio_zero(uio, n);
    return r < 0 ? r : (long) n;
}

static long full_write(struct file *f, struct uio *uio, uint64_t *pos)
{
    return uio->left ? -ENOSPC : 0;
}

static long random_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    uint8_t buf[256];
    size_t done = 0;
    while (uio->left > 0) {
        size_t n = MIN(uio->left, sizeof buf);
        random_bytes((struct span){buf, n});
        int r = uio_put(uio, buf, n);
        if (r < 0)
            return done ? (long) done : r;
        done += n;
        if (thread_interrupted() && uio->left > 0)
            break;
    }
    wipe(buf, sizeof buf);
    return (long) done;
}

static long random_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
    return cmd == 0x80045200 /* RNDGETENTCNT */ ? put_user(UADDR(arg), 256) : -ENOTTY;
}

static long no_seek(struct file *f, int64_t offset, int whence)
{
    return 0;
}

static int may_map(struct file *f, int prot, bool shared)
{
    return 0;
}

static const struct file_ops null_ops = {.read = null_read, .write = swallow, .seek = no_seek};
static const struct file_ops zero_ops = {
    .read = zero_read, .write = swallow, .seek = no_seek, .mmap = may_map};
static const struct file_ops full_ops = {.read = zero_read, .write = full_write, .seek = no_seek};
static const struct file_ops random_ops = {
    .read = random_read, .write = swallow, .seek = no_seek, .ioctl = random_ioctl};

DEVICE(null, 0666, null_device);
const struct device_type null_device = {
    .name = "null", .mode = 0666, .major = 1, .minor = 3, .ops = &null_ops};
DEVICE(zero, 0666, zero_device);
const struct device_type zero_device = {
    .name = "zero", .mode = 0666, .major = 1, .minor = 5, .ops = &zero_ops};
DEVICE(full, 0666, full_device);
const struct device_type full_device = {
    .name = "full", .mode = 0666, .major = 1, .minor = 7, .ops = &full_ops};
DEVICE(random, 0666, random_device);
const struct device_type random_device = {
    .name = "random", .mode = 0666, .major = 1, .minor = 8, .ops = &random_ops};
DEVICE(urandom, 0666, urandom_device);
const struct device_type urandom_device = {
    .name = "urandom", .mode = 0666, .major = 1, .minor = 9, .ops = &random_ops};
