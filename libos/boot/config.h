/* The measured configuration as the kernel sees it: pointers into the blob of abi/config.h. */
#ifndef LIBOS_BOOT_CONFIG_H
#define LIBOS_BOOT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi/config.h"

/* Everything points into the blob, which must stay in place and unchanged. Counts belong to the
 * pointer before them; with a count of 0 the pointer is NULL. All references in the tables have
 * been checked: boot_config_str() cannot fail on a config_str found in them. */
struct boot_config {
    const uint8_t *blob;
    const struct config_header *header; /* limits, identity, features, image */
    const struct config_str *entry_points;
    size_t entry_point_count;
    const struct config_str *env_default;
    size_t env_default_count;
    const struct config_str *env_untrusted;
    size_t env_untrusted_count;
    const struct config_str *arg_rules;
    size_t arg_rule_count;
    const struct config_mount *mounts;
    size_t mount_count;
    const struct config_mount *layers; /* a mount has layer_count of them from layer_first on */
    size_t layer_count;
};

enum boot_config_error {
    BOOT_CONFIG_OK = 0,
    BOOT_CONFIG_ALIGNMENT, /* the blob itself is not 8-byte aligned */
    BOOT_CONFIG_TRUNCATED,
    BOOT_CONFIG_MAGIC,
    BOOT_CONFIG_VERSION,
    BOOT_CONFIG_TABLE,  /* a table outside the blob, misaligned or too long */
    BOOT_CONFIG_STRING, /* a string outside the blob, too long, or with a NUL in the wrong place */
    BOOT_CONFIG_VALUE,  /* a number out of its range */
    BOOT_CONFIG_PATH,   /* a path that is not absolute */
};

/* Checks the blob completely. *ret_config is written only on success. Reads nothing outside
 * blob[0..size); total_size may be smaller than size (pages are padded). */
enum boot_config_error boot_config_parse(const void *blob, size_t size,
                                         struct boot_config *ret_config);

/* What the error means, for the panic message. */
const char *boot_config_error_text(enum boot_config_error error);

/* The NUL-terminated text of a string of this configuration. */
const char *boot_config_str(const struct boot_config *config, struct config_str str);

/* The options of a mount or layer; *ret_count is always written. */
const struct config_str *boot_config_options(const struct boot_config *config,
                                             const struct config_mount *mount, size_t *ret_count);

/* Value of option `name` of the mount: the text after "name=", "" for a bare "name", NULL if
 * absent. */
const char *boot_config_option(const struct boot_config *config, const struct config_mount *mount,
                               const char *name);

/* May `path` (absolute, normalised by the caller's checks: a ".." component is refused here) be
 * started from outside? Prefixes end at component borders: "/bin" allows "/bin/a", not
 * "/binary". */
bool boot_config_entry_allowed(const struct boot_config *config, const char *path);

/* May the host set the environment variable `name` (name_size bytes, without '=')? */
bool boot_config_env_allowed(const struct boot_config *config, const char *name, size_t name_size);

/* Does the argument policy allow this command line? argv[0] is compared with the program's path. */
bool boot_config_args_allowed(const struct boot_config *config, size_t argc,
                              const char *const *argv);
#endif
