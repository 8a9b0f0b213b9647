/* The names of POSIX message queues: one file system, mounted at /dev/mqueue, that is there whether it
 * is mounted or not. Names are looked up each time (SUPER_UNCACHED). A queue lives as long as its name or
 * an open file of it.
 *
 * Lock order: fs.names (a mutex), fs.lock (spin; the list of all queues, for what a user has taken).
 */
#include "libos/base/atomic.h"
#include "libos/ipc/budget.h"
#include "libos/ipc/mqueue_priv.h"
#include "libos/ipc/object.h"
#include "libos/mm/heap.h"
#include "libos/task/process.h"
#include "libos/vfs/fs_ctx.h"
#include "libos/vfs/registry.h"
#include "abi/linux/resource.h"

#define MQUEUE_MAGIC    0x19800202
#define FILE_SIZE       80 /* what Linux says of each queue */
#define HARD_COUNT_MAX  65536u
#define HARD_SIZE_MAX   (16u << 20)
#define COUNT_LIMIT     4096 /* of queues, for privileged users too */
#define MESSAGE_CHARGE  48   /* what Linux charges for a message and for a priority */
#define PRIORITY_CHARGE 48

static struct {
    struct mutex names;
    struct list by_name; /* names */
    struct spinlock lock;
    struct list all; /* lock */
    uint32_t count;
    uint64_t next_ino;
    struct super super;
    struct inode *root;
} fs = {.names = MUTEX_INIT(fs.names), .by_name = LIST_INIT(fs.by_name), .all = LIST_INIT(fs.all)};

static const uint64_t limits[MQUEUE_LIMIT_COUNT] = {
    [MQUEUE_QUEUES_MAX] = 256, [MQUEUE_MSG_MAX] = 10,           [MQUEUE_MSGSIZE_MAX] = 8192,
    [MQUEUE_MSG_DEFAULT] = 10, [MQUEUE_MSGSIZE_DEFAULT] = 8192,
};

uint64_t mqueue_limit(enum mqueue_limit which)
{
    return limits[which];
}

/* ---- making queues ---------------------------------------------------------------------------- */
static int check_attr(const struct linux_mq_attr *a)
{
    bool more = capable(CAP_SYS_RESOURCE);
    uint64_t count_max = more ? HARD_COUNT_MAX : limits[MQUEUE_MSG_MAX];
    uint64_t size_max = more ? HARD_SIZE_MAX : limits[MQUEUE_MSGSIZE_MAX];
    bool fine = a->maxmsg > 0 && a->msgsize > 0 && (uint64_t) a->maxmsg <= count_max &&
                (uint64_t) a->msgsize <= size_max;
    return fine ? 0 : -EINVAL;
}

/* What the queue counts against RLIMIT_MSGQUEUE of its user. */
static uint64_t charge_of(const struct linux_mq_attr *a)
{
    uint64_t count = (uint64_t) a->maxmsg, priorities = MIN(count, (uint64_t) MQ_PRIORITY_MAX);
    return count * MESSAGE_CHARGE + priorities * PRIORITY_CHARGE + count * (uint64_t) a->msgsize;
}

/* Into the list of all queues, unless there are too many or the user has no room. */
static int enlist(struct mqueue *q, uint64_t charge)
{
    bool more = capable(CAP_SYS_RESOURCE);
    SPIN_GUARD(&fs.lock);
    if (fs.count >= (more ? COUNT_LIMIT : limits[MQUEUE_QUEUES_MAX]))
        return -ENOSPC;
    uint64_t sum = charge;
    const struct mqueue *o;
    list_for_each (o, &fs.all, all_link)
        sum += o->inode.uid == q->inode.uid ? o->charged : 0;
    if (sum > current_process()->rlimits[RLIMIT_MSGQUEUE].cur)
        return -EMFILE;
    q->charged = charge;
    list_add(&fs.all, &q->all_link);
    fs.count++;
    return 0;
}

static void queue_free(struct inode *i)
{
    inode_fini(i);
    struct mqueue *q = mqueue_of(i);
    mqueue_drain(q);
    spin_lock(&fs.lock);
    if (!list_empty(&q->all_link))
        fs.count--;
    list_del(&q->all_link);
    spin_unlock(&fs.lock);
    ipc_uncharge(sizeof *q);
    kfree(q);
}

