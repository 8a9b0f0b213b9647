/* The kernel log. Levels as in OCCLUM_LOG_LEVEL (off, error, warn, info, debug, trace; default
 * error). A line leaves the enclave through the host's stderr. */
#ifndef BASE_LOG_H
#define BASE_LOG_H
#include "libos/base/types.h"

enum log_level { LOG_OFF, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

extern enum log_level log_level; /* set once at boot */

void log_emit(enum log_level level, const char *fmt, ...) printf_like(2, 3);
/* Hands a finished line to the outside; installed by boot (host back end). */
extern void (*log_sink)(const char *line, size_t n);

#define log_at(level, ...)                                                                         \
    (unlikely((level) <= log_level) ? log_emit(level, __VA_ARGS__) : (void) 0)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_trace(...) log_at(LOG_TRACE, __VA_ARGS__)
/* At most once per call site. */
#define log_once(level, ...)                                                                       \
    do {                                                                                           \
        static uint8_t _done;                                                                      \
        if (!__atomic_exchange_n(&_done, 1, __ATOMIC_RELAXED))                                     \
            log_at(level, __VA_ARGS__);                                                            \
    } while (0)
#endif
