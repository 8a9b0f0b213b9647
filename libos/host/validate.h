/* What of a host's answer is believed: pure code, fuzzed and unit-tested. */
#ifndef HOST_VALIDATE_H
#define HOST_VALIDATE_H
#include "abi/hostcall.h"
#include "libos/base/types.h"

/* The value to hand on for the raw answer of call nr; *ret_copy is how many bytes to copy in. */
long hostcall_judge(enum hostcall_nr nr, int64_t raw, size_t in_size, size_t out_size,
                    size_t *ret_copy);
/* Does [addr, addr + size) lie wholly outside the enclave, without wrapping? */
bool host_range_ok(uint64_t addr, uint64_t size);
#endif
