/* Running other programs from the tools. */
#ifndef TOOLS_LIB_SPAWN_H
#define TOOLS_LIB_SPAWN_H

/* Path of a program: $PATH, then the sbin directories that a user's PATH often lacks. NULL: not
 * there. The caller frees it. */
char *spawn_find(const char *program);
/* Runs argv[0] (a path) with stdin from /dev/null and waits. *ret_output gets stdout and stderr
 * together, NUL-terminated, to be freed by the caller, also when the status is not 0. Returns the
 * exit status, 128+n for a signal, or -errno if it could not be started. */
int spawn_capture(char *const argv[], char **ret_output);
#endif
