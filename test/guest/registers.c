/* A new program finds nothing of another one in its vector registers. */
#include "guest_test.h"

struct __attribute__((aligned(64))) fxsave_image {
    uint8_t head[32], st[128], xmm[256], rest[96];
};

CHILD(fill)
{
    static const double pattern[2] = {1.0 / 3, 2.0 / 3};
    __asm__ volatile("movupd %0, %%xmm15\n\tmovapd %%xmm15, %%xmm14"
                     :
                     : "m"(pattern)
                     : "xmm14", "xmm15");
    __asm__ volatile("fldpi\n\tfldpi\n\tfldpi\n\tfldpi\n\tfldpi\n\tfldpi\n\tfldpi\n\tfldpi");
    syscall(SYS_exit_group, 0);
    return 1;
}

CHILD(look)
{
    static struct fxsave_image image;
    static const uint8_t zero[128];
    __asm__ volatile("fxsave64 %0" : "=m"(image));
    if (memcmp(image.st, zero, sizeof image.st) != 0)
        return 2;
    return memcmp(image.xmm + 14 * 16, zero, 32) != 0 ? 3 : 0;
}

TEST_CASE(nothing_is_left)
{
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(child_wait(child_start("fill", NULL)), 0);
        CHECK_EQ(child_wait(child_start("look", NULL)), 0);
    }
}
