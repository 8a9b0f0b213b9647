/* Carries out bom files: makes directories and links, copies files, directories and libraries. */
#ifndef TOOLS_COPY_BOM_COPIER_H
#define TOOLS_COPY_BOM_COPIER_H

#include <stdbool.h>
#include "tools/copy_bom/bom.h"

struct copier {
    const char *root; /* directory of the image, without a '/' at its end */
    bool dry_run;     /* only say what would be done */
    bool verbose;
    struct strv include_dirs;
    /* private */
    struct strv done_boms, done_libraries;
    const struct strv *excludes;
    int errors;
};

/* The bom file and all it includes (first). Goes on after an error; prints all of them. True if
 * there was none. */
bool copier_run(struct copier *c, const char *bom_path);
void copier_fini(struct copier *c);
#endif
