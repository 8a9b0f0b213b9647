/* The CPUID table. CPUID is illegal in an enclave, so what programs see is the host's word, copied
 * once at boot and cut down: vector state beyond XFRM, features an enclave cannot use (TSX, SGX, VMX,
 * MONITOR, performance counters, supervisor state), numbers that change from vCPU to vCPU (APIC ids)
 * and the hypervisor's leaves are hidden. A host that lies can make a program crash or choose other
 * code paths, nothing more.
 *
 * The table is sorted at boot and constant afterwards; lookups take no lock and touch no user memory,
 * because they also run from patched sites with the thread's kernel stack nearly empty.
 */
#include "libos/exec/cpuid.h"
#include "abi/hostcall.h"
#include "libos/task/thread.h"

enum { XFRM_AVX = 1 << 2, XFRM_MPX = 3 << 3, XFRM_AVX512 = 7 << 5, XFRM_PKRU = 1 << 9 };
#define XFRM_AMX (3ull << 17)
enum {
    XSAVE_FIRST = 576,      /* legacy area and header */
    XSAVE_INSTRUCTIONS = 7, /* XSAVEOPT, XSAVEC, XGETBV(1); no supervisor state */
    XSAVE_ROWS = 10,        /* at most, of leaf 0xd */
};

static struct {
    size_t count;
    struct host_cpuid rows[HOST_CPUID_MAX + XSAVE_ROWS];
} cpuid_table;

/* Bits to hide unless all of need is in XFRM (need 0: always). */
struct cpuid_rule {
    uint32_t leaf, subleaf;
    uint64_t need;
    struct cpuid_regs hide;
};

#define B(n) (1u << (n))
static const struct cpuid_rule cpuid_rules[] = {
    /* MONITOR, VMX, SMX, EIST, TM2, x2APIC, hypervisor; APIC id */
    {1, 0, 0, {0, 0xff000000u, B(3) | B(5) | B(6) | B(7) | B(8) | B(21) | B(31), 0}},
    {1, 0, XFRM_AVX, {0, 0, B(12) | B(28) | B(29), 0}},
    /* SGX, HLE, RTM, PQM, PQE, PT; CET, TME, SGX_LC; UINTR, TSX_FORCE_ABORT, IBT */
    {7,
     0,
     0,
     {0, B(2) | B(4) | B(11) | B(12) | B(15) | B(25), B(7) | B(13) | B(30),
      B(5) | B(11) | B(13) | B(20)}},
    {7, 0, XFRM_AVX, {0, B(5), B(9) | B(10), 0}},
    {7, 0, XFRM_MPX, {0, B(14), 0, 0}},
    {7,
     0,
     XFRM_AVX512,
     {0, B(16) | B(17) | B(21) | B(26) | B(27) | B(28) | B(30) | B(31),
      B(1) | B(6) | B(11) | B(12) | B(14), B(2) | B(3) | B(8) | B(23)}},
    {7, 0, XFRM_PKRU, {0, 0, B(3) | B(4), 0}},
    {7, 0, XFRM_AMX, {0, 0, 0, B(22) | B(24) | B(25)}},
    /* FRED, LKGS, WRMSRNS, HRESET, LAM; CET_SSS */
    {7, 1, 0, {B(17) | B(18) | B(19) | B(22) | B(26), 0, 0, B(18)}},
    {7, 1, XFRM_AVX, {B(4) | B(23), 0, 0, B(4) | B(5) | B(10)}},
    {7, 1, XFRM_AVX512, {B(5), 0, 0, B(19)}},
    {7, 1, XFRM_AMX, {B(21), 0, 0, B(8)}},
    /* SVM, extended APIC, OSVW, IBS, SKINIT, WDT, LWP, perf counters, MWAITX */
    {0x80000001u,
     0,
     0,
     {0, 0, B(2) | B(3) | B(9) | B(10) | B(12) | B(13) | B(15) | B(23) | B(24) | B(28) | B(29), 0}},
    {0x80000001u, 0, XFRM_AVX, {0, 0, B(11) | B(16), 0}},
    {0x8000001eu, 0, 0, {~0u, 0, 0, 0}}, /* APIC id */
};
#undef B

/* Leaves that say nothing an enclave could use, or that differ from vCPU to vCPU. */
static bool leaf_hidden(uint32_t leaf, uint64_t xfrm)
{
    switch (leaf) {
    case 0x5:
    case 0x6:
    case 0xa:
    case 0xf:
    case 0x10:
    case 0x12:
    case 0x14:
    case 0x1b:
    case 0x20:
    case 0x8000000au:
    case 0x8000001bu:
    case 0x8000001fu:
    case 0x80000020u:
    case 0x80000022u:
        return true;
    case 0x1d:
    case 0x1e:
        return (xfrm & XFRM_AMX) != XFRM_AMX;
    default:
        return leaf >= 0x40000000u && leaf < 0x80000000u;
    }
}