static int queue_setattr(struct inode *i, const struct iattr *a)
{
    struct iattr rest = *a;
    rest.valid &= ~(unsigned) ATTR_SIZE; /* O_TRUNC empties nothing */
    return inode_setattr_simple(i, &rest);
}

static const struct inode_ops queue_inode_ops = {.setattr = queue_setattr};

static void inode_free(struct inode *i)
{
    if (i != fs.root) /* which is never freed */
        queue_free(i);
}

static const struct super_ops super_ops;

static struct mqueue *queue_new(struct qname name, uint32_t mode, const struct linux_mq_attr *a)
{
    if (!ipc_charge(sizeof(struct mqueue)))
        return NULL;
    struct mqueue *q = new_zero(struct mqueue);
    if (!q) {
        ipc_uncharge(sizeof *q);
        return NULL;
    }
    inode_init(&q->inode, &fs.super, S_IFREG | (mode & 07777));
    q->inode.ops = &queue_inode_ops;
    q->inode.fops = &mqueue_file_ops;
    q->inode.size = FILE_SIZE;
    q->inode.ino = atomic_add_new(&fs.next_ino, 1) + 1;
    inode_owner_init(&q->inode, NULL, mode);
    mqueue_init(q, (uint64_t) a->maxmsg, (uint64_t) a->msgsize);
    memcpy(q->name, name.p, name.n);
    list_init(&q->all_link);
    list_init(&q->name_link);
    return q;
}

/* ---- names ------------------------------------------------------------------------------------ */
static struct mqueue *find_locked(struct qname name)
{
    struct mqueue *q;
    list_for_each (q, &fs.by_name, name_link)
        if (strlen(q->name) == name.n && memcmp(q->name, name.p, name.n) == 0)
            return q;
    return NULL;
}

/* The name holds a reference, *ret is another one. */
static int make_locked(struct qname name, uint32_t mode, const struct linux_mq_attr *attr,
                       struct mqueue **ret)
{
    const struct linux_mq_attr standard = {
        .maxmsg = (int64_t) MIN(limits[MQUEUE_MSG_DEFAULT], limits[MQUEUE_MSG_MAX]),
        .msgsize = (int64_t) MIN(limits[MQUEUE_MSGSIZE_DEFAULT], limits[MQUEUE_MSGSIZE_MAX])};
    const struct linux_mq_attr *a = attr ? attr : &standard;
    int r = check_attr(a);
    if (r < 0)
        return r;
    struct mqueue *q = queue_new(name, mode, a);
    if (!q)
        return -ENOMEM;
    r = enlist(q, charge_of(a));
    if (r < 0) {
        inode_put(&q->inode);
        return r;
    }
    list_add_tail(&fs.by_name, &q->name_link);
    inode_get(&q->inode);
    *ret = q;
    return 0;
}

static void remove_locked(struct mqueue *q)
{
    list_del(&q->name_link);
    q->inode.nlink = 0;
    inode_touch(&q->inode, ATTR_CTIME);
    inode_put(&q->inode);
}

/* ---- as a file system ------------------------------------------------------------------------- */
static int root_lookup(struct inode *dir, struct qname name, struct inode **ret)
{
    MUTEX_GUARD(&fs.names);
    struct mqueue *q = find_locked(name);
    if (!q)
        return -ENOENT;
    inode_get(&q->inode);
    *ret = &q->inode;
    return 0;
}

static int root_create(struct inode *dir, struct qname name, uint32_t mode, uint64_t rdev,
                       struct inode **ret)
{
    if (!S_ISREG(mode))
        return -EPERM;
    MUTEX_GUARD(&fs.names);
    struct mqueue *q;
    int r = find_locked(name) ? -EEXIST : make_locked(name, mode, NULL, &q);
    if (r == 0)
        *ret = &q->inode;
    return r;
}

static int root_unlink(struct inode *dir, struct qname name, struct inode *victim)
{
    MUTEX_GUARD(&fs.names);
    struct mqueue *q = find_locked(name);
    if (!q || &q->inode != victim)
        return -ENOENT;
    remove_locked(q);
    return 0;
}

static int root_readdir(struct inode *dir, struct dir_ctx *ctx)
{
    MUTEX_GUARD(&fs.names);
    uint64_t at = 2;
    const struct mqueue *q;
    list_for_each (q, &fs.by_name, name_link) {
        if (at++ < ctx->pos)
            continue;
        if (!ctx->emit(ctx, QNAME(q->name), q->inode.ino, LINUX_DT_REG, at))
            break;
        ctx->pos = at;
    }
    return 0;
}

