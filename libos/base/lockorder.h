/* Lock order, learnt and asserted in debug builds (DEBUG; docs/invariants.md). Used by base/lock.h and
 * task/mutex.h only; in a release build everything here is empty and locks have no tag.
 *
 * Every place in the code that takes a lock is a site. A lock remembers the first site that took it, and
 * whenever another site takes the same lock, the two sites become one class: so locks of one kind are one
 * class without anybody declaring it. Taking B while A is held makes an order A -> B between classes;
 * one that closes a circle is a panic that names both places, whether or not a deadlock happened.
 *
 * Spin locks and mutexes have separate orders: a mutex taken under a spin lock is a panic of its own.
 */
#ifndef BASE_LOCKORDER_H
#define BASE_LOCKORDER_H
#include "libos/base/types.h"

struct lock_site {
    const char *file, *name;
    uint32_t line;
    bool nested;              /* the caller orders several locks of this class itself */
    uint16_t id;              /* 0: not seen yet */
    struct lock_site *merged; /* towards the site that stands for the class; NULL: this one */
};

enum held_kind { HELD_SPINS, HELD_MUTEXES };

#ifdef DEBUG
enum { LOCK_STACK_MAX = 24 };

/* What a vCPU (spin locks) or a thread (mutexes) holds. */
struct lock_stack {
    uint32_t count;
    struct {
        const void *lock;
        struct lock_site *site;
    } held[LOCK_STACK_MAX];
};

#define LOCK_TAG         struct lock_site *first_site;
#define LOCK_STACK(name) struct lock_stack name;
#define LOCK_TAG_OF(l)   (&(l)->first_site)
#define LOCK_SITE_OF(l, several)                                                                   \
    __extension__({                                                                                \
        static struct lock_site _site = {                                                          \
            .file = __FILE__, .name = #l, .line = __LINE__, .nested = (several)};                  \
        &_site;                                                                                    \
    })

/* Before waiting for a lock; after it was taken (also by a try, which cannot wait and is not checked). */
void lock_order_want(enum held_kind kind, const void *lock, struct lock_site **tag,
                     struct lock_site *site);
void lock_order_got(enum held_kind kind, const void *lock, struct lock_site **tag,
                    struct lock_site *site);
void lock_order_drop(enum held_kind kind, const void *lock);
void lock_order_may_sleep(void); /* panics if the vCPU holds a spin lock */
void lock_order_forget(void);    /* a test survived a panic: nothing is held any more */
/* Whose locks: set before a second vCPU or thread runs; NULL: there is one of each. */
extern struct lock_stack *(*lock_order_stack)(enum held_kind kind);
#else
#define LOCK_TAG
#define LOCK_STACK(name)
#define LOCK_TAG_OF(l)           NULL
#define LOCK_SITE_OF(l, several) NULL
static inline void lock_order_want(enum held_kind kind, const void *lock, struct lock_site **tag,
                                   struct lock_site *site)
{
}
static inline void lock_order_got(enum held_kind kind, const void *lock, struct lock_site **tag,
                                  struct lock_site *site)
{
}
static inline void lock_order_drop(enum held_kind kind, const void *lock)
{
}
static inline void lock_order_may_sleep(void)
{
}
static inline void lock_order_forget(void)
{
}
#endif
#define LOCK_SITE(l)         LOCK_SITE_OF(l, false)
#define LOCK_SITE_SEVERAL(l) LOCK_SITE_OF(l, true)
#endif
