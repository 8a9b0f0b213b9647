/* Placeholder until site patching lands: every site is a trap. */
#include "libos/exec/patch.h"

void patch_counters(struct exec_counters *ret)
{
    *ret = (struct exec_counters){0};
}

void patch_init(void)
{
}

int patch_prepare(struct mm *mm, bool low)
{
    (void) mm;
    (void) low;
    return 0;
}
