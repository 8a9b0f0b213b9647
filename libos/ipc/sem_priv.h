/* Inside of System V semaphores, for sem*.c only. */
#ifndef IPC_SEM_PRIV_H
#define IPC_SEM_PRIV_H
#include "libos/ipc/object.h"
#include "libos/ipc/sem.h"
#include "libos/task/process.h"

struct sem {
    int32_t value, pid; /* of the last operation */
};

struct sem_set {
    struct ipc_object object;
    struct mutex mutex; /* all below */
    int64_t otime;
    struct list waiting; /* sem_request, in the order they came */
    struct list undos;   /* sem_undo */
    uint32_t count;
    struct sem sem[] counted_by(count);
};

/* What a process has to give back to one set. In the list of the process (undo lock) and, while the
 * set is there, in that of the set (both locks). */
struct sem_undo {
    struct sem_undo *next;
    struct sem_set *set; /* NULL: removed */
    struct list set_link;
    uint32_t count;
    int16_t adjust[] counted_by(count);
};

extern struct ipc_class sem_class;
struct sem_set *sem_set_get(int id); /* a reference, or NULL */
/* A change was made: wakes those whose turn has come. set->mutex held. */
void sem_update_locked(struct sem_set *s);

/* The record of the calling process for a set, made if it is not there. -ENOSPC, -ENOMEM, -EIDRM. */
must_check int sem_undo_find(struct sem_set *s, struct sem_undo **ret);
void sem_undo_clear_locked(struct sem_set *s, uint32_t first, uint32_t count); /* set->mutex */
/* Takes the set out of the table and its records away from it. False: it was gone. */
bool sem_undo_remove_set(struct sem_set *s);
#endif
