/* The vDSO: code for clocks that programs run without entering the kernel. One copy for all
 * processes, at one address. */
#ifndef EXEC_VDSO_H
#define EXEC_VDSO_H
#include "libos/base/types.h"

must_check int vdso_init(void); /* places image and data in the shared window */
uintptr_t vdso_base(void);      /* AT_SYSINFO_EHDR; 0: there is none */
uintptr_t vdso_entry(void);     /* AT_OCCLUM_ENTRY */

/* How clocks follow from the TSC: ns = base_ns + (((tsc - base_tsc) * mult) >> shift). Called by the
 * clock whenever it calibrates. */
struct vdso_clock {
    uint64_t base_tsc, mult;
    uint32_t shift;
    int64_t base_mono_ns;   /* CLOCK_MONOTONIC at base_tsc */
    int64_t real_offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC */
};
void vdso_clock_set(const struct vdso_clock *c);
#endif
