/* Programs linked to fixed addresses (not position independent) share the region of granule 0.
 *
 * Several address spaces may have their text at 0x400000; they are the members of low_family and take
 * turns like fork relatives (family.c). A new one joins in exec: it waits for the turn, keeps it
 * pinned while the thread that execs fills it, and finds the region empty but for file content that
 * was left and that it may want.
 *
 * Patch stubs belong to a program: each has a slice of the stub area, whose pages nobody saves or drops.
 * A slice without members may go to another program; then kept pages, which jump to stubs of that slice,
 * are of nobody and go too.
 */
#include "abi/layout.h"
#include "libos/base/errno.h"
#include "libos/mm/family.h"
#include "libos/mm/share.h"
#include "libos/mm/upages.h"
#include "libos/task/process.h"

static struct {
    struct spinlock lock;
    struct {
        uint64_t program;
        uint32_t members;
    } slice[MM_LOW_SLICES];
} low;

void (*mm_low_slice_hook)(uint32_t slice);

uint32_t mm_low_slice(const struct mm *mm)
{
    return mm->low_slice;
}

void low_slice_join(struct mm *mm)
{
    SPIN_GUARD(&low.lock);
    low.slice[mm->low_slice].members++;
}

void low_slice_leave(struct mm *mm)
{
    SPIN_GUARD(&low.lock);
    low.slice[mm->low_slice].members--;
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

static int slice_claim(struct mm *mm, uint64_t program, bool *ret_taken)
{
    SPIN_GUARD(&low.lock);
    uint32_t s = slice_for_locked(program, ret_taken);
    if (s == MM_LOW_SLICES)
        return -EBUSY;
    low.slice[s].program = program;
    low.slice[s].members++;
    mm->low_slice = s;
    mm->low = true;
    return 0;
}

/* The pin is ours. */
static int join(struct mm *mm, uint64_t program)
{
    bool taken = false;
    int r = slice_claim(mm, program, &taken);
    if (r < 0)
        return r;
    family_join(&low_family, mm);
    r = share_join_low(mm);
    if (r < 0)
        return r;
    if (taken) {
        upages_drop_kept(0, GRANULE_SIZE);
        mm_low_slice_hook(mm->low_slice);
    }
    family_pinned_arrives(mm);
    return 0;
}

/* The caller's old mm may be the resident that hands over to mm: from here on the thread is bound to no
 * turn, or who is next would wait for the turn that waits for it. */
int mm_claim_low(struct mm *mm, uint64_t program)
{
    current()->turn_pin = true;
    while (!family_try_pin(&low_family, mm))
        if (thread_sleep(SLEEP_KILLABLE, clock_mono_ns() + NSEC_PER_MS / 4) == -EINTR)
            return family_give_up(&low_family, mm), -EINTR;
    int r = join(mm, program);
    if (r < 0)
        family_unpin(&low_family, mm);
    return r;
}
