/* Reader of the measured configuration (abi/config.h).
 *
 * The blob is trusted because it is measured, but this code must not rely on that: any bytes give
 * either an error or a boot_config whose every reference lies inside the blob. Parsing is one pass
 * with a sticky error: the first thing found wrong is kept, checks after it do nothing. A budget
 * proportional to the size bounds the work when tables overlap. Called once by boot/, before the
 * heap exists; also built into the tools' tests and the fuzz target `config`.
 */
#include "libos/boot/config.h"
#include "abi/control.h"
#include "abi/layout.h"

struct reader {
    const uint8_t *blob;
    uint32_t size;
    uint64_t budget;              /* bytes of tables and strings that may still be looked at */
    enum boot_config_error error; /* sticky */
};

static void fail(struct reader *r, enum boot_config_error error)
{
    if (r->error == BOOT_CONFIG_OK)
        r->error = error;
}

static void require(struct reader *r, bool holds)
{
    if (!holds)
        fail(r, BOOT_CONFIG_VALUE);
}

static bool spend(struct reader *r, uint64_t bytes)
{
    if (bytes > r->budget)
        return false;
    r->budget -= bytes;
    return true;
}

static const void *table(struct reader *r, struct config_array a, size_t element_size)
{
    if (r->error != BOOT_CONFIG_OK || a.count == 0)
        return NULL;
    uint64_t bytes = (uint64_t) a.count * element_size;
    if (a.count > CONFIG_TABLE_MAX || a.off % 8 != 0 || a.off < sizeof(struct config_header) ||
        a.off + bytes > r->size || !spend(r, bytes)) {
        fail(r, BOOT_CONFIG_TABLE);
        return NULL;
    }
    return r->blob + a.off;
}

static void string(struct reader *r, struct config_str s)
{
    if (r->error != BOOT_CONFIG_OK)
        return;
    if (s.len > CONFIG_STRING_MAX || s.off < sizeof(struct config_header) ||
        (uint64_t) s.off + s.len >= r->size || !spend(r, s.len + 1ull)) {
        fail(r, BOOT_CONFIG_STRING);
        return;
    }
    for (uint32_t i = 0; i <= s.len; i++) {
        if ((r->blob[s.off + i] == 0) != (i == s.len)) {
            fail(r, BOOT_CONFIG_STRING);
            return;
        }
    }
}

static void path(struct reader *r, struct config_str s)
{
    string(r, s);
    if (r->error == BOOT_CONFIG_OK && (s.len == 0 || r->blob[s.off] != '/'))
        fail(r, BOOT_CONFIG_PATH);
}

static const struct config_str *strings(struct reader *r, struct config_array a)
{
    const struct config_str *list = table(r, a, sizeof *list);
    for (uint32_t i = 0; list && i < a.count; i++)
        string(r, list[i]);
    return list;
}

static const struct config_str *paths(struct reader *r, struct config_array a)
{
    const struct config_str *list = table(r, a, sizeof *list);
    for (uint32_t i = 0; list && i < a.count; i++)
        path(r, list[i]);
    return list;
}

static void check_mount(struct reader *r, const struct config_mount *m, uint32_t layer_total)
{
    path(r, m->target);
    string(r, m->type);
    string(r, m->source);
    strings(r, m->options);
    if (m->layer_count > layer_total || m->layer_first > layer_total - m->layer_count)
        fail(r, BOOT_CONFIG_TABLE);
}

static const struct config_mount *mounts(struct reader *r, struct config_array a,
                                         uint32_t layer_total)
{
    const struct config_mount *list = table(r, a, sizeof *list);
    for (uint32_t i = 0; list && i < a.count; i++)
        check_mount(r, &list[i], layer_total);
    return list;
}

static bool page_multiple(uint64_t size)
{
    return size % PAGE_SIZE == 0;
}

static bool size_or_unlimited(uint64_t size)
{
    return size == CONFIG_UNLIMITED || (page_multiple(size) && size <= USER_END);
}

static void check_limits(struct reader *r, const struct config_limits *l)
{
    require(r, page_multiple(l->user_space_size) && l->user_space_size > 0 &&
                   l->user_space_size <= USER_END);
    require(r, page_multiple(l->kernel_heap_size) && l->kernel_heap_size > 0 &&
                   l->kernel_heap_size <= KERNEL_HEAP_END - KERNEL_HEAP);
    require(r,
            page_multiple(l->stack_size) && l->stack_size > 0 && l->stack_size <= GRANULE_SIZE / 2);
    require(r, size_or_unlimited(l->heap_size) && size_or_unlimited(l->mmap_size));
    require(r, l->max_threads >= 1 && l->max_processes >= 1);
    require(r, l->max_threads <= 1u << 22 && l->max_processes <= 1u << 22);
    require(r, l->vcpus >= 1 && l->vcpus <= VCPU_MAX);
    require(r, l->reserved == 0);
}

