/* The "mount" array of Occlum.json.
 *
 * Types in the blob are rootimg, ramfs, cowfs, unionfs, hostfs, devfs, procfs. Occlum's "sefs" is
 * two things: with a MAC or a source under build/ it is the read-only root image, otherwise a
 * writable encrypted volume (cowfs). Options that only Occlum's file systems have are accepted and
 * dropped. "/" must be there and comes first; /proc and /dev are added when missing, as Occlum
 * does.
 */
#include <stdlib.h>
#include <string.h>
#include "tools/lib/config_priv.h"

enum option_kind {
    OPTION_STRING,
    OPTION_BOOL,
    OPTION_SIZE,
    OPTION_UINT,
    OPTION_ANCHOR,
    OPTION_DROPPED
};

struct option_rule {
    const char *name;
    enum option_kind kind;
};

struct type_rule {
    const char *name;
    bool needs_source;
    bool is_union;
    const char *allowed; /* options, for the message */
    struct option_rule options[6];
};

static const struct type_rule type_rules[] = {
    {"sefs",
     true,
     false,
     "MAC, cache_size, temporary, index",
     {{"MAC", OPTION_DROPPED},
      {"cache_size", OPTION_SIZE},
      {"temporary", OPTION_BOOL},
      {"index", OPTION_DROPPED}}},
    {"rootimg", false, false, "none", {{0}}},
    {"cowfs",
     false,
     false,
     "anchor, cache_size, temporary",
     {{"anchor", OPTION_ANCHOR}, {"cache_size", OPTION_SIZE}, {"temporary", OPTION_BOOL}}},
    {"ramfs", false, false, "size", {{"size", OPTION_SIZE}}},
    {"unionfs",
     false,
     true,
     "layers",
     {{"layers", OPTION_DROPPED},
      {"temporary", OPTION_DROPPED},
      {"cache_size", OPTION_DROPPED},
      {"index", OPTION_DROPPED}}},
    {"hostfs", true, false, "ro", {{"ro", OPTION_BOOL}}},
    {"devfs", false, false, "none", {{0}}},
    {"procfs", false, false, "none", {{0}}},
};
#define TYPE_NAMES "sefs, rootimg, cowfs, ramfs, unionfs, hostfs, devfs, procfs"

static const struct type_rule *find_type(struct config_parser *p, const char *name)
{
    for (size_t i = 0; i < sizeof type_rules / sizeof *type_rules; i++) {
        if (strcmp(type_rules[i].name, name) == 0)
            return &type_rules[i];
    }
    if (strcmp(name, "ext2") == 0)
        config_error(p,
                     "\"ext2\" is not supported; use \"cowfs\" for an encrypted writable volume");
    else
        config_error(p, "\"%s\" is not a known file system; allowed: %s", name, TYPE_NAMES);
    return NULL;
}

static void store_option(struct config_parser *p, const struct option_rule *rule,
                         const json_t *value, struct config_mount_spec *mount)
{
    uint64_t number;
    bool flag;
    const char *text;
    switch (rule->kind) {
    case OPTION_STRING:
        text = config_get_string(p, value);
        if (text)
            strv_add(&mount->options, mem_printf("%s=%s", rule->name, text));
        break;
    case OPTION_ANCHOR:
        text = config_get_string(p, value);
        if (text && (strcmp(text, "file") == 0 || strcmp(text, "service") == 0))
            strv_add(&mount->options, mem_printf("%s=%s", rule->name, text));
        else if (text && strcmp(text, "none") != 0)
            config_error(p, "\"%s\" is no freshness anchor; allowed: none, file, service", text);
        break;
    case OPTION_BOOL:
        if (config_get_bool(p, value, &flag) && flag)
            strv_add(&mount->options, mem_strdup(rule->name));
        break;
    case OPTION_SIZE:
        if (config_get_size(p, value, 4096, 1ull << 44, false, &number))
            strv_add(&mount->options,
                     mem_printf("%s=%llu", rule->name, (unsigned long long) number));
        break;
    case OPTION_UINT:
        if (config_get_uint(p, value, 0, UINT32_MAX, &number))
            strv_add(&mount->options,
                     mem_printf("%s=%llu", rule->name, (unsigned long long) number));
        break;
    case OPTION_DROPPED:
        break;
    }
}

