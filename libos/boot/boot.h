/* What start-up is made of. */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H
#include "libos/base/types.h"

struct boot_config;
const struct boot_config *boot_config(void); /* the measured configuration; never NULL after boot */
void boot_thread(void *arg);                 /* mounts the root, starts the first process */
void boot_mount_root(void);                  /* "/"; ends the enclave if it cannot */
void boot_mount_others(void);                /* in the first process; failures are logged */
#endif
