/* Decoding that socket calls share. */
#ifndef SYS_SOCK_H
#define SYS_SOCK_H
#include "libos/net/socket.h"
#include "libos/sys/path.h"

struct sock_fd {       /* a descriptor that is a socket */
    struct file *file; /* a reference */
    struct socket *socket;
    bool nonblock;
};
static inline void sock_fd_put(struct sock_fd *s)
{
    if (s->file)
        file_put(s->file);
}
#define AUTO_SOCK __attribute__((cleanup(sock_fd_put)))
must_check int sock_fd_get(int fd, struct sock_fd *ret); /* -EBADF, -ENOTSOCK */

must_check int sock_addr_from_user(uaddr_t ua, int size, struct sock_addr *ret);
/* Writes an address and its true size as Linux does: at most as much as *size_ua says. A null ua: nothing. */
must_check int sock_addr_to_user(const struct sock_addr *a, uaddr_t ua, uaddr_t size_ua);
#endif
