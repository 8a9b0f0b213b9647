/* What travels beside the bytes of a message: open files (SCM_RIGHTS) and the sender's identity
 * (SCM_CREDENTIALS). */
#ifndef NET_SCM_H
#define NET_SCM_H
#include "abi/linux/socket.h"
#include "libos/base/list.h"
#include "libos/vfs/vfs.h"

struct socket;

struct scm_files {            /* owned by one message */
    struct list link;         /* of those whose receiver has ended; scm.c */
    struct list in_flight;    /* inflight.c */
    struct socket *queued_at; /* whose queue they are in; inflight.c. Not a reference */
    uint32_t count;
    struct file *file[] counted_by(count); /* references */
};

struct scm {
    struct scm_files *files; /* owned; NULL: none */
    bool has_cred;
    struct linux_ucred cred;
};

/* Decodes and checks the control part of sendmsg; files are looked up in the calling process. */
must_check int scm_from_control(struct cspan control, struct scm *ret);
/* The sender's identity as it is, where the program sent none. */
void scm_add_cred(struct scm *scm);
/* A second set of references, for MSG_PEEK; NULL: no memory. */
must_check struct scm_files *scm_files_dup(const struct scm_files *files);
void scm_files_free(struct scm_files *files); /* NULL is fine; may sleep, no locks held */
/* Like it, for the queue of a socket that ends: files that are sockets with queues of their own do not
 * nest. They may be closed by another thread that is at it. */
void scm_files_free_later(struct scm_files *files);
void scm_drop(struct scm *scm);

/* Writes control messages at ua, at most size bytes, installing descriptors; takes all of scm. Returns
 * the bytes written; *flags gets MSG_CTRUNC if something did not fit. cred: SO_PASSCRED is set. */
must_check long scm_to_user(struct scm *scm, bool cred, uaddr_t ua, size_t size, bool cloexec,
                            unsigned *flags);
#endif
