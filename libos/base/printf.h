/* Formatted text into a bounded buffer: %d %i %u %x %X %o %c %s %p %% with flags 0 - + width,
 * precision for %s and integers, h hh l ll z j t; no floating point. Always terminates. */
#ifndef BASE_PRINTF_H
#define BASE_PRINTF_H
#include "libos/base/types.h"

/* Returns the length the whole text would have had, like snprintf. */
size_t fmt_str(char *buf, size_t size, const char *fmt, ...) printf_like(3, 4);
size_t fmt_vstr(char *buf, size_t size, const char *fmt, va_list ap);

/* A growing text with a ceiling, for /proc files: writes beyond max are dropped and full is set. */
struct text {
    char *p;
    size_t n, max;
    bool full;
};
void text_add(struct text *t, const char *fmt, ...) printf_like(2, 3);
#endif
