/* Kernel memory that programs fill through IPC objects, bounded as a whole: a quarter of the heap. */
#ifndef IPC_BUDGET_H
#define IPC_BUDGET_H
#include "libos/base/types.h"

must_check bool ipc_charge(size_t size); /* false: no more */
void ipc_uncharge(size_t size);
#endif
