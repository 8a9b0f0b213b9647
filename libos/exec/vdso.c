/* Places the vDSO: a data page, readable, then the image, readable and executable. Both are written
 * once, before they are sealed; what the clock needs does not change after boot. */
#include "libos/exec/vdso.h"
#include "libos/base/string.h"
#include "libos/mm/mm.h"
#include "libos/mm/window.h"
#include "libos/task/sched.h"
#include "libos/task/signal.h"
#include "abi/layout.h"
#include "abi/vdso.h"

extern const uint8_t vdso_image[], vdso_image_end[]; /* vdso_blob.S */

static uintptr_t vdso_at; /* of the image */

int vdso_init(void)
{
    size_t size = (size_t) (vdso_image_end - vdso_image);
    size_t pages = ROUND_UP(size, PAGE_SIZE) / PAGE_SIZE;
    uintptr_t at;
    int r = window_alloc(pages + 1, &at);
    if (r == 0)
        r = window_open(at, at + (pages + 1) * PAGE_SIZE);
    if (r < 0)
        return r;
    struct clock_params clock;
    clock_params(&clock);
    *(struct vdso_data *) at = (struct vdso_data){
        .tsc_base = clock.tsc_base,
        .mult = clock.mult,
        .shift = clock.shift,
        .boot_real_ns = clock.boot_real_ns,
    };
    memcpy((void *) (at + PAGE_SIZE), vdso_image, size);
    r = window_global(at, 1, PROT_R);
    if (r == 0)
        r = window_global(at + PAGE_SIZE, pages, PROT_R | PROT_X);
    if (r == 0)
        vdso_at = at + PAGE_SIZE;
    signal_restorer = vdso_at ? vdso_at + VDSO_RESTORER_OFFSET : 0;
    return r;
}

uintptr_t vdso_base(void)
{
    return vdso_at;
}

uintptr_t vdso_entry(void)
{
    return vdso_at ? vdso_at + VDSO_ENTRY_OFFSET : 0;
}
