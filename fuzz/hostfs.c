// sources: libos/fs/hostfs/answer.c
/* Directory records, attributes and link texts of a hostile host: whatever is sent, names are names that
 * lie in the bytes sent, and attributes are ones that the kernel can live with. */
#include <stdlib.h>
#include "libos/fs/hostfs/hostfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void records(struct cspan all)
{
    struct cspan rest = all;
    struct hostfs_dirent e;
    int r;
    while ((r = hostfs_dirent_next(&rest, &e)) > 0) {
        const uint8_t *name = (const uint8_t *) e.name.p;
        require(name >= all.p && name + e.name.n < all.p + all.n);
        require(e.name.n > 0 && e.name.n <= NAME_LIMIT);
        require(!memchr(name, '/', e.name.n) && !memchr(name, 0, e.name.n));
        require(e.type <= LINUX_DT_SOCK && rest.p + rest.n == all.p + all.n);
    }
    require(r == 0 || r == -EIO);
}

static void attributes(struct cspan all)
{
    struct host_stat st;
    struct host_statfs h;
    struct linux_statfs fs;
    if (cspan_get(all, 0, &st, sizeof st) && hostfs_stat_check(&st) == 0) {
        require(!(st.mode & (S_ISUID | S_ISGID)) && st.size <= (uint64_t) INT64_MAX);
        require(st.blksize >= 512 && st.rdev == 0);
    }
    if (cspan_get(all, 0, &h, sizeof h) && hostfs_statfs_check(&h, &fs) == 0)
        require(fs.bfree <= fs.blocks && fs.ffree <= fs.files && fs.bsize >= 512);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cspan all = {data, size};
    records(all);
    attributes(all);
    (void) hostfs_link_ok(all);
    return 0;
}
