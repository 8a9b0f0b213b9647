/* Control messages: decoding what sendmsg brings, delivering what recvmsg takes.
 *
 * Closing a socket closes the files that wait in its queue, which may be sockets with queues of their
 * own, and so on as long as a program likes to build it. Therefore those files go to one list; whoever
 * finds nobody at work there closes them one after the other, and the closes that this causes only
 * add to the list.
 */
#include "libos/net/scm.h"
#include "libos/base/errno.h"
#include "libos/base/lock.h"
#include "libos/mm/heap.h"
#include "libos/mm/uaccess.h"
#include "libos/task/process.h"
#include "libos/vfs/fdtable.h"

#define HEADER    sizeof(struct linux_cmsghdr)
#define ALIGN8(n) ROUND_UP((size_t) (n), (size_t) 8)

/* ---- sending ---- */

static int add_files(struct scm *scm, struct cspan fds)
{
    uint32_t more = (uint32_t) (fds.n / sizeof(int)), old = scm->files ? scm->files->count : 0;
    if (more > LINUX_SCM_MAX_FD || old + more > LINUX_SCM_MAX_FD)
        return -EINVAL;
    if (!more)
        return 0;
    struct scm_files *f = alloc_flex(struct scm_files, file, old + more);
    if (!f)
        return -ENOMEM;
    list_init(&f->in_flight);
    f->count = old + more;
    for (uint32_t i = 0; i < old; i++)
        f->file[i] = scm->files->file[i];
    kfree(scm->files);
    scm->files = f;
    for (uint32_t i = 0; i < more; i++) {
        int fd;
        memcpy(&fd, fds.p + i * sizeof fd, sizeof fd);
        f->file[old + i] = fd_get_any(fd);
        if (!f->file[old + i]) {
            f->count = old + i; /* those that are references */
            return -EBADF;
        }
    }
    return 0;
}

/* Only a privileged process may claim to be another one. */
static int check_cred(const struct linux_ucred *u)
{
    const struct cred *c = current_cred();
    bool uid_ok =
        u->uid == c->uid || u->uid == c->euid || u->uid == c->suid || cred_capable(c, CAP_SETUID);
    bool gid_ok =
        u->gid == c->gid || u->gid == c->egid || u->gid == c->sgid || cred_capable(c, CAP_SETGID);
    bool pid_ok = u->pid == current_process()->pid || cred_capable(c, CAP_SYS_ADMIN);
    if (!uid_ok || !gid_ok || !pid_ok)
        return -EPERM;
    if (u->pid == current_process()->pid)
        return 0;
    struct process *p = process_lookup_get(u->pid);
    if (!p)
        return -ESRCH;
    process_put(p);
    return 0;
}

static int decode_one(struct scm *scm, const struct linux_cmsghdr *h, struct cspan data)
{
    if (h->level != LINUX_SOL_SOCKET)
        return 0; /* for other layers, none of which looks */
    if (h->type == LINUX_SCM_RIGHTS)
        return add_files(scm, data);
    if (h->type != LINUX_SCM_CREDENTIALS || data.n != sizeof scm->cred)
        return -EINVAL;
    memcpy(&scm->cred, data.p, sizeof scm->cred);
    scm->has_cred = true;
    return check_cred(&scm->cred);
}

int scm_from_control(struct cspan control, struct scm *ret)
{
    struct scm scm = {0};
    int r = 0;
    for (size_t at = 0; r == 0 && at + HEADER <= control.n;) {
        struct linux_cmsghdr h;
        struct cspan data;
        memcpy(&h, control.p + at, HEADER);
        if (h.len < HEADER || !cspan_sub(control, at + HEADER, h.len - HEADER, &data))
            r = -EINVAL;
        else
            r = decode_one(&scm, &h, data);
        at += ALIGN8(MIN(h.len, (uint64_t) control.n));
    }
    if (r < 0)
        scm_drop(&scm);
    else
        *ret = scm;
    return r;
}

void scm_add_cred(struct scm *scm)
{
    if (scm->has_cred)
        return;
    const struct cred *c = current_cred();
    scm->cred = (struct linux_ucred){current_process()->pid, c->uid, c->gid};
    scm->has_cred = true;
}

/* ---- sets of files ---- */

