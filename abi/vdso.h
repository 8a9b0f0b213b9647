/* The vDSO: what the kernel tells the code it maps into every process. One data page, then the image. */
#ifndef ABI_VDSO_H
#define ABI_VDSO_H

/* Code in the image that makes a system call (AT_OCCLUM_ENTRY), from the image's start. */
#define VDSO_ENTRY_OFFSET 0x800
/* Where signal handlers return to instead of a C library's restorer (task/sigframe.c). */
#define VDSO_RESTORER_OFFSET 0x820

#ifndef __ASSEMBLER__
#include <stdint.h>

/* Constant from boot on: time follows from the TSC alone (task/clock.c). */
struct vdso_data {
    uint64_t tsc_base, mult; /* ns since boot = ((tsc - tsc_base) * mult >> shift) + 1 */
    uint32_t shift, reserved;
    int64_t boot_real_ns; /* CLOCK_REALTIME at boot */
};
_Static_assert(sizeof(struct vdso_data) == 32, "read by vdso/vdso.c");
#endif
#endif
