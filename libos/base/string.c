/* String and memory functions of the kernel. "rep movsb/stosb" is the fastest copy that needs no
 * vector registers (which belong to the user) on every CPU with ERMS; SGX2 CPUs all have it. It takes
 * some 30 cycles to start, so short ranges go by words. */
#include "libos/base/string.h"

#ifndef OCCLUM_UNIT
#define SHORT 128u

static inline void copy_word(void *dst, const void *src, size_t size)
{
    uint64_t w = 0;
    __builtin_memcpy(&w, src, size);
    __builtin_memcpy(dst, &w, size);
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    uint8_t *d = dst;
    const uint8_t *s = src;
    if (n > SHORT) {
        __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
        return dst;
    }
    for (; n >= 8; n -= 8, d += 8, s += 8)
        copy_word(d, s, 8);
    if (n & 4) {
        copy_word(d, s, 4);
        d += 4;
        s += 4;
    }
    for (n &= 3; n > 0; n--)
        *d++ = *s++;
    return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
    if ((uintptr_t) dst - (uintptr_t) src >= n)
        return memcpy(dst, src, n);
    uint8_t *d = dst;
    const uint8_t *s = src;
    for (; n >= 8; n -= 8)
        copy_word(d + n - 8, s + n - 8, 8);
    while (n-- > 0)
        d[n] = s[n];
    return dst;
}

void *memset(void *dst, int c, size_t n)
{
    uint8_t *d = dst;
    if (n > SHORT) {
        __asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
        return dst;
    }
    uint64_t word = 0x0101010101010101ull * (uint8_t) c;
    for (; n >= 8; n -= 8, d += 8)
        __builtin_memcpy(d, &word, 8);
    for (; n > 0; n--)
        *d++ = (uint8_t) c;
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    for (; n >= 8; n -= 8, x += 8, y += 8) {
        uint64_t u, v;
        __builtin_memcpy(&u, x, 8);
        __builtin_memcpy(&v, y, 8);
        if (u != v)
            break;
    }
    for (; n > 0; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

void *memchr(const void *s, int c, size_t n)
{
    for (const uint8_t *p = s; n > 0; n--, p++)
        if (*p == (uint8_t) c)
            return (void *) (uintptr_t) p;
    return NULL;
}

size_t strlen(const char *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;
    while (n < max && s[n])
        n++;
    return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n > 0; n--, a++, b++) {
        if (*a != *b)
            return (uint8_t) *a - (uint8_t) *b;
        if (!*a)
            break;
    }
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char) c)
            return (char *) (uintptr_t) s;
        if (!*s)
            return NULL;
    }
}

char *strrchr(const char *s, int c)
{
    const char *last = NULL;
    for (;; s++) {
        if (*s == (char) c)
            last = s;
        if (!*s)
            return (char *) (uintptr_t) last;
    }
}
#endif

size_t str_copy(char *dst, const char *src, size_t size)
{
    size_t n = strlen(src);
    if (size > 0) {
        size_t take = MIN(n, size - 1);
        memcpy(dst, src, take);
        dst[take] = 0;
    }
    return n;
}

void wipe(void *p, size_t n)
{
    memset(p, 0, n);
    __asm__ volatile("" : : "r"(p) : "memory");
}

bool str_eq(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}
