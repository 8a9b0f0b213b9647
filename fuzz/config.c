// sources: tools/lib/config_json.c tools/lib/config_value.c tools/lib/config_mount.c tools/lib/config_blob.c tools/lib/jsonpos.c tools/lib/fsutil.c tools/lib/mem.c tools/lib/msg.c libos/boot/config.c libos/boot/config_policy.c
// libs: -ljansson -lcrypto
/* The configuration, from both ends: the bytes are read as Occlum.json, and what is accepted must make a
 * blob that the kernel's reader accepts; and they are read as a blob, of which everything that parses
 * must be safe to look at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "libos/boot/config.h"
#include "tools/lib/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern volatile size_t config_fuzz_sink;
volatile size_t config_fuzz_sink; /* keeps the reads */

static void use(const struct boot_config *b)
{
    const struct config_mount *tables[] = {b->mounts, b->layers};
    size_t counts[] = {b->mount_count, b->layer_count}, sum = 0;
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < counts[t]; i++) {
            const struct config_mount *m = &tables[t][i];
            sum += strlen(boot_config_str(b, m->target)) + strlen(boot_config_str(b, m->type)) +
                   strlen(boot_config_str(b, m->source));
            sum += boot_config_option(b, m, "size") != NULL;
            for (uint32_t l = 0; l < m->layer_count; l++)
                sum += b->layers[m->layer_first + l].type.len;
        }
    }
    for (size_t i = 0; i < b->env_default_count; i++)
        sum += strlen(boot_config_str(b, b->env_default[i]));
    static const char *const argv[] = {"/bin/a", "-x", ""};
    sum += boot_config_entry_allowed(b, "/bin/x/y") + boot_config_env_allowed(b, "LC_X", 4) +
           boot_config_args_allowed(b, 3, argv);
    config_fuzz_sink = sum;
}

/* malloc() aligns to 16, as pages do, and lets ASan see the end. */
static enum boot_config_error read_blob(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    struct boot_config b;
    enum boot_config_error e = boot_config_parse(copy, size, &b);
    if (e == BOOT_CONFIG_OK)
        use(&b);
    free(copy);
    return e;
}

static void read_json(const uint8_t *data, size_t size)
{
    static FILE *nowhere;
    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = 0;
    struct config *config = config_parse("f", text, nowhere);
    free(text);
    if (!config)
        return;
    uint8_t *blob;
    size_t blob_size;
    if (config_to_blob(config, &blob, &blob_size) == 0) {
        if (read_blob(blob, blob_size) != BOOT_CONFIG_OK)
            abort();
        free(blob);
    }
    config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_json(data, size);
    (void) read_blob(data, size); /* an error is a fine answer */
    return 0;
}
