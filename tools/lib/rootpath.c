/* Resolves paths as if root were "/": component by component, a link's target restarts at the
 * image's root or at the link's directory, and ".." never leaves the image. */
#include "tools/lib/rootpath.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/lib/mem.h"

#define LINKS_MAX 40

static void drop_last(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = 0;
}

static void replace(char **p, char *text)
{
    free(*p);
    *p = text;
}

/* One component onto *done; a link is put in front of *rest instead. False: not there. */
static int enter(const char *root, char **done, char **rest, const char *name)
{
    AUTO_FREE char *next = mem_printf("%s/%s", *done, name);
    AUTO_FREE char *outside = mem_printf("%s%s", root, next);
    struct stat st;
    if (lstat(outside, &st) < 0)
        return -1;
    if (!S_ISLNK(st.st_mode)) {
        replace(done, MEM_TAKE(next));
        return 0;
    }
    char target[PATH_MAX];
    ssize_t n = readlink(outside, target, sizeof target - 1);
    if (n <= 0)
        return -1;
    target[n] = 0;
    if (target[0] == '/')
        (*done)[0] = 0;
    replace(rest, mem_printf("%s/%s", target, *rest));
    return 1;
}

char *rootpath_resolve(const char *root, const char *path)
{
    AUTO_FREE char *done = mem_strdup("");
    AUTO_FREE char *rest = mem_strdup(path);
    for (int links = 0; links <= LINKS_MAX;) {
        char *start = rest + strspn(rest, "/");
        size_t size = strcspn(start, "/");
        if (size == 0)
            return *done ? MEM_TAKE(done) : mem_strdup("/");
        AUTO_FREE char *name = mem_strndup(start, size);
        replace(&rest, mem_strdup(start + size));
        if (strcmp(name, ".") == 0)
            continue;
        if (strcmp(name, "..") == 0) {
            drop_last(done);
            continue;
        }
        int r = enter(root, &done, &rest, name);
        if (r < 0)
            return NULL;
        links += r;
    }
    return NULL;
}
