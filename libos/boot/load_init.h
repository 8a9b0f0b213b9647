/* The first steps of processes that have no parent, in their own context. */
#ifndef BOOT_LOAD_INIT_H
#define BOOT_LOAD_INIT_H
#include "libos/task/process.h"

must_check int boot_load_init(const struct spawn_params *params); /* see process_hooks.load_init */
must_check int
boot_first_process(void); /* pid 1: mounts, and the console of the runtime's streams */
#endif
