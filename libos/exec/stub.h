/* The code that runs in place of a patched site. Pure. */
#ifndef EXEC_STUB_H
#define EXEC_STUB_H
#include "abi/sites.h"
#include "libos/base/span.h"

#define STUB_SIZE   64 /* of a slot; stubs are at most that long */
#define STUB_JUMP   5  /* bytes of the jump that leads to it */
#define STUB_POINTS 7

/* Where an instruction of the window runs: window + orig at stub + at. Ascending in at. */
struct stub_point {
    uint8_t at, orig;
};

struct stub {
    uint8_t code[STUB_SIZE];
    uint8_t len;
    uint8_t point_count;
    struct stub_point points[STUB_POINTS];
};

/* Makes the stub for site, whose window begins at address window with the bytes of code (at least all
 * that move), to run at address stub. false: something does not fit or does not reach. */
must_check bool stub_make(const struct site *site, struct cspan code, uintptr_t window,
                          uintptr_t stub, struct stub *ret);
/* The jump that goes over the window's first bytes. */
must_check bool stub_jump(uintptr_t window, uintptr_t stub, uint8_t ret[STUB_JUMP]);
#endif
