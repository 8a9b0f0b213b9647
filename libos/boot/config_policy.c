/* Questions the kernel asks the measured configuration: which program, which environment variable,
 * which arguments the untrusted host may choose, and options of a mount. Pure functions over a
 * boot_config that boot_config_parse() has checked; the strings asked about come from outside and
 * are only compared. */
#include "abi/layout.h"
#include "libos/boot/config.h"

/* Where text stops agreeing with the prefix: the rest of text, or NULL. */
static const char *after_prefix(const char *text, const char *prefix, size_t prefix_size)
{
    for (size_t i = 0; i < prefix_size; i++) {
        if (text[i] == 0 || text[i] != prefix[i])
            return NULL;
    }
    return text + prefix_size;
}

const struct config_str *boot_config_options(const struct boot_config *config,
                                             const struct config_mount *mount, size_t *ret_count)
{
    *ret_count = mount->options.count;
    if (mount->options.count == 0)
        return NULL;
    const void *list = config->blob + mount->options.off;
    return list;
}

const char *boot_config_option(const struct boot_config *config, const struct config_mount *mount,
                               const char *name)
{
    size_t name_size = 0;
    while (name[name_size])
        name_size++;
    size_t count;
    const struct config_str *list = boot_config_options(config, mount, &count);
    for (size_t i = 0; i < count; i++) {
        const char *rest = after_prefix(boot_config_str(config, list[i]), name, name_size);
        if (rest && *rest == '=')
            return rest + 1;
        if (rest && *rest == 0)
            return rest;
    }
    return NULL;
}

static bool has_dotdot(const char *path)
{
    for (const char *p = path; *p; p++) {
        if (p[0] == '/' && p[1] == '.' && p[2] == '.' && (p[3] == '/' || p[3] == 0))
            return true;
    }
    return false;
}

bool boot_config_entry_allowed(const struct boot_config *config, const char *path)
{
    if (path[0] != '/' || has_dotdot(path))
        return false;
    for (size_t i = 0; i < config->entry_point_count; i++) {
        struct config_str e = config->entry_points[i];
        const char *prefix = boot_config_str(config, e);
        size_t size = e.len;
        while (size > 0 && prefix[size - 1] == '/')
            size--;
        const char *rest = after_prefix(path, prefix, size);
        if (rest && (*rest == '/' || *rest == 0))
            return true;
    }
    return false;
}

static bool bytes_equal(const char *a, const char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (a[i] != b[i])
            return false;
    }
    return true;
}

bool boot_config_env_allowed(const struct boot_config *config, const char *name, size_t name_size)
{
    for (size_t i = 0; i < config->env_untrusted_count; i++) {
        struct config_str e = config->env_untrusted[i];
        const char *rule = boot_config_str(config, e);
        bool open = e.len > 0 && rule[e.len - 1] == '*';
        size_t size = open ? e.len - 1 : e.len;
        if ((open ? size <= name_size : size == name_size) && bytes_equal(rule, name, size))
            return true;
    }
    return false;
}

static bool rule_matches(const char *rule, size_t argc, const char *const *argv)
{
    for (size_t i = 0;; i++) {
        if (rule[0] == '*' && rule[1] == 0)
            return true;
        if (i >= argc)
            return false;
        size_t size = 0;
        while (rule[size] && rule[size] != CONFIG_ARG_SEPARATOR)
            size++;
        const char *rest = after_prefix(argv[i], rule, size);
        if (!rest || *rest != 0)
            return false;
        if (rule[size] == 0)
            return i + 1 == argc;
        rule += size + 1;
    }
}

bool boot_config_args_allowed(const struct boot_config *config, size_t argc,
                              const char *const *argv)
{
    if (config->header->features.args == CONFIG_ARGS_ANY)
        return true;
    for (size_t i = 0; i < config->arg_rule_count; i++) {
        if (rule_matches(boot_config_str(config, config->arg_rules[i]), argc, argv))
            return true;
    }
    return false;
}
