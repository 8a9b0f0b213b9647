/* Control requests of the host as the kernel reads them. */
#ifndef BOOT_CONTROL_DECODE_H
#define BOOT_CONTROL_DECODE_H
#include "abi/control.h"
#include "libos/base/span.h"

/* Checks a request completely. *ret_strings (EXEC; else NULL) points into bytes: argc + envc strings,
 * NUL-terminated, back to back. -EINVAL: it is malformed; nothing is written then. */
must_check int control_decode(struct cspan bytes, struct control_request *ret,
                              const char **ret_strings);
#endif