static void check_identity(struct reader *r, const struct config_identity *id)
{
    require(r, id->debuggable <= 1 && id->disable_log <= 1 && id->enable_kss <= 1);
    require(r, id->reserved == 0);
}

static void check_features(struct reader *r, const struct config_features *f)
{
    require(r, f->sfi <= CONFIG_SFI_REQUIRED && f->amx <= CONFIG_CPU_IF_AVAILABLE);
    require(r, f->pkru <= CONFIG_CPU_IF_AVAILABLE && f->io_uring <= 16 && f->posix_shm <= 1);
    require(r, f->args <= CONFIG_ARGS_LISTED);
    require(r, f->exec <= 1 && f->inspect <= CONTROL_INSPECT_FULL);
}

static void check_image(struct reader *r, const struct config_image *i)
{
    require(r, i->present <= 1 && i->cipher <= CONFIG_CIPHER_AES256_CTR);
    if (!i->present)
        return;
    require(r, i->block_size == PAGE_SIZE && i->salt_size <= sizeof i->salt);
    require(r, i->data_blocks >= 1 && i->data_blocks < i->hash_start_block);
    require(r, i->hash_start_block < i->total_blocks);
    require(r, i->total_blocks <= 1ull << 40);
}

enum boot_config_error boot_config_parse(const void *blob, size_t size,
                                         struct boot_config *ret_config)
{
    if ((uintptr_t) blob % 8 != 0)
        return BOOT_CONFIG_ALIGNMENT;
    if (size < sizeof(struct config_header))
        return BOOT_CONFIG_TRUNCATED;
    const struct config_header *h = blob;
    if (h->magic != CONFIG_MAGIC)
        return BOOT_CONFIG_MAGIC;
    if (h->version != CONFIG_VERSION)
        return BOOT_CONFIG_VERSION;
    if (h->total_size > size || h->total_size < sizeof *h || h->total_size > KERNEL_CONFIG_MAX)
        return BOOT_CONFIG_TRUNCATED;

    struct reader r = {.blob = blob, .size = h->total_size, .budget = 4ull * h->total_size};
    check_limits(&r, &h->limits);
    check_identity(&r, &h->identity);
    check_features(&r, &h->features);
    check_image(&r, &h->image);
    struct boot_config config = {
        .blob = blob,
        .header = h,
        .entry_points = paths(&r, h->entry_points),
        .entry_point_count = h->entry_points.count,
        .env_default = strings(&r, h->env_default),
        .env_default_count = h->env_default.count,
        .env_untrusted = strings(&r, h->env_untrusted),
        .env_untrusted_count = h->env_untrusted.count,
        .arg_rules = strings(&r, h->arg_rules),
        .arg_rule_count = h->arg_rules.count,
        .mounts = mounts(&r, h->mounts, h->layers.count),
        .mount_count = h->mounts.count,
        .layers = mounts(&r, h->layers, 0),
        .layer_count = h->layers.count,
    };
    if (r.error == BOOT_CONFIG_OK)
        *ret_config = config;
    return r.error;
}

const char *boot_config_error_text(enum boot_config_error error)
{
    switch (error) {
    case BOOT_CONFIG_OK:
        return "no error";
    case BOOT_CONFIG_ALIGNMENT:
        return "configuration not aligned";
    case BOOT_CONFIG_TRUNCATED:
        return "configuration truncated";
    case BOOT_CONFIG_MAGIC:
        return "no configuration (wrong magic)";
    case BOOT_CONFIG_VERSION:
        return "configuration of another version: rebuild with `occlum build -f`";
    case BOOT_CONFIG_TABLE:
        return "configuration: a table lies outside";
    case BOOT_CONFIG_STRING:
        return "configuration: a string lies outside or is malformed";
    case BOOT_CONFIG_VALUE:
        return "configuration: a number is out of range";
    case BOOT_CONFIG_PATH:
        return "configuration: a path is not absolute";
    }
    return "unknown configuration error";
}

const char *boot_config_str(const struct boot_config *config, struct config_str str)
{
    return (const char *) config->blob + str.off;
}
