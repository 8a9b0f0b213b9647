/* Conversions that several system calls share. */
#ifndef SYS_RUSAGE_H
#define SYS_RUSAGE_H
#include "abi/linux/resource.h"
#include "libos/task/cputime.h"

struct linux_rusage rusage_of(struct cputime used, const struct usage *usage);
#endif
