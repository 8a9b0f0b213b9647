/* Writing that begins early. To ask Linux for that may wait, where the disk's queue is full, so a thread does it that is
 * made at the first need. A request that comes while another one of the same file waits is that one. */
#include <fcntl.h>
#include <pthread.h>
#include "host/runtime.h"
#include "host/start.h"

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct open_file *next; /* with a use; NULL: none */
    bool runs;
} start = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void begin(struct open_file *f)
{
    if (f->write_fd >= 0)
        (void) sync_file_range(f->write_fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* only speed */
    files_put(f);
}

static void *starter(void *unused)
{
    for (;;) {
        pthread_mutex_lock(&start.lock);
        while (!start.next)
            pthread_cond_wait(&start.wake, &start.lock);
        struct open_file *f = start.next;
        start.next = NULL;
        pthread_mutex_unlock(&start.lock);
        begin(f);
    }
    return unused;
}

/* The new thread has the caller's signal mask, that of vCPUs. */
static bool runs_locked(void)
{
    pthread_t t;
    start.runs = start.runs || pthread_create(&t, NULL, starter, NULL) == 0;
    return start.runs;
}

void start_writing(uint64_t token)
{
    struct open_file *f = files_get(token);
    if (!f)
        return;
    pthread_mutex_lock(&start.lock);
    bool taken = !start.next && runs_locked();
    if (taken) {
        start.next = f;
        pthread_cond_signal(&start.wake);
    }
    bool known = start.next == f;
    pthread_mutex_unlock(&start.lock);
    if (!taken && known)
        files_put(f);
    else if (!taken)
        begin(f);
}
