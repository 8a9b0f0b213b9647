/* The file system "cowfs": supers and inodes of the VFS over the library.
 *
 * A VFS inode holds a reference of the library's inode, and is the truth about size, attributes and
 * content while it lives; they go down when it is synced, when memory is short, and when it dies. A dying
 * one stays in the table of live inodes until all is down, and whoever looks for it waits: so there is
 * never a second one that would read what is not there yet. */
#include "libos/fs/cowfs/volume.h"
#include "libos/base/log.h"
#include "libos/base/printf.h"
#include "libos/mm/heap.h"
#include "libos/vfs/mount_option.h"
#include "libos/vfs/registry.h"

#define COWFS_MAGIC    0x434f5753
#define FIRST_BLOCKS   4096u        /* of a new volume: 16 MiB */
#define LARGEST_BLOCKS (1ull << 28) /* 1 TiB */
#define METADATA_SHARE 16u          /* at most 1/16 of the kernel's heap holds metadata */
#define NAME_SIZE      64u
#define SOURCE_SIZE    256u
#define KEY_TEXT_SIZE  (3 * VOLUME_KEY_MAX + 1)

static struct cowfs_super *super_of(const struct super *s)
{
    return container_of(s, struct cowfs_super, super);
}

static struct list *live_list(struct cowfs_super *s, uint64_t ino)
{
    return &s->live[ino % COWFS_BUCKETS];
}

static struct cowfs_inode *find_locked(struct cowfs_super *s, uint64_t ino)
{
    struct cowfs_inode *n;
    list_for_each (n, live_list(s, ino), link)
        if (n->inode.ino == ino)
            return n;
    return NULL;
}

static bool is_live(struct cowfs_super *s, uint64_t ino)
{
    SPIN_GUARD(&s->lock);
    return find_locked(s, ino) != NULL;
}

/* The live inode with a new reference, or NULL; waits for the end of one that is dying. */
static struct inode *live_get(struct cowfs_super *s, uint64_t ino)
{
    for (;;) {
        spin_lock(&s->lock);
        struct cowfs_inode *n = find_locked(s, ino);
        bool got = n && ref_get_unless_zero(&n->inode.ref);
        spin_unlock(&s->lock);
        if (!n || got)
            return n ? &n->inode : NULL;
        (void) wait_event(&s->gone, !is_live(s, ino), SLEEP_UNINTERRUPTIBLE, FOREVER);
    }
}

static const struct inode_ops *ops_of(uint32_t mode)
{
    return S_ISREG(mode) ? &cowfs_file_ops : S_ISDIR(mode) ? &cowfs_dir_ops : &cowfs_other_ops;
}

void cowfs_refresh(struct inode *i)
{
    struct cow_attr a;
    cow_attr_get(cowfs_cow(i), cowfs_inner(i), &a);
    i->nlink = a.nlink;
    i->mtime_ns = MAX(i->mtime_ns, a.mtime_ns);
    i->ctime_ns = MAX(i->ctime_ns, a.ctime_ns);
    if (S_ISDIR(i->mode))
        i->size = a.size;
}

static int link_fill(struct inode *i, struct cow_inode *ci)
{
    i->link = kzalloc(i->size + 1);
    if (!i->link)
        return -ENOMEM;
    long r = cow_readlink(cowfs_cow(i), ci, i->link, i->size);
    return r < 0 ? (int) r : 0;
}

static int inode_make(struct super *s, struct cow_inode *ci, const struct cow_attr *a,
                      struct cowfs_inode **ret)
{
    struct cowfs_inode *n = new_zero(struct cowfs_inode);
    if (!n)
        return -ENOMEM;
    struct inode *i = &n->inode;
    inode_init(i, s, a->mode);
    list_init(&n->link);
    n->i = ci;
    i->ino = a->ino;
    i->rdev = a->rdev;
    i->origin = a->origin;
    i->nlink = a->nlink;
    i->uid = a->uid;
    i->gid = a->gid;
    i->size = a->size;
    i->atime_ns = a->atime_ns;
    i->mtime_ns = a->mtime_ns;
    i->ctime_ns = a->ctime_ns;
    i->btime_ns = a->btime_ns;
    i->flags |= a->flags & COW_FLAG_OPAQUE ? INODE_OPAQUE : 0u;
    i->ops = ops_of(a->mode);
    int r = S_ISLNK(a->mode) ? link_fill(i, ci) : 0;
    if (r < 0) {
        inode_fini(i);
        kfree(n);
        super_inode_gone(s);
        return r;
    }
    *ret = n;
    return 0;
}

