/* Running other programs from the tools and keeping what they print. */
#include "tools/lib/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tools/lib/mem.h"

extern char **environ;

char *spawn_find(const char *program)
{
    const char *path = getenv("PATH");
    AUTO_FREE char *all =
        mem_printf("%s:/usr/local/sbin:/usr/sbin:/sbin", path ? path : "/usr/bin");
    char *save = NULL;
    for (char *dir = strtok_r(all, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
        AUTO_FREE char *candidate = mem_printf("%s/%s", dir, program);
        if (access(candidate, X_OK) == 0)
            return MEM_TAKE(candidate);
    }
    return NULL;
}

static int start(char *const argv[], int out, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, out, 2);
    int r = posix_spawn(ret_pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static char *read_to_end(int fd)
{
    char *text = mem_zalloc(1);
    for (size_t size = 0;;) {
        text = mem_grow(text, size + 4097, 1);
        ssize_t n = read(fd, text + size, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0)
            size += (size_t) n;
        text[size] = 0;
        if (n <= 0)
            return text;
    }
}

int spawn_capture(char *const argv[], char **ret_output)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid;
    int r = start(argv, fds[1], &pid);
    close(fds[1]);
    if (r == 0) {
        *ret_output = read_to_end(fds[0]);
        int status = 0;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        r = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    close(fds[0]);
    return r;
}
