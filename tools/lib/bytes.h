/* Small questions about byte strings. */
#ifndef TOOLS_LIB_BYTES_H
#define TOOLS_LIB_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool bytes_zero(const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++)
        any |= p[i];
    return any == 0;
}
#endif