int cowfs_wrap(struct super *super, struct cow_inode *ci, struct inode **ret)
{
    struct cowfs_super *s = super_of(super);
    struct cow_attr a;
    cow_attr_get(s->cow, ci, &a);
    struct inode *known = live_get(s, a.ino);
    if (known) {
        cow_put(s->cow, ci);
        *ret = known;
        return 0;
    }
    struct cowfs_inode *n;
    int r = inode_make(super, ci, &a, &n);
    if (r < 0) {
        cow_put(s->cow, ci);
        return r;
    }
    spin_lock(&s->lock);
    bool lost = find_locked(s, a.ino) != NULL;
    if (!lost)
        list_add_tail(live_list(s, a.ino), &n->link);
    spin_unlock(&s->lock);
    if (!lost) {
        *ret = &n->inode;
        return 0;
    }
    inode_fini(&n->inode);
    kfree(n);
    super_inode_gone(super);
    return cowfs_wrap(super, ci, ret);
}

int cowfs_store(struct inode *i)
{
    struct cow_attr a;
    if (!cow_claimed(cowfs_cow(i)))
        return 0; /* nothing was changed; that something was read is not kept */
    cow_attr_get(cowfs_cow(i), cowfs_inner(i), &a);
    uint32_t flags = i->flags & INODE_OPAQUE ? COW_FLAG_OPAQUE : 0u;
    if (a.mode == i->mode && a.uid == i->uid && a.gid == i->gid && a.atime_ns == i->atime_ns &&
        a.mtime_ns == i->mtime_ns && a.ctime_ns == i->ctime_ns && a.origin == i->origin &&
        (a.flags & COW_FLAG_OPAQUE) == flags)
        return 0;
    a.mode = i->mode;
    a.uid = i->uid;
    a.gid = i->gid;
    a.atime_ns = i->atime_ns;
    a.mtime_ns = i->mtime_ns;
    a.ctime_ns = i->ctime_ns;
    a.flags = flags;
    a.origin = i->origin;
    return cow_attr_set(cowfs_cow(i), cowfs_inner(i), &a);
}

static void cowfs_inode_free(struct inode *i)
{
    struct cowfs_super *s = super_of(i->super);
    struct cowfs_inode *n = cowfs_of(i);
    if (i->nlink && !cow_error(s->cow)) {
        int r = pages_flush(i, 0, UINT64_MAX);
        if (r == 0)
            r = cowfs_store(i);
        if (r < 0)
            log_error("cowfs: inode %lu lost its last changes: error %d", i->ino, -r);
    }
    inode_fini(i);
    spin_lock(&s->lock);
    list_del(&n->link);
    spin_unlock(&s->lock);
    waitq_wake(&s->gone, ~0u);
    cow_put(s->cow, n->i);
    kfree(n);
}

/* ---- super ---- */

static void cowfs_put(struct super *super)
{
    struct cowfs_super *s = super_of(super);
    if (s->cow) {
        int r = cow_unmount(s->cow);
        if (r < 0)
            log_error("cowfs: the last changes were not written: error %d", -r);
        if (s->volume.dev.ops)
            volume_close(&s->volume);
    }
    if (s->anchored == ANCHORED_FILE)
        volume_close(&s->anchor_file);
    kfree(s);
}

/* A reference on the next live inode behind number `after` in its bucket order; NULL: no more. */
static struct inode *next_live(struct cowfs_super *s, unsigned *bucket, uint64_t *after)
{
    SPIN_GUARD(&s->lock);
    for (; *bucket < COWFS_BUCKETS; ++*bucket, *after = 0) {
        struct cowfs_inode *n, *best = NULL;
        list_for_each (n, &s->live[*bucket], link)
            if (n->inode.ino > *after && (!best || n->inode.ino < best->inode.ino))
                best = n;
        if (!best)
            continue;
        *after = best->inode.ino;
        if (ref_get_unless_zero(&best->inode.ref))
            return &best->inode;
    }
    return NULL;
}

static int writeback(struct super *super, bool attributes)
{
    unsigned bucket = 0;
    uint64_t after = 0;
    struct inode *i;
    int first = 0;
    while ((i = next_live(super_of(super), &bucket, &after)) != NULL) {
        int r = i->nlink ? pages_flush(i, 0, UINT64_MAX) : 0;
        if (r == 0 && attributes)
            r = cowfs_store(i);
        first = first ? first : r;
        inode_put(i);
    }
    return first;
}

static int cowfs_writeback(struct super *s)
{
    int r = writeback(s, false), sent = cow_send(super_of(s)->cow);
    r = r < 0 ? r : sent;
    if (super_of(s)->volume.dev.ops)
        volume_start(&super_of(s)->volume); /* so that the next sync has less to wait for */
    return r;
}

