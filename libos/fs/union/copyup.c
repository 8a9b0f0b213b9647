/* Copy-up and the merged view of two directories.
 *
 * A regular file is copied up in O(1): the upper inode takes its pages from the lower one until they
 * are written. The union inode of a copied-up file stays for good (it keeps a reference on itself, and
 * the upper inode points to it), so that its number and its other hard links keep their meaning.
 */
#include "libos/base/atomic.h"
#include "libos/fs/ramfs.h"
#include "libos/base/atomic.h"
#include "libos/fs/union/union.h"
#include "libos/mm/heap.h"
#include "abi/layout.h"

bool union_is_whiteout(const struct inode *i)
{
    return S_ISCHR(i->mode) && i->rdev == 0;
}

#define COPY_PAGES 32u

static int copy_run(struct inode *up, struct inode *low, uint64_t index, uint32_t count,
                    uint8_t *buf)
{
    const void *page[COPY_PAGES];
    for (uint32_t n = 0; n < count; n++) {
        int r = inode_read_page(low, index + n, buf + n * PAGE_SIZE);
        if (r < 0)
            return r;
        page[n] = buf + n * PAGE_SIZE;
    }
    return up->ops->write_pages(up, index, count, page,
                                MIN(low->size, (index + count) * PAGE_SIZE));
}

/* Into the upper layer's store, past the page cache: the inode is new, nobody has it yet. */
static int copy_pages(struct inode *up, struct inode *low)
{
    uint64_t pages = (low->size + PAGE_SIZE - 1) / PAGE_SIZE;
    uint8_t *buf = kpages_alloc(COPY_PAGES);
    int r = buf ? 0 : -ENOMEM;
    for (uint64_t index = 0; r == 0 && index < pages; index += COPY_PAGES)
        r = copy_run(up, low, index, (uint32_t) MIN(pages - index, (uint64_t) COPY_PAGES), buf);
    if (buf)
        kpages_free(buf, COPY_PAGES);
    if (r == 0)
        atomic_store(&up->size, low->size);
    return r;
}

int union_set_opaque(struct inode *upper)
{
    const struct iattr a = {.valid = ATTR_OPAQUE};
    return upper->ops->setattr ? upper->ops->setattr(upper, &a) : inode_setattr_simple(upper, &a);
}

static int copy_content(struct inode *up, struct inode *low)
{
    if (!S_ISREG(low->mode) || !low->size)
        return 0;
    if (ramfs_is(up->super)) {
        ramfs_set_backing(up, low, low->size);
        return 0;
    }
    return up->ops->write_pages ? copy_pages(up, low) : -EOPNOTSUPP;
}

static int make_upper(struct inode *dir, const struct union_inode *u, struct inode **ret)
{
    const struct inode *low = inode_real(u->lower);
    struct qname name = QNAME(u->name);
    if (S_ISDIR(low->mode))
        return dir->ops->mkdir(dir, name, low->mode, ret);
    if (S_ISLNK(low->mode))
        return dir->ops->symlink(dir, name, low->link, ret);
    return dir->ops->create(dir, name, low->mode, low->rdev, ret);
}

/* Links are counted by whoever stores them: only a layer in memory can say what the lower one said. */
static int copy_attributes(struct inode *up, const struct inode *low)
{
    const struct iattr a = {
        .valid = ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_ATIME | ATTR_MTIME,
        .mode = low->mode,
        .uid = low->uid,
        .gid = low->gid,
        .atime_ns = low->atime_ns,
        .mtime_ns = low->mtime_ns,
    };
    int r = up->ops->setattr ? up->ops->setattr(up, &a) : inode_setattr_simple(up, &a);
    up->ctime_ns = low->ctime_ns;
    if (!S_ISDIR(low->mode) && ramfs_is(up->super))
        up->nlink = low->nlink;
    return r;
}

#define ORIGIN_BITS 40u

/* What a later start finds the number by: directories are found by name, a file with several names is one of its own
 * above while the others stay below, and what a union below numbers by a mark may change. */
static uint64_t origin_of(const struct union_inode *u)
{
    const struct inode *low = inode_real(u->lower);
    bool lasts = low->super->numbers && low->nlink == 1 && !S_ISDIR(low->mode) &&
                 u->lower->ino < (uint64_t) 1 << ORIGIN_BITS;
    return lasts ? (uint64_t) low->super->numbers << ORIGIN_BITS | u->lower->ino : 0;
}

static bool has_numbers(const struct super *s, uint64_t numbers)
{
    for (; s; s = union_lower_super(s))
        if (s->numbers == numbers)
            return true;
    return false;
}

uint64_t union_number(struct super *s, const struct inode *up, const struct inode *low)
{
    struct union_super *u = container_of(s, struct union_super, super);
    if (low)
        return low->ino;
    if (up->origin && has_numbers(u->lower, up->origin >> ORIGIN_BITS))
        return up->origin & (((uint64_t) 1 << ORIGIN_BITS) - 1);
    return up->ino | union_upper_ino(u);
}

static int copy_one(struct union_inode *u)
{
    struct inode *up, *low = inode_real(u->lower); /* what a union below shows */
    int r = make_upper(u->dir->upper, u, &up);
    if (r < 0)
        return r;
    r = copy_content(up, low);
    up->origin = origin_of(u);
    if (r == 0)
        r = copy_attributes(up, low);
    if (r < 0) {
        (void) u->dir->upper->ops->unlink(u->dir->upper, QNAME(u->name), up); /* made just now */
        inode_put(up);
        return r;
    }
    inode_get(&u->inode);
    up->above = &u->inode;
    u->upper = up;
    atomic_store(&u->inode.real, up);
    return 0;
}

