/* Finding one of a mount's options. What a file system does not know it does not ask for. */
#include "libos/vfs/mount_option.h"
#include "libos/base/errno.h"
#include "libos/base/string.h"

static const char *next_of(const char *option)
{
    const char *comma = strchr(option, ',');
    return comma ? comma + 1 : NULL;
}

static bool ends(char c)
{
    return c == 0 || c == ',';
}

long mount_option(const char *options, const char *key, char *buf, size_t size)
{
    size_t n = strlen(key), length = 0;
    const char *value = NULL;
    for (const char *o = options; o; o = next_of(o))
        if (str_starts(o, key) && (o[n] == '=' || ends(o[n])))
            value = o + n + (o[n] == '=');
    if (!value)
        return -ENOENT;
    while (!ends(value[length]))
        length++;
    if (length >= size)
        return -ENAMETOOLONG;
    memcpy(buf, value, length);
    buf[length] = 0;
    return (long) length;
}

bool mount_option_is(const char *options, const char *option)
{
    size_t n = strlen(option);
    for (const char *o = options; o; o = next_of(o))
        if (str_starts(o, option) && ends(o[n]))
            return true;
    return false;
}
