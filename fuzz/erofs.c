// sources: libos/fs/rootimg/erofs.c libos/fs/rootimg/verity.c libos/fs/rootimg/cipher.c libos/crypto/ctr.c libos/crypto/gcm.c libos/crypto/cpu.c libos/crypto/hkdf.c libos/vfs/inode.c libos/vfs/lock.c libos/vfs/pagecache.c libos/vfs/pagetree.c libos/vfs/pageclock.c libos/vfs/pageload.c libos/vfs/pageflush.c libos/vfs/pagehome.c libos/vfs/readahead.c libos/vfs/writeback.c libos/vfs/mmap.c libos/crypto/sha256.c libos/base/log.c libos/base/printf.c libos/base/string.c libos/host/posix/arch.c libos/host/posix/heap.c libos/host/posix/panic.c libos/host/posix/sched.c libos/host/posix/sync.c
// libs: /usr/lib/x86_64-linux-gnu/libIPSec_MB.a
/* The EROFS reader over an image without a hash tree, as if its author were hostile: mount, walk
 * everything, read everything. The first two bytes choose where the rest of the input is laid over an
 * otherwise plausible image; a whole image as input starts with two zero bytes. */
#include <stdlib.h>
#include "libos/base/log.h"
#include "libos/fs/rootimg/erofs_disk.h"
#include "libos/fs/rootimg/rootimg.h"
#include "libos/mm/mm.h"
#include "libos/task/process.h"
#include "libos/vfs/dcache.h"
#include "libos/vfs/file.h"
#include "libos/vfs/memfd.h"
#include "libos/vfs/namei.h"
#include "libos/vfs/notify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the sources refer to and never reach here. */
uint32_t notify_watchers;
const struct mm_file_ops *mm_file_ops;
struct file *(*mm_anon_shared_file)(uint64_t size);
void notify_emit(struct inode *dir, uint32_t mask, struct qname name, const struct inode *what,
                 uint32_t cookie)
{
}
int window_alloc(uint64_t pages, uintptr_t *ret_addr)
{
    return -ENOMEM;
}
void window_free(uintptr_t addr, uint64_t pages)
{
}
int dcache_init(void)
{
    return 0;
}
struct mount *mount_root(void)
{
    return NULL;
}
void path_get(const struct path *p)
{
}
void path_put(const struct path *p)
{
}
int mount_add(const char *source, const struct path *on, const char *type, unsigned long flags,
              const char *options)
{
    return -ENOSYS;
}
int path_at(int dirfd, const char *path, unsigned flags, struct path *ret, struct file **ret_file)
{
    return -ENOSYS;
}
struct file *memfd_anon_shared(uint64_t size)
{
    return NULL;
}
void file_get(struct file *f)
{
}
void file_put(struct file *f)
{
}
struct inode *file_inode(struct file *f)
{
    return NULL;
}
bool file_noexec(const struct file *f)
{
    return false;
}

/* ---- */

#define STEPS_MAX 3000

struct walk {
    struct dir_ctx ctx;
    struct inode *dir;
    unsigned depth;
    unsigned *steps;
};

static void walk_inode(struct inode *i, unsigned depth, unsigned *steps);

static bool emit(struct dir_ctx *ctx, struct qname name, uint64_t ino, unsigned type, uint64_t next)
{
    struct walk *w = container_of(ctx, struct walk, ctx);
    struct inode *i;
    if (next <= ctx->pos || name.n == 0 || name.n > NAME_LIMIT || memchr(name.p, '/', name.n))
        __builtin_trap();
    if (++*w->steps > STEPS_MAX)
        return false;
    if (w->dir->ops->lookup(w->dir, name, &i) == 0) {
        walk_inode(i, w->depth + 1, w->steps);
        inode_put(i);
    }
    return true;
}

static void walk_inode(struct inode *i, unsigned depth, unsigned *steps)
{
    static uint8_t page[4096];
    struct kstat st;
    inode_stat(i, &st);
    if (S_ISLNK(i->mode) && strlen(i->link) != i->size)
        __builtin_trap();
    if (S_ISREG(i->mode))
        for (uint64_t n = 0; n < (i->size + 4095) / 4096 && ++*steps < STEPS_MAX; n++)
            if (inode_read_page(i, n, page) < 0)
                break;
    struct walk w = {.ctx = {2, emit}, .dir = i, .depth = depth, .steps = steps};
    if (inode_is_dir(i) && depth < 8)
        (void) i->ops->readdir(i, &w.ctx); /* a refusal is an answer, too */
}

static int read_input(const struct verity_source *s, uint64_t offset, struct span dst)
{
    memcpy(dst.p, (const uint8_t *) s->data + offset, dst.n);
    return 0;
}

#define BLOCKS 16u
static uint8_t image[BLOCKS * 4096];

static void plausible(void)
{
    struct erofs_super_disk d = {
        .magic = EROFS_MAGIC, .blkszbits = 12, .root_nid = 40, .blocks = BLOCKS};
    struct erofs_inode_compact root = {.format = 4, .mode = S_IFDIR | 0755, .nlink = 2, .size = 64};
    memset(image, 0, sizeof image);
    memcpy(image + EROFS_SUPER_OFFSET, &d, sizeof d);
    memcpy(image + 40 * EROFS_SLOT, &root, sizeof root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    log_level = LOG_OFF;
    plausible();
    size_t at = ((size_t) data[0] << 8 | data[1]) % sizeof image;
    memcpy(image + at, data + 2, MIN(size - 2, sizeof image - at));
    struct config_image g = {.present = 1,
                             .block_size = 4096,
                             .data_blocks = BLOCKS,
                             .hash_start_block = BLOCKS,
                             .total_blocks = BLOCKS + 1};
    struct verity_source source = {.read = read_input, .data = image, .size = sizeof image + 4096};
    struct super *s;
    unsigned steps = 0;
    if (erofs_mount_source(&g, &source, false, &s) == 0) {
        walk_inode(s->root, 0, &steps);
        super_put(s);
    }
    return 0;
}
