/* Writeback. The thread sleeps until something has changed, then for WRITEBACK_NS from the first change on, or until
 * there are too many changed pages. `since` is 0 when nothing has changed since the last sync began. What fails is
 * tried again later; whoever asks for durability is told by the file system.
 *
 * Writers that are faster than the thread stop at STOP_SHARE and write pages of their file, beside it, until there are no
 * more than RESUME_SHARE. If their file has no more they wait for others; one that nobody helps within HELP_NS (the
 * thread fails, or is busy elsewhere) writes what there is.
 *
 * The thread's struct has two owners: the super, and the thread, which uses it after it has said that it ends. */
#include "libos/vfs/writeback.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/task/clock.h"
#include "libos/task/thread.h"
#include "libos/task/waitq.h"

#define START_SHARE  8 /* of the page cache: the thread starts to write */
#define STOP_SHARE   4 /* writers wait for it ... */
#define RESUME_SHARE 5 /* ... until no more than this are changed */
#define HELP_NS      (200 * NSEC_PER_MS)

struct writeback {
    struct ref ref;
    struct super *super;
    struct waitq queue; /* of the thread, and of who waits for its end */
    int64_t since;      /* atomic */
    int64_t not_before; /* after a failure; the thread's own */
    bool stop, ended;   /* atomic */
    bool fails;         /* the last time; atomic */
};

static struct waitq relief =
    WAITQ_INIT(relief); /* of writers: the limit is for all file systems together */

static struct writeback closed = {.stop = true,
                                  .ended = true}; /* of a super that gets no thread any more */

static void put(struct writeback *w)
{
    if (ref_put_last(&w->ref))
        kfree(w);
}

/* True: nothing had changed before. */
static bool changed(struct writeback *w)
{
    int64_t clean = 0;
    return !atomic_load(&w->since) && atomic_cas(&w->since, &clean, clock_mono_ns());
}

static int64_t due(const struct writeback *w)
{
    int64_t since = atomic_load(&w->since);
    return MAX(since ? since + WRITEBACK_NS : FOREVER, w->not_before);
}

static bool too_many(const struct writeback *w)
{
    return pages_dirty_over(START_SHARE) && atomic_load(&w->super->dirty_pages) > 0 &&
           clock_mono_ns() >= w->not_before;
}

static void work(struct writeback *w)
{
    struct super *s = w->super;
    int r;
    if (clock_mono_ns() >= due(w)) {
        atomic_store(&w->since, 0); /* what changes from now on is the next one's */
        r = s->ops->sync(s);
    } else {
        r = s->ops->writeback(s);
    }
    if (r < 0)
        (void) changed(w); /* still */
    atomic_store(&w->fails, r < 0);
    waitq_wake(&relief, ~0u);
    w->not_before = r < 0 ? clock_mono_ns() + WRITEBACK_NS : 0;
}

static void writeback_thread(void *arg)
{
    struct writeback *w = arg;
    while (!atomic_load(&w->stop)) {
        (void) wait_event(&w->queue,
                          atomic_load(&w->stop) || too_many(w) || clock_mono_ns() >= due(w),
                          SLEEP_UNINTERRUPTIBLE, due(w)); /* whatever woke it, it looks */
        if (!atomic_load(&w->stop) && (too_many(w) || clock_mono_ns() >= due(w)))
            work(w);
    }
    atomic_store(&w->ended, true);
    waitq_wake(&w->queue, ~0u);
    waitq_wake(&relief, ~0u);
    put(w);
}

static struct writeback *start(struct super *s)
{
    struct writeback *w = new_zero(struct writeback), *none = NULL;
    if (!w)
        return NULL;
    ref_init(&w->ref);
    waitq_init(&w->queue);
    w->super = s;
    if (!atomic_cas(&s->writeback, &none, w)) {
        kfree(w);
        return none;
    }
    ref_get(&w->ref);
    struct thread *t = kthread_start("writeback", writeback_thread, w);
    if (t)
        thread_put(t);
    else
        atomic_store(&w->ended, true); /* and its reference is never dropped: nobody uses it */
    return w;
}

void writeback_note(struct super *s)
{
    struct writeback *w = s->ops->writeback ? atomic_load(&s->writeback) : &closed;
    if (unlikely(!w))
        w = start(s);
    if (!w || w == &closed)
        return;
    if (changed(w) || pages_dirty_over(START_SHARE))
        waitq_wake(&w->queue, ~0u);
}

void writeback_progress(void)
{
    if (unlikely(!waitq_empty(&relief)) && !pages_dirty_over(RESUME_SHARE))
        waitq_wake(&relief, ~0u);
}

static bool helps(const struct writeback *w)
{
    return w && w != &closed && !atomic_load(&w->ended) && !atomic_load(&w->fails);
}

static bool relieved(void)
{
    return !pages_dirty_over(RESUME_SHARE);
}

int writeback_balance(struct inode *i)
{
    writeback_note(i->super);
    if (likely(!pages_dirty_over(STOP_SHARE)))
        return 0;
    int r = pages_flush_help(i, relieved);
    if (r < 0 || !pages_dirty_over(STOP_SHARE))
        return r;
    const struct writeback *w = atomic_load(&i->super->writeback);
    (void) wait_event(&relief, relieved() || !helps(w), SLEEP_UNINTERRUPTIBLE,
                      clock_mono_ns() + HELP_NS); /* what it came to is looked at */
    r = pages_dirty_over(STOP_SHARE) ? pages_flush(i, 0, UINT64_MAX) : 0;
    if (r == 0 && pages_dirty_over(STOP_SHARE))
        r = i->super->ops->writeback(i->super);
    return r;
}

void writeback_end(struct super *s)
{
    struct writeback *w = NULL;
    if (atomic_cas(&s->writeback, &w, &closed) || w == &closed)
        return;
    atomic_store(&w->stop, true);
    waitq_wake(&w->queue, ~0u);
    (void) wait_event(&w->queue, atomic_load(&w->ended), SLEEP_UNINTERRUPTIBLE, FOREVER);
}

void writeback_free(struct super *s)
{
    if (s->writeback && s->writeback != &closed)
        put(s->writeback);
}
