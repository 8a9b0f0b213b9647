/* A list in the order of the last changes. An inode has few attributes, so a search is a walk. A value is replaced
 * by a new entry once that is complete: a set that fails leaves the old value.
 */
#include "libos/fs/xattr_list.h"
#include "libos/base/errno.h"
#include "libos/base/string.h"
#include "libos/mm/heap.h"

struct xattr {
    struct list link;
    char *name;
    uint8_t *value;
    size_t size;
};

enum { CREATE = 1, REPLACE = 2 };

void xattr_list_init(struct xattr_list *l)
{
    list_init(&l->all);
}

static struct xattr *find(const struct xattr_list *l, const char *name)
{
    struct xattr *x;
    list_for_each (x, &l->all, link)
        if (str_eq(x->name, name))
            return x;
    return NULL;
}

static void xattr_free(struct xattr *x)
{
    list_del(&x->link);
    kfree(x->name);
    kfree(x->value);
    kfree(x);
}

void xattr_list_fini(struct xattr_list *l)
{
    struct xattr *x;
    while ((x = list_first(&l->all, struct xattr, link)) != NULL)
        xattr_free(x);
}

long xattr_list_get(const struct xattr_list *l, const char *name, struct span buf)
{
    const struct xattr *x = find(l, name);
    if (!x)
        return -ENODATA;
    if (buf.n == 0)
        return (long) x->size;
    if (x->size > buf.n)
        return -ERANGE;
    memcpy(buf.p, x->value, x->size);
    return (long) x->size;
}

int xattr_list_set(struct xattr_list *l, const char *name, struct cspan value, int flags)
{
    struct xattr *old = find(l, name);
    if (old && (flags & CREATE))
        return -EEXIST;
    if (!old && (flags & REPLACE))
        return -ENODATA;
    struct xattr *x = new_zero(struct xattr);
    if (!x)
        return -ENOSPC;
    list_init(&x->link);
    x->name = kstrdup(name);
    x->value = kzalloc(value.n + 1);
    if (!x->name || !x->value) {
        xattr_free(x);
        return -ENOSPC;
    }
    memcpy(x->value, value.p, value.n);
    x->size = value.n;
    if (old)
        xattr_free(old);
    list_add_tail(&l->all, &x->link);
    return 0;
}

int xattr_list_remove(struct xattr_list *l, const char *name)
{
    struct xattr *x = find(l, name);
    if (!x)
        return -ENODATA;
    xattr_free(x);
    return 0;
}

long xattr_list_names(const struct xattr_list *l, struct span buf)
{
    size_t n = 0;
    struct xattr *x;
    list_for_each (x, &l->all, link) {
        size_t len = strlen(x->name) + 1;
        if (buf.n) {
            if (n + len > buf.n)
                return -ERANGE;
            memcpy(buf.p + n, x->name, len);
        }
        n += len;
    }
    return (long) n;
}
