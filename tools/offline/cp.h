/* The two directions of `occlum cp`. */
#ifndef TOOLS_OFFLINE_CP_H
#define TOOLS_OFFLINE_CP_H

#include "tools/offline/volume.h"

#define CP_DEPTH_MAX 256

struct cp {
    struct fsys_options fsys;
    bool recursive, owners;
    char *from, *to;
};

/* path: in f. 0 or -errno; what cannot be copied was named. */
int cp_out(struct fsys *f, const char *path, const struct cp *a);
int cp_in(struct fsys *f, const char *path, const struct cp *a);

const char *cp_last_name(const char *path);
/* For a destination that is a directory; to be freed. "dir/." has none: what is in it is copied. */
char *cp_name(const char *path);

/* Which file of one side is which of the other, for hard links. */
struct cp_links {
    struct cp_link {
        uint64_t dev, ino, to; /* to: as its side likes it */
        char *name;
    } * list;
    size_t count;
};
/* NULL: not seen yet. */
const struct cp_link *cp_link_find(const struct cp_links *l, uint64_t dev, uint64_t ino);
void cp_link_add(struct cp_links *l, uint64_t dev, uint64_t ino, uint64_t to, const char *name);
void cp_links_free(struct cp_links *l);
#endif
