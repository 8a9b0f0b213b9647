/* File system contexts: OPEN (collects parameters) -> MADE (has its mount) -> TAKEN (gave it away), or
 * PICKED (changes the mount it was opened on). Everything is under the context's mutex. */
#include "libos/vfs/fscontext.h"
#include "libos/base/printf.h"
#include "libos/mm/heap.h"

#define OPTIONS_MAX 1024u

enum state { CONTEXT_OPEN, CONTEXT_MADE, CONTEXT_TAKEN, CONTEXT_PICKED };

struct fscontext {
    struct mutex mutex;
    enum state state;
    char type[64], source[256], options[OPTIONS_MAX];
    bool has_source;
    uint32_t flags; /* MOUNT_RDONLY */
    struct mount *made;
    struct path picked;
};

static void context_release(struct file *f)
{
    struct fscontext *c = f->priv;
    if (c->made)
        mount_put(c->made);
    path_put(&c->picked);
    kfree(c);
}

static const struct file_ops fscontext_ops = {
    .release = context_release,
    .name = "anon_inode:[fscontext]",
};

bool file_is_fscontext(const struct file *f)
{
    return f->ops == &fscontext_ops;
}

static int context_file(const char *type, const struct path *picked, struct file **ret)
{
    struct fscontext *c = new_zero(struct fscontext);
    if (!c)
        return -ENOMEM;
    mutex_init(&c->mutex);
    str_copy(c->type, type, sizeof c->type);
    struct inode *i = anon_inode();
    struct file *f = i ? file_new_pathless(i, &fscontext_ops, c, O_RDWR, FILE_STREAM) : NULL;
    if (!f) {
        if (i)
            inode_put(i);
        kfree(c);
        return -ENOMEM;
    }
    if (picked) {
        c->state = CONTEXT_PICKED;
        c->flags = picked->mnt->flags & MOUNT_RDONLY;
        c->picked = *picked;
        path_get(picked);
    }
    *ret = f;
    return 0;
}

int fscontext_new(const char *type, struct file **ret)
{
    return mount_type_exists(type) ? context_file(type, NULL, ret) : -ENODEV;
}

int fscontext_pick(const struct path *p, struct file **ret)
{
    return context_file(p->mnt->super->type_name, p, ret);
}

static int add_option(struct fscontext *c, const char *key, const char *value)
{
    size_t n = strlen(c->options), more = strlen(key) + (value ? strlen(value) + 1 : 0) + 2;
    if (more > sizeof c->options - n)
        return -EINVAL;
    fmt_str(c->options + n, sizeof c->options - n, "%s%s%s%s", n ? "," : "", key, value ? "=" : "",
            value ? value : "");
    return 0;
}

int fscontext_set(struct file *f, const char *key, const char *value)
{
    struct fscontext *c = f->priv;
    MUTEX_GUARD(&c->mutex);
    if (c->state != CONTEXT_OPEN && c->state != CONTEXT_PICKED)
        return -EBUSY;
    if (!value && (str_eq(key, "ro") || str_eq(key, "rw"))) {
        c->flags = str_eq(key, "ro") ? MOUNT_RDONLY : 0;
        return 0;
    }
    if (!str_eq(key, "source") || !value)
        return add_option(c, key, value);
    if (c->has_source || strlen(value) >= sizeof c->source)
        return -EINVAL;
    c->has_source = true;
    str_copy(c->source, value, sizeof c->source);
    return 0;
}

int fscontext_create(struct file *f)
{
    struct fscontext *c = f->priv;
    MUTEX_GUARD(&c->mutex);
    if (c->state != CONTEXT_OPEN)
        return -EBUSY;
    int r = mount_make(c->source, c->type, c->flags, c->options, &c->made);
    if (r == 0)
        c->state = CONTEXT_MADE;
    return r;
}

int fscontext_reconfigure(struct file *f)
{
    struct fscontext *c = f->priv;
    MUTEX_GUARD(&c->mutex);
    if (c->state != CONTEXT_PICKED)
        return -EBUSY;
    uint32_t kept = c->picked.mnt->flags & ~(uint32_t) MOUNT_RDONLY;
    return mount_change_flags(&c->picked, kept | c->flags);
}

int fscontext_take_mount(struct file *f, uint32_t flags, struct mount **ret)
{
    struct fscontext *c = f->priv;
    MUTEX_GUARD(&c->mutex);
    if (c->state != CONTEXT_MADE)
        return c->state == CONTEXT_TAKEN ? -EBUSY : -EINVAL;
    struct path root = {c->made, c->made->root};
    int r = mount_change_flags(&root, flags | c->flags);
    if (r < 0)
        return r;
    c->state = CONTEXT_TAKEN;
    *ret = TAKE(c->made);
    return 0;
}
