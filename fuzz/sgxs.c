// sources: tools/lib/sgxs.c
// libs: -lcrypto
/* The reader of enclave streams: what it accepts, the writer writes again byte for byte. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/sgxs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sgxs_reader reader;
    struct sgxs_writer writer;
    struct sgxs_page page;
    char *copy = NULL;
    size_t copy_size = 0;
    int r = sgxs_reader_init(&reader, data, size);
    if (r < 0)
        return 0;
    FILE *file = open_memstream(&copy, &copy_size);
    if (!file)
        abort();
    sgxs_writer_init(&writer, file);
    (void) sgxs_ecreate(&writer, reader.ssa_frame_size, reader.enclave_size);
    while ((r = sgxs_reader_next(&reader, &page)) > 0)
        (void) sgxs_page(&writer, page.offset, page.secinfo_flags, page.data, page.measured);
    fclose(file);
    if (r == 0 && (copy_size != size || memcmp(copy, data, size) != 0))
        abort();
    free(copy);
    return 0;
}
