/* The CPUID table: what is hidden, what is found. */
#include "test/unit/test.h"
#include "libos/exec/cpuid.h"
#include "abi/hostcall.h"

#define ALL 0xffffffffu

static struct cpuid_regs look(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r;
    cpuid_lookup(leaf, subleaf, &r);
    return r;
}

TEST(cpuid_hides_what_xfrm_lacks)
{
    static const struct host_cpuid host[] = {
        {7, 0, 1, ALL, ALL, ALL},
        {1, 0, ALL, ALL, ALL, ALL},
    };
    cpuid_init(host, 2, 3); /* x87 and SSE only */
    struct cpuid_regs r = look(1, 0);
    assert_int_equal(r.ecx & (1u << 28 | 1u << 12 | 1u << 31 | 1u << 3), 0);
    assert_int_equal(r.ecx & (1u << 27 | 1u << 20), 1u << 27 | 1u << 20); /* OSXSAVE, SSE4.2 stay */
    assert_int_equal(r.ebx >> 24, 0);
    assert_int_equal(r.edx, ALL);
    r = look(7, 0);
    assert_int_equal(r.ebx & (1u << 5 | 1u << 16 | 1u << 4 | 1u << 11 | 1u << 2), 0);
    assert_int_equal(r.edx & (1u << 24), 0);
    cpuid_init(host, 2, 0xe7); /* with AVX and AVX-512 */
    r = look(7, 0);
    assert_int_equal(r.ebx & (1u << 5 | 1u << 16), 1u << 5 | 1u << 16);
    assert_int_equal(r.edx & (1u << 24), 0); /* AMX still hidden */
    assert_int_equal(look(1, 0).ecx & 1u << 28, 1u << 28);
}

TEST(cpuid_xsave_leaf_follows_xfrm)
{
    static const struct host_cpuid host[] = {
        {0xd, 0, 0x602e7, 2696, 11008, 0}, {0xd, 1, 0x1f, 2696, 0x1900, 0},
        {0xd, 2, 256, 576, 0, 0},          {0xd, 9, 8, 2688, 0, 0},
        {0xd, 18, 8192, 2816, 6, 0},
    };
    cpuid_init(host, ARRAY_SIZE(host), 7);
    struct cpuid_regs r = look(0xd, 0);
    assert_int_equal(r.eax, 7);
    assert_int_equal(r.ebx, 832);
    assert_int_equal(r.ecx, 832);
    assert_int_equal(look(0xd, 1).eax, 7);
    assert_int_equal(look(0xd, 1).ecx, 0);
    assert_int_equal(look(0xd, 2).eax, 256);
    assert_int_equal(look(0xd, 9).eax, 0);
    assert_int_equal(look(0xd, 18).ebx, 0);
}

/* ld.so sizes its buffer for registers by this leaf. */
TEST(cpuid_xsave_sizes_are_not_the_hosts)
{
    static const struct host_cpuid host[] = {
        {0xd, 0, 3, 64, 64, 0}, {0xd, 1, 0xffffffff, 8, 8, 8}, {0xd, 2, 1, 570, 2, 0}};
    cpuid_init(host, ARRAY_SIZE(host), 0xe7);
    assert_int_equal(look(0xd, 0).eax, 0xe7);
    assert_int_equal(look(0xd, 0).ebx, 2688);
    assert_int_equal(look(0xd, 1).eax, 7);
    assert_int_equal(look(0xd, 1).ebx, 576 + 256 + 64 + 512 + 1024);
    assert_int_equal(look(0xd, 2).eax, 256);
    assert_int_equal(look(0xd, 2).ebx, 576);
    assert_int_equal(look(0xd, 7).eax, 1024); /* though the host left it out */
    assert_int_equal(look(0xd, 7).ebx, 1664);
}

TEST(cpuid_lookup_by_leaf_and_subleaf)
{
    static const struct host_cpuid host[] = {
        {0x80000002u, 0, 7, 7, 7, 7}, {4, 1, 11, 0, 0, 0}, {4, 0, 10, 0, 0, 0},
        {0, 0, 22, 1, 2, 3},          {4, 1, 99, 0, 0, 0}, {0x40000000u, 0, 1, 1, 1, 1},
        {0xb, 0, 1, 2, 0x100, 77},
    };
    cpuid_init(host, ARRAY_SIZE(host), 3);
    assert_int_equal(look(4, 0).eax, 10);
    assert_int_equal(look(4, 1).eax, 11);
    assert_int_equal(look(4, 2).eax, 0);
    assert_int_equal(look(0, 12345).eax, 22); /* no subleaves: ECX is ignored */
    assert_int_equal(look(0x80000002u, 0).edx, 7);
    assert_int_equal(look(0x40000000u, 0).eax, 0);
    assert_int_equal(look(0xb, 0).edx, 0); /* the APIC id depends on the vCPU */
    assert_int_equal(look(0xb, 5).ecx, 5);
    assert_int_equal(look(0x99, 0).eax, 0);
}

TEST(cpuid_table_cannot_overflow)
{
    static struct host_cpuid host[HOST_CPUID_MAX + 8];
    for (uint32_t i = 0; i < ARRAY_SIZE(host); i++)
        host[i] = (struct host_cpuid){4, i, i + 1, 0, 0, 0};
    cpuid_init(host, ARRAY_SIZE(host), 3);
    assert_int_equal(look(4, HOST_CPUID_MAX - 1).eax, HOST_CPUID_MAX);
    assert_int_equal(look(4, HOST_CPUID_MAX).eax, 0);
}
