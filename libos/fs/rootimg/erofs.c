/* EROFS, uncompressed. Every byte is verified before it gets here, so malformed structures mean a bad
 * image author, not a hostile host; they are refused all the same (-EUCLEAN).
 *
 * Metadata blocks are cached as pages of an internal inode that spans the image; directory content and
 * file content as pages of their inodes. All are evictable. Arithmetic on disk fields is 64 bit and
 * every block number is checked against the image's size before use.
 */
#include "libos/base/log.h"
#include "libos/fs/rootimg/erofs_disk.h"
#include "libos/fs/rootimg/rootimg.h"
#include "libos/mm/heap.h"

#define BLOCK 4096u

struct erofs {
    struct super super;
    struct verity verity;
    uint64_t blocks, meta_start, build_ns; /* meta_start: bytes */
    struct inode *meta;                    /* page i is block i */
};

struct erofs_inode {
    struct inode inode;
    unsigned layout;
    uint64_t at;  /* byte offset of the structure after inode and xattrs: tail or chunk map */
    uint32_t raw; /* first block, or chunk format */
};

static const struct inode_ops dir_ops, file_ops_erofs, meta_ops;
static const struct super_ops erofs_super_ops;

static struct erofs *erofs_of(const struct inode *i)
{
    return container_of(i->super, struct erofs, super);
}

static struct erofs_inode *erofs_inode(const struct inode *i)
{
    return container_of(i, struct erofs_inode, inode);
}

static int meta_read_page(struct inode *i, uint64_t index, void *dst)
{
    struct erofs *fs = erofs_of(i);
    return index < fs->blocks ? verity_read(&fs->verity, index, dst) : -EUCLEAN;
}

/* Copies metadata bytes; may cross blocks. */
static int meta_copy(struct erofs *fs, uint64_t off, void *dst, size_t n)
{
    uint8_t *out = dst;
    while (n > 0) {
        struct cpage *page;
        int r =
            off / BLOCK < fs->blocks ? pages_get(fs->meta, off / BLOCK, false, &page) : -EUCLEAN;
        if (r < 0)
            return r;
        size_t part = MIN(n, (size_t) (BLOCK - off % BLOCK));
        memcpy(out, page->data + off % BLOCK, part);
        cpage_unpin(page);
        out += part;
        off += part;
        n -= part;
    }
    return 0;
}

/* ---- content ---- */

/* Block that holds page index of a chunked file; EROFS_HOLE for a hole. */
static int chunk_block(struct erofs *fs, const struct erofs_inode *e, uint64_t index, uint64_t *ret)
{
    unsigned bits = e->raw & EROFS_CHUNK_BITS; /* log2 of blocks per chunk */
    uint64_t chunk = index >> bits, in_chunk = index & (((uint64_t) 1 << bits) - 1);
    uint32_t addr;
    int r;
    if (e->raw & EROFS_CHUNK_INDEXES) {
        struct erofs_chunk_index x;
        r = meta_copy(fs, ROUND_UP(e->at, 8ul) + chunk * sizeof x, &x, sizeof x);
        if (r == 0 && x.device_id != 0)
            r = -EUCLEAN;
        addr = x.blkaddr;
    } else {
        r = meta_copy(fs, ROUND_UP(e->at, 4ul) + chunk * sizeof addr, &addr, sizeof addr);
    }
    if (r == 0)
        *ret = addr == EROFS_HOLE ? EROFS_HOLE : addr + in_chunk;
    return r;
}

static int erofs_read_page(struct inode *i, uint64_t index, void *dst)
{
    struct erofs *fs = erofs_of(i);
    const struct erofs_inode *e = erofs_inode(i);
    uint64_t pages = (i->size + BLOCK - 1) / BLOCK, block = e->raw + index;
    size_t n = (size_t) MIN(i->size - index * BLOCK, (uint64_t) BLOCK);
    if (index >= pages)
        return -ENXIO;
    if (e->layout == EROFS_LAYOUT_INLINE && index == pages - 1 && i->size % BLOCK) {
        if (e->at % BLOCK + n > BLOCK)
            return -EUCLEAN;
        return meta_copy(fs, e->at, dst, n);
    }
    if (e->layout == EROFS_LAYOUT_CHUNK) {
        int r = chunk_block(fs, e, index, &block);
        if (r < 0 || block == EROFS_HOLE)
            return r;
    }
    if (block >= fs->blocks)
        return -EUCLEAN;
    int r = verity_read(&fs->verity, block, dst);
    if (r == 0 && n < BLOCK)
        memset((uint8_t *) dst + n, 0, BLOCK - n);
    return r;
}

/* ---- inodes ---- */

struct disk_inode { /* either on-disk form, widened */
    uint32_t mode, nlink, uid, gid, u;
    uint64_t size, header;
    int64_t mtime_ns;
    unsigned format, xattr_icount;
};

