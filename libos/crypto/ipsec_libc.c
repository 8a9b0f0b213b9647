/* What IPsec-MB wants of a C library: the text of an error number, in a function nobody calls. Not part
 * of the unit tests, which have a C library (scripts/unit-libos.mk). */
#include "libos/base/types.h"

char *strerror(int error);

char *strerror(int error)
{
    static char text[] = "error";
    return text;
}
