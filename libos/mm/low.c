/* Programs linked to fixed addresses (not position independent) share granule 0.
 *
 * Several address spaces of the same program may have their text at 0x400000. One of them is resident:
 * its pages are in place; those of the others are saved in kernel memory, but for content that is the
 * same in all of them (kept file pages), which stays. A thread runs only while its mm is resident, so
 * system calls and uaccess need to know nothing of this; the scheduler asks mm_low_enter before it
 * picks a thread and mm_low_arrive swaps before it runs.
 *
 * low.lock guards the fields below. running[] says which member runs on which vCPU. Residency moves only
 * when no other vCPU runs the resident member, its mm's lock is free, and nobody holds the pin: an
 * exec from its claim to its end (the new mm is being filled by a thread that is not yet its own), or
 * a swap in progress. The thread that holds the pin of its exec (low_pin) may run meanwhile: until
 * mm_low_settle it does not touch its old memory. Different programs do not share: patch stubs belong to addresses.
 */
#include "abi/layout.h"
#include "libos/arch/vcpu.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/mm/heap.h"
#include "libos/mm/upages.h"
#include "libos/mm/vma.h"
#include "libos/task/process.h"

static struct {
    struct spinlock lock;
    struct mm *resident;
    struct mm *pinned; /* residency stays with it */
    struct mm *running[VCPU_MAX];
    uint32_t members;
    uint64_t program;
} low;

static bool may_move_locked(void)
{
    if (low.pinned)
        return false;
    if (!low.resident)
        return true;
    for (uint32_t i = 0; i < VCPU_MAX; i++)
        if (low.running[i] == low.resident && i != this_vcpu()->index)
            return false;
    return low.resident->lock.owner == NULL;
}

static void save(struct mm *mm)
{
    mm->low_saved = new_zero(struct saved_pages);
    check(mm->low_saved && upages_save(0, GRANULE_SIZE, mm->low_saved) == 0);
}

static void restore(struct mm *mm)
{
    check(upages_restore(mm->low_saved) == 0);
    kfree(TAKE(mm->low_saved));
    upages_sweep(0, GRANULE_SIZE);
}

/* The pin is ours. */
static void move_to(struct mm *mm)
{
    if (low.resident)
        save(low.resident);
    low.resident = mm;
    granule_set_low(mm);
    if (mm->low_saved)
        restore(mm);
}

bool mm_low_enter(struct mm *mm)
{
    if (likely(!mm || !mm->low))
        return true;
    SPIN_GUARD(&low.lock);
    if (low.resident != mm) {
        if (!may_move_locked())
            return false;
        low.pinned = mm;
    } else if (low.pinned && low.pinned != mm) {
        return false;
    }
    low.running[this_vcpu()->index] = mm;
    return true;
}

void mm_low_arrive(struct mm *mm)
{
    if (likely(!mm || !mm->low)) {
        mm_low_leave();
        return;
    }
    low.running[this_vcpu()->index] = mm;
    if (low.resident == mm)
        return;
    check(low.pinned == mm);
    move_to(mm);
    low.pinned = NULL;
}

void mm_low_leave(void)
{
    low.running[this_vcpu()->index] = NULL;
}

/* 0: the claim is made, the pin held. -EAGAIN: later. -EBUSY: another program. */
static int try_claim(struct mm *mm, uint64_t program)
{
    SPIN_GUARD(&low.lock);
    if (low.members > 0 && (program == 0 || program != low.program))
        return -EBUSY;
    if (!may_move_locked())
        return -EAGAIN;
    low.pinned = mm;
    low.program = program;
    low.members++;
    return 0;
}

/* The caller's program, about to be replaced, may be the only member: it gives its place up now. Should
 * the exec fail later, the program has lost its text and dies. */
static bool give_up(struct mm *old)
{
    if (!old || !old->low || low.members != 1 || old->ref.n != 1 ||
        current_process()->thread_count != 1)
        return false;
    MUTEX_GUARD(&old->lock);
    while (old->vmas.count > 0 && old->vmas.v[0]->start < GRANULE_SIZE) {
        upages_retire(old->vmas.v[0]);
        vma_remove_at(&old->vmas, 0);
    }
    low_drop(old);
    return true;
}

int mm_claim_low(struct mm *mm, uint64_t program)
{
    for (;;) {
        int r = try_claim(mm, program);
        if (r == 0)
            break;
        if (r == -EBUSY && !give_up(current_mm()))
            return r;
        if (r == -EAGAIN && thread_sleep(SLEEP_KILLABLE, clock_mono_ns() + NSEC_PER_MS) == -EINTR)
            return -EINTR;
    }
    mm->low = true;
    current()->low_pin = true;
    move_to(mm);
    return 0;
}

void mm_low_settle(void)
{
    struct mm *mm = current_mm();
    current()->low_pin = false;
    spin_lock(&low.lock);
    bool mine = mm && mm->low;
    if (low.pinned && low.pinned == mm)
        low.pinned = NULL;
    low.running[this_vcpu()->index] = mine ? mm : NULL;
    spin_unlock(&low.lock);
    while (mine && !mm_low_enter(mm))
        (void) thread_sleep(SLEEP_UNINTERRUPTIBLE,
                            clock_mono_ns() + NSEC_PER_MS); /* a short swap */
    mm_low_arrive(mm);
}

/* Residency stays where it is while a resident member's pages are given back. */
static bool drop_begin(struct mm *mm)
{
    SPIN_GUARD(&low.lock);
    bool resident = low.resident == mm;
    if (resident)
        low.pinned = mm;
    return resident;
}

static void drop_end(struct mm *mm, bool resident)
{
    SPIN_GUARD(&low.lock);
    if (resident)
        low.resident = NULL;
    if (low.pinned == mm)
        low.pinned = NULL;
    for (uint32_t i = 0; i < VCPU_MAX; i++)
        if (low.running[i] == mm)
            low.running[i] = NULL;
    mm->low = false;
    low.members--;
}

void low_drop(struct mm *mm)
{
    bool resident = drop_begin(mm);
    for (size_t i = 0; resident && i < mm->vmas.count; i++)
        if (mm->vmas.v[i]->start < GRANULE_SIZE)
            upages_retire(mm->vmas.v[i]);
    if (resident)
        granule_set_low(NULL);
    if (mm->low_saved) {
        upages_forget(mm->low_saved);
        kfree(TAKE(mm->low_saved));
    }
    while (mm->vmas.count > 0 && mm->vmas.v[0]->start < GRANULE_SIZE)
        vma_remove_at(&mm->vmas, 0);
    drop_end(mm, resident);
}
