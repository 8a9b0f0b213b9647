/* A bom file ("bill of materials"): what to put into an image, as YAML. docs/cli.md has the
 * format. */
#ifndef TOOLS_COPY_BOM_BOM_H
#define TOOLS_COPY_BOM_BOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "tools/lib/mem.h"

struct bom_file {
    char *name;
    char *hash;   /* SHA-256 in hexadecimal, or NULL */
    char *rename; /* name in the target, or NULL */
    bool autodep; /* copy the libraries it needs, too */
    int line;
};

struct bom_link {
    char *src, *linkname;
};

struct bom_copy {
    char *from; /* NULL: names are relative to the current directory */
    struct strv dirs;
    struct bom_file *files;
    size_t file_count;
};

struct bom_target {
    char *target; /* directory in the image */
    struct strv mkdirs;
    struct bom_link *links;
    size_t link_count;
    struct bom_copy *copies;
    size_t copy_count;
};

struct bom {
    char *path;
    struct strv includes, excludes;
    struct bom_target *targets;
    size_t target_count;
};

/* Parses text; path names it in messages. $NAME and ${NAME} are expanded in all paths. Errors go to
 * messages as "PATH:LINE: what is wrong". NULL if there was one. */
struct bom *bom_parse(const char *path, const char *text, size_t size, FILE *messages);
struct bom *bom_load(const char *path, FILE *messages);
void bom_free(struct bom *bom);
#endif
