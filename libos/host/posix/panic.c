/* panic() of the ordinary process: a report and abort(), unless a test expects it. */
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "libos/base/lockorder.h"
#include "libos/base/panic.h"
#include "libos/base/log.h"
#include "libos/base/printf.h"
#include "libos/host/posix/unit.h"

jmp_buf unit_panic_jump;
bool unit_panic_expected;
char unit_panic_text[512];

__attribute__((weak)) void panic(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fmt_vstr(unit_panic_text, sizeof unit_panic_text, fmt, ap);
    va_end(ap);
    if (unit_panic_expected) {
        unit_panic_expected = false;
        lock_order_forget();
        longjmp(unit_panic_jump, 1);
    }
    fprintf(stderr, "panic: %s\n", unit_panic_text);
    void *frames[32];
    backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
    abort();
}

void unit_no_panic(const char *file, int line, const char *statement)
{
    unit_panic_expected = false;
    panic("%s:%d: no panic in: %s", file, line, statement);
}

static void log_to_stderr(const char *line, size_t n)
{
    fwrite(line, 1, n, stderr);
}

__attribute__((constructor)) static void log_init(void)
{
    const char *level = getenv("OCCLUM_LOG_LEVEL");
    log_sink = log_to_stderr;
    log_level = level ? (enum log_level) strtol(level, NULL, 10) : LOG_OFF;
}
