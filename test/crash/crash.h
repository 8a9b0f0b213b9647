/* The crash tester of cowfs. A workload runs on a device in memory that remembers every write, every growth and
 * every barrier (disk.c); then the device is put into each state that a crash could leave (states.c) and the
 * volume in it is opened and compared (verify.c). Workloads are made here (workload.c) or were recorded from
 * a program inside the LibOS (trace.c).
 *
 * A block that was written is a buffer that never changes, so a device is an array of pointers and a state costs
 * what differs: changes after a mark are undone by going back to it. */
#ifndef TEST_CRASH_CRASH_H
#define TEST_CRASH_CRASH_H
#include "libos/fs/cowfs/cow.h"

enum event_kind { EVENT_WRITE, EVENT_GROW, EVENT_BARRIER, EVENT_ACK };
struct event {
    enum event_kind kind;
    uint64_t n; /* WRITE: block; GROW: blocks there are; ACK: a number that was promised to last */
    const uint8_t *data;
};

struct undo {
    uint64_t block;
    const uint8_t *was;
};
struct arena {
    uint8_t **p;
    size_t count, room;
};

#define DISK_BLOCKS (1u << 17) /* at most: 512 MiB */

struct disk {
    struct cow_dev dev;
    const uint8_t **view;
    bool recording;
    void (*meanwhile)(void); /* NULL, or: what others do while a barrier is on its way */
    bool dying;              /* no barrier comes back any more */
    struct event *events;
    size_t event_count, event_room;
    struct undo *undo;
    size_t undo_count, undo_room;
    struct arena arena;
};

struct mark {
    size_t undo, arena;
    uint64_t blocks;
};

struct disk *disk_new(void);
void disk_free(struct disk *d);
void disk_clear(struct disk *d); /* empty again; no memory is given back but buffers */
void disk_record(struct disk *d, enum event_kind kind, uint64_t n, const uint8_t *data);
uint8_t *disk_buffer(struct disk *d); /* of a block, until the mark before it is gone back to */
void disk_set(struct disk *d, uint64_t block, const uint8_t *data);
struct mark disk_mark(const struct disk *d);
void disk_back(struct disk *d, struct mark m);

noreturn_fn __attribute__((format(printf, 1, 2))) void fail(const char *fmt, ...);
uint32_t rnd(uint32_t n);
extern uint32_t rnd_seed;

/* ---- verify.c: what states must look like */
struct verifier {
    struct cow_params params;
    uint64_t states, unacknowledged; /* those that show a commit that nobody was promised */
    unsigned thorough;               /* each so manieth state is read as a whole and written to */
    const char *what;                /* the workload, for messages */
    /* NULL, or: looks at each committed state; acked: the highest number promised when it was the newest */
    void (*each)(struct verifier *v, struct cow *c, uint64_t acked);
};
/* The state that a crash-free device shows; later ones are compared with it by its txg. live: 0, or the
 * digest that the workload saw. */
void verify_reference(struct verifier *v, struct disk *d, uint64_t acked, uint64_t live);
/* d shows the state of one commit, at least oldest. Leaves d as it was. */
void verify_state(struct verifier *v, struct disk *d, uint64_t oldest);
void verify_forget(void);
uint64_t tree_digest(struct cow *c);

/* ---- states.c */
struct effort {
    unsigned subsets, tears; /* random ones of each interval between barriers */
    unsigned prefixes;       /* at most, evenly spread */
    bool last_only;          /* only the last interval that wrote something */
};
/* All crashes of what d recorded; rest on start, the device's content before. live: by txg, or NULL. */
void crash_everywhere(struct disk *d, struct disk *start, struct verifier *v,
                      const struct effort *effort, const uint64_t *live);

/* ---- attack.c: every replay, swap, cut; of the swaps each step'th */
void attack_everything(const struct cow_params *p, unsigned swap_step);

/* ---- workload.c, trace.c: run all their states */
void workload_sequences(struct verifier *v, unsigned length, const struct effort *effort);
void workload_random(struct verifier *v, uint32_t seed, const struct effort *effort);
int trace_run(struct verifier *v, const char *file, const char *key_file, const char *command,
              const struct effort *effort);
#endif
