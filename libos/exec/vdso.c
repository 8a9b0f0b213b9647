/* Placeholder until the vDSO image lands: there is none, programs make system calls. */
#include "libos/exec/vdso.h"

int vdso_init(void)
{
    return 0;
}

uintptr_t vdso_base(void)
{
    return 0;
}

uintptr_t vdso_entry(void)
{
    return 0;
}

void vdso_clock_set(const struct vdso_clock *c)
{
    (void) c;
}
