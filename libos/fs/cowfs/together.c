/* fsync, together. Whoever wants an inode durable puts a request on the list; one of those that wait there leads a
 * round: takes all requests, writes their pages, and makes one commit for them. Who comes while the device is busy
 * belongs to the next round, so many threads that sync wait for few barriers. */
#include "libos/fs/cowfs/volume.h"
#include "libos/task/thread.h"

struct sync_request {
    struct list link; /* on super's list, then on the leader's */
    struct inode *inode;
    int result;
    bool done; /* atomic; the request is its owner's again */
};

void together_init(struct cowfs_together *t)
{
    *t = (struct cowfs_together){0};
    list_init(&t->requests);
    waitq_init(&t->queue);
}

static bool take_lead(struct cowfs_together *t)
{
    bool busy = false;
    return atomic_cas(&t->busy, &busy, true);
}

static int write_down(struct inode *i)
{
    int r = pages_flush(i, 0, UINT64_MAX);
    return r == 0 ? cowfs_store(i) : r;
}

static void lead(struct cowfs_together *t, struct cow *c)
{
    struct list round = LIST_INIT(round);
    struct sync_request *q;
    if (t->last > 1)
        thread_yield(); /* to those of the last round, who may be about to sync again */
    spin_lock(&t->lock);
    for (t->last = 0; (q = list_first(&t->requests, struct sync_request, link)) != NULL;
         t->last++) {
        list_del(&q->link);
        list_add_tail(&round, &q->link);
    }
    spin_unlock(&t->lock);
    list_for_each (q, &round, link)
        q->result = write_down(q->inode);
    int r = cow_sync(c);
    while ((q = list_first(&round, struct sync_request, link)) != NULL) {
        list_del(&q->link);
        q->result = q->result < 0 ? q->result : r;
        atomic_store(&q->done, true); /* q is its owner's, or gone */
    }
    atomic_store(&t->busy, false);
    waitq_wake(&t->queue, ~0u);
}

int together_sync(struct cowfs_together *t, struct inode *i)
{
    struct sync_request q = {.inode = i};
    bool leads = false;
    spin_lock(&t->lock);
    list_add_tail(&t->requests, &q.link);
    spin_unlock(&t->lock);
    while (!atomic_load(&q.done)) {
        (void) wait_event(&t->queue, atomic_load(&q.done) || (leads = take_lead(t)),
                          SLEEP_UNINTERRUPTIBLE, FOREVER); /* the loop looks */
        if (leads)
            lead(t, cowfs_cow(i));
        leads = false;
    }
    return q.result;
}
