/* The machinery of /proc: inodes made on lookup, text made on reading from position 0. */
#include "libos/fs/proc/proc.h"
#include "libos/mm/heap.h"
#include "libos/task/process.h"
#include "libos/vfs/dcache.h"
#include "libos/vfs/registry.h"

#define TEXT_FIRST  4096u
#define TEXT_MAX    (4u << 20)
#define DYNAMIC_POS 1000u /* readdir: positions of dynamic names start here */

struct proc_inode {
    struct inode inode;
    const struct proc_entry *entry;
    struct proc_ref ref;
};

struct proc_super {
    struct super super;
    struct proc_entry root;
    uint32_t magic;
};

static const struct inode_ops dir_inode_ops, file_inode_ops, link_inode_ops, magic_inode_ops;
static const struct file_ops proc_file_ops;

static struct proc_inode *proc_inode(const struct inode *i)
{
    return container_of(i, struct proc_inode, inode);
}

int proc_number(const char *s)
{
    int n = 0;
    if (!*s || (*s == '0' && s[1]))
        return -1;
    for (; *s; s++)
        if (*s < '0' || *s > '9' || n > 100000000)
            return -1;
        else
            n = n * 10 + (*s - '0');
    return n;
}

static uint64_t number_of(const struct proc_entry *e, const struct proc_ref *r)
{
    uint64_t h = dcache_hash(QNAME(e->name ? e->name : ""));
    h = (h ^ (uint64_t) r->pid) * 0x100000001b3ull;
    h = (h ^ (uint64_t) r->tid) * 0x100000001b3ull;
    h = (h ^ (uint64_t) (r->fd + 1)) * 0x100000001b3ull;
    return (h & 0xffffffffffull) | 1;
}

static const struct inode_ops *ops_of(const struct proc_entry *e)
{
    return S_ISDIR(e->mode)   ? &dir_inode_ops
           : e->link          ? &magic_inode_ops
           : S_ISLNK(e->mode) ? &link_inode_ops
                              : &file_inode_ops;
}

static int inode_make(struct super *s, const struct proc_entry *e, const struct proc_ref *ref,
                      struct inode **ret)
{
    struct proc_inode *p = new_zero(struct proc_inode);
    if (!p)
        return -ENOMEM;
    struct inode *i = &p->inode;
    inode_init(i, s, e->mode);
    i->ino = number_of(e, ref);
    i->ops = ops_of(e);
    i->fops = S_ISREG(e->mode) ? &proc_file_ops : NULL;
    i->nlink = S_ISDIR(e->mode) ? 2 : 1;
    p->entry = e;
    p->ref = *ref;
    if (ref->pid) {
        struct process *owner = process_lookup_get(ref->pid);
        if (owner) {
            AUTO(cred_put) const struct cred *c = process_cred_get(owner);
            i->uid = c->euid;
            i->gid = c->egid;
            process_put(owner);
        }
    }
    *ret = i;
    return 0;
}

static int proc_lookup(struct inode *dir, struct qname name, struct inode **ret)
{
    const struct proc_inode *d = proc_inode(dir);
    char text[NAME_LIMIT + 1];
    memcpy(text, name.p, name.n);
    text[name.n] = 0;
    for (const struct proc_entry *e = d->entry->children; e && e->name; e++)
        if (str_eq(e->name, text))
            return inode_make(dir->super, e, &d->ref, ret);
    struct proc_ref ref = d->ref;
    const struct proc_entry *e;
    int r = d->entry->dynamic ? d->entry->dynamic->lookup(&ref, text, &e) : -ENOENT;
    return r < 0 ? r : inode_make(dir->super, e, &ref, ret);
}

struct shifted { /* dynamic names at positions DYNAMIC_POS + n */
    struct dir_ctx ctx;
    struct dir_ctx *outer;
    bool full;
};

static bool shifted_emit(struct dir_ctx *ctx, struct qname name, uint64_t ino, unsigned type,
                         uint64_t next)
{
    struct shifted *s = container_of(ctx, struct shifted, ctx);
    s->full = !s->outer->emit(s->outer, name, ino, type, DYNAMIC_POS + next);
    if (!s->full)
        s->outer->pos = DYNAMIC_POS + next;
    return !s->full;
}

static int proc_readdir(struct inode *dir, struct dir_ctx *ctx)
{
    const struct proc_inode *d = proc_inode(dir);
    uint64_t pos = 2;
    for (const struct proc_entry *e = d->entry->children; e && e->name; e++, pos++) {
        if (pos < ctx->pos)
            continue;
        if (!ctx->emit(ctx, QNAME(e->name), number_of(e, &d->ref), (e->mode & S_IFMT) >> 12,
                       pos + 1))
            return 0;
        ctx->pos = pos + 1;
    }
    if (!d->entry->dynamic)
        return 0;
    struct shifted s = {.ctx = {MAX(ctx->pos, (uint64_t) DYNAMIC_POS) - DYNAMIC_POS, shifted_emit},
                        .outer = ctx};
    return d->entry->dynamic->readdir(&d->ref, &s.ctx);
}

static long proc_readlink(struct inode *i, char *buf, size_t size)
{
    const struct proc_inode *p = proc_inode(i);
    return p->entry->link_text(&p->ref, buf, size);
}

static int proc_get_link(struct inode *i, struct path *ret, struct file **ret_file)
{
    const struct proc_inode *p = proc_inode(i);
    return p->entry->link(&p->ref, ret, ret_file);
}

static int no_create(struct inode *dir, struct qname name, uint32_t mode, uint64_t rdev,
                     struct inode **ret)
{
    return -ENOENT;
}

static int no_mkdir(struct inode *dir, struct qname name, uint32_t mode, struct inode **ret)
{
    return -ENOENT;
}

