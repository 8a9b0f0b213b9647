/* The learnt order of locks; see lockorder.h. Debug builds only.
 *
 * The graph is between sites: an edge says that its second site took a lock while one taken by its first
 * was held. Classes are found by following merged. seen answers the usual case, a pair of sites that is
 * known, without a lock; new pairs and merges are rare and take order.lock, which is raw, for it must
 * not check itself. Edges are never forgotten, and a merge looks for a circle through the merged class.
 */
#include "libos/base/lockorder.h"
#include "libos/base/panic.h"

#ifdef DEBUG
enum { SITES_MAX = 1024, EDGES_MAX = 4096 };

struct edge {
    struct lock_site *held, *taken;
};

static struct {
    uint32_t lock;
    bool off; /* a violation is being reported */
    uint16_t sites, edges;
    struct edge edge[EDGES_MAX];
    uint64_t seen[SITES_MAX][SITES_MAX / 64];
    uint32_t round; /* of the search */
    uint32_t visited[SITES_MAX];
} order;

static struct lock_stack only[2];
struct lock_stack *(*lock_order_stack)(enum held_kind kind);

static struct lock_stack *stack_of(enum held_kind kind)
{
    return lock_order_stack ? lock_order_stack(kind) : &only[kind];
}

static void graph_lock(void)
{
    while (__atomic_exchange_n(&order.lock, 1, __ATOMIC_ACQUIRE))
        __builtin_ia32_pause();
}

static void graph_unlock(void)
{
    __atomic_store_n(&order.lock, 0, __ATOMIC_RELEASE);
}

noreturn_fn static void violation(const char *what, const struct lock_site *taken,
                                  const struct lock_site *held, const struct edge *other)
{
    order.off = true;
    graph_unlock();
    if (other)
        panic("%s: %s (%s:%u) while holding %s (%s:%u); but %s:%u is taken under %s:%u", what,
              taken->name, taken->file, taken->line, held->name, held->file, held->line,
              other->taken->file, other->taken->line, other->held->file, other->held->line);
    panic("%s: %s (%s:%u) while holding %s (%s:%u)", what, taken->name, taken->file, taken->line,
          held->name, held->file, held->line);
}

static struct lock_site *class_of(struct lock_site *s)
{
    for (struct lock_site *up; (up = __atomic_load_n(&s->merged, __ATOMIC_ACQUIRE)); s = up) {
    }
    return s;
}

/* ---- the graph, under its lock ---------------------------------------------------------------- */
static void register_locked(struct lock_site *s)
{
    if (s->id)
        return;
    check(order.sites + 1 < SITES_MAX);
    __atomic_store_n(&s->id, ++order.sites, __ATOMIC_RELEASE);
}

/* An edge of a way from one class to another; NULL: there is none. Classes known as visited are not
 * looked at again, so the recursion is as deep as the longest order. */
static const struct edge *way_locked(const struct lock_site *from, const struct lock_site *to)
{
    order.visited[from->id] = order.round;
    for (uint32_t i = 0; i < order.edges; i++) {
        const struct edge *e = &order.edge[i];
        const struct lock_site *next = class_of(e->taken);
        if (class_of(e->held) != from || next == from)
            continue;
        if (next == to)
            return e;
        const struct edge *found =
            order.visited[next->id] == order.round ? NULL : way_locked(next, to);
        if (found)
            return found;
    }
    return NULL;
}

static void judge_locked(const struct edge *e)
{
    struct lock_site *from = class_of(e->held), *to = class_of(e->taken);
    if (from == to) {
        if (!e->taken->nested)
            violation("two locks of one class", e->taken, e->held, NULL);
        return;
    }
    order.round++;
    const struct edge *back = way_locked(to, from);
    if (back)
        violation("lock order", e->taken, e->held, back);
}

static bool known(const struct lock_site *held, const struct lock_site *taken)
{
    uint16_t a = __atomic_load_n(&held->id, __ATOMIC_ACQUIRE);
    uint16_t b = __atomic_load_n(&taken->id, __ATOMIC_ACQUIRE);
    return a && b && __atomic_load_n(&order.seen[a][b / 64], __ATOMIC_RELAXED) >> b % 64 & 1;
}

static void learn(struct lock_site *held, struct lock_site *taken)
{
    graph_lock();
    register_locked(held);
    register_locked(taken);
    if (!known(held, taken)) {
        struct edge e = {held, taken};
        judge_locked(&e);
        check(order.edges < EDGES_MAX);
        order.edge[order.edges++] = e;
        __atomic_fetch_or(&order.seen[held->id][taken->id / 64], 1ull << taken->id % 64,
                          __ATOMIC_RELAXED);
    }
    graph_unlock();
}

/* The two take the same lock: they are of one class, with the orders of both. */
static void merge(struct lock_site *a, struct lock_site *b)
{
    if (likely(class_of(a) == class_of(b)))
        return;
    graph_lock();
    register_locked(a);
    register_locked(b);
    struct lock_site *from = class_of(a), *to = class_of(b);
    if (from != to) {
        __atomic_store_n(&from->merged, to, __ATOMIC_RELEASE);
        for (uint32_t i = 0; i < order.edges; i++)
            if (class_of(order.edge[i].held) == to || class_of(order.edge[i].taken) == to)
                judge_locked(&order.edge[i]);
    }
    graph_unlock();
}

/* ---- what is held ----------------------------------------------------------------------------- */
static void join_class(struct lock_site **tag, struct lock_site *site)
{
    struct lock_site *first = __atomic_load_n(tag, __ATOMIC_ACQUIRE);
    if (first && first != site)
        merge(site, first);
}

void lock_order_want(enum held_kind kind, const void *lock, struct lock_site **tag,
                     struct lock_site *site)
{
    if (order.off)
        return;
    if (kind == HELD_MUTEXES)
        lock_order_may_sleep();
    join_class(tag, site);
    struct lock_stack *s = stack_of(kind);
    for (uint32_t i = 0; i < s->count; i++) {
        if (unlikely(s->held[i].lock == lock)) {
            graph_lock();
            violation("taken twice", site, s->held[i].site, NULL);
        }
        if (!known(s->held[i].site, site))
            learn(s->held[i].site, site);
    }
}

void lock_order_got(enum held_kind kind, const void *lock, struct lock_site **tag,
                    struct lock_site *site)
{
    if (order.off)
        return;
    join_class(tag, site);
    if (!*tag)
        __atomic_store_n(tag, site, __ATOMIC_RELEASE);
    struct lock_stack *s = stack_of(kind);
    check(s->count < LOCK_STACK_MAX);
    s->held[s->count].lock = lock;
    s->held[s->count++].site = site;
}

void lock_order_drop(enum held_kind kind, const void *lock)
{
    struct lock_stack *s = stack_of(kind);
    for (uint32_t i = s->count; i-- > 0;)
        if (s->held[i].lock == lock) {
            for (; i + 1 < s->count; i++)
                s->held[i] = s->held[i + 1];
            s->count--;
            return;
        }
    if (!order.off) {
        order.off = true;
        panic("a lock is given back that is not held");
    }
}

void lock_order_may_sleep(void)
{
    struct lock_stack *s = stack_of(HELD_SPINS);
    if (likely(order.off || s->count == 0))
        return;
    order.off = true;
    panic("may sleep while holding %s (%s:%u)", s->held[0].site->name, s->held[0].site->file,
          s->held[0].site->line);
}

void lock_order_forget(void)
{
    stack_of(HELD_SPINS)->count = 0;
    stack_of(HELD_MUTEXES)->count = 0;
    order.off = false;
}
#endif
