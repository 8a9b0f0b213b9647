/* cpuid and other instructions that an enclave may not execute itself, and the time stamp counter. */
#include "guest_test.h"
#include <cpuid.h>

static void cpuid(unsigned leaf, unsigned sub, unsigned r[4])
{
    __cpuid_count(leaf, sub, r[0], r[1], r[2], r[3]);
}

TEST_CASE(vendor)
{
    unsigned r[4];
    char name[13] = {0};
    cpuid(0, 0, r);
    CHECK(r[0] >= 7);
    memcpy(name, &r[1], 4);
    memcpy(name + 4, &r[3], 4);
    memcpy(name + 8, &r[2], 4);
    CHECK(strcmp(name, "GenuineIntel") == 0 || strcmp(name, "AuthenticAMD") == 0 ||
          strlen(name) == 12);
    cpuid(0x80000000, 0, r);
    CHECK(r[0] >= 0x80000004);
}

TEST_CASE(basic_features)
{
    unsigned r[4];
    cpuid(1, 0, r);
    CHECK(r[3] & 1u << 26); /* SSE2 */
    CHECK(r[3] & 1u << 4);  /* TSC */
    CHECK(r[2] & 1u << 20); /* SSE4.2 */
}

TEST_CASE(stable)
{
    static const unsigned leaves[][2] = {{0, 0}, {7, 0}, {7, 1}, {0x80000001, 0}, {0x80000008, 0}};
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
        unsigned a[4], b[4];
        cpuid(leaves[i][0], leaves[i][1], a);
        for (int k = 0; k < 100; k++) {
            cpuid(leaves[i][0], leaves[i][1], b);
            CHECK(memcmp(a, b, sizeof a) == 0);
        }
    }
}

TEST_CASE(features_really_work)
{
    if (__builtin_cpu_supports("avx2"))
        __asm__ volatile("vpxor %%ymm0, %%ymm0, %%ymm0\n\tvzeroupper" : : : "xmm0");
    if (__builtin_cpu_supports("avx512f"))
        __asm__ volatile("vpxord %%zmm0, %%zmm0, %%zmm0\n\tvzeroupper" : : : "xmm0");
    if (__builtin_cpu_supports("popcnt"))
        __asm__ volatile("popcnt %%rax, %%rcx" : : : "rcx", "cc");
}

TEST_CASE(other_registers_are_kept)
{
    uint64_t in = 0x123456789abcdef0, r8 = 0, rsi = 0, flags_before = 0, flags_after = 0;
    __asm__ volatile(
        "mov %4, %%r8\n\tmov %4, %%rsi\n\tstc\n\tpushfq\n\tpopq %2\n\tmov $1, %%eax\n\t"
        "xor %%ecx, %%ecx\n\tstc\n\tcpuid\n\tpushfq\n\tpopq %3\n\tmov %%r8, %0\n\t"
        "mov %%rsi, %1"
        : "=m"(r8), "=m"(rsi), "=m"(flags_before), "=m"(flags_after)
        : "r"(in)
        : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "cc", "memory");
    CHECK_EQ(r8, in);
    CHECK_EQ(rsi, in);
    CHECK_EQ(flags_after & 1, 1); /* cpuid changes no flag */
}

TEST_CASE(oversized_and_reserved_leaves)
{
    unsigned r[4];
    cpuid(0x20000000, 0, r);
    cpuid(0xffffffff, 0, r);
    cpuid(7, 1000, r);
    CHECK((r[0] | r[1] | r[2] | r[3]) == 0);
}

TEST_CASE(time_stamp_counter)
{
    uint64_t last = __builtin_ia32_rdtsc();
    for (int i = 0; i < 100000; i++) {
        uint64_t now = __builtin_ia32_rdtsc();
        CHECK(now >= last);
        last = now;
    }
    unsigned aux;
    uint64_t a = __builtin_ia32_rdtscp(&aux);
    CHECK(a >= last);
}

TEST_CASE(extended_state)
{
    unsigned lo, hi, r[4];
    cpuid(1, 0, r);
    SKIP_IF(!(r[2] & 1u << 27), "no OSXSAVE");
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    CHECK_EQ(lo & 3, 3);
    cpuid(0xd, 0, r);
    CHECK(r[1] >= 576 && r[2] >= r[1]);
}
