/* Stubs: run for real with a stand-in for the kernel's entries, and, for every site of real libraries,
 * taken apart again and compared with the code they replace. */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <Zydis/Zydis.h>
#include "test/unit/codefile.h"
#include "libos/exec/sites.h"
#include "libos/exec/stub.h"
#include "libos/exec/stubarea.h"
#include "libos/arch/vcpu_offsets.h"
#include "libos/mm/heap.h"

#define CODE_AT ((uintptr_t) 0x300010000000)
#define STUB_AT ((uintptr_t) 0x300070000000)

/* "Kernel": rax = 1000 + rax, for cpuid rbx = the program's rcx; back to the address in rcx. */
__asm__(".text\n"
        "stub_test_syscall: add $1000, %rax; mov $0x99, %r11d; jmp *%rcx\n"
        "stub_test_cpuid:\n"
        "    lea 2000(%rax), %rax; mov %gs:0x20, %rbx; push %rcx; mov $77, %ecx; ret\n");
extern const char stub_test_syscall[], stub_test_cpuid[];

static uint64_t fake_vcpu[16];

struct machine {
    uint64_t rax, rbx, rcx, flags;
};

/* Calls code at CODE_AT with rcx given and the carry flag set. */
static struct machine run(uint64_t rcx)
{
    struct machine m = {.rcx = rcx};
    uintptr_t code = CODE_AT;
    __asm__ volatile("sub $256, %%rsp; stc; call *%[code]; pushfq; pop %[flags]; add $256, %%rsp"
                     : "=&a"(m.rax), "=&b"(m.rbx), "+c"(m.rcx), [flags] "=&r"(m.flags)
                     : [code] "r"(code)
                     : "r11", "rdx", "rdi", "rsi", "r8", "memory", "cc");
    return m;
}

static void machine_open(void)
{
    int prot = PROT_READ | PROT_WRITE | PROT_EXEC, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    assert_true(mmap((void *) CODE_AT, 4096, prot, flags, -1, 0) == (void *) CODE_AT);
    assert_true(mmap((void *) STUB_AT, 4096, prot, flags, -1, 0) == (void *) STUB_AT);
    fake_vcpu[GS_SYSCALL_ENTRY / 8] = (uintptr_t) stub_test_syscall;
    fake_vcpu[GS_CPUID_ENTRY / 8] = (uintptr_t) stub_test_cpuid;
    assert_int_equal(syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, fake_vcpu), 0);
}

static void machine_close(void)
{
    munmap((void *) CODE_AT, 4096);
    munmap((void *) STUB_AT, 4096);
}

static void patch_and_place(const char *code, size_t n, const struct site *site)
{
    struct stub stub;
    uint8_t jump[STUB_JUMP];
    uint32_t start = site->offset - site->before;
    memcpy((void *) CODE_AT, code, n);
    struct cspan window = {(const uint8_t *) CODE_AT + start, n - start};
    assert_true(stub_make(site, window, CODE_AT + start, STUB_AT, &stub));
    assert_true(stub_jump(CODE_AT + start, STUB_AT, jump));
    memcpy((void *) STUB_AT, stub.code, stub.len);
    memcpy((void *) (CODE_AT + start), jump, sizeof jump);
}
#define PLACE(text, ...) patch_and_place(text, sizeof(text) - 1, &(const struct site){__VA_ARGS__})

TEST(stub_runs_system_calls)
{
    machine_open();
    PLACE("\xb8\x27\0\0\0\x0f\x05\xc3", .offset = 5, .form = SITE_BEFORE, .before = 5, .len = 7);
    struct machine m = run(5);
    assert_int_equal(m.rax, 1039);
    assert_int_equal(m.rcx, CODE_AT + 7); /* as after SYSCALL */
    /* behind it: add $5, %rax; ret */
    PLACE("\xb8\x01\0\0\0\x0f\x05\x48\x83\xc0\x05\xc3", .offset = 5, .form = SITE_AFTER, .len = 6);
    assert_int_equal(run(0).rax, 1006);
    /* the return itself moves */
    PLACE("\xb8\x01\0\0\0\x0f\x05\xc3\x66\x90", .offset = 5, .form = SITE_AFTER, .len = 5);
    assert_int_equal(run(0).rax, 1001);
    machine_close();
}