int union_copy_up_locked(struct union_inode *u)
{
    while (!u->upper) {
        struct union_inode *top = u;
        while (top->dir && !top->dir->upper)
            top = top->dir;
        if (!top->dir || !top->name)
            return -EROFS;
        int r = copy_one(top);
        if (r < 0)
            return r;
    }
    return 0;
}

static int find_in(struct inode *dir, struct qname name, struct inode **ret)
{
    *ret = NULL;
    int r = dir ? dir->ops->lookup(dir, name, ret) : -ENOENT;
    return r == -ENOENT ? 0 : r;
}

static struct inode *visible_lower(const struct union_inode *dir)
{
    return dir->upper && (dir->upper->flags & INODE_OPAQUE) ? NULL : dir->lower;
}

bool union_lower_has(struct union_inode *dir, struct qname name)
{
    struct inode *low = NULL;
    int r = find_in(visible_lower(dir), name, &low);
    if (low)
        inode_put(low);
    return r < 0 || low; /* unreadable: hide it all the same */
}

int union_find_locked(struct union_inode *dir, struct qname name, struct inode **ret_upper,
                      struct inode **ret_lower)
{
    AUTO(inode_put) struct inode *up = NULL;
    AUTO(inode_put) struct inode *low = NULL;
    int r = find_in(dir->upper, name, &up);
    if (r < 0)
        return r;
    if (up && union_is_whiteout(up))
        return -ENOENT;
    if (!up || (S_ISDIR(up->mode) && !(up->flags & INODE_OPAQUE)))
        r = find_in(visible_lower(dir), name, &low);
    if (r < 0)
        return r;
    if (!up && !low)
        return -ENOENT;
    if (up && low && !S_ISDIR(low->mode)) {
        inode_put(low);
        low = NULL;
    }
    *ret_upper = TAKE(up);
    *ret_lower = TAKE(low);
    return 0;
}

/* ---- merged reading: the upper names first, then the lower ones that it does not hide ---- */

struct merge {
    struct dir_ctx ctx;
    struct dir_ctx *outer;
    struct union_inode *dir;
    bool lower, stopped; /* stopped: the outer buffer is full */
    int names;           /* counting only, when outer is NULL */
};

static bool merge_emit(struct dir_ctx *ctx, struct qname name, uint64_t ino, unsigned type,
                       uint64_t next)
{
    struct merge *m = container_of(ctx, struct merge, ctx);
    AUTO(inode_put) struct inode *up = NULL;
    AUTO(inode_put) struct inode *low = NULL;
    if (find_in(m->dir->upper, name, &up) < 0)
        return false;
    bool covered = up && (m->lower || union_is_whiteout(up));
    if (up && !covered && S_ISDIR(up->mode) && !(up->flags & INODE_OPAQUE) &&
        find_in(visible_lower(m->dir), name, &low) < 0)
        return false;
    if (up && up->above)
        ino = up->above->ino;
    else if (up && !covered)
        ino = union_number(m->dir->inode.super, up, low && S_ISDIR(low->mode) ? low : NULL);
    ctx->pos = next;
    if (covered)
        return true;
    m->names++;
    if (!m->outer)
        return true;
    uint64_t outer_next = m->lower ? union_lower_pos(union_super(&m->dir->inode)) + next : next;
    m->stopped = !m->outer->emit(m->outer, name, ino, type, outer_next);
    if (m->stopped)
        return false;
    m->outer->pos = outer_next;
    return true;
}

static int merge_read(struct union_inode *dir, struct dir_ctx *outer, int *ret_names)
{
    uint64_t pos = outer ? outer->pos : 2, lower_pos = union_lower_pos(union_super(&dir->inode));
    struct merge m = {.ctx = {pos, merge_emit}, .outer = outer, .dir = dir};
    int r = 0;
    if (pos < lower_pos) {
        r = dir->upper ? dir->upper->ops->readdir(dir->upper, &m.ctx) : 0;
        if (r < 0 || m.stopped)
            return r;
        pos = lower_pos + 2;
        if (outer)
            outer->pos = pos;
    }
    struct inode *low = visible_lower(dir);
    m.lower = true;
    m.ctx.pos = pos - lower_pos;
    r = low ? low->ops->readdir(low, &m.ctx) : 0;
    if (ret_names)
        *ret_names = m.names;
    return r;
}

int union_readdir(struct inode *dir, struct dir_ctx *ctx)
{
    UNION_GUARD(dir);
    return merge_read(union_of(dir), ctx, NULL);
}

struct wipe_names {
    struct dir_ctx ctx;
    char name[NAME_LIMIT + 1];
    size_t n;
};

static bool first_name(struct dir_ctx *ctx, struct qname name, uint64_t ino, unsigned type,
                       uint64_t next)
{
    struct wipe_names *w = container_of(ctx, struct wipe_names, ctx);
    memcpy(w->name, name.p, name.n);
    w->n = name.n;
    return false;
}

int union_empty_locked(struct union_inode *dir)
{
    int names = 0;
    int r = merge_read(dir, NULL, &names);
    if (r < 0)
        return r;
    if (names)
        return -ENOTEMPTY;
    while (dir->upper) {
        struct wipe_names w = {.ctx = {2, first_name}};
        r = dir->upper->ops->readdir(dir->upper, &w.ctx);
        if (r < 0 || w.n == 0)
            return r;
        r = dir->upper->ops->unlink(dir->upper, (struct qname){w.name, w.n}, NULL);
        if (r < 0)
            return r;
    }
    return 0;
}
