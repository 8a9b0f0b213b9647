/* Entries of /proc/PID about its memory, which pid_memory.c makes. */
#ifndef FS_PROC_PID_MEMORY_H
#define FS_PROC_PID_MEMORY_H
#include "libos/fs/proc/proc.h"

int proc_maps_text(const struct proc_ref *ref, struct text *t);
int proc_smaps_text(const struct proc_ref *ref, struct text *t);
int proc_smaps_rollup_text(const struct proc_ref *ref, struct text *t);
int proc_pagemap_raw(const struct proc_ref *ref, struct uio *uio, uint64_t pos);
#endif
