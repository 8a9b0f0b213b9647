/* Programs linked to fixed addresses (not position independent) share granule 0.
 *
 * Several address spaces may have their text at 0x400000. One of them is resident: its pages are in
 * place; those of the others are saved in kernel memory. A thread runs only while its mm is resident,
 * so system calls and uaccess need to know nothing of this; the scheduler asks mm_low_enter before it
 * picks a thread and mm_low_arrive swaps before it runs.
 *
 * Between processes of the same program kept file pages stay in place, for they are the same in all;
 * when another program becomes resident they go and are filled again by faults. Patch stubs belong to
 * a program: each has a slice of the stub area, whose pages nobody saves or drops.
 *
 * low.lock guards the fields below. running[] says which member runs on which vCPU. Residency moves only
 * when no other vCPU runs the resident member, its mm's lock is free, and nobody holds the pin: an
 * exec from its claim to its end (the new mm is being filled by a thread that is not yet its own), or
 * a swap in progress. The thread that holds the pin of its exec (low_pin) may run meanwhile: until
 * mm_low_settle it does not touch its old memory.
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
    struct {
        uint64_t program;
        uint32_t members;
    } slice[MM_LOW_SLICES];
    struct mm *next; /* waits for its turn; NULL: nobody */
    bool hand_over;  /* the resident had its time: only next may run */
    uint32_t last;   /* slice of the program that was resident last: whose kept pages are there */
} low;

void (*mm_low_slice_hook)(uint32_t slice);

uint32_t mm_low_slice(const struct mm *mm)
{
    return mm->low_slice;
}

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

/* The pin is ours. mm counts as resident only when all its pages are there: until then its other
 * threads, which the pin does not hold back, may not run on another vCPU. */
static void move_to(struct mm *mm)
{
    if (low.resident)
        save(low.resident);
    if (low.last != mm->low_slice)
        upages_drop_kept(0, GRANULE_SIZE);
    low.last = mm->low_slice;
    granule_set_low(mm);
    if (mm->low_saved)
        restore(mm);
    SPIN_GUARD(&low.lock);
    low.resident = mm;
}

static void turn_taken_locked(void)
{
    low.next = NULL;
    low.hand_over = false;
}

bool mm_low_waited_for(const struct mm *mm)
{
    if (likely(!mm || !mm->low))
        return false;
    SPIN_GUARD(&low.lock);
    if (!low.next || low.next == mm || low.pinned)
        return false;
    low.hand_over = true;
    return true;
}

bool mm_low_enter(struct mm *mm)
{
    if (likely(!mm || !mm->low))
        return true;
    SPIN_GUARD(&low.lock);
    if (low.hand_over && mm != low.next)
        return false;
    if (low.resident != mm) {
        if (!may_move_locked()) {
            low.next = low.next ? low.next : mm;
            return false;
        }
        low.pinned = mm;
    } else if (low.pinned && low.pinned != mm) {
        return false;
    }
    if (mm == low.next)
        turn_taken_locked();
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

/* The slice of program: its own, a free one, or MM_LOW_SLICES. *ret_taken: it was another's. */
static uint32_t slice_for_locked(uint64_t program, bool *ret_taken)
{
    uint32_t free = MM_LOW_SLICES;
    for (uint32_t i = MM_LOW_SLICES; i-- > 0;) {
        if (low.slice[i].program == program)
            return i;
        bool better = free == MM_LOW_SLICES || low.slice[i].program == 0;
        if (low.slice[i].members == 0 && better)
            free = i;
    }
    *ret_taken = free < MM_LOW_SLICES && low.slice[free].program != 0;
    return free;
}

/* 0: the claim is made, the pin held. -EAGAIN: later. -EBUSY: too many programs. */
static int try_claim(struct mm *mm, uint64_t program, bool *ret_taken)
{
    SPIN_GUARD(&low.lock);
    if (!may_move_locked())
        return -EAGAIN;
    uint32_t s = slice_for_locked(program, ret_taken);
    if (s == MM_LOW_SLICES)
        return -EBUSY;
    low.slice[s].program = program;
    low.slice[s].members++;
    low.pinned = mm;
    mm->low_slice = s;
    return 0;
}

int mm_claim_low(struct mm *mm, uint64_t program)
{
    bool taken = false;
    for (;;) {
        int r = try_claim(mm, program, &taken);
        if (r == 0)
            break;
        if (r == -EBUSY)
            return r;
        if (thread_sleep(SLEEP_KILLABLE, clock_mono_ns() + NSEC_PER_MS) == -EINTR)
            return -EINTR;
    }
    if (taken) {
        low.last = MM_LOW_SLICES; /* what is kept is of nobody now */
        mm_low_slice_hook(mm->low_slice);
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
    if (low.next == mm)
        turn_taken_locked();
    for (uint32_t i = 0; i < VCPU_MAX; i++)
        if (low.running[i] == mm)
            low.running[i] = NULL;
    mm->low = false;
    low.slice[mm->low_slice].members--;
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