static int cowfs_sync(struct super *s)
{
    int r = writeback(s, true);
    int committed = cow_sync(super_of(s)->cow);
    return r < 0 ? r : committed;
}

static int cowfs_statfs(struct super *s, struct linux_statfs *ret)
{
    struct cow_space space;
    cow_space(super_of(s)->cow, &space);
    *ret = (struct linux_statfs){
        .type = COWFS_MAGIC,
        .bsize = COW_BLOCK,
        .frsize = COW_BLOCK,
        .blocks = space.blocks,
        .bfree = space.free,
        .bavail = space.available,
        .files = space.inodes + space.available,
        .ffree = space.available,
        .namelen = NAME_LIMIT,
    };
    return 0;
}

static void cowfs_hold(struct super *s)
{
    cow_hold(super_of(s)->cow);
}

static void cowfs_release(struct super *s)
{
    cow_release(super_of(s)->cow);
}

static const struct super_ops cowfs_super_ops = {
    .inode_free = cowfs_inode_free,
    .put = cowfs_put,
    .statfs = cowfs_statfs,
    .sync = cowfs_sync,
    .writeback = cowfs_writeback,
    .hold = cowfs_hold,
    .release = cowfs_release,
};

/* ---- mounting ---- */

/* The last component of the source names the volume ("root" where there is none). */
static int volume_name(const char *source, char name[NAME_SIZE])
{
    const char *last = strrchr(source, '/');
    last = last ? last + 1 : source;
    if (!*last || str_eq(last, "image"))
        last = "root";
    for (const char *p = last; *p; p++) {
        bool good = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                    (*p >= '0' && *p <= '9') || *p == '_' || *p == '-' || (*p == '.' && p > last);
        if (!good)
            return -EINVAL;
    }
    if (strlen(last) + sizeof VOLUME_ANCHOR > NAME_SIZE)
        return -ENAMETOOLONG;
    static const char *const taken[] = {VOLUME_ANCHOR, ".new",
                                        ".made"}; /* files beside a volume's */
    size_t n = str_copy(name, last, NAME_SIZE);
    for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
        if (n >= strlen(taken[i]) && str_eq(name + n - strlen(taken[i]), taken[i]))
            return -EINVAL;
    return 0;
}

static const char *why(int error)
{
    switch (error) {
    case -ENOENT:
    case -ENODATA:
        return "its file is not there; nothing is made in its place";
    case -EBUSY:
        return "another program of this instance has changed it and is still running; `occlum "
               "start` and "
               "`occlum exec` run several at once";
    case -EKEYREJECTED:
        return "its key was sealed on another machine, or by another signer, product_id or "
               "debuggable, and the user's key was not given or is not in it";
    case -EBADMSG:
        return "it was changed from outside, or is no volume";
    case -ESTALE:
        return "it is older than its freshness anchor says, or the anchor is missing or another "
               "volume's, or its keys are from before a change: somebody put an old state back";
    case -EHOSTUNREACH:
        return "its freshness service does not answer at run/anchors/service";
    case -EPROTO:
        return "whatever answers at run/anchors/service is not its freshness service";
    case -ENOKEY:
        return "its freshness service does not know it; start once with the user's key to "
               "register it";
    case -ENOSPC:
        return "the host has no room for it";
    default:
        return "it cannot be opened";
    }
}

static uint32_t metadata_share(void)
{
    struct heap_stats h;
    heap_stats(&h);
    return (uint32_t) MIN(h.limit / METADATA_SHARE, (size_t) 1 << 20);
}

/* How it is mounted, apart from the anchor. */
struct cowfs_options {
    char name[NAME_SIZE];
    bool order;   /* if there is no such volume and never was, one is to be made */
    bool has_key; /* this key opens it, no other one */
    uint8_t secret[32];
};

static struct cow_params params_of(struct cowfs_super *s, const struct cowfs_options *o)
{
    return (struct cow_params){
        .dev = &s->volume.dev,
        .name = o->name,
        .kind = o->has_key ? COW_SLOT_USER : COW_SLOT_SEALED,
        .slot_secret = o->has_key ? cow_secret_user : cow_secret_sealed,
        .user_key = o->has_key ? o->secret : NULL,
        .blocks = FIRST_BLOCKS,
        .blocks_max = LARGEST_BLOCKS,
        .anchor = s->anchored == ANCHORED_FILE      ? &s->anchor.anchor
                  : s->anchored == ANCHORED_SERVICE ? &s->service.anchor
                                                    : NULL,
        .cache_blocks = metadata_share(),
    };
}