static const struct inode_ops root_ops = {
    .lookup = root_lookup, .create = root_create, .unlink = root_unlink, .readdir = root_readdir};

static int fs_statfs(struct super *s, struct linux_statfs *ret)
{
    *ret = (struct linux_statfs){
        .type = MQUEUE_MAGIC, .bsize = 4096, .namelen = NAME_LIMIT, .frsize = 4096};
    return 0;
}

static const struct super_ops super_ops = {.inode_free = inode_free, .statfs = fs_statfs};

/* fs.names held. The super keeps a reference to itself, so that it outlives its mounts. */
static int start_locked(void)
{
    if (fs.root)
        return 0;
    struct inode *root = new_zero(struct inode);
    if (!root)
        return -ENOMEM;
    super_init(&fs.super, &super_ops, "mqueue");
    fs.super.flags = SUPER_UNCACHED | SUPER_NO_ATIME;
    fs.super.magic = MQUEUE_MAGIC;
    inode_init(root, &fs.super, S_IFDIR | S_ISVTX | 0777);
    root->ino = 1;
    root->nlink = 2;
    root->ops = &root_ops;
    fs.super.root = root;
    fs.root = root;
    return 0;
}

static int mqueue_mount(const char *source, const char *options, unsigned long flags,
                        struct super **ret)
{
    MUTEX_GUARD(&fs.names);
    int r = start_locked();
    if (r < 0)
        return r;
    ref_get(&fs.super.ref);
    *ret = &fs.super;
    return 0;
}

FILESYSTEM(mqueue, mqueue_type);
const struct fs_type mqueue_type = {.name = "mqueue", .mount = mqueue_mount};

/* ---- by name alone ---------------------------------------------------------------------------- */
static int check_name(const char *name)
{
    if (strlen(name) > NAME_LIMIT)
        return -ENAMETOOLONG;
    bool bad = !*name || strchr(name, '/') || str_eq(name, ".") || str_eq(name, "..");
    return bad ? -EACCES : 0;
}

static int may_open(const struct mqueue *q, unsigned o_flags)
{
    unsigned acc = o_flags & O_ACCMODE;
    if ((o_flags & O_CREAT) && (o_flags & O_EXCL))
        return -EEXIST;
    if (acc == O_ACCMODE)
        return -EINVAL;
    return inode_permission(&q->inode,
                            (acc != O_WRONLY ? MAY_READ : 0) | (acc != O_RDONLY ? MAY_WRITE : 0));
}

static int find_or_make(const char *name, unsigned o_flags, uint32_t mode,
                        const struct linux_mq_attr *attr, struct mqueue **ret)
{
    MUTEX_GUARD(&fs.names);
    int r = start_locked();
    struct mqueue *q = r == 0 ? find_locked(QNAME(name)) : NULL;
    if (q) {
        r = may_open(q, o_flags);
        if (r < 0)
            return r;
        inode_get(&q->inode);
        *ret = q;
        return 0;
    }
    if (r == 0 && !(o_flags & O_CREAT))
        r = -ENOENT;
    return r < 0 ? r : make_locked(QNAME(name), mode & 0777 & ~current_fs()->umask, attr, ret);
}

int mqueue_open(const char *name, unsigned o_flags, uint32_t mode, const struct linux_mq_attr *attr,
                struct file **ret)
{
    struct mqueue *q;
    int r = check_name(name);
    if (r == 0)
        r = find_or_make(name, o_flags, mode, attr, &q);
    if (r < 0)
        return r;
    struct file *f =
        file_new_pathless(&q->inode, &mqueue_file_ops, NULL, o_flags & (O_ACCMODE | O_NONBLOCK), 0);
    if (!f) {
        inode_put(&q->inode);
        return -ENOMEM;
    }
    *ret = f;
    return 0;
}

/* As in any sticky directory that everybody may write to. */
static bool may_remove(const struct mqueue *q)
{
    return inode_owner_or_capable(&q->inode) || inode_owner_or_capable(fs.root);
}

int mqueue_unlink(const char *name)
{
    int r = check_name(name);
    if (r < 0)
        return r;
    MUTEX_GUARD(&fs.names);
    struct mqueue *q = find_locked(QNAME(name));
    if (!q)
        return -ENOENT;
    if (!may_remove(q))
        return -EPERM;
    remove_locked(q);
    return 0;
}
