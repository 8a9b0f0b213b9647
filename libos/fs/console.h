/* Standard input, output and error of the runtime as files of the first process. */
#ifndef FS_CONSOLE_H
#define FS_CONSOLE_H
#include "libos/vfs/vfs.h"

/* Descriptors 0, 1, 2 of the table. */
must_check int console_install(struct fdtable *t);
#endif
