/* Taking turns at addresses.
 *
 * After fork parent and child own the same addresses, and programs linked to fixed addresses share those
 * below 256 MiB. Such address spaces form a family; at any moment one of them is resident, and only its
 * threads run, in user mode or in the kernel. So system calls and uaccess need to know nothing of
 * this: the scheduler asks mm_turn_enter before it picks a thread, and mm_turn_arrive exchanges pages
 * (share.c) before it runs.
 *
 * The turn moves from R to M only when
 *   - no other vCPU runs R: each vCPU says in running_mm whose thread it runs, before it looks at the
 *     family; whoever makes a family looks at running_mm after that (both sides fence);
 *   - nobody holds the lock of R, of M, or of an owner of M's regions: neither a thread of R that
 *     sleeps in a fault nor somebody who reads another process's memory;
 *   - nobody holds the pin: a move in progress (from mm_turn_enter to mm_turn_arrive on one vCPU) or
 *     an exec from its claim to its end.
 * Fairness: who finds the turn taken becomes next, be it a member or a program that wants to join; a tick
 * that finds next set makes the resident hand over, and then only next may enter. An exchange costs both
 * sides, so a turn that nobody gives up by sleeping or yielding lasts STAY_FACTOR times as long as the exchange
 * before it took: a resident that lost its vCPU to a thread of another family keeps the turn. A resident whose thread sleeps with its lock held may always go
 * on, for until it does nobody else can.
 *
 * Families are never freed, only used again: a vCPU may look at one whose last member is leaving, and
 * asks under the lock whether it still is the mm's.
 */
#include "libos/mm/family.h"
#include "libos/mm/share.h"
#include "libos/arch/vcpu.h"
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/mm/heap.h"
#include "libos/task/process.h"

#define STAY_FACTOR 20
#define STAY_MAX_NS (200 * NSEC_PER_MS)

struct family low_family = {.members = LIST_INIT(low_family.members), .permanent = true};

static struct {
    struct spinlock lock;
    struct family *free;
    struct mm *running[VCPU_MAX]; /* atomic: whose thread each vCPU runs or is about to run */
} turns;

/* ---- membership ------------------------------------------------------------------------------- */
static struct family *family_take(void)
{
    spin_lock(&turns.lock);
    struct family *f = turns.free;
    if (f)
        turns.free = f->free;
    spin_unlock(&turns.lock);
    return f ? f : new_zero(struct family);
}

struct family *family_new(struct mm *first)
{
    struct family *f = family_take();
    if (!f)
        return NULL;
    SPIN_GUARD(&f->lock);
    list_init(&f->members);
    list_add(&f->members, &first->family_link);
    f->count = 1;
    atomic_post(&f->resident, first);
    f->pinned = f->next = NULL;
    f->hand_over = f->moving = f->preempted = false;
    (void) atomic_swap(&first->family, f); /* a fence: see mm_turn_enter */
    return f;
}

void family_join(struct family *f, struct mm *mm)
{
    SPIN_GUARD(&f->lock);
    list_add_tail(&f->members, &mm->family_link);
    f->count++;
    atomic_store(&mm->family, f);
}

static void turn_taken_locked(struct family *f)
{
    f->next = NULL;
    f->hand_over = false;
}

static void part_locked(struct family *f, struct mm *mm)
{
    list_del(&mm->family_link);
    f->count--;
    if (f->resident == mm)
        atomic_post(&f->resident, NULL);
    f->preempted &= f->resident != NULL;
    if (f->pinned == mm) {
        f->pinned = NULL;
        f->moving = false;
    }
    share_disown(mm);
    if (f->next == mm)
        turn_taken_locked(f);
    atomic_store(&mm->family, NULL);
}

static void give_back(struct family *f)
{
    SPIN_GUARD(&turns.lock);
    f->free = turns.free;
    turns.free = f;
}

bool family_part(struct mm *mm)
{
    struct family *f = mm->family;
    spin_lock(&f->lock);
    part_locked(f, mm);
    bool empty = f->count == 0 && !f->permanent, pins = f->permanent && !f->pinned;
    if (pins) {
        f->pinned = mm;
        f->moving = true;
    }
    spin_unlock(&f->lock);
    if (empty)
        give_back(f);
    return pins;
}

