/* /dev/pts: a name for each living pseudo-terminal, and ptmx, which makes new ones.
 *
 * Nothing is stored: lookup asks the table of pairs each time (SUPER_UNCACHED) and makes an inode, which
 * holds its pair. Owner and mode belong to the pair, so that all inodes of a name agree. Options: mode=
 * and gid= for new names, ptmxmode= for ptmx; there is one set of pairs however often it is mounted.
 */
#include "libos/base/printf.h"
#include "libos/fs/tty/pty.h"
#include "libos/mm/heap.h"
#include "libos/task/clock.h"
#include "libos/vfs/registry.h"

#define DEVPTS_MAGIC 0x1cd1
#define PTMX_INO     2u
#define FIRST_INO    3u /* of pair 0 */
#define FIRST_POS    3u /* of pair 0 in the directory */

struct pts_inode {
    struct inode inode;
    struct pty *pty; /* a reference; NULL: the root or ptmx */
};

struct pts_super {
    struct super super;
    uint32_t ptmx_mode;
};

static const struct inode_ops root_ops, ptmx_inode_ops, name_ops;
static const struct file_ops name_file_ops;

static struct pts_inode *pts(const struct inode *i)
{
    return container_of(i, struct pts_inode, inode);
}

static struct inode *inode_make(struct super *s, uint64_t ino, uint32_t mode,
                                const struct inode_ops *ops)
{
    struct pts_inode *n = new_zero(struct pts_inode);
    if (!n)
        return NULL;
    inode_init(&n->inode, s, mode);
    n->inode.ino = ino;
    n->inode.ops = ops;
    return &n->inode;
}

static struct inode *ptmx_inode(struct super *s)
{
    struct inode *i =
        inode_make(s, PTMX_INO, S_IFCHR | container_of(s, struct pts_super, super)->ptmx_mode,
                   &ptmx_inode_ops);
    if (i)
        i->rdev = linux_makedev(5, 2);
    return i;
}

static struct inode *name_inode(struct super *s, struct pty *p)
{
    struct inode *i = inode_make(s, FIRST_INO + (uint64_t) p->number, S_IFCHR | p->mode, &name_ops);
    if (!i)
        return NULL;
    i->rdev = linux_makedev(PTY_MAJOR, (uint32_t) p->number);
    i->uid = p->uid;
    i->gid = p->gid;
    i->fops = &name_file_ops;
    pts(i)->pty = p;
    tty_get(&p->tty);
    return i;
}

/* ---- names ---- */

static int number_of(struct qname name)
{
    int n = 0;
    if (name.n == 0 || name.n > 4 || (name.n > 1 && name.p[0] == '0'))
        return -1;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] < '0' || name.p[i] > '9')
            return -1;
        n = n * 10 + (name.p[i] - '0');
    }
    return n;
}

static int pts_lookup(struct inode *dir, struct qname name, struct inode **ret)
{
    struct inode *i;
    if (name.n == 4 && memcmp(name.p, "ptmx", 4) == 0) {
        i = ptmx_inode(dir->super);
    } else {
        AUTO(pty_put) struct pty *p = pty_lookup_get(number_of(name));
        if (!p)
            return -ENOENT;
        i = name_inode(dir->super, p);
    }
    if (!i)
        return -ENOMEM;
    *ret = i;
    return 0;
}

static int pts_readdir(struct inode *dir, struct dir_ctx *ctx)
{
    if (ctx->pos < FIRST_POS) {
        if (!ctx->emit(ctx, QNAME("ptmx"), PTMX_INO, LINUX_DT_CHR, FIRST_POS))
            return 0;
        ctx->pos = FIRST_POS;
    }
    for (int n = (int) (ctx->pos - FIRST_POS); (n = pty_next(n)) >= 0; n++) {
        char name[8];
        uint64_t next = FIRST_POS + (uint64_t) n + 1;
        fmt_str(name, sizeof name, "%d", n);
        if (!ctx->emit(ctx, QNAME(name), FIRST_INO + (uint64_t) n, LINUX_DT_CHR, next))
            return 0;
        ctx->pos = next;
    }
    return 0;
}

