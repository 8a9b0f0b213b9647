/* Random numbers of the CPU: the only source an enclave can believe. */
#ifndef ARCH_RANDOM_H
#define ARCH_RANDOM_H
#include "libos/base/span.h"

void random_bytes(struct span dst); /* never fails: a CPU without entropy stops the enclave */
#endif