/* ---- may the turn move? ----------------------------------------------------------------------- */
static bool runs_elsewhere(const struct mm *mm)
{
    for (uint32_t i = 0; i < VCPU_MAX; i++)
        if (i != this_vcpu()->index && atomic_load(&turns.running[i]) == mm)
            return true;
    return false;
}

static bool locked(const struct mm *mm)
{
    return mm && atomic_load(&mm->lock.owner) != NULL;
}

/* First whether the resident runs, then its lock: a thread of it may take the lock and leave its vCPU between
 * the two looks, but while f is locked none begins to run. */
static bool may_move_locked(const struct family *f, const struct mm *to)
{
    if (f->pinned || (f->resident && runs_elsewhere(f->resident)))
        return false;
    if (locked(f->resident) || locked(to))
        return false;
    for (uint32_t i = 0; i < to->hold_count; i++)
        if (locked(granule_owner(region_start(to->holds[i].region))))
            return false;
    return true;
}

static bool in_time(const struct family *f)
{
    return clock_mono_ns() - f->since_ns < f->stay_ns;
}

/* The resident waits for a vCPU and had less time than its turn is worth. */
static bool turn_stays_locked(const struct family *f)
{
    return f->resident && f->preempted && !f->hand_over && in_time(f);
}

/* mm wants to be where another one is. If it may, the turn is reserved; else it may be next. */
static bool reserve_move_locked(struct family *f, struct mm *mm)
{
    if (f->hand_over && f->next && f->next != mm)
        return false;
    if (turn_stays_locked(f) || !may_move_locked(f, mm)) {
        f->next = f->next ? f->next : mm;
        return false;
    }
    f->pinned = mm;
    f->moving = true;
    f->preempted = false;
    if (mm == f->next)
        turn_taken_locked(f);
    return true;
}

static bool may_enter_locked(struct family *f, struct mm *mm)
{
    if (f->resident != mm)
        return reserve_move_locked(f, mm);
    if (f->hand_over && mm != f->next && !locked(mm))
        return false;
    if (f->pinned && f->pinned != mm)
        return false;
    f->preempted = false;
    if (mm == f->next)
        turn_taken_locked(f);
    return true;
}

static struct family *family_lock(struct mm *mm)
{
    for (;;) {
        struct family *f = atomic_load(&mm->family);
        if (!f)
            return NULL;
        spin_lock(&f->lock);
        if (atomic_load(&mm->family) == f)
            return f;
        spin_unlock(&f->lock);
    }
}

bool mm_turn_enter(struct mm *mm)
{
    struct mm **running = &turns.running[this_vcpu()->index], *before = *running;
    if (before != mm) {
        if (smp)
            (void) atomic_swap(running, mm);
        else
            *running = mm;
    }
    if (likely(!mm || !atomic_load(&mm->family)))
        return true;
    struct family *f = family_lock(mm);
    bool ok = !f || may_enter_locked(f, mm);
    if (f)
        spin_unlock(&f->lock);
    if (!ok)
        atomic_store(running, before);
    return ok;
}

/* Did this vCPU reserve a move to mm? Nobody else can have: until mm is resident nobody enters it. */
static bool move_begins(struct mm *mm)
{
    struct family *f = family_lock(mm);
    bool moves = f && f->pinned == mm && f->moving;
    if (f)
        spin_unlock(&f->lock);
    return moves;
}

void mm_turn_arrive(struct mm *mm)
{
    if (likely(!mm || !atomic_load(&mm->family)) || !move_begins(mm))
        return;
    int64_t began = clock_mono_ns();
    share_arrive(mm);
    struct family *f = family_lock(mm);
    f->since_ns = clock_mono_ns();
    f->stay_ns = MIN(STAY_FACTOR * (f->since_ns - began), STAY_MAX_NS);
    atomic_post(&f->resident, mm);
    f->pinned = NULL;
    f->moving = false;
    bool alone = f->count == 1 && !f->permanent;
    if (alone) /* nobody else runs mm, so nobody else looks at its family */
        part_locked(f, mm);
    spin_unlock(&f->lock);
    if (alone)
        give_back(f);
}

/* Families are never freed, and the resident is only compared. */
bool mm_turn_held(const struct mm *mm)
{
    const struct family *f = mm ? atomic_load(&mm->family) : NULL;
    const struct mm *resident = f ? atomic_load(&f->resident) : NULL;
    return resident && resident != mm && runs_elsewhere(resident);
}

void mm_turn_leave(void)
{
    atomic_store(&turns.running[this_vcpu()->index], NULL);
}

