/* Writer of the binary configuration (abi/config.h): header, all tables, then all strings, in the
 * order of the fields. Deterministic because nothing but the struct config enters it.
 *
 * Built in two passes over the same code: the first (blob NULL) only measures.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "abi/layout.h"
#include "tools/lib/config.h"

struct writer {
    uint8_t *blob;     /* NULL while measuring */
    size_t table_end;  /* next free byte of the table area */
    size_t string_end; /* next free byte of the string area */
};

static uint32_t take_table(struct writer *w, size_t size)
{
    size_t off = w->table_end;
    w->table_end += (size + 7) & ~(size_t) 7;
    return (uint32_t) off;
}

static void put(struct writer *w, size_t off, const void *data, size_t size)
{
    if (w->blob)
        memcpy(w->blob + off, data, size);
}

static struct config_str put_string(struct writer *w, const char *text)
{
    struct config_str s = {(uint32_t) w->string_end, (uint32_t) strlen(text)};
    put(w, w->string_end, text, s.len + 1ul);
    w->string_end += s.len + 1ul;
    return s;
}

static struct config_array put_strings(struct writer *w, const struct strv *list)
{
    if (list->count == 0)
        return (struct config_array){0};
    struct config_array a = {take_table(w, list->count * sizeof(struct config_str)),
                             (uint32_t) list->count};
    for (size_t i = 0; i < list->count; i++) {
        struct config_str s = put_string(w, list->items[i]);
        put(w, a.off + i * sizeof s, &s, sizeof s);
    }
    return a;
}

static void put_mount(struct writer *w, size_t off, const struct config_mount_spec *spec,
                      uint32_t layer_first)
{
    struct config_mount m = {
        .target = put_string(w, spec->target),
        .type = put_string(w, spec->type),
        .source = put_string(w, spec->source),
        .options = put_strings(w, &spec->options),
        .layer_first = spec->layer_count ? layer_first : 0,
        .layer_count = (uint32_t) spec->layer_count,
    };
    put(w, off, &m, sizeof m);
}

static void put_mounts(struct writer *w, const struct config *config, struct config_header *header)
{
    size_t layer_count = 0;
    for (size_t i = 0; i < config->mount_count; i++)
        layer_count += config->mounts[i].layer_count;
    size_t each = sizeof(struct config_mount);
    header->mounts.count = (uint32_t) config->mount_count;
    header->mounts.off = config->mount_count ? take_table(w, config->mount_count * each) : 0;
    header->layers.count = (uint32_t) layer_count;
    header->layers.off = layer_count ? take_table(w, layer_count * each) : 0;
    uint32_t layer = 0;
    for (size_t i = 0; i < config->mount_count; i++) {
        const struct config_mount_spec *m = &config->mounts[i];
        put_mount(w, header->mounts.off + i * each, m, layer);
        for (size_t j = 0; j < m->layer_count; j++, layer++)
            put_mount(w, header->layers.off + layer * each, &m->layers[j], 0);
    }
}

/* One pass. Strings begin where the tables end, so the pass that writes is told where that is. */
static void put_all(struct writer *w, const struct config *config, size_t total_size)
{
    struct config_header header = {
        .magic = CONFIG_MAGIC,
        .version = CONFIG_VERSION,
        .total_size = (uint32_t) total_size,
        .limits = config->limits,
        .identity = config->identity,
        .features = config->features,
        .image = config->image,
    };
    header.entry_points = put_strings(w, &config->entry_points);
    header.env_default = put_strings(w, &config->env_default);
    header.env_untrusted = put_strings(w, &config->env_untrusted);
    header.arg_rules = put_strings(w, &config->arg_rules);
    put_mounts(w, config, &header);
    put(w, 0, &header, sizeof header);
}

int config_to_blob(const struct config *config, uint8_t **ret_blob, size_t *ret_size)
{
    struct writer measure = {.table_end = sizeof(struct config_header)};
    put_all(&measure, config, 0);
    size_t size = measure.table_end + measure.string_end;
    size = (size + 7) & ~(size_t) 7;
    if (size > KERNEL_CONFIG_MAX)
        return -E2BIG;
    struct writer w = {
        .blob = mem_zalloc(size),
        .table_end = sizeof(struct config_header),
        .string_end = measure.table_end,
    };
    put_all(&w, config, size);
    *ret_blob = w.blob;
    *ret_size = size;
    return 0;
}
