/* Messages and typed values of the Occlum.json parser. A message names file, line and key, says
 * what was found and what is allowed, because a wrong configuration is the commonest first
 * mistake. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "abi/layout.h"
#include "tools/lib/config_priv.h"
#include "tools/lib/jsonpos.h"

static size_t append(struct config_parser *p, const char *text)
{
    size_t mark = strlen(p->path);
    snprintf(p->path + mark, sizeof p->path - mark, "%s", text);
    return mark;
}

size_t config_enter(struct config_parser *p, const char *key)
{
    size_t mark = append(p, *p->path ? "." : "");
    append(p, key);
    return mark;
}

size_t config_enter_index(struct config_parser *p, size_t index)
{
    char text[32];
    snprintf(text, sizeof text, "[%zu]", index);
    return append(p, text);
}

void config_leave(struct config_parser *p, size_t mark)
{
    p->path[mark] = 0;
}

static void say(struct config_parser *p, const char *kind, const char *format, va_list args)
{
    fprintf(p->messages, "%s:%d: %s%s%s", p->name, json_line_of(p->text, p->path), kind, p->path,
            *p->path ? ": " : "");
    vfprintf(p->messages, format, args);
    fputc('\n', p->messages);
}

void config_error(struct config_parser *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(p, "", format, args);
    va_end(args);
    p->errors++;
}

void config_warn(struct config_parser *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(p, "warning: ", format, args);
    va_end(args);
}

void config_unknown_key(struct config_parser *p, const char *key, const char *allowed)
{
    size_t mark = config_enter(p, key);
    config_error(p, "unknown key; allowed here: %s", allowed);
    config_leave(p, mark);
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a number";
    case JSON_REAL:
        return "a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true/false";
    case JSON_NULL:
        return "null";
    }
    return "something else";
}

/* "12MB" -> bytes. Negative: not a size, or too large for 64 bits. */
static int parse_size(const char *text, uint64_t *ret_size)
{
    static const struct {
        const char *name;
        unsigned shift;
    } units[] = {{"B", 0}, {"KB", 10}, {"MB", 20}, {"GB", 30}, {"TB", 40}};
    if (!isdigit((unsigned char) *text))
        return -EINVAL;
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (errno)
        return -ERANGE;
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcasecmp(end, units[i].name) != 0)
            continue;
        if (number > UINT64_MAX >> units[i].shift)
            return -ERANGE;
        *ret_size = number << units[i].shift;
        return 0;
    }
    return -EINVAL;
}

const char *config_size_text(uint64_t size, char *buffer)
{
    static const char units[] = "BKMGT";
    if (size == CONFIG_UNLIMITED)
        return "unlimited";
    int unit = 0;
    while (unit < 4 && size != 0 && size % 1024 == 0) {
        size /= 1024;
        unit++;
    }
    snprintf(buffer, 32, unit ? "%" PRIu64 "%cB" : "%" PRIu64 "%c", size, units[unit]);
    return buffer;
}

static bool size_of_value(struct config_parser *p, const json_t *value, bool unlimited,
                          uint64_t *ret_size)
{
    const char *more = unlimited ? ", or \"unlimited\"" : "";
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret_size = (uint64_t) json_integer_value(value);
        return true;
    }
    if (!json_is_string(value)) {
        config_error(p, "is %s, must be a size such as \"300MB\"%s", type_name(value), more);
        return false;
    }
    const char *text = json_string_value(value);
    if (unlimited && strcmp(text, "unlimited") == 0) {
        *ret_size = CONFIG_UNLIMITED;
        return true;
    }
    int r = parse_size(text, ret_size);
    if (r == -ERANGE)
        config_error(p, "\"%s\" is too large a number", text);
    else if (r < 0)
        config_error(p,
                     "\"%s\" is not a size; write a whole number and a unit, such as \"300MB\""
                     " (units: B, KB, MB, GB, TB)%s",
                     text, more);
    return r == 0;
}

bool config_get_size(struct config_parser *p, const json_t *value, uint64_t min, uint64_t max,
                     bool unlimited, uint64_t *ret_size)
{
    uint64_t size;
    if (!size_of_value(p, value, unlimited, &size))
        return false;
    char a[32], b[32], c[32];
    if (size != CONFIG_UNLIMITED && (size < min || size > max)) {
        config_error(p, "%s is out of range; allowed: %s to %s%s", config_size_text(size, a),
                     config_size_text(min, b), config_size_text(max, c),
                     unlimited ? ", or \"unlimited\"" : "");
        return false;
    }
    if (size != CONFIG_UNLIMITED)
        size = (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    *ret_size = size;
    return true;
}

bool config_get_uint(struct config_parser *p, const json_t *value, uint64_t min, uint64_t max,
                     uint64_t *ret_number)
{
    if (!json_is_integer(value)) {
        config_error(p, "is %s, must be a whole number, %" PRIu64 " to %" PRIu64, type_name(value),
                     min, max);
        return false;
    }
    json_int_t number = json_integer_value(value);
    if (number < 0 || (uint64_t) number < min || (uint64_t) number > max) {
        config_error(p,
                     "%" JSON_INTEGER_FORMAT " is out of range; allowed: %" PRIu64 " to %" PRIu64,
                     number, min, max);
        return false;
    }
    *ret_number = (uint64_t) number;
    return true;
}

bool config_get_bool(struct config_parser *p, const json_t *value, bool *ret_bool)
{
    if (!json_is_boolean(value)) {
        config_error(p, "is %s, must be true or false", type_name(value));
        return false;
    }
    *ret_bool = json_is_true(value);
    return true;
}

const char *config_get_string(struct config_parser *p, const json_t *value)
{
    if (!json_is_string(value)) {
        config_error(p, "is %s, must be a string", type_name(value));
        return NULL;
    }
    if (json_string_length(value) > CONFIG_STRING_MAX) {
        config_error(p, "is longer than %d bytes", CONFIG_STRING_MAX);
        return NULL;
    }
    return json_string_value(value);
}

bool config_is_object(struct config_parser *p, const json_t *value)
{
    if (!json_is_object(value))
        config_error(p, "is %s, must be an object { ... }", type_name(value));
    return json_is_object(value);
}

bool config_is_array(struct config_parser *p, const json_t *value)
{
    if (!json_is_array(value))
        config_error(p, "is %s, must be an array [ ... ]", type_name(value));
    else if (json_array_size(value) > CONFIG_TABLE_MAX)
        config_error(p, "has more than %d elements", CONFIG_TABLE_MAX);
    else
        return true;
    return false;
}

bool config_check_path(struct config_parser *p, const char *path)
{
    if (path[0] != '/') {
        config_error(p, "\"%s\" is not an absolute path; it must begin with \"/\"", path);
        return false;
    }
    for (const char *c = path; *c; c += strcspn(c, "/")) {
        c += strspn(c, "/");
        size_t size = strcspn(c, "/");
        if ((size == 1 && c[0] == '.') || (size == 2 && c[0] == '.' && c[1] == '.')) {
            config_error(p, "\"%s\" has a \"%.*s\" in it; write the path without", path, (int) size,
                         c);
            return false;
        }
    }
    return true;
}
