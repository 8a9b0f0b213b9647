/* Reading test/vectors/ in unit tests, which run in the top directory. */
#ifndef TEST_UNIT_VECTORS_H
#define TEST_UNIT_VECTORS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "test/unit/test.h"

#define VECTOR_DIR "test/vectors/"
#define VECTOR_MAX (16u << 20)

static const char *const vector_enclaves[] = {"intel_c1", "intel_c2", "intel_c3", "intel_c4",
                                              "tiny"};
#define VECTOR_ENCLAVES (sizeof vector_enclaves / sizeof *vector_enclaves)

/* Contents of VECTOR_DIR name suffix, unpacked if gzipped; the caller frees. */
static inline uint8_t *vector_read(const char *name, const char *suffix, size_t *ret_size)
{
    char path[256];
    snprintf(path, sizeof path, VECTOR_DIR "%s%s", name, suffix);
    gzFile file = gzopen(path, "rb");
    assert_non_null(file);
    uint8_t *bytes = malloc(VECTOR_MAX);
    assert_non_null(bytes);
    int n = gzread(file, bytes, VECTOR_MAX);
    assert_true(n > 0 && (unsigned) n < VECTOR_MAX);
    gzclose(file);
    *ret_size = (size_t) n;
    return bytes;
}
#endif