struct scm_files *scm_files_dup(const struct scm_files *files)
{
    struct scm_files *f = alloc_flex(struct scm_files, file, files->count);
    if (!f)
        return NULL;
    list_init(&f->in_flight);
    f->count = files->count;
    for (uint32_t i = 0; i < f->count; i++) {
        f->file[i] = files->file[i];
        file_get(f->file[i]);
    }
    return f;
}

void scm_files_free(struct scm_files *files)
{
    if (!files)
        return;
    for (uint32_t i = 0; i < files->count; i++)
        if (files->file[i])
            file_put(files->file[i]);
    kfree(files);
}

static struct {
    struct spinlock lock;
    struct list files;
    bool busy;
} later = {.files = LIST_INIT(later.files)};

static struct scm_files *later_next(void)
{
    SPIN_GUARD(&later.lock);
    struct scm_files *f = list_first(&later.files, struct scm_files, link);
    if (f)
        list_del(&f->link);
    else
        later.busy = false;
    return f;
}

void scm_files_free_later(struct scm_files *files)
{
    if (!files)
        return;
    spin_lock(&later.lock);
    list_add_tail(&later.files, &files->link);
    bool mine = !later.busy;
    later.busy = true;
    spin_unlock(&later.lock);
    while (mine && (files = later_next()) != NULL)
        scm_files_free(files);
}

void scm_drop(struct scm *scm)
{
    scm_files_free(TAKE(scm->files));
    scm->has_cred = false;
}

/* ---- receiving ---- */

struct control { /* the user's buffer */
    uaddr_t at;
    size_t left, done;
};

/* A header and room for its data; a message that does not fit is cut. */
static int put_header(struct control *c, int type, size_t data_size)
{
    struct linux_cmsghdr h = {HEADER + data_size, LINUX_SOL_SOCKET, type};
    int r = put_user(c->at, h);
    if (r < 0)
        return r;
    size_t step = MIN(ALIGN8(h.len), c->left);
    c->at = uaddr_add(c->at, step);
    c->left -= step;
    c->done += step;
    return 0;
}

static int put_cred(struct control *c, const struct linux_ucred *cred, unsigned *flags)
{
    if (c->left < HEADER) {
        *flags |= LINUX_MSG_CTRUNC;
        return 0;
    }
    size_t n = MIN(sizeof *cred, c->left - HEADER);
    if (n < sizeof *cred)
        *flags |= LINUX_MSG_CTRUNC;
    int r = copy_to_user(uaddr_add(c->at, HEADER), (struct cspan){(const uint8_t *) cred, n});
    return r < 0 ? r : put_header(c, LINUX_SCM_CREDENTIALS, n);
}

/* Installs as many as there is room for; the rest is closed. */
static int put_files(struct control *c, struct scm_files *files, bool cloexec, unsigned *flags)
{
    size_t room = c->left > HEADER ? (c->left - HEADER) / sizeof(int) : 0;
    uint32_t n = 0;
    int r = 0;
    while (n < MIN((size_t) files->count, room)) {
        int fd = fdtable_install(current_fds(), files->file[n], 0, cloexec);
        if (fd < 0)
            break;
        files->file[n] = NULL;
        r = put_user(uaddr_add(c->at, HEADER + n * sizeof fd), fd);
        if (r < 0) {
            (void) fdtable_close(current_fds(), fd); /* just installed */
            break;
        }
        n++;
    }
    if (n < files->count)
        *flags |= LINUX_MSG_CTRUNC;
    return n > 0 ? put_header(c, LINUX_SCM_RIGHTS, n * sizeof(int)) : r;
}

long scm_to_user(struct scm *scm, bool cred, uaddr_t ua, size_t size, bool cloexec, unsigned *flags)
{
    struct control c = {.at = ua, .left = size};
    int r = 0;
    if (cred && (size || !uaddr_null(ua))) {
        if (!scm->has_cred)
            scm->cred = (struct linux_ucred){0, 65534, 65534};
        r = put_cred(&c, &scm->cred, flags);
    }
    if (r == 0 && scm->files)
        r = put_files(&c, scm->files, cloexec, flags);
    scm_drop(scm);
    return r < 0 ? r : (long) c.done;
}