static int open_cow(struct cowfs_super *s, const struct cowfs_options *o, bool create)
{
    struct cow_params p = params_of(s, o);
    if (o->has_key)
        return create ? cow_mount_new(&p, &s->cow) : cow_mount(&p, &s->cow);
    if (create && !cowfs_has_user_key() && s->anchored == ANCHORED_SERVICE)
        return -ENOKEY;
    if (create && !cowfs_has_user_key())
        return cow_mount_new(&p, &s->cow);
    int r = create ? cow_create(&p) : 0;
    if (r == 0)
        r = cowfs_keys(&p);
    return r == 0 ? cow_mount(&p, &s->cow) : r;
}

static int open_anchor(struct cowfs_super *s, const char *name, const char *options)
{
    char file[NAME_SIZE];
    bool create;
    if (mount_option_is(options, "anchor=service")) {
        str_copy(s->name, name, sizeof s->name);
        service_anchor_init(&s->service, s->name, cowfs_service_key(), volume_ask);
        s->anchored = ANCHORED_SERVICE;
    }
    if (!mount_option_is(options, "anchor=file"))
        return 0;
    fmt_str(file, sizeof file, "%s" VOLUME_ANCHOR, name);
    int r = volume_open(&s->anchor_file, file, false, &create);
    if (r < 0)
        return r;
    file_anchor_init(&s->anchor, &s->anchor_file.dev);
    s->anchored = ANCHORED_FILE;
    return 0;
}

static int open_root(struct cowfs_super *s)
{
    struct cow_inode *root;
    int r = cow_get(s->cow, COW_INO_ROOT, &root);
    return r < 0 ? r : cowfs_wrap(&s->super, root, &s->super.root);
}

static struct cowfs_super *super_new(unsigned long flags)
{
    struct cowfs_super *s = new_zero(struct cowfs_super);
    if (!s)
        return NULL;
    super_init(&s->super, &cowfs_super_ops, "cowfs");
    s->super.flags = flags & MOUNT_RDONLY ? SUPER_READONLY : 0u;
    waitq_init(&s->gone);
    together_init(&s->together);
    for (unsigned n = 0; n < COWFS_BUCKETS; n++)
        list_init(&s->live[n]);
    return s;
}

int cowfs_super_over(struct cow *c, unsigned long flags, struct super **ret)
{
    struct cowfs_super *s = super_new(flags);
    if (!s) {
        cow_abandon(c);
        return -ENOMEM;
    }
    s->cow = c;
    int r = open_root(s);
    if (r < 0)
        super_put(&s->super);
    else
        *ret = &s->super;
    return r;
}

/* "dir=" is Occlum's name for the source of a mount that a program makes. */
static int options_of(const char *source, const char *options, struct cowfs_options *ret)
{
    char dir[SOURCE_SIZE], key[KEY_TEXT_SIZE];
    long r = mount_option(options, "dir", dir, sizeof dir);
    if (r < 0 && r != -ENOENT)
        return (int) r;
    *ret = (struct cowfs_options){.order = mount_option_is(options, "create")};
    int bad = volume_name(r >= 0 ? dir : source, ret->name);
    if (bad < 0)
        return bad;
    r = mount_option(options, "key", key, sizeof key);
    if (r == -ENOENT)
        return 0;
    ret->has_key = true;
    bad = r < 0 ? (int) r : cowfs_key_of_text(key, ret->secret);
    wipe(key, sizeof key);
    return bad;
}

static int open_volume(struct cowfs_super *s, const struct cowfs_options *o, const char *options)
{
    bool create = false;
    int r = open_anchor(s, o->name, options);
    if (r == 0)
        r = volume_open(&s->volume, o->name, o->order, &create);
    if (r < 0)
        return r;
    r = open_cow(s, o, create);
    if (r < 0)
        volume_close(&s->volume);
    return r;
}

/* options: anchor=file|service; of a program's own mounts also dir=NAME, key=HEX and create (docs/config.md). */
static int cowfs_mount(const char *source, const char *options, unsigned long flags,
                       struct super **ret)
{
    struct cowfs_options o;
    int r = options_of(source, options, &o);
    struct cowfs_super *s = r == 0 ? super_new(flags) : NULL;
    if (!s)
        return r < 0 ? r : -ENOMEM;
    r = open_volume(s, &o, options);
    wipe(o.secret, sizeof o.secret);
    if (r == 0)
        r = open_root(s);
    if (r < 0) {
        log_error("encrypted volume \"%s\": %s (error %d)", o.name, why(r), -r);
        super_put(&s->super);
        return r;
    }
    *ret = &s->super;
    return 0;
}

FILESYSTEM(cowfs, cowfs_type);
const struct fs_type cowfs_type = {.name = "cowfs", .mount = cowfs_mount};
/* By Occlum's name. */
FILESYSTEM(sefs, sefs_type);
const struct fs_type sefs_type = {.name = "sefs", .mount = cowfs_mount};
