/* Occlum.json: from text to struct config to the binary form of abi/config.h. docs/config.md has
 * every key; the tables in config_json.c and config_mount.c are what is really accepted. */
#ifndef TOOLS_LIB_CONFIG_H
#define TOOLS_LIB_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "abi/config.h"
#include "tools/lib/mem.h"

struct config_mount_spec {
    char *target, *type, *source;
    struct strv options; /* "name=value" */
    struct config_mount_spec *layers;
    size_t layer_count;
};

struct config {
    struct config_limits limits;
    struct config_identity identity;
    struct config_features features;
    struct config_image image; /* not in Occlum.json: the builder fills it in */
    struct strv entry_points, env_default, env_untrusted, arg_rules;
    struct config_mount_spec *mounts;
    size_t mount_count;
};

/* Parses text (NUL-terminated; name is for messages). Every error and warning found is written to
 * messages as "NAME:LINE: KEY: what is wrong; what is allowed". NULL if there was an error. */
struct config *config_parse(const char *name, const char *text, FILE *messages);
/* config_parse of a file. */
struct config *config_load(const char *path, FILE *messages);
void config_free(struct config *config);

/* The blob, deterministic. The caller frees *ret_blob. -E2BIG above KERNEL_CONFIG_MAX. */
int config_to_blob(const struct config *config, uint8_t **ret_blob, size_t *ret_size);
#endif
