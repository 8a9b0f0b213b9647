/* Memory and strings of the tools. A tool that is out of memory ends at once with a message, so
 * none of these return NULL. Not for the enclave. */
#ifndef TOOLS_LIB_MEM_H
#define TOOLS_LIB_MEM_H

#include <stddef.h>

void *mem_zalloc(size_t size);
/* Array of count elements; new elements are not cleared. */
void *mem_grow(void *array, size_t count, size_t element_size);
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t size);
/* The caller frees the result. */
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* AUTO_FREE char *p = ...; is freed at scope end. */
void mem_free_p(void *pointer_to_pointer);
#define AUTO_FREE __attribute__((cleanup(mem_free_p)))
#define MEM_TAKE(p)                                                                                \
    __extension__({                                                                                \
        __typeof__(p) _taken = (p);                                                                \
        (p) = NULL;                                                                                \
        _taken;                                                                                    \
    })

/* A list of strings it owns. Zero-initialised is empty; items[count] is NULL once anything was
 * added. */
struct strv {
    char **items;
    size_t count;
};
/* Takes ownership of text. */
void strv_add(struct strv *v, char *text);
void strv_fini(struct strv *v);
#define AUTO_STRV __attribute__((cleanup(strv_fini)))
#endif
