/* Keeps expected error messages out of the test's output. */
#ifndef TEST_UNIT_QUIET_H
#define TEST_UNIT_QUIET_H

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Returns what quiet_end() takes. */
static inline int quiet_begin(void)
{
    fflush(stderr);
    int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDERR_FILENO);
    close(null);
    return saved;
}

static inline void quiet_end(int saved)
{
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
}
#endif
