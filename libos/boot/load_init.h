/* Loads the first program in the first process's own context; see process_hooks.load_init. */
#ifndef BOOT_LOAD_INIT_H
#define BOOT_LOAD_INIT_H
#include "libos/task/process.h"

must_check int boot_load_init(const struct spawn_params *params);
#endif