static int no_setattr(struct inode *i, const struct iattr *a)
{
    return a->valid & ~(unsigned) (ATTR_SIZE | ATTR_ATIME | ATTR_MTIME) ? -EPERM : 0;
}

static int proc_dir_pid(const struct inode *i)
{
    const struct proc_inode *p = proc_inode(i);
    return p->entry->children == proc_pid_children && !p->ref.tid ? p->ref.pid : 0;
}

static const struct inode_ops dir_inode_ops = {
    .pid = proc_dir_pid,
    .lookup = proc_lookup,
    .readdir = proc_readdir,
    .create = no_create,
    .mkdir = no_mkdir,
    .setattr = no_setattr,
};
static const struct inode_ops file_inode_ops = {.setattr = no_setattr};
static const struct inode_ops link_inode_ops = {.readlink = proc_readlink, .setattr = no_setattr};
static const struct inode_ops magic_inode_ops = {
    .readlink = proc_readlink,
    .get_link = proc_get_link,
    .setattr = no_setattr,
};

/* ---- files ---- */

/* The whole text; the buffer doubles until it fits. */
static int text_make(const struct proc_inode *p, struct text **ret)
{
    struct text *t = new_zero(struct text);
    int r = t ? 0 : -ENOMEM;
    for (size_t size = TEXT_FIRST; r == 0; size *= 2) {
        *t = (struct text){.p = kzalloc(size), .max = size};
        if (!t->p) {
            r = -ENOMEM;
            break;
        }
        r = p->entry->text(&p->ref, t);
        if (r == 0 && (!t->full || size >= TEXT_MAX)) {
            *ret = t;
            return 0;
        }
        kfree(t->p);
    }
    kfree(t);
    return r;
}

static void text_free(struct text *t)
{
    if (t) {
        kfree(t->p);
        kfree(t);
    }
}

static long proc_file_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    const struct proc_inode *p = proc_inode(f->inode);
    size_t left = uio->left;
    if (p->entry->raw) {
        int r = p->entry->raw(&p->ref, uio, *pos);
        *pos += left - uio->left;
        return r < 0 ? r : (long) (left - uio->left);
    }
    if (!p->entry->text)
        return -EINVAL;
    MUTEX_GUARD(&f->inode->mutex);
    if (*pos == 0 || !f->priv) {
        struct text *t;
        int r = text_make(p, &t);
        if (r < 0)
            return r;
        text_free(f->priv);
        f->priv = t;
    }
    const struct text *t = f->priv;
    if (*pos >= t->n)
        return 0;
    size_t n = MIN(left, t->n - *pos);
    int r = uio_put(uio, t->p + *pos, n);
    if (r < 0)
        return r;
    *pos += n;
    return (long) n;
}

static long proc_file_write(struct file *f, struct uio *uio, uint64_t *pos)
{
    const struct proc_inode *p = proc_inode(f->inode);
    char buf[256];
    size_t n = MIN(uio->left, sizeof buf - 1);
    if (!p->entry->write)
        return -EINVAL;
    int r = uio_take(uio, buf, n);
    if (r < 0)
        return r;
    buf[n] = 0;
    return p->entry->write(&p->ref, buf, n);
}

static void proc_file_release(struct file *f)
{
    text_free(f->priv);
}

static const struct file_ops proc_file_ops = {
    .read = proc_file_read,
    .write = proc_file_write,
    .release = proc_file_release,
};

/* ---- super ---- */

static void proc_inode_free(struct inode *i)
{
    inode_fini(i);
    kfree(proc_inode(i));
}

static void proc_put(struct super *s)
{
    kfree(container_of(s, struct proc_super, super));
}

static int proc_statfs(struct super *s, struct linux_statfs *ret)
{
    ret->type = container_of(s, struct proc_super, super)->magic;
    return 0;
}

static const struct super_ops proc_super_ops = {
    .inode_free = proc_inode_free,
    .put = proc_put,
    .statfs = proc_statfs,
};

int proc_super_new(const struct proc_entry *root, const char *type_name, uint32_t magic,
                   struct super **ret)
{
    struct proc_super *s = new_zero(struct proc_super);
    if (!s)
        return -ENOMEM;
    super_init(&s->super, &proc_super_ops, type_name);
    s->super.flags = SUPER_UNCACHED | SUPER_NO_ATIME;
    s->root = *root;
    s->magic = magic;
    struct proc_ref none = {0, 0, -1};
    int r = inode_make(&s->super, &s->root, &none, &s->super.root);
    if (r < 0) {
        kfree(s);
        return r;
    }
    *ret = &s->super;
    return 0;
}

#define PROC_MAGIC  0x9fa0u
#define SYSFS_MAGIC 0x62656572u

static int proc_mount(const char *source, const char *options, unsigned long flags,
                      struct super **ret)
{
    const struct proc_entry root = {.name = "proc",
                                    .mode = S_IFDIR | 0555,
                                    .children = proc_system_children,
                                    .dynamic = &proc_pids};
    return proc_super_new(&root, "proc", PROC_MAGIC, ret);
}

static int sysfs_mount(const char *source, const char *options, unsigned long flags,
                       struct super **ret)
{
    const struct proc_entry root = PROC_DIR("sys", sysfs_children);
    return proc_super_new(&root, "sysfs", SYSFS_MAGIC, ret);
}

FILESYSTEM(proc, proc_type);
const struct fs_type proc_type = {.name = "proc", .mount = proc_mount};
FILESYSTEM(procfs, procfs_type);
const struct fs_type procfs_type = {.name = "procfs", .mount = proc_mount};
FILESYSTEM(sysfs, sysfs_type);
const struct fs_type sysfs_type = {.name = "sysfs", .mount = sysfs_mount};
