/* The judge of what the host says about its files. Pure functions over private copies: unit-tested and
 * fuzzed (fuzz/hostfs.c). The numbers themselves (sizes, times, owners) are the host's word and worth as
 * much; what is checked is that the kernel can live with any of them. */
#include "libos/fs/hostfs/hostfs.h"
#include "abi/layout.h"

#define DIRENT_HEAD  19u /* ino, next, record length, type */
#define TARGET_LIMIT (PATH_LIMIT - 1)
#define HOSTFS_MAGIC 0x00c0ffee /* HOSTFS_SUPER_MAGIC */
#define BLOCKS_LIMIT (1ull << 48)

static bool type_known(uint32_t mode)
{
    return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode) ||
           S_ISCHR(mode) || S_ISBLK(mode);
}

static uint32_t block_size(uint32_t size)
{
    bool power = size && !(size & (size - 1));
    return power && size >= 512 && size <= (1u << 20) ? size : PAGE_SIZE;
}

int hostfs_stat_check(struct host_stat *st)
{
    if (!type_known(st->mode) || st->mode > 0177777 || st->size > (uint64_t) INT64_MAX)
        return -EIO;
    st->mode &= S_ISDIR(st->mode) ? S_IFMT | S_ISVTX | 0777u : S_IFMT | 0777u;
    st->rdev = 0;
    st->blksize = block_size(st->blksize);
    st->blocks = MIN(st->blocks, (uint64_t) INT64_MAX / 512);
    st->nlink = MIN(st->nlink, (uint64_t) UINT32_MAX);
    return 0;
}

int hostfs_statfs_check(const struct host_statfs *h, struct linux_statfs *ret)
{
    uint64_t blocks = MIN(h->blocks, BLOCKS_LIMIT), files = MIN(h->files, BLOCKS_LIMIT);
    uint32_t bsize = block_size(h->bsize);
    *ret = (struct linux_statfs){
        .type = HOSTFS_MAGIC,
        .bsize = bsize,
        .frsize = bsize,
        .blocks = blocks,
        .bfree = MIN(h->bfree, blocks),
        .bavail = MIN(h->bavail, blocks),
        .files = files,
        .ffree = MIN(h->ffree, files),
        .namelen = MIN(h->namelen, (uint32_t) NAME_LIMIT),
    };
    return 0;
}

bool hostfs_link_ok(struct cspan text)
{
    return text.n > 0 && text.n <= TARGET_LIMIT && !memchr(text.p, 0, text.n);
}

static unsigned dirent_type(uint8_t type)
{
    static const uint8_t known[] = {LINUX_DT_FIFO, LINUX_DT_CHR, LINUX_DT_DIR, LINUX_DT_BLK,
                                    LINUX_DT_REG,  LINUX_DT_LNK, LINUX_DT_SOCK};
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (type == known[i])
            return type;
    return LINUX_DT_UNKNOWN;
}

int hostfs_dirent_next(struct cspan *rest, struct hostfs_dirent *ret)
{
    if (rest->n == 0)
        return 0;
    struct rd r = {.s = *rest};
    uint64_t ino = rd_u64(&r), next = rd_u64(&r);
    uint16_t len;
    uint8_t type;
    rd_copy(&r, &len, sizeof len);
    rd_copy(&r, &type, sizeof type);
    struct cspan name;
    if (r.bad || len <= DIRENT_HEAD ||
        !cspan_sub(*rest, DIRENT_HEAD, (size_t) len - DIRENT_HEAD, &name))
        return -EIO;
    const uint8_t *end = memchr(name.p, 0, name.n);
    size_t n = end ? (size_t) (end - name.p) : 0;
    if (n == 0 || n > NAME_LIMIT || memchr(name.p, '/', n))
        return -EIO;
    *ret = (struct hostfs_dirent){{(const char *) name.p, n}, ino, next, dirent_type(type)};
    *rest = (struct cspan){rest->p + len, rest->n - len};
    return 1;
}
