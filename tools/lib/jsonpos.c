/* Finds the line of a JSON value by walking the text along a path.
 *
 * The text has normally been accepted by Jansson, but nothing depends on it: every step stops at
 * the NUL, and nesting is bounded. Skipping a value means matching brackets outside strings.
 */
#include "tools/lib/jsonpos.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
    const char *p;
    int line;
};

static void step(struct cursor *c)
{
    if (*c->p == 0)
        return;
    if (*c->p == '\n')
        c->line++;
    c->p++;
}

static void skip_space(struct cursor *c)
{
    while (*c->p && strchr(" \t\r\n,:", *c->p))
        step(c);
}

static void skip_string(struct cursor *c)
{
    step(c);
    while (*c->p && *c->p != '"') {
        if (*c->p == '\\')
            step(c);
        step(c);
    }
    step(c);
}

static void skip_value(struct cursor *c)
{
    int depth = 0;
    do {
        skip_space(c);
        if (*c->p == '"') {
            skip_string(c);
        } else if (*c->p && strchr("{[", *c->p)) {
            depth++;
            step(c);
        } else if (*c->p && strchr("}]", *c->p)) {
            depth--;
            step(c);
        } else {
            while (*c->p && !strchr("{}[]\", \t\r\n:", *c->p))
                step(c);
        }
    } while (depth > 0 && *c->p);
}

/* From a '{' to the value of the key; the line of the key is *ret_line. */
static bool enter_key(struct cursor *c, const char *key, size_t size, int *ret_line)
{
    skip_space(c);
    if (*c->p != '{')
        return false;
    step(c);
    for (;;) {
        skip_space(c);
        if (*c->p != '"')
            return false;
        const char *name = c->p + 1;
        int line = c->line;
        skip_string(c);
        bool same = (size_t) (c->p - name) == size + 1 && memcmp(name, key, size) == 0;
        skip_space(c);
        if (same) {
            *ret_line = line;
            return true;
        }
        skip_value(c);
    }
}

static bool enter_index(struct cursor *c, long index, int *ret_line)
{
    skip_space(c);
    if (*c->p != '[')
        return false;
    step(c);
    for (; index > 0; index--) {
        skip_space(c);
        if (*c->p == 0 || *c->p == ']')
            return false;
        skip_value(c);
    }
    skip_space(c);
    if (*c->p == 0 || *c->p == ']')
        return false;
    *ret_line = c->line;
    return true;
}

int json_line_of(const char *text, const char *path)
{
    struct cursor c = {.p = text, .line = 1};
    int line = 1;
    while (*path) {
        if (*path == '[') {
            char *end;
            long index = strtol(path + 1, &end, 10);
            if (*end != ']' || !enter_index(&c, index, &line))
                break;
            path = end + 1;
        } else {
            path += *path == '.';
            size_t size = strcspn(path, ".[");
            if (size == 0 || !enter_key(&c, path, size, &line))
                break;
            path += size;
        }
    }
    return line;
}