static int name_open(struct inode *i, struct file *f)
{
    return pty_open_slave(pts(i)->pty, f);
}

static int name_getattr(struct inode *i, struct kstat *st)
{
    const struct pty *p = pts(i)->pty;
    st->mode = S_IFCHR | p->mode;
    st->uid = p->uid;
    st->gid = p->gid;
    st->atime_ns = p->atime_ns;
    st->mtime_ns = p->mtime_ns;
    st->ctime_ns = p->ctime_ns;
    return 0;
}

static int name_setattr(struct inode *i, const struct iattr *a)
{
    struct pty *p = pts(i)->pty;
    int r = inode_setattr_simple(i, a);
    if (r < 0)
        return r;
    MUTEX_GUARD(&p->mutex);
    if (a->valid & ATTR_MODE)
        p->mode = a->mode & 07777;
    if (a->valid & ATTR_UID)
        p->uid = a->uid;
    if (a->valid & ATTR_GID)
        p->gid = a->gid;
    if (a->valid & ATTR_ATIME)
        p->atime_ns = a->atime_ns;
    if (a->valid & ATTR_MTIME)
        p->mtime_ns = a->mtime_ns;
    p->ctime_ns = clock_realtime_ns();
    return 0;
}

static int ptmx_setattr(struct inode *i, const struct iattr *a)
{
    if (a->valid & ATTR_MODE)
        container_of(i->super, struct pts_super, super)->ptmx_mode = a->mode & 07777;
    return inode_setattr_simple(i, a);
}

static const struct inode_ops root_ops = {.lookup = pts_lookup, .readdir = pts_readdir};
static const struct inode_ops ptmx_inode_ops = {.setattr = ptmx_setattr};
static const struct inode_ops name_ops = {.getattr = name_getattr, .setattr = name_setattr};
static const struct file_ops name_file_ops = {.open = name_open};

/* ---- the super ---- */

static void pts_inode_free(struct inode *i)
{
    struct pts_inode *n = pts(i);
    inode_fini(i);
    if (n->pty)
        pty_put(n->pty);
    kfree(n);
}

static void pts_put(struct super *s)
{
    kfree(container_of(s, struct pts_super, super));
}

static int pts_statfs(struct super *s, struct linux_statfs *ret)
{
    *ret = (struct linux_statfs){
        .type = DEVPTS_MAGIC, .bsize = 4096, .namelen = NAME_LIMIT, .frsize = 4096};
    return 0;
}

static const struct super_ops pts_super_ops = {
    .inode_free = pts_inode_free,
    .put = pts_put,
    .statfs = pts_statfs,
};

/* The number behind name= in a comma separated list; standard if there is none. */
static uint32_t option(const char *options, const char *name, uint32_t base, uint32_t standard)
{
    for (const char *o = options; *o; o++) {
        if (!str_starts(o, name) || (o != options && o[-1] != ','))
            continue;
        uint32_t v = 0;
        for (const char *d = o + strlen(name); *d >= '0' && *d < (char) ('0' + base); d++)
            v = v * base + (uint32_t) (*d - '0');
        return v;
    }
    return standard;
}

static int devpts_mount(const char *source, const char *options, unsigned long flags,
                        struct super **ret)
{
    struct pts_super *s = new_zero(struct pts_super);
    if (!s)
        return -ENOMEM;
    super_init(&s->super, &pts_super_ops, "devpts");
    s->super.flags = SUPER_UNCACHED | SUPER_NO_ATIME;
    s->ptmx_mode = option(options, "ptmxmode=", 8, 0666) & 07777;
    s->super.root = inode_make(&s->super, 1, S_IFDIR | 0755, &root_ops);
    if (!s->super.root) {
        kfree(s);
        return -ENOMEM;
    }
    s->super.root->nlink = 2;
    pty_defaults.mode = option(options, "mode=", 8, pty_defaults.mode) & 07777;
    pty_defaults.gid = option(options, "gid=", 10, pty_defaults.gid);
    *ret = &s->super;
    return 0;
}

FILESYSTEM(devpts, devpts_type);
const struct fs_type devpts_type = {.name = "devpts", .mount = devpts_mount};
