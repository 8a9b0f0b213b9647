/* What the files of the Occlum.json parser share. */
#ifndef TOOLS_LIB_CONFIG_PRIV_H
#define TOOLS_LIB_CONFIG_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "tools/lib/config.h"

/* One parse: where messages go, and the place in the document being looked at. */
struct config_parser {
    const char *name;
    const char *text;
    FILE *messages;
    int errors;
    char
        path[256]; /* like "mount[1].options"; too deep a path is cut, which only costs precision */
};

/* Enter a member or an element for the messages; leave with the value returned. */
size_t config_enter(struct config_parser *p, const char *key);
size_t config_enter_index(struct config_parser *p, size_t index);
void config_leave(struct config_parser *p, size_t mark);

/* "NAME:LINE: PATH: message"; the first counts as an error. */
void config_error(struct config_parser *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void config_warn(struct config_parser *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "unknown key", with the keys that are allowed here. */
void config_unknown_key(struct config_parser *p, const char *key, const char *allowed);

/* Typed values; false and an error when it is something else. */
bool config_get_size(struct config_parser *p, const json_t *value, uint64_t min, uint64_t max,
                     bool unlimited, uint64_t *ret_size);
bool config_get_uint(struct config_parser *p, const json_t *value, uint64_t min, uint64_t max,
                     uint64_t *ret_number);
bool config_get_bool(struct config_parser *p, const json_t *value, bool *ret_bool);
/* NULL when it is no string; without NULs inside and at most CONFIG_STRING_MAX long. */
const char *config_get_string(struct config_parser *p, const json_t *value);
/* Checks for an object (or array); false with an error otherwise. */
bool config_is_object(struct config_parser *p, const json_t *value);
bool config_is_array(struct config_parser *p, const json_t *value);
/* An absolute path without "." and ".." components. */
bool config_check_path(struct config_parser *p, const char *path);
/* "300MB", "4GB", "unlimited". buffer is at least 32 bytes. */
const char *config_size_text(uint64_t size, char *buffer);

/* config_mount.c: the "mount" array (NULL: absent) with Occlum's implicit /proc and /dev. */
void config_parse_mounts(struct config_parser *p, const json_t *value, struct config *config);
void config_mount_fini(struct config_mount_spec *mount);
#endif
