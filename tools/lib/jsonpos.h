/* Line numbers for JSON values: Jansson reports them for syntax errors only. */
#ifndef TOOLS_LIB_JSONPOS_H
#define TOOLS_LIB_JSONPOS_H

#include <stddef.h>

/* Line (from 1) of the value or key at path, e.g. "mount[1].options.layers[0].type"; keys in a path
 * hold no '.', '[' or escapes. A path that is not there gives the line of its nearest parent.
 * text is NUL-terminated; malformed text gives some line, never a crash. */
int json_line_of(const char *text, const char *path);
#endif
