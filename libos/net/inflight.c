/* Sockets in the queues of sockets. A program can send a socket through itself and close it: then the
 * file lives because its own queue holds it, and nobody can ever receive it. Such cycles are found by
 * marking.
 *
 * A socket's file is a root if it has more references than the queues hold (a descriptor table, a
 * running system call, a peeked copy). From roots everything queued is reachable. What is left can
 * only be received through a socket that is left, so it stays left while we look no longer, and its
 * queues are emptied without the lock.
 *
 * One spin lock covers all fields; it is taken only for messages with files in them. Files are counted
 * from before they enter a queue until after they left it: on the way they look reachable, because the
 * system call at work has the socket it works on open.
 */
#include "libos/net/inflight.h"
#include "libos/base/atomic.h"
#include "libos/net/unix.h"

#define FILES_MAX 16384u

static struct {
    struct spinlock lock;
    struct list owners; /* unix_sock.owner_link */
    bool collecting;
} flight = {.owners = LIST_INIT(flight.owners)};

static uint32_t files_total; /* atomic; all files, sockets or not */

static struct unix_sock *unix_of_file(const struct file *f)
{
    struct socket *s = socket_of(f);
    return s && s->family == LINUX_AF_UNIX ? unix_of(s) : NULL;
}

/* Counts the sockets among files, up or down; how many there are. */
static uint32_t count_locked(struct scm_files *files, uint32_t by)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < files->count; i++) {
        struct unix_sock *s = unix_of_file(files->file[i]);
        if (!s)
            continue;
        s->in_flight += by;
        n++;
    }
    return n;
}

int inflight_add(struct scm_files *files, struct socket *to)
{
    if (!files)
        return 0;
    if (atomic_add(&files_total, files->count) > FILES_MAX) {
        atomic_sub(&files_total, files->count);
        return -ETOOMANYREFS;
    }
    struct unix_sock *owner = unix_of(to);
    SPIN_GUARD(&flight.lock);
    files->queued_at = to;
    if (!count_locked(files, 1))
        return 0;
    list_add_tail(&owner->queued, &files->in_flight);
    if (list_empty(&owner->owner_link))
        list_add_tail(&flight.owners, &owner->owner_link);
    return 0;
}

void inflight_remove(struct scm_files *files)
{
    if (!files || !files->queued_at)
        return;
    atomic_sub(&files_total, files->count);
    struct unix_sock *owner = unix_of(files->queued_at);
    SPIN_GUARD(&flight.lock);
    files->queued_at = NULL;
    if (list_empty(&files->in_flight))
        return;
    (void) count_locked(files, UINT32_MAX); /* minus one each */
    list_del(&files->in_flight);
    if (list_empty(&owner->queued))
        list_del(&owner->owner_link);
}

static void mark(struct unix_sock *s, struct list *work)
{
    if (s->reachable)
        return;
    s->reachable = true;
    list_add_tail(work, &s->work_link);
}

/* Calls mark for what s's queue holds; with roots_only, for what has other references too. */
static void mark_queued(struct unix_sock *s, struct list *work, bool roots_only)
{
    const struct scm_files *files;
    list_for_each (files, &s->queued, in_flight) {
        for (uint32_t i = 0; i < files->count; i++) {
            struct unix_sock *to = unix_of_file(files->file[i]);
            if (to && (!roots_only || atomic_load(&files->file[i]->ref.n) > to->in_flight))
                mark(to, work);
        }
    }
}

static void forget_marks(void)
{
    struct unix_sock *s;
    list_for_each (s, &flight.owners, owner_link) {
        const struct scm_files *files;
        s->reachable = false;
        list_for_each (files, &s->queued, in_flight) {
            for (uint32_t i = 0; i < files->count; i++) {
                struct unix_sock *to = unix_of_file(files->file[i]);
                if (to)
                    to->reachable = false;
            }
        }
    }
}

/* Moves unreachable sockets with something in their queues to `rubbish`, each with a reference. */
static void find_rubbish_locked(struct list *rubbish)
{
    struct list work = LIST_INIT(work);
    struct unix_sock *s;
    forget_marks();
    list_for_each (s, &flight.owners, owner_link) {
        mark_queued(s, &work, true);
        if (s->in_flight == 0)
            mark(s, &work);
    }
    while ((s = list_first(&work, struct unix_sock, work_link)) != NULL) {
        list_del(&s->work_link);
        mark_queued(s, &work, false);
    }
    list_for_each (s, &flight.owners, owner_link) {
        if (s->reachable)
            continue;
        unix_get(s);
        list_add_tail(rubbish, &s->work_link);
    }
}

void inflight_collect(void)
{
    struct list rubbish = LIST_INIT(rubbish);
    spin_lock(&flight.lock);
    bool idle = !flight.collecting && !list_empty(&flight.owners);
    if (idle) {
        flight.collecting = true;
        find_rubbish_locked(&rubbish);
    }
    spin_unlock(&flight.lock);
    if (!idle)
        return;
    struct unix_sock *s;
    while ((s = list_first(&rubbish, struct unix_sock, work_link)) != NULL) {
        list_del(&s->work_link);
        (void) inbox_purge(&s->in); /* whether there was something does not matter */
        unix_put(s);
    }
    spin_lock(&flight.lock);
    flight.collecting = false;
    spin_unlock(&flight.lock);
}
