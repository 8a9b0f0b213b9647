/* The control directory of an instance: DIR/.control with the socket, a lock that the running runtime holds,
 * and its log. Only its owner may enter it. */
#ifndef TOOLS_LIB_CONTROL_H
#define TOOLS_LIB_CONTROL_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#define CONTROL_DIR  ".control"
#define CONTROL_SOCK "socket"
#define CONTROL_LOCK "lock"
#define CONTROL_LOG  "log"

/* Is it a directory of this user that nobody else can enter? -ENOENT; -EPERM: it is not. */
int control_dir_check(const char *instance);
/* Makes it, if it is not there, and checks it. */
int control_dir_make(const char *instance);
/* -ENAMETOOLONG: the path does not fit into an address; go to the directory and use ".". */
int control_address(const char *instance, struct sockaddr_un *ret_address);
/* Is the process at the other end of a connected socket this user's, or root's? *ret_pid: which it is. */
bool control_peer_ok(int fd, pid_t *ret_pid);
/* What comes to the command or the runtime and is meant for the program. */
sigset_t control_signals(void);
#endif
