/* /proc/sysvipc and the limits of IPC in /proc/sys. */
#include "libos/fs/proc/ipc.h"
#include "libos/base/ckmath.h"
#include "libos/ipc/limits.h"
#include "libos/ipc/mqueue.h"
#include "libos/ipc/msg.h"
#include "libos/ipc/sem.h"
#include "libos/ipc/shm.h"

static int sem_text(const struct proc_ref *ref, struct text *t)
{
    return sem_proc_text(t);
}

static int msg_text(const struct proc_ref *ref, struct text *t)
{
    return msg_proc_text(t);
}

static int shm_text(const struct proc_ref *ref, struct text *t)
{
    return shm_proc_text(t);
}

const struct proc_entry proc_sysvipc_children[] = {
    PROC_FILE("msg", msg_text),
    PROC_FILE("sem", sem_text),
    PROC_FILE("shm", shm_text),
    {.name = NULL},
};

/* ---- limits ----------------------------------------------------------------------------------- */
static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* The next number of s, which moves behind it. 1, 0: there is none, -EINVAL. */
static int next_number(struct cspan *s, uint64_t *ret)
{
    while (s->n > 0 && is_blank((char) *s->p))
        *s = (struct cspan){s->p + 1, s->n - 1};
    if (s->n == 0)
        return 0;
    uint64_t v = 0;
    while (s->n > 0 && !is_blank((char) *s->p)) {
        unsigned digit = (unsigned) *s->p - '0';
        if (digit > 9 || ck_mul(&v, v, 10) || ck_add(&v, v, digit))
            return -EINVAL;
        *s = (struct cspan){s->p + 1, s->n - 1};
    }
    *ret = v;
    return 1;
}

static int limits_text(enum ipc_limit first, unsigned count, struct text *t)
{
    for (unsigned i = 0; i < count; i++)
        text_add(t, "%s%lu", i ? "\t" : "", (unsigned long) ipc_limit(first + i));
    text_add(t, "\n");
    return 0;
}

static long limits_write(enum ipc_limit first, unsigned count, const char *text, size_t n)
{
    struct cspan s = {(const uint8_t *) text, n};
    for (unsigned i = 0; i < count; i++) {
        uint64_t v;
        int r = next_number(&s, &v);
        if (r == 0)
            break;
        if (r > 0)
            r = ipc_limit_set(first + i, v);
        if (r < 0)
            return r;
    }
    return (long) n;
}

#define LIMITS(name, first, count)                                                                 \
    int name##_limit_text(const struct proc_ref *ref, struct text *t)                              \
    {                                                                                              \
        return limits_text((first), (count), t);                                                   \
    }                                                                                              \
    long name##_limit_write(const struct proc_ref *ref, const char *s, size_t n)                   \
    {                                                                                              \
        return limits_write((first), (count), s, n);                                               \
    }
LIMITS(sem, IPC_SEMMSL, 4)
LIMITS(msgmax, IPC_MSGMAX, 1)
LIMITS(msgmnb, IPC_MSGMNB, 1)
LIMITS(msgmni, IPC_MSGMNI, 1)
LIMITS(shmmax, IPC_SHMMAX, 1)
LIMITS(shmall, IPC_SHMALL, 1)
LIMITS(shmmni, IPC_SHMMNI, 1)

#define MQUEUE_LIMIT(name, which)                                                                  \
    static int name##_text(const struct proc_ref *ref, struct text *t)                             \
    {                                                                                              \
        text_add(t, "%lu\n", (unsigned long) mqueue_limit(which));                                 \
        return 0;                                                                                  \
    }
MQUEUE_LIMIT(queues_max, MQUEUE_QUEUES_MAX)
MQUEUE_LIMIT(msg_max, MQUEUE_MSG_MAX)
MQUEUE_LIMIT(msgsize_max, MQUEUE_MSGSIZE_MAX)
MQUEUE_LIMIT(msg_default, MQUEUE_MSG_DEFAULT)
MQUEUE_LIMIT(msgsize_default, MQUEUE_MSGSIZE_DEFAULT)

const struct proc_entry proc_mqueue_children[] = {
    PROC_FILE("queues_max", queues_max_text),           PROC_FILE("msg_max", msg_max_text),
    PROC_FILE("msgsize_max", msgsize_max_text),         PROC_FILE("msg_default", msg_default_text),
    PROC_FILE("msgsize_default", msgsize_default_text), {.name = NULL},
};
