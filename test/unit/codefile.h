/* Code to look through (struct code_source): bytes in memory, and files of this machine. */
#ifndef TEST_UNIT_CODEFILE_H
#define TEST_UNIT_CODEFILE_H
#include <stdio.h>
#include <stdlib.h>
#include "libos/base/errno.h"
#include "libos/base/span.h"
#include "test/unit/test.h"

/* Empty: there is no such file here. The caller frees it. */
static inline struct cspan code_load(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return (struct cspan){0};
    fseek(f, 0, SEEK_END);
    size_t n = (size_t) ftell(f);
    rewind(f);
    uint8_t *p = malloc(n);
    assert_int_equal(fread(p, 1, n, f), n);
    fclose(f);
    return (struct cspan){p, n};
}

/* struct code_source's read; ctx: a cspan. */
static inline int code_read(void *ctx, uint64_t offset, struct span dst)
{
    return cspan_get(*(const struct cspan *) ctx, offset, dst.p, dst.n) ? 0 : -EIO;
}
#endif
