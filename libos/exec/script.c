/* "#!interpreter [argument]": the rules of Linux' binfmt_script. Everything after the interpreter's
 * name is one argument, blanks inside included, blanks around it not. A line longer than the buffer
 * is cut, unless that would cut the interpreter's name. Used by load.c.
 */
#include "libos/exec/script.h"
#include "libos/base/errno.h"

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

bool script_is(struct cspan file_start)
{
    return file_start.n >= 2 && file_start.p[0] == '#' && file_start.p[1] == '!';
}

int script_parse(struct cspan file_start, struct script *ret)
{
    if (!script_is(file_start))
        return -ENOEXEC;
    size_t n = MIN(file_start.n, (size_t) SCRIPT_LINE_MAX);
    memset(ret->line, 0, sizeof ret->line);
    memcpy(ret->line, file_start.p, n);
    char *end = memchr(ret->line, '\n', n);
    bool cut = !end && n == SCRIPT_LINE_MAX;
    if (!end)
        end = ret->line + strnlen(ret->line, n);
    while (end > ret->line + 2 && blank(end[-1]))
        end--;
    bool trimmed = *end != 0; /* a blank or the newline ends the last word */
    *end = 0;
    char *name = ret->line + 2;
    while (blank(*name))
        name++;
    char *after = name;
    while (*after != 0 && !blank(*after))
        after++;
    if (after == name || (cut && *after == 0 && !trimmed))
        return -ENOEXEC;
    ret->interp = name;
    ret->arg = NULL;
    if (*after == 0)
        return 0;
    *after++ = 0;
    while (blank(*after))
        after++;
    if (*after != 0)
        ret->arg = after;
    return 0;
}