TEST(stub_moves_branches_and_rip_operands)
{
    machine_open();
    /* jc over to mov $7, %eax; ret -- moved with mov 0x.. before it: the carry flag is set */
    PLACE("\xb8\x01\0\0\0\x72\x03\x0f\x05\xc3\xb8\x07\0\0\0\xc3", .offset = 7, .form = SITE_BEFORE,
          .before = 7, .len = 9);
    assert_int_equal(run(0).rax, 7);
    /* mov 2(%rip), %eax: the four bytes behind the return */
    PLACE("\x8b\x05\x03\0\0\0\x0f\x05\xc3\x21\x43\0\0", .offset = 6, .form = SITE_BEFORE,
          .before = 6, .len = 8);
    assert_int_equal(run(0).rax, 0x4321 + 1000);
    machine_close();
}

TEST(stub_cpuid_keeps_flags_and_stack)
{
    machine_open();
    PLACE("\xb8\x01\0\0\0\x0f\xa2\xc3", .offset = 5, .kind = SITE_CPUID, .form = SITE_BEFORE,
          .before = 5, .len = 7);
    struct machine m = run(42);
    assert_int_equal(m.rax, 2001);
    assert_int_equal(m.rbx, 42); /* the handler saw the program's rcx */
    assert_int_equal(m.rcx, 77);
    assert_int_equal(m.flags & 1, 1);
    machine_close();
}

TEST(stub_refuses_what_cannot_work)
{
    struct stub s;
    static const uint8_t code[64] = {0xe8, 0, 0, 0, 0, 0x0f, 0x05};
    struct cspan c = {code, sizeof code};
    struct site site = {.offset = 5, .form = SITE_BEFORE, .before = 5, .len = 7};
    assert_false(stub_make(&site, c, CODE_AT, STUB_AT, &s)); /* a call */
    site.before = 4;
    assert_false(stub_make(&site, c, CODE_AT, STUB_AT, &s)); /* lengths disagree */
    static const uint8_t mov[64] = {0xb8, 0, 0, 0, 0, 0x0f, 0x05};
    site.before = 5;
    c.p = mov;
    assert_true(stub_make(&site, c, CODE_AT, STUB_AT, &s));
    assert_false(stub_make(&site, c, CODE_AT, CODE_AT + (3ul << 30), &s)); /* too far */
    c.n = 3;
    assert_false(stub_make(&site, c, CODE_AT, STUB_AT, &s));
    uint8_t jump[STUB_JUMP];
    assert_false(stub_jump(CODE_AT, CODE_AT - (1ul << 32), jump));
}

struct decoded {
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
};

static void decode(const ZydisDecoder *d, struct cspan s, size_t at, struct decoded *ret)
{
    assert_true(ZYAN_SUCCESS(ZydisDecoderDecodeFull(d, s.p + at, s.n - at, &ret->insn, ret->ops)));
}

/* The same operation on the same operands; addresses are compared as absolute ones. */
static void compare(const struct decoded *a, uint64_t at_a, const struct decoded *b, uint64_t at_b)
{
    assert_int_equal(a->insn.mnemonic, b->insn.mnemonic);
    assert_int_equal(a->insn.operand_count_visible, b->insn.operand_count_visible);
    for (unsigned i = 0; i < a->insn.operand_count_visible; i++) {
        const ZydisDecodedOperand *x = &a->ops[i], *y = &b->ops[i];
        assert_int_equal(x->type, y->type);
        if (x->type == ZYDIS_OPERAND_TYPE_REGISTER)
            assert_int_equal(x->reg.value, y->reg.value);
        bool absolute = (x->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && x->imm.is_relative) ||
                        (x->type == ZYDIS_OPERAND_TYPE_MEMORY && x->mem.base == ZYDIS_REGISTER_RIP);
        ZyanU64 u = 0, v = 0;
        if (absolute) {
            assert_true(ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&a->insn, x, at_a, &u)));
            assert_true(ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&b->insn, y, at_b, &v)));
            assert_int_equal(u, v);
        } else if (x->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            assert_int_equal(x->imm.value.u, y->imm.value.u);
        } else if (x->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            assert_int_equal(x->mem.base, y->mem.base);
            assert_int_equal(x->mem.index, y->mem.index);
            assert_int_equal(x->mem.disp.value, y->mem.disp.value);
        }
    }
}

