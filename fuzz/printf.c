// sources: libos/base/printf.c libos/base/string.c
/* Format strings as bytes. Arguments are always there and of the right size: every conversion gets a
 * 64-bit number that is also the address of a string. The result fits and is terminated. */
#include <stdlib.h>
#include "libos/base/printf.h"
#include "libos/base/string.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool usable(const char *f)
{
    for (int digits = 0; *f; f++) {
        digits = *f >= '0' && *f <= '9' ? digits + 1 : 0;
        if (digits > 5) /* widths are written by us; a huge one only takes long */
            return false;
        if (*f == '*' || *f == 'n')
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char fmt[64] = {0}, out[256];
    if (size == 0)
        return 0;
    size_t room = data[0];
    memcpy(fmt, data + 1, size - 1 < sizeof fmt ? size - 1 : sizeof fmt - 1);
    if (!usable(fmt))
        return 0;
    const char *s = "string";
    memset(out, 0x7f, sizeof out);
#pragma clang diagnostic ignored "-Wformat-nonliteral"
#pragma clang diagnostic ignored "-Wformat-security"
    size_t n =
        fmt_str(out, room, fmt, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s,
                s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s);
    if (room > 0 && strlen(out) != (n < room ? n : room - 1) && !memchr(out, 0, room))
        abort();
    for (size_t i = room; i < sizeof out; i++)
        if (out[i] != 0x7f)
            abort();
    return 0;
}
