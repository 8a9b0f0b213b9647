/* Memory and strings of the tools: allocation that cannot fail, and a string list. */
#include "tools/lib/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/msg.h"

static void *nonnull(void *p)
{
    if (!p) {
        msg_error("out of memory");
        exit(1);
    }
    return p;
}

void *mem_zalloc(size_t size)
{
    return nonnull(calloc(1, size ? size : 1));
}

void *mem_grow(void *array, size_t count, size_t element_size)
{
    return nonnull(reallocarray(array, count ? count : 1, element_size));
}

char *mem_strdup(const char *text)
{
    return nonnull(strdup(text));
}

char *mem_strndup(const char *text, size_t size)
{
    return nonnull(strndup(text, size));
}

char *mem_printf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    return nonnull(text);
}

void mem_free_p(void *pointer_to_pointer)
{
    void *p;
    memcpy(&p, pointer_to_pointer, sizeof p);
    free(p);
}

void strv_add(struct strv *v, char *text)
{
    v->items = mem_grow(v->items, v->count + 2, sizeof *v->items);
    v->items[v->count++] = text;
    v->items[v->count] = NULL;
}

void strv_fini(struct strv *v)
{
    for (size_t i = 0; i < v->count; i++)
        free(v->items[i]);
    free(v->items);
    *v = (struct strv){0};
}