/* Each point of the stub is the instruction of the window it stands for. */
static void check_stub(const ZydisDecoder *d, const struct site *s, struct cspan file)
{
    uint32_t start = s->offset - s->before;
    struct cspan window = {file.p + start, s->len};
    struct stub stub;
    assert_true(stub_make(s, window, CODE_AT + start, STUB_AT, &stub));
    struct cspan code = {stub.code, stub.len};
    size_t covered = 0;
    for (size_t i = 0; i < stub.point_count; i++) {
        struct stub_point p = stub.points[i];
        assert_int_equal(p.orig, covered);
        struct decoded a, b;
        decode(d, code, p.at, &a);
        if (p.orig == s->before) {
            covered += 2;
            assert_true(a.insn.mnemonic ==
                        (s->kind == SITE_CPUID ? ZYDIS_MNEMONIC_MOV : ZYDIS_MNEMONIC_LEA));
        } else if (p.orig == s->len) {
            assert_int_equal(a.insn.mnemonic, ZYDIS_MNEMONIC_JMP);
        } else {
            decode(d, window, p.orig, &b);
            compare(&a, STUB_AT + p.at, &b, CODE_AT + start + p.orig);
            covered += b.insn.length;
        }
    }
    assert_int_equal(covered, s->len);
}

TEST(stub_of_every_site_of_real_files)
{
    static const char *const files[] = {"/lib/x86_64-linux-gnu/libc.so.6",
                                        "/lib64/ld-linux-x86-64.so.2",
                                        "/lib/x86_64-linux-musl/libc.so", "/bin/busybox"};
    ZydisDecoder d;
    ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        struct cspan s = code_load(files[i]);
        if (!s.p)
            continue;
        const struct code_source src = {.read = code_read, .ctx = &s};
        struct site_list l = {0};
        assert_int_equal(sites_scan_file(&src, s.n, &l), 0);
        for (size_t k = 0; k < l.count; k++)
            if (l.p[k].form != SITE_TRAP)
                check_stub(&d, &l.p[k], s);
        site_list_free(&l);
        free((void *) (uintptr_t) s.p);
    }
}

TEST(stubarea_slots_follow_their_pages)
{
    struct stubarea *a = stubarea_new(STUB_AT, STUB_AT + 4 * STUB_SIZE);
    struct stub_page *p = stubarea_page_begin(a, CODE_AT, 1, 0), *q;
    struct site site = {.offset = 5, .before = 5, .len = 7};
    struct stub stub = {.point_count = 1};
    uint32_t slot;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(stubarea_slot_take(a, p, &slot), STUB_AT + i * STUB_SIZE);
        stubarea_slot_set(a, slot, CODE_AT + 32 * i, &site, &stub);
    }
    q = stubarea_page_begin(a, CODE_AT + 4096, 1, 1);
    assert_int_not_equal(stubarea_slot_take(a, q, &slot), 0);
    assert_int_equal(stubarea_slot_take(a, q, &slot), 0);      /* full */
    assert_null(stubarea_slot_at(a, STUB_AT + 3 * STUB_SIZE)); /* taken, not set */
    assert_int_equal(stubarea_slot_at(a, STUB_AT + STUB_SIZE + 5)->window, CODE_AT + 32);
    p = stubarea_page_begin(a, CODE_AT, 2, 9); /* other content: its slots are free */
    assert_null(stubarea_slot_at(a, STUB_AT));
    for (size_t i = 0; i < 3; i++)
        assert_int_not_equal(stubarea_slot_take(a, p, &slot), 0);
    assert_int_equal(stubarea_slot_take(a, p, &slot), 0);
    stubarea_clear(a);
    assert_null(stubarea_page_peek(a, CODE_AT));
    p = stubarea_page_begin(a, CODE_AT, 2, 9);
    assert_int_not_equal(stubarea_slot_take(a, p, &slot), 0);
    stubarea_clear(a);
    for (size_t i = 0; i < STUBAREA_CHUNKS; i++)
        kfree(a->chunks[i]);
    kfree(a);
}
