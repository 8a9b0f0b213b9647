/* RDRAND. It may run dry for a moment when all cores ask at once; ten tries are what Intel calls
 * enough, a thousand leave no doubt that it is broken. */
#include "libos/arch/random.h"
#include "libos/base/panic.h"

static uint64_t random_u64(void)
{
    for (int i = 0; i < 1000; i++) {
        uint64_t v;
        uint8_t ok;
        __asm__ volatile("rdrand %0; setc %1" : "=r"(v), "=qm"(ok) : : "cc");
        if (ok)
            return v;
        __builtin_ia32_pause();
    }
    panic("the CPU gives no random numbers");
}

void random_bytes(struct span dst)
{
    for (size_t done = 0; done < dst.n;) {
        uint64_t v = random_u64();
        size_t n = MIN(dst.n - done, sizeof v);
        memcpy(dst.p + done, &v, n);
        done += n;
    }
}
