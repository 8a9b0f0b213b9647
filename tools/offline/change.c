/* Changes to a volume: what the page cache does in the kernel, block by block. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "tools/lib/mem.h"
#include "tools/offline/volume.h"

#define SIZE_MAX_FILE ((uint64_t) 1 << 50)

int64_t volume_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* What lies beyond the end of the file is zero in its last block, so a file may simply grow. */
static int write_part(struct fsys *f, struct fsys_node *n, uint64_t block, size_t at,
                      const void *buf, size_t size)
{
    uint8_t data[COW_BLOCK];
    int r = cow_read(volume_cow(f), volume_inode(n), block, 1, data);
    if (r < 0)
        return r;
    memcpy(data + at, buf, size);
    return cow_write(volume_cow(f), volume_inode(n), block, 1, data, block * COW_BLOCK + at + size);
}

long volume_write(struct fsys *f, struct fsys_node *n, const void *buf, size_t size, uint64_t off)
{
    if (off > SIZE_MAX_FILE || size > SIZE_MAX_FILE - off)
        return -EFBIG;
    for (size_t done = 0; done < size;) {
        size_t at = (size_t) ((off + done) % COW_BLOCK);
        size_t left = size - done, part = COW_BLOCK - at < left ? COW_BLOCK - at : left;
        uint32_t whole = at ? 0 : (uint32_t) MIN(left / COW_BLOCK, COW_IO_BLOCKS);
        int r = cow_room(volume_cow(f), MAX(whole, 1u));
        if (whole)
            part = whole * COW_BLOCK;
        if (r == 0 && whole)
            r = cow_write(volume_cow(f), volume_inode(n), (off + done) / COW_BLOCK, whole,
                          (const uint8_t *) buf + done, off + done + part);
        else if (r == 0)
            r = write_part(f, n, (off + done) / COW_BLOCK, at, (const uint8_t *) buf + done, part);
        if (r < 0)
            return done ? (long) done : r;
        done += part;
    }
    return (long) size;
}

int volume_parent(struct fsys *f, const char *path, struct fsys_node **ret,
                  struct cow_name *ret_name)
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    *ret_name = (struct cow_name){path + start, end - start};
    if (end == start || (end - start == 1 && path[start] == '.') ||
        (end - start == 2 && strncmp(path + start, "..", 2) == 0))
        return -EINVAL;
    if (end - start > 255)
        return -ENAMETOOLONG;
    AUTO_FREE char *dir = mem_strndup(path, start);
    return fsys_find(f, start ? dir : "/", true, ret);
}
