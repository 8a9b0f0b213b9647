/* occlum start: boots the enclave in the background, without a program; `occlum exec` adds them.
 *
 * The runtime becomes a daemon: a session of its own, standard input from nowhere, output to .control/log.
 * It writes a byte to a pipe as soon as the kernel takes requests; until then this command waits, so that
 * whatever goes wrong is said here.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tools/lib/control.h"
#include "tools/lib/fsutil.h"
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/occlum/client.h"
#include "tools/occlum/command.h"
#include "tools/occlum/launch.h"

COMMAND(start, "start the instance in the background", cmd_start);

#define LOG_PATH CONTROL_DIR "/" CONTROL_LOG

static int running_already(void)
{
    struct client c;
    int r = client_connect(&c, true);
    if (r < 0)
        return r == -ECONNREFUSED || r == -ENOENT ? 0 : r;
    msg_error("the instance runs already, as process %d", (int) c.pid);
    msg_hint("occlum exec PROGRAM   (or: occlum stop)");
    client_close(&c);
    return -EBUSY;
}

static int open_log(void)
{
    int r = control_dir_make(".");
    int fd = r < 0 ? -1 : open(LOG_PATH, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        msg_error("cannot write " LOG_PATH ": %s", strerror(r < 0 ? -r : errno));
        if (r == -EPERM)
            msg_hint(CONTROL_DIR "/ must be yours, with mode 0700");
    }
    return fd;
}

__attribute__((noreturn)) static void become_runtime(struct launch *launch, int log)
{
    int nowhere = open("/dev/null", O_RDONLY);
    if (setsid() < 0 || nowhere < 0 || dup2(nowhere, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        _exit(1);
    signal(SIGHUP, SIG_DFL);
    launch_runtime(launch);
    _exit(1);
}

static bool wait_ready(int fd)
{
    char byte;
    ssize_t n;
    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    return n == 1;
}

static void show_log(void)
{
    AUTO_FREE char *text = NULL;
    size_t size;
    if (fs_read_file(LOG_PATH, 1 << 20, &text, &size) == 0)
        (void) !write(STDERR_FILENO, text, size);
}

static int start(struct launch *launch, int log)
{
    int ready[2];
    if (pipe2(ready, 0) < 0 || fcntl(ready[0], F_SETFD, FD_CLOEXEC) < 0) {
        msg_error("no pipe: %s", strerror(errno));
        return 1;
    }
    launch->ready_fd = ready[1];
    pid_t pid = fork();
    if (pid == 0)
        become_runtime(launch, log);
    close(ready[1]);
    close(log);
    if (pid > 0 && wait_ready(ready[0])) {
        printf("running, process %d\n", (int) pid);
        return 0;
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
    msg_error("the instance could not be started:");
    show_log();
    return 1;
}

int cmd_start(int argc, char **argv)
{
    struct launch launch = {0};
    int r = launch_parse_start(argc, argv, &launch);
    if (r != 0)
        return r;
    if (running_already() < 0 || launch_check(&launch) < 0)
        return 1;
    int log = open_log();
    return log < 0 ? 1 : start(&launch, log);
}