static int disk_inode_read(struct erofs *fs, uint64_t off, struct disk_inode *d)
{
    union {
        struct erofs_inode_compact c;
        struct erofs_inode_extended e;
    } raw;
    int r = meta_copy(fs, off, &raw.c, sizeof raw.c);
    if (r < 0)
        return r;
    *d = (struct disk_inode){.format = raw.c.format,
                             .xattr_icount = raw.c.xattr_icount,
                             .mode = raw.c.mode,
                             .mtime_ns = (int64_t) fs->build_ns};
    if (raw.c.format & 1) {
        r = meta_copy(fs, off, &raw.e, sizeof raw.e);
        if (r < 0)
            return r;
        d->size = raw.e.size;
        d->u = raw.e.u;
        d->uid = raw.e.uid;
        d->gid = raw.e.gid;
        d->nlink = raw.e.nlink;
        d->header = sizeof raw.e;
        if (raw.e.mtime < (uint64_t) INT64_MAX / NSEC_PER_SEC - 1 &&
            raw.e.mtime_nsec < NSEC_PER_SEC)
            d->mtime_ns = (int64_t) raw.e.mtime * NSEC_PER_SEC + raw.e.mtime_nsec;
    } else {
        d->size = raw.c.size;
        d->u = raw.c.u;
        d->uid = raw.c.uid;
        d->gid = raw.c.gid;
        d->nlink = raw.c.nlink;
        d->header = sizeof raw.c;
    }
    return 0;
}

static bool disk_inode_sane(const struct disk_inode *d)
{
    unsigned layout = d->format >> 1 & 7;
    uint32_t type = d->mode & S_IFMT;
    bool content = type == S_IFREG || type == S_IFDIR || type == S_IFLNK;
    bool known =
        content || type == S_IFCHR || type == S_IFBLK || type == S_IFIFO || type == S_IFSOCK;
    return known && d->size <= (uint64_t) 1 << 50 && d->nlink > 0 && !(d->format & ~0xfu) &&
           (layout == EROFS_LAYOUT_PLAIN || layout == EROFS_LAYOUT_INLINE ||
            (layout == EROFS_LAYOUT_CHUNK && type == S_IFREG)) &&
           (type != S_IFLNK || (d->size > 0 && d->size < PATH_LIMIT));
}

static int link_load(struct inode *i)
{
    uint8_t *page = kpages_alloc(1);
    char *text = kzalloc(i->size + 1);
    int r = page && text ? erofs_read_page(i, 0, page) : -ENOMEM;
    if (r == 0 && memchr(page, 0, i->size))
        r = -EUCLEAN;
    if (r == 0) {
        memcpy(text, page, i->size);
        i->link = TAKE(text);
    }
    kfree(text);
    if (page)
        kpages_free(page, 1);
    return r;
}

static void inode_fill(struct erofs *fs, struct erofs_inode *e, const struct disk_inode *d,
                       uint64_t nid, uint64_t off)
{
    struct inode *i = &e->inode;
    inode_init(i, &fs->super, d->mode);
    i->ino = nid;
    i->nlink = d->nlink;
    i->uid = d->uid;
    i->gid = d->gid;
    i->size = d->size;
    i->atime_ns = i->mtime_ns = i->ctime_ns = i->btime_ns = d->mtime_ns;
    i->flags = INODE_IMMUTABLE;
    i->ops = S_ISDIR(d->mode) ? &dir_ops : &file_ops_erofs;
    e->layout = d->format >> 1 & 7;
    e->raw = d->u;
    uint64_t xattr = d->xattr_icount ? 12 + 4 * ((uint64_t) d->xattr_icount - 1) : 0;
    e->at = off + d->header + xattr;
    if (S_ISCHR(d->mode) || S_ISBLK(d->mode)) {
        i->rdev = linux_makedev((d->u >> 8) & 0xfff, (d->u & 0xff) | ((d->u >> 12) & 0xfff00));
        i->size = 0;
    }
}

static int inode_load(struct erofs *fs, uint64_t nid, struct inode **ret)
{
    struct inode *known = inode_by_ino_get(&fs->super, nid);
    if (known) {
        *ret = known;
        return 0;
    }
    struct disk_inode d;
    if (nid > fs->blocks * (BLOCK / EROFS_SLOT))
        return -EUCLEAN;
    uint64_t off = fs->meta_start + nid * EROFS_SLOT;
    int r = disk_inode_read(fs, off, &d);
    if (r < 0)
        return r;
    if (!disk_inode_sane(&d))
        return -EUCLEAN;
    struct erofs_inode *e = new_zero(struct erofs_inode);
    if (!e)
        return -ENOMEM;
    inode_fill(fs, e, &d, nid, off);
    if (S_ISLNK(d.mode))
        r = link_load(&e->inode);
    if (r < 0) {
        inode_put(&e->inode);
        return r;
    }
    *ret = inode_by_ino_insert(&e->inode);
    return 0;
}

