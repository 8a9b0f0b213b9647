/* The first line of a #! script. Pure. */
#ifndef EXEC_SCRIPT_H
#define EXEC_SCRIPT_H
#include "libos/base/span.h"

#define SCRIPT_LINE_MAX 256 /* as Linux' BINPRM_BUF_SIZE */

struct script {
    char line[SCRIPT_LINE_MAX + 1]; /* what the others point into */
    const char *interp;
    const char *arg; /* NULL: none */
};

bool script_is(struct cspan file_start);
/* -ENOEXEC: no interpreter, or its name does not end within the first SCRIPT_LINE_MAX bytes. */
must_check int script_parse(struct cspan file_start, struct script *ret);
#endif
