/* The kernel log: formats a line into a bounded buffer and hands it to the sink. */
#include "libos/base/log.h"
#include "libos/base/printf.h"

enum log_level log_level = LOG_ERROR;
void (*log_sink)(const char *line, size_t n);

void log_emit(enum log_level level, const char *fmt, ...)
{
    static const char names[] = "-EWIDT";
    char line[512];
    size_t n = fmt_str(line, sizeof line, "[occlum %c] ", names[level]);
    va_list ap;
    va_start(ap, fmt);
    n += fmt_vstr(line + n, sizeof line - n, fmt, ap);
    va_end(ap);
    n = MIN(n, sizeof line - 2);
    line[n++] = '\n';
    if (log_sink)
        log_sink(line, n);
}
