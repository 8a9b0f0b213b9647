/* What tells futexes apart: the word's address, and the address space unless the word is in the shared
 * window, where an address means one object. */
#ifndef TASK_FUTEX_KEY_H
#define TASK_FUTEX_KEY_H
#include "libos/base/types.h"

struct mm;
struct futex_key {
    struct mm *mm; /* compared only */
    uintptr_t addr;
};
must_check int futex_key_of(uaddr_t word, struct futex_key *ret); /* -EINVAL, -EFAULT */

static inline bool futex_key_same(struct futex_key a, struct futex_key b)
{
    return a.addr == b.addr && a.mm == b.mm;
}
#endif
