/* Messages of the command-line tools. One line per message, prefixed with the program's name, so
 * that output stays greppable; a progress line is wiped before any other message. */
#include "tools/lib/msg.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool progress_shown;

static void say(const char *kind, const char *format, va_list args)
{
    msg_progress_end();
    fprintf(stderr, "%s: %s", program_invocation_short_name, kind);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void msg_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("error: ", format, args);
    va_end(args);
}

void msg_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("warning: ", format, args);
    va_end(args);
}

void msg_note(const char *format, ...)
{
    const char *quiet = getenv("OCCLUM_QUIET");
    if (quiet && strcmp(quiet, "1") == 0)
        return;
    va_list args;
    va_start(args, format);
    say("", format, args);
    va_end(args);
}

void msg_hint(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("  try: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

void msg_progress(const char *format, ...)
{
    if (!isatty(STDERR_FILENO))
        return;
    va_list args;
    va_start(args, format);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, format, args);
    fflush(stderr);
    va_end(args);
    progress_shown = true;
}

void msg_progress_end(void)
{
    if (!progress_shown)
        return;
    fputs("\r\033[K", stderr);
    progress_shown = false;
}
