/* Where client and runtime meet, and how each knows the other: by the directory's mode and by the
 * credentials of the socket's other end. Neither trusts a path that somebody else could have made. */
#include "tools/lib/control.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/lib/mem.h"

static int check(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return -errno;
    bool owner = st.st_uid == geteuid() || geteuid() == 0;
    return S_ISDIR(st.st_mode) && owner && (st.st_mode & 077) == 0 ? 0 : -EPERM;
}

int control_dir_check(const char *instance)
{
    AUTO_FREE char *path = mem_printf("%s/" CONTROL_DIR, instance);
    return check(path);
}

int control_dir_make(const char *instance)
{
    AUTO_FREE char *path = mem_printf("%s/" CONTROL_DIR, instance);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    return check(path);
}

int control_address(const char *instance, struct sockaddr_un *ret_address)
{
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(ret_address->sun_path, sizeof ret_address->sun_path,
                     "%s/" CONTROL_DIR "/" CONTROL_SOCK, instance);
    return (size_t) n < sizeof ret_address->sun_path ? 0 : -ENAMETOOLONG;
}

bool control_peer_ok(int fd, pid_t *ret_pid)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return false;
    *ret_pid = peer.pid;
    return peer.uid == geteuid() || peer.uid == 0;
}

sigset_t control_signals(void)
{
    static const int list[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGUSR1,
                               SIGUSR2, SIGTSTP, SIGCONT, SIGWINCH};
    sigset_t s;
    sigemptyset(&s);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        sigaddset(&s, list[i]);
    return s;
}