bool mm_is_doomed(const struct mm *mm)
{
    return atomic_load(&mm->doomed);
}

bool mm_turn_wanted(struct mm *mm)
{
    if (likely(!mm || !atomic_load(&mm->family)))
        return false;
    struct family *f = family_lock(mm);
    if (!f)
        return false;
    bool wanted = f->next && f->next != mm && !f->pinned && !in_time(f);
    f->hand_over |= wanted;
    spin_unlock(&f->lock);
    return wanted;
}

void mm_turn_preempted(struct mm *mm)
{
    struct family *f = mm && atomic_load(&mm->family) ? family_lock(mm) : NULL;
    if (!f)
        return;
    f->preempted = f->resident == mm;
    spin_unlock(&f->lock);
}

void mm_turn_settle(void)
{
    struct mm *mm = current_mm();
    current()->turn_pin = false;
    if (mm && mm->low)
        family_unpin(&low_family, mm);
    while (!mm_turn_enter(mm)) {
        mm_turn_leave();
        (void) thread_sleep(SLEEP_UNINTERRUPTIBLE, clock_mono_ns() + NSEC_PER_MS / 4);
    }
    mm_turn_arrive(mm);
}

/* ---- for exec and for outsiders --------------------------------------------------------------- */
bool family_try_pin(struct family *f, struct mm *mm)
{
    SPIN_GUARD(&f->lock);
    return reserve_move_locked(f, mm);
}

void family_give_up(struct family *f, const struct mm *mm)
{
    SPIN_GUARD(&f->lock);
    if (f->next == mm)
        turn_taken_locked(f);
}

void family_pinned_arrives(struct mm *mm)
{
    struct family *f = mm->family;
    SPIN_GUARD(&f->lock);
    check(f->pinned == mm);
    f->moving = f->preempted = false;
    atomic_post(&f->resident, mm);
    f->since_ns = clock_mono_ns();
}

void family_unpin(struct family *f, const struct mm *mm)
{
    SPIN_GUARD(&f->lock);
    if (f->pinned != mm)
        return;
    f->pinned = NULL;
    f->moving = false;
}

bool family_is_here(struct mm *mm)
{
    struct family *f = family_lock(mm);
    if (!f)
        return true;
    bool here = f->resident == mm;
    spin_unlock(&f->lock);
    return here;
}

static bool moving(struct mm *mm)
{
    struct family *f = family_lock(mm);
    if (!f)
        return false;
    bool busy = f->moving;
    spin_unlock(&f->lock);
    return busy;
}

void family_lock_outside(struct mm *mm)
{
    for (;;) {
        mutex_lock(&mm->lock);
        if (!moving(mm))
            return;
        mutex_unlock(&mm->lock);
        (void) thread_sleep(SLEEP_UNINTERRUPTIBLE, clock_mono_ns() + NSEC_PER_MS / 4);
    }
}

struct mm *mm_fork(struct mm *parent)
{
    struct mm *child = mm_new_like(parent);
    if (!child)
        return NULL;
    MUTEX_GUARD(&parent->lock);
    if (!parent->family && !family_new(parent)) {
        mm_put(child);
        return NULL;
    }
    granule_share_all(parent, child);
    family_join(parent->family, child);
    if (mm_copy_mappings(parent, child) < 0 || share_fork(parent, child) < 0) {
        mm_put(child);
        return NULL;
    }
    return child;
}

/* Nobody else runs there or looks at it. */
static bool has_one_user(const struct mm *mm)
{
    return ref_count(&mm->ref) == 1;
}

static bool is_plain_copy(const struct mm *mm)
{
    for (size_t i = 0; i < mm->vmas.count; i++)
        if (mm->vmas.v[i]->dontfork || mm->vmas.v[i]->wipeonfork)
            return false;
    return true;
}

bool mm_fork_turn(struct mm *parent, struct mm *child)
{
    struct family *f = parent->family;
    /* Who looks from outside holds the lock: what is in place must not change its owner meanwhile. */
    if (!has_one_user(parent) || !is_plain_copy(parent) || !mutex_trylock(&parent->lock))
        return false;
    spin_lock(&f->lock);
    share_swap_roles(parent, child);
    atomic_post(&f->resident, child);
    mm_turn_leave();
    spin_unlock(&f->lock);
    mutex_unlock(&parent->lock);
    return true;
}
