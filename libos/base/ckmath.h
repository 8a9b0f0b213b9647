/* Checked arithmetic: true means overflow, and the answer must be looked at. */
#ifndef BASE_CKMATH_H
#define BASE_CKMATH_H
#include "libos/base/types.h"

static inline must_check bool ck(bool overflowed)
{
    return overflowed;
}
#define ck_add(ret, a, b) ck(__builtin_add_overflow((a), (b), (ret)))
#define ck_sub(ret, a, b) ck(__builtin_sub_overflow((a), (b), (ret)))
#define ck_mul(ret, a, b) ck(__builtin_mul_overflow((a), (b), (ret)))
#endif