static bool leaf_indexed(uint32_t leaf)
{
    switch (leaf) {
    case 0x4:
    case 0x7:
    case 0xb:
    case 0xd:
    case 0x17:
    case 0x18:
    case 0x1a:
    case 0x1d:
    case 0x1e:
    case 0x1f:
    case 0x24:
    case 0x8000001du:
    case 0x80000026u:
        return true;
    default:
        return false;
    }
}

static void apply_rules(struct host_cpuid *row, uint64_t xfrm)
{
    for (size_t i = 0; i < ARRAY_SIZE(cpuid_rules); i++) {
        const struct cpuid_rule *r = &cpuid_rules[i];
        if (r->leaf != row->leaf || r->subleaf != row->subleaf ||
            (r->need != 0 && (r->need & ~xfrm) == 0))
            continue;
        row->eax &= ~r->hide.eax;
        row->ebx &= ~r->hide.ebx;
        row->ecx &= ~r->hide.ecx;
        row->edx &= ~r->hide.edx;
    }
}

static int row_compare(const struct host_cpuid *row, uint32_t leaf, uint32_t subleaf)
{
    if (row->leaf != leaf)
        return row->leaf < leaf ? -1 : 1;
    return row->subleaf < subleaf ? -1 : row->subleaf > subleaf;
}

/* Keeps the table sorted; the first of two equal rows stays. */
static void row_insert(const struct host_cpuid *row)
{
    size_t at = cpuid_table.count;
    if (at == ARRAY_SIZE(cpuid_table.rows))
        return;
    while (at > 0 && row_compare(&cpuid_table.rows[at - 1], row->leaf, row->subleaf) > 0)
        at--;
    if (at > 0 && row_compare(&cpuid_table.rows[at - 1], row->leaf, row->subleaf) == 0)
        return;
    for (size_t i = cpuid_table.count; i > at; i--)
        cpuid_table.rows[i] = cpuid_table.rows[i - 1];
    cpuid_table.rows[at] = *row;
    cpuid_table.count++;
}

/* Leaf 0xd, the layout of XSAVE areas: programs (ld.so) size buffers by it, so nothing but the instructions'
 * existence is the host's word. The compact form has the components one after the other. */
static void insert_xsave_leaf(uint64_t xfrm, uint32_t instructions)
{
    uint32_t size = XSAVE_FIRST, compact = XSAVE_FIRST;
    for (unsigned i = 2; i < 63; i++) {
        struct xstate_part p = xfrm >> i & 1 ? xstate_part(i) : (struct xstate_part){0};
        if (!p.size)
            continue;
        size = MAX(size, p.offset + p.size);
        compact += p.size;
        row_insert(&(struct host_cpuid){.leaf = 0xd, .subleaf = i, .eax = p.size, .ebx = p.offset});
    }
    row_insert(&(struct host_cpuid){.leaf = 0xd,
                                    .eax = (uint32_t) xfrm,
                                    .ebx = size,
                                    .ecx = size,
                                    .edx = (uint32_t) (xfrm >> 32)});
    row_insert(&(struct host_cpuid){
        .leaf = 0xd, .subleaf = 1, .eax = instructions & XSAVE_INSTRUCTIONS, .ebx = compact});
}

void cpuid_init(const struct host_cpuid *host, size_t count, uint64_t xfrm)
{
    uint32_t xsave_instructions = 0;
    bool has_xsave = false;
    cpuid_table.count = 0;
    for (size_t i = 0; i < count && i < HOST_CPUID_MAX; i++) {
        struct host_cpuid row = host[i];
        if (row.leaf == 0xd) {
            has_xsave = true;
            if (row.subleaf == 1)
                xsave_instructions = row.eax;
            continue;
        }
        if (leaf_hidden(row.leaf, xfrm))
            continue;
        if (!leaf_indexed(row.leaf))
            row.subleaf = 0;
        apply_rules(&row, xfrm);
        if (row.leaf == 0xb || row.leaf == 0x1f)
            row.edx = 0; /* x2APIC id */
        row_insert(&row);
    }
    if (has_xsave)
        insert_xsave_leaf(xfrm, xsave_instructions);
}

void cpuid_lookup(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *ret)
{
    *ret = (struct cpuid_regs){0};
    if (!leaf_indexed(leaf))
        subleaf = 0;
    size_t low = 0, high = cpuid_table.count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct host_cpuid *row = &cpuid_table.rows[mid];
        int c = row_compare(row, leaf, subleaf);
        if (c == 0) {
            *ret = (struct cpuid_regs){row->eax, row->ebx, row->ecx, row->edx};
            return;
        }
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    if (leaf == 0xb || leaf == 0x1f)
        ret->ecx = subleaf & 0xff;
}