static void erofs_inode_free(struct inode *i)
{
    inode_fini(i);
    kfree(erofs_inode(i));
}

/* ---- directories: sorted names over sorted blocks ---- */

struct dir_block {
    struct cpage *page; /* pinned */
    const uint8_t *p;
    size_t size;
    unsigned count;
};

static int dir_block_get(struct inode *dir, uint64_t index, struct dir_block *ret)
{
    struct cpage *page;
    int r = pages_get(dir, index, false, &page);
    if (r < 0)
        return r;
    struct erofs_dirent first;
    size_t size = (size_t) MIN((uint64_t) BLOCK, dir->size - index * BLOCK);
    bool ok = size >= sizeof first;
    if (ok) {
        memcpy(&first, page->data, sizeof first);
        ok = first.nameoff >= sizeof first && first.nameoff < size &&
             first.nameoff % sizeof first == 0;
    }
    if (!ok) {
        cpage_unpin(page);
        return -EUCLEAN;
    }
    *ret = (struct dir_block){page, page->data, size, first.nameoff / sizeof first};
    return 0;
}

static int dir_entry(const struct dir_block *b, unsigned n, struct erofs_dirent *de,
                     struct qname *name)
{
    memcpy(de, b->p + n * sizeof *de, sizeof *de);
    size_t end = b->size;
    if (n + 1 < b->count) {
        struct erofs_dirent next;
        memcpy(&next, b->p + (n + 1) * sizeof next, sizeof next);
        end = next.nameoff;
    }
    if (de->nameoff < b->count * sizeof *de || de->nameoff >= end || end > b->size)
        return -EUCLEAN;
    const char *p = (const char *) b->p + de->nameoff;
    *name = (struct qname){p, strnlen(p, end - de->nameoff)};
    if (name->n == 0 || name->n > NAME_LIMIT || memchr(p, '/', name->n))
        return -EUCLEAN;
    return 0;
}

static int name_cmp(struct qname a, struct qname b)
{
    int r = memcmp(a.p, b.p, MIN(a.n, b.n));
    return r ? r : a.n < b.n ? -1 : a.n > b.n;
}

