/* What the tools say to people: what happened and why, then what to type next. All on stderr. */
#ifndef TOOLS_LIB_MSG_H
#define TOOLS_LIB_MSG_H

#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* "occlum: error: ..." */
void msg_error(const char *format, ...) PRINTF_LIKE(1, 2);
/* "occlum: warning: ..." */
void msg_warn(const char *format, ...) PRINTF_LIKE(1, 2);
/* "occlum: ..."; silent with OCCLUM_QUIET=1. */
void msg_note(const char *format, ...) PRINTF_LIKE(1, 2);
/* "  try: ..." after an error or a warning: the command to type or the thing to change. */
void msg_hint(const char *format, ...) PRINTF_LIKE(1, 2);
/* A line that overwrites itself; nothing unless stderr is a terminal. */
void msg_progress(const char *format, ...) PRINTF_LIKE(1, 2);
/* Removes the progress line. */
void msg_progress_end(void);
#endif
