/* See smp.h. */
#include "libos/base/smp.h"

bool smp;
