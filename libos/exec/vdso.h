/* The vDSO: code for clocks that programs run without entering the kernel. One copy for all
 * processes, at one address in the shared window. */
#ifndef EXEC_VDSO_H
#define EXEC_VDSO_H
#include "libos/base/types.h"

must_check int vdso_init(void); /* once, when the clock runs */
uintptr_t vdso_base(void);      /* AT_SYSINFO_EHDR */
uintptr_t vdso_entry(void);     /* AT_OCCLUM_ENTRY */
#endif
