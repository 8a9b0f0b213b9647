/* The few string functions a freestanding kernel needs; the compiler calls the mem* ones itself. */
#ifndef BASE_STRING_H
#define BASE_STRING_H
#include "libos/base/types.h"

#ifdef OCCLUM_UNIT
#include <string.h>
#else
void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
#endif

/* Copies at most size - 1 bytes and always terminates; returns strlen(src). */
size_t str_copy(char *dst, const char *src, size_t size);
/* Like memset(p, 0, n), but the compiler may not drop it. */
void wipe(void *p, size_t n);
bool str_eq(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
#endif