static void parse_options(struct config_parser *p, const json_t *value,
                          const struct type_rule *type, struct config_mount_spec *mount)
{
    size_t outer = config_enter(p, "options");
    const char *name;
    json_t *option;
    if (value && config_is_object(p, value)) {
        json_object_foreach((json_t *) value, name, option)
        {
            const struct option_rule *rule = type->options;
            while (rule->name && strcmp(rule->name, name) != 0)
                rule++;
            if (!rule->name) {
                config_unknown_key(p, name, type->allowed);
                continue;
            }
            size_t mark = config_enter(p, name);
            store_option(p, rule, option, mount);
            config_leave(p, mark);
        }
    }
    config_leave(p, outer);
}

static void check_keys(struct config_parser *p, const json_t *object)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *) object, name, value)
    {
        if (strcmp(name, "target") != 0 && strcmp(name, "type") != 0 &&
            strcmp(name, "source") != 0 && strcmp(name, "options") != 0)
            config_unknown_key(p, name, "target, type, source, options");
    }
}

/* A required (or not) string member; "" stands for absent. */
static const char *string_member(struct config_parser *p, const json_t *object, const char *name,
                                 bool required)
{
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value)) {
        if (required)
            config_error(p, "has no \"%s\"", name);
        return "";
    }
    size_t mark = config_enter(p, name);
    const char *text = config_get_string(p, value);
    if (text && !*text && required)
        config_error(p, "is empty");
    config_leave(p, mark);
    return text ? text : "";
}

/* The name the kernel knows for this mount. */
static const char *kernel_type(const struct type_rule *type, const json_t *object,
                               const char *source)
{
    if (strcmp(type->name, "sefs") == 0 &&
        (json_object_get(json_object_get(object, "options"), "MAC") || strstr(source, "build/")))
        return "rootimg";
    return strcmp(type->name, "sefs") == 0 ? "cowfs" : type->name;
}

static bool parse_mount(struct config_parser *p, const json_t *object, bool is_layer,
                        struct config_mount_spec *mount);

static void parse_layers(struct config_parser *p, const json_t *object,
                         struct config_mount_spec *mount)
{
    const json_t *layers = json_object_get(json_object_get(object, "options"), "layers");
    size_t outer = config_enter(p, "options");
    size_t mark = config_enter(p, "layers");
    if (!layers) {
        config_leave(p, mark);
        config_error(p, "has no \"layers\"; a unionfs needs at least two, the lowest first");
    } else if (config_is_array(p, layers)) {
        size_t count = json_array_size(layers);
        if (count < 2)
            config_error(p, "has %zu element(s); a unionfs needs at least two, the lowest first",
                         count);
        mount->layers = mem_zalloc(count * sizeof *mount->layers);
        mount->layer_count = count;
        for (size_t i = 0; i < count; i++) {
            size_t inner = config_enter_index(p, i);
            parse_mount(p, json_array_get(layers, i), true, &mount->layers[i]);
            config_leave(p, inner);
        }
    }
    config_leave(p, outer);
}

/* A sefs that became something else loses the options that belonged to sefs. */
static void keep_option(struct config_mount_spec *mount, const char *prefix)
{
    struct strv kept = {0};
    for (size_t i = 0; i < mount->options.count; i++) {
        if (strncmp(mount->options.items[i], prefix, strlen(prefix)) == 0)
            strv_add(&kept, mem_strdup(mount->options.items[i]));
    }
    strv_fini(&mount->options);
    mount->options = kept;
}

