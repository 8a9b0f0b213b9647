/* Root and working directory of processes. */
#include "libos/vfs/fs_ctx.h"
#include "libos/mm/heap.h"
#include "libos/task/process.h"

struct fs_ctx *current_fs(void)
{
    return current_process()->fs;
}

struct fs_ctx *fs_ctx_new(void)
{
    struct fs_ctx *c = new_zero(struct fs_ctx);
    if (!c)
        return NULL;
    ref_init(&c->ref);
    c->umask = 022;
    struct mount *m = mount_root();
    if (m) {
        c->root = c->cwd = (struct path){m, m->root};
        path_get(&c->root);
        path_get(&c->cwd);
    }
    return c;
}

struct fs_ctx *fs_ctx_dup(struct fs_ctx *old)
{
    struct fs_ctx *c = new_zero(struct fs_ctx);
    if (!c)
        return NULL;
    ref_init(&c->ref);
    c->umask = old->umask;
    c->root = fs_ctx_root(old);
    c->cwd = fs_ctx_cwd(old);
    return c;
}

void fs_ctx_get(struct fs_ctx *c)
{
    ref_get(&c->ref);
}

void fs_ctx_put(struct fs_ctx *c)
{
    if (!ref_put_last(&c->ref))
        return;
    path_put(&c->root);
    path_put(&c->cwd);
    kfree(c);
}

static struct path read_path(const struct path *from)
{
    dcache_lock();
    struct path p = *from;
    path_get(&p);
    dcache_unlock();
    return p;
}

struct path fs_ctx_root(struct fs_ctx *c)
{
    return read_path(&c->root);
}

struct path fs_ctx_cwd(struct fs_ctx *c)
{
    return read_path(&c->cwd);
}

static void replace(struct path *where, const struct path *p)
{
    path_get(p);
    dcache_lock();
    struct path old = *where;
    *where = *p;
    dcache_unlock();
    path_put(&old);
}

void fs_ctx_set_root(struct fs_ctx *c, const struct path *p)
{
    replace(&c->root, p);
}

void fs_ctx_set_cwd(struct fs_ctx *c, const struct path *p)
{
    replace(&c->cwd, p);
}