/* 0 and *ret_nid, 1: the name would lie after this block's first (*after), -ENOENT, -EUCLEAN. */
static int search_block(struct inode *dir, uint64_t index, struct qname name, bool *before,
                        uint64_t *ret_nid)
{
    struct dir_block b;
    int r = dir_block_get(dir, index, &b);
    if (r < 0)
        return r;
    struct erofs_dirent de;
    struct qname n;
    r = dir_entry(&b, 0, &de, &n);
    *before = r == 0 && name_cmp(name, n) < 0;
    unsigned lo = 0, hi = r == 0 && !*before ? b.count : 0;
    int found = -ENOENT;
    while (r == 0 && lo < hi && found) {
        unsigned mid = lo + (hi - lo) / 2;
        r = dir_entry(&b, mid, &de, &n);
        int c = r == 0 ? name_cmp(name, n) : 0;
        if (r == 0 && c == 0) {
            *ret_nid = de.nid;
            found = 0;
        } else if (c < 0) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    cpage_unpin(b.page);
    return r < 0 ? r : found;
}

static int erofs_lookup(struct inode *dir, struct qname name, struct inode **ret)
{
    uint64_t lo = 0, hi = (dir->size + BLOCK - 1) / BLOCK;
    while (lo < hi) { /* the last block whose first name is not after ours */
        uint64_t mid = lo + (hi - lo) / 2, nid;
        bool before;
        int r = search_block(dir, mid, name, &before, &nid);
        if (r == 0)
            return inode_load(erofs_of(dir), nid, ret);
        if (r != -ENOENT)
            return r;
        if (before)
            hi = mid;
        else
            lo = mid + 1;
    }
    return -ENOENT;
}

/* Position: 2 + block * 512 + entry. */
static int erofs_readdir(struct inode *dir, struct dir_ctx *ctx)
{
    uint64_t blocks = (dir->size + BLOCK - 1) / BLOCK;
    for (;;) {
        uint64_t index = (ctx->pos - 2) / 512;
        unsigned n = (ctx->pos - 2) % 512;
        if (index >= blocks)
            return 0;
        struct dir_block b;
        int r = dir_block_get(dir, index, &b);
        if (r < 0)
            return r;
        for (; r == 0 && n < b.count; n++) {
            struct erofs_dirent de;
            struct qname name;
            uint64_t next = 2 + index * 512 + n + 1;
            r = dir_entry(&b, n, &de, &name);
            bool dots =
                r == 0 && name.p[0] == '.' && (name.n == 1 || (name.n == 2 && name.p[1] == '.'));
            static const uint8_t types[] = {LINUX_DT_UNKNOWN, LINUX_DT_REG, LINUX_DT_DIR,
                                            LINUX_DT_CHR,     LINUX_DT_BLK, LINUX_DT_FIFO,
                                            LINUX_DT_SOCK,    LINUX_DT_LNK};
            if (r == 0 && !dots &&
                !ctx->emit(ctx, name, de.nid, de.type < sizeof types ? types[de.type] : 0, next))
                r = 1;
            if (r == 0)
                ctx->pos = next;
        }
        cpage_unpin(b.page);
        if (r != 0)
            return r < 0 ? r : 0;
        ctx->pos = 2 + (index + 1) * 512;
    }
}

static const struct inode_ops dir_ops = {
    .lookup = erofs_lookup,
    .readdir = erofs_readdir,
    .read_page = erofs_read_page,
};
static const struct inode_ops file_ops_erofs = {.read_page = erofs_read_page};
static const struct inode_ops meta_ops = {.read_page = meta_read_page};

/* ---- super ---- */

static void erofs_put(struct super *s)
{
    struct erofs *fs = container_of(s, struct erofs, super);
    if (fs->meta)
        erofs_inode_free(fs->meta);
    verity_fini(&fs->verity);
    kfree(fs);
}

static int erofs_statfs(struct super *s, struct linux_statfs *ret)
{
    const struct erofs *fs = container_of(s, struct erofs, super);
    *ret = (struct linux_statfs){.type = EROFS_MAGIC,
                                 .bsize = BLOCK,
                                 .frsize = BLOCK,
                                 .blocks = fs->blocks,
                                 .namelen = NAME_LIMIT};
    return 0;
}

static const struct super_ops erofs_super_ops = {
    .inode_free = erofs_inode_free,
    .put = erofs_put,
    .statfs = erofs_statfs,
};

static int super_read(struct erofs *fs, uint64_t *ret_root)
{
    struct erofs_super_disk d;
    int r = meta_copy(fs, EROFS_SUPER_OFFSET, &d, sizeof d);
    if (r < 0)
        return r;
    if (d.magic != EROFS_MAGIC || d.blkszbits != 12 || d.blocks == 0 || d.blocks > fs->blocks)
        return -EUCLEAN;
    uint32_t known = EROFS_FEATURE_ZERO_PADDING | EROFS_FEATURE_CHUNKED;
    if ((d.feature_incompat & ~known) || d.extra_devices || d.dirblkbits)
        return -EOPNOTSUPP;
    fs->blocks = d.blocks;
    fs->meta_start = (uint64_t) d.meta_blkaddr * BLOCK;
    if (d.build_time < (uint64_t) INT64_MAX / NSEC_PER_SEC - 1 && d.build_time_nsec < NSEC_PER_SEC)
        fs->build_ns = d.build_time * NSEC_PER_SEC + d.build_time_nsec;
    *ret_root = d.root_nid;
    return 0;
}

static int meta_inode_new(struct erofs *fs)
{
    struct erofs_inode *e = new_zero(struct erofs_inode);
    if (!e)
        return -ENOMEM;
    inode_init(&e->inode, &fs->super, S_IFREG);
    e->inode.ops = &meta_ops;
    e->inode.flags = INODE_IMMUTABLE;
    fs->meta = &e->inode;
    super_inode_gone(&fs->super); /* it goes with the super, which must not wait for it */
    return 0;
}

/* An image with another content has other numbers. */
static uint32_t numbers_of(const struct config_image *geometry)
{
    const uint8_t *h = geometry->root_hash;
    uint32_t n = (uint32_t) h[0] | (uint32_t) h[1] << 8 | (uint32_t) h[2] << 16;
    return n ? n : 1;
}

int erofs_mount_source(const struct config_image *geometry, const struct verity_source *source,
                       bool verify, struct super **ret)
{
    struct erofs *fs = new_zero(struct erofs);
    if (!fs)
        return -ENOMEM;
    super_init(&fs->super, &erofs_super_ops, "erofs");
    fs->super.flags = SUPER_READONLY;
    fs->super.numbers = numbers_of(geometry);
    int r = verity_init(&fs->verity, geometry, source);
    fs->verity.unverified = !verify;
    fs->blocks = geometry->data_blocks;
    if (r == 0)
        r = meta_inode_new(fs);
    uint64_t root = 0;
    if (r == 0)
        r = super_read(fs, &root);
    if (r == 0)
        r = inode_load(fs, root, &fs->super.root);
    if (r == 0 && !inode_is_dir(fs->super.root))
        r = -EUCLEAN;
    if (r < 0) {
        log_error("root image: cannot be mounted (%d)", -r);
        super_put(&fs->super);
        return r;
    }
    *ret = &fs->super;
    return 0;
}