static bool parse_mount(struct config_parser *p, const json_t *object, bool is_layer,
                        struct config_mount_spec *mount)
{
    if (!config_is_object(p, object))
        return false;
    check_keys(p, object);
    const char *target = string_member(p, object, "target", true);
    const char *type_name = string_member(p, object, "type", true);
    size_t mark = config_enter(p, "target");
    if (*target)
        config_check_path(p, target);
    config_leave(p, mark);
    mark = config_enter(p, "type");
    const struct type_rule *type = *type_name ? find_type(p, type_name) : NULL;
    if (type && type->is_union && is_layer)
        config_error(p, "a layer cannot be a unionfs itself");
    config_leave(p, mark);
    if (!type)
        return false;
    const char *source = string_member(p, object, "source", type->needs_source);
    parse_options(p, json_object_get(object, "options"), type, mount);
    const char *kernel_name = kernel_type(type, object, source);
    if (strcmp(kernel_name, "rootimg") == 0 || strcmp(kernel_name, "ramfs") == 0)
        keep_option(mount, "size=");
    mount->target = mem_strdup(target);
    mount->type = mem_strdup(kernel_name);
    bool sourced = strcmp(kernel_name, "hostfs") == 0 || strcmp(kernel_name, "cowfs") == 0;
    mount->source = mem_strdup(sourced ? source : "");
    if (type->is_union && !is_layer)
        parse_layers(p, object, mount);
    return true;
}

void config_mount_fini(struct config_mount_spec *mount)
{
    free(mount->target);
    free(mount->type);
    free(mount->source);
    strv_fini(&mount->options);
    for (size_t i = 0; i < mount->layer_count; i++)
        config_mount_fini(&mount->layers[i]);
    free(mount->layers);
}

static struct config_mount_spec *add_mount(struct config *config, const char *target,
                                           const char *type, const char *source)
{
    config->mounts = mem_grow(config->mounts, config->mount_count + 1, sizeof *config->mounts);
    struct config_mount_spec *mount = &config->mounts[config->mount_count++];
    *mount = (struct config_mount_spec){
        .target = mem_strdup(target),
        .type = mem_strdup(type),
        .source = mem_strdup(source),
    };
    return mount;
}

static bool has_target(const struct config *config, const char *target)
{
    for (size_t i = 0; i < config->mount_count; i++) {
        if (config->mounts[i].target && strcmp(config->mounts[i].target, target) == 0)
            return true;
    }
    return false;
}

static void add_default_mounts(struct config *config)
{
    struct config_mount_spec *root = add_mount(config, "/", "unionfs", "");
    root->layers = mem_zalloc(2 * sizeof *root->layers);
    root->layer_count = 2;
    static const char *const types[] = {"rootimg", "cowfs"};
    for (size_t i = 0; i < 2; i++)
        root->layers[i] = (struct config_mount_spec){
            .target = mem_strdup("/"),
            .type = mem_strdup(types[i]),
            .source = mem_strdup(""),
        };
    add_mount(config, "/host", "hostfs", ".");
}

/* Moves "/" to the front and leaves the order of the others. */
static void put_root_first(struct config *config)
{
    for (size_t i = 1; i < config->mount_count; i++) {
        if (strcmp(config->mounts[i].target, "/") != 0)
            continue;
        struct config_mount_spec root = config->mounts[i];
        memmove(config->mounts + 1, config->mounts, i * sizeof root);
        config->mounts[0] = root;
        return;
    }
}

static void parse_array(struct config_parser *p, const json_t *value, struct config *config)
{
    size_t mark = config_enter(p, "mount");
    if (config_is_array(p, value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            size_t inner = config_enter_index(p, i);
            struct config_mount_spec mount = {0};
            if (!parse_mount(p, json_array_get(value, i), false, &mount)) {
                config_mount_fini(&mount);
            } else {
                if (has_target(config, mount.target))
                    config_error(p, "\"%s\" is mounted twice", mount.target);
                config->mounts =
                    mem_grow(config->mounts, config->mount_count + 1, sizeof *config->mounts);
                config->mounts[config->mount_count++] = mount;
            }
            config_leave(p, inner);
        }
        if (!has_target(config, "/"))
            config_error(p, "nothing is mounted at \"/\"");
    }
    config_leave(p, mark);
}

void config_parse_mounts(struct config_parser *p, const json_t *value, struct config *config)
{
    if (value)
        parse_array(p, value, config);
    else
        add_default_mounts(config);
    if (!has_target(config, "/proc"))
        add_mount(config, "/proc", "procfs", "");
    if (!has_target(config, "/dev"))
        add_mount(config, "/dev", "devfs", "");
    put_root_first(config);
}
