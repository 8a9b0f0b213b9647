/* Paths and bytes over the two kinds of file system. */
#include "tools/offline/fsys.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "tools/lib/mem.h"

#define LINKS_MAX 40

int fsys_open(const struct fsys_options *options, struct fsys **ret)
{
    if (options->volume && strcmp(options->volume, FSYS_ROOT) == 0)
        return fsys_open_root(options, ret);
    return options->volume ? fsys_open_volume(options, ret) : fsys_open_image(options, ret);
}

void fsys_close(struct fsys *f)
{
    if (f)
        f->ops->close(f);
}

void fsys_split(char *text, const char **ret_volume, const char **ret_path)
{
    char *colon = text[0] == '/' ? NULL : strchr(text, ':');
    *ret_volume = colon ? text : NULL;
    *ret_path = colon ? colon + 1 : text;
    if (colon)
        *colon = 0;
}

struct walk {
    struct fsys *f;
    struct fsys_node *stack[PATH_MAX / 2]; /* from the root to where we are */
    size_t depth;                          /* of them */
    int links;
};

static int walk_path(struct walk *w, const char *path, bool follow);

static void pop(struct walk *w)
{
    w->f->ops->put(w->f, w->stack[--w->depth]);
}

static int follow_link(struct walk *w)
{
    char target[PATH_MAX];
    long n = w->f->ops->readlink(w->f, w->stack[w->depth - 1], target, sizeof target - 1);
    pop(w);
    if (n < 0)
        return (int) n;
    if (++w->links > LINKS_MAX)
        return -ELOOP;
    target[n] = 0;
    return walk_path(w, target, true);
}

static int step(struct walk *w, const char *name, bool follow)
{
    struct fsys_stat st;
    struct fsys_node *dir = w->stack[w->depth - 1];
    w->f->ops->stat(w->f, dir, &st);
    if (!S_ISDIR(st.mode))
        return -ENOTDIR;
    if (strcmp(name, ".") == 0)
        return 0;
    if (strcmp(name, "..") == 0) {
        if (w->depth > 1)
            pop(w);
        return 0;
    }
    if (w->depth == sizeof w->stack / sizeof *w->stack)
        return -ENAMETOOLONG;
    int r = w->f->ops->lookup(w->f, dir, name, &w->stack[w->depth]);
    if (r < 0)
        return r;
    w->f->ops->stat(w->f, w->stack[w->depth++], &st);
    return S_ISLNK(st.mode) && follow ? follow_link(w) : 0;
}

static int walk_path(struct walk *w, const char *path, bool follow)
{
    AUTO_FREE char *copy = mem_strdup(path);
    char *rest, *name = strtok_r(copy, "/", &rest);
    int r = 0;
    while (path[0] == '/' && w->depth > 1)
        pop(w);
    while (name && r == 0) {
        char *next = strtok_r(NULL, "/", &rest);
        r = strlen(name) > NAME_MAX ? -ENAMETOOLONG : step(w, name, follow || next);
        name = next;
    }
    return r;
}

int fsys_find(struct fsys *f, const char *path, bool follow, struct fsys_node **ret)
{
    struct walk *w = mem_zalloc(sizeof *w);
    w->f = f;
    int r = f->ops->root(f, &w->stack[0]);
    if (r == 0) {
        w->depth = 1;
        r = walk_path(w, path, follow);
    }
    if (r == 0)
        *ret = w->stack[--w->depth];
    while (w->depth > 0)
        pop(w);
    free(w);
    return r;
}

long fsys_read(struct fsys *f, struct fsys_node *n, void *buf, size_t size, uint64_t off)
{
    uint8_t block[FSYS_BLOCK];
    struct fsys_stat st;
    f->ops->stat(f, n, &st);
    if (!S_ISREG(st.mode))
        return S_ISDIR(st.mode) ? -EISDIR : -EINVAL;
    if (off >= st.size)
        return 0;
    size = size < st.size - off ? size : (size_t) (st.size - off);
    for (size_t done = 0; done < size;) {
        size_t at = (size_t) ((off + done) % FSYS_BLOCK);
        size_t part = FSYS_BLOCK - at < size - done ? FSYS_BLOCK - at : size - done;
        int r = f->ops->read_block(f, n, (off + done) / FSYS_BLOCK, block);
        if (r < 0)
            return r;
        memcpy((uint8_t *) buf + done, block + at, part);
        done += part;
    }
    return (long) size;
}
