/* The site finder: small pieces of code with known answers, then real libraries of the machine. */
#include "test/unit/codefile.h"
#include "libos/exec/sites.h"
#include "libos/exec/sitefile.h"
#include "libos/mm/heap.h"

static void scan(const void *code, size_t n, uint64_t start, struct site_list *ret)
{
    struct cspan s = {code, n};
    const struct code_source src = {.read = code_read, .ctx = &s};
    *ret = (struct site_list){0};
    assert_int_equal(sites_scan(&src, start, n, ret), 0);
}

#define NOPS "\x90\x90\x90\x90\x90\x90"

static struct site scan_one(const char *code, size_t n)
{
    struct site_list l;
    scan(code, n, 0, &l);
    assert_int_equal(l.count, 1);
    struct site s = l.p[0];
    site_list_free(&l);
    return s;
}
#define SCAN_ONE(text) scan_one(text, sizeof(text) - 1)

TEST(sites_before_a_mov)
{
    struct site s = SCAN_ONE(NOPS "\xb8\x27\0\0\0\x0f\x05\xc3");
    assert_int_equal(s.offset, 11);
    assert_int_equal(s.kind, SITE_SYSCALL);
    assert_int_equal(s.form, SITE_BEFORE);
    assert_int_equal(s.before, 5);
    assert_int_equal(s.len, 7);
    s = SCAN_ONE(NOPS "\xb8\x01\0\0\0\x0f\xa2\xc3");
    assert_int_equal(s.kind, SITE_CPUID);
    assert_int_equal(s.form, SITE_BEFORE);
}

TEST(sites_after_when_before_cannot_move)
{
    /* call, then the site, then cmp $imm32, %rax */
    struct site s = SCAN_ONE(NOPS "\xe8\0\0\0\0\x0f\x05\x48\x3d\0\xf0\xff\xff\xc3");
    assert_int_equal(s.form, SITE_AFTER);
    assert_int_equal(s.len, 8);
    /* the site, a return and padding: nothing of the next function */
    s = SCAN_ONE(NOPS "\xe8\0\0\0\0\x0f\x05\xc3\x66\x90\x55");
    assert_int_equal(s.form, SITE_AFTER);
    assert_int_equal(s.len, 5);
    s = SCAN_ONE(NOPS "\xe8\0\0\0\0\x0f\x05\xc3\x55\x48\x89\xe5");
    assert_int_equal(s.form, SITE_TRAP);
}

TEST(sites_nothing_branches_into_a_window)
{
    /* jmp to the syscall itself, over the mov */
    struct site s =
        SCAN_ONE("\x90\x90\x90\x90\xeb\x05\xb8\x27\0\0\0\x0f\x05\x48\x3d\0\xf0\xff\xff");
    assert_int_equal(s.offset, 11);
    assert_int_equal(s.form, SITE_AFTER);
    /* and another one to the instruction behind it */
    s = SCAN_ONE("\x90\x90\xeb\x09\xeb\x05\xb8\x27\0\0\0\x0f\x05\x48\x3d\0\xf0\xff\xff");
    assert_int_equal(s.form, SITE_TRAP);
    /* to the window's start: fine */
    s = SCAN_ONE("\x90\x90\x90\x90\xeb\x00\xb8\x27\0\0\0\x0f\x05\xc3");
    assert_int_equal(s.form, SITE_BEFORE);
}

TEST(sites_inside_other_instructions_are_none)
{
    struct site_list l;
    static const char code[] = NOPS "\xb8\x0f\x05\x0f\xa2\xc3"; /* mov $0xa20f050f, %eax */
    scan(code, sizeof code - 1, 0, &l);
    assert_int_equal(l.count, 0);
    site_list_free(&l);
}

/* The end of a table swallows the first byte of mov %rbx, %r8: a window from there on would leave out what
 * the function must keep. What is far behind the table is code again. */
TEST(sites_behind_data_are_doubted)
{
    static const char code[] =
        "\xfb\xee\x7c\x66\xdd\x17\x47\x9e\xca\x2d\xbf\x07\xad\x5a\x0e\x83\x33"
        "\x49\x89\xd8\x31\xc0\x0f\xa2\x31\xc0\x4c\x89\xc3\xc3" NOPS NOPS NOPS NOPS NOPS NOPS
        "\xb8\x27\0\0\0\x0f\x05\xc3";
    struct site_list l;
    scan(code, sizeof code - 1, 0, &l);
    assert_int_equal(l.count, 1);
    assert_int_equal(l.p[0].kind, SITE_SYSCALL);
    site_list_free(&l);
}

TEST(sites_signal_restorer_is_left_alone)
{
    assert_int_equal(SCAN_ONE(NOPS "\xb8\x0f\0\0\0\x0f\x05\x90\x90\x90\x90").form, SITE_TRAP);
    assert_int_equal(SCAN_ONE(NOPS "\x48\xc7\xc0\x0f\0\0\0\x0f\x05\x90\x90\x90").form, SITE_TRAP);
}

TEST(sites_windows_stay_in_a_page)
{
    static uint8_t code[0x3000];
    memset(code, 0x90, sizeof code);
    static const uint8_t call[] = {0xb8, 0x27, 0, 0, 0, 0x0f, 0x05, 0xc3};
    memcpy(code + 0x1000 - 3, call, sizeof call); /* the mov crosses */
    memcpy(code + 0x2000 - 6, call, sizeof call); /* the site is split */
    struct site_list l;
    scan(code, sizeof code, 0, &l);
    assert_int_equal(l.count, 2);
    assert_int_equal(l.p[0].form, SITE_AFTER);
    assert_int_equal(l.p[1].form, SITE_BEFORE);
    assert_int_equal(site_checked(&l.p[1]), 6);
    for (size_t i = 0; i < l.count; i++) {
        uint32_t start = l.p[i].offset - l.p[i].before;
        assert_int_equal(start >> 12, (start + 4) >> 12);
    }
    site_list_free(&l);
}

/* Chunk borders of the sweep do not matter: the same answer wherever the code lies. */
TEST(sites_do_not_depend_on_position)
{
    size_t n = 0x8000 * 2 + 64;
    uint8_t *code = malloc(n);
    static const uint8_t call[] = {0xb8, 0x27, 0, 0, 0, 0x0f, 0x05, 0xc3};
    for (size_t at = 0x8000 - 80; at < 0x8000 + 16; at++) {
        memset(code, 0x90, n);
        memcpy(code + at, call, sizeof call);
        struct site_list l;
        scan(code, n, 0, &l);
        assert_int_equal(l.count, 1);
        assert_int_equal(l.p[0].offset, at + 5);
        assert_int_not_equal(l.p[0].form, SITE_TRAP);
        site_list_free(&l);
    }
    free(code);
}

/* At most the signal restorer is left in the C libraries; that many sites at least are found. */
TEST(sites_of_real_files)
{
    static const struct {
        const char *path;
        size_t least;
    } files[] = {
        {"/lib/x86_64-linux-gnu/libc.so.6", 400},
        {"/lib64/ld-linux-x86-64.so.2", 60},
        {"/lib/x86_64-linux-musl/libc.so", 400},
        {"/bin/busybox", 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        struct cspan s = code_load(files[i].path);
        if (!s.p)
            continue;
        const struct code_source src = {.read = code_read, .ctx = &s};
        struct site_list l = {0};
        size_t traps = 0;
        assert_int_equal(sites_scan_file(&src, s.n, &l), 0);
        for (size_t k = 0; k < l.count; k++)
            traps += l.p[k].form == SITE_TRAP;
        assert_in_range(l.count, files[i].least, 5000);
        assert_in_range(traps, 0, 2);
        site_list_free(&l);
        free((void *) (uintptr_t) s.p);
    }
}

static struct span table_of_three(void)
{
    static struct site sites[2] = {{.offset = 10, .form = SITE_BEFORE, .before = 5, .len = 7},
                                   {.offset = 90, .form = SITE_AFTER, .len = 5}};
    struct sites_entry e[4] = {{.size = 9, .hash = 1, .list = {sites, 2, 2}},
                               {.size = 5, .hash = 7},
                               {.size = 9, .hash = 0, .list = {sites, 1, 1}},
                               {.size = 5, .hash = 7}};
    struct span ret;
    assert_int_equal(sites_db_write(e, 4, &ret), 0);
    return ret;
}

TEST(sitefile_finds_what_was_written)
{
    struct span t = table_of_three();
    struct sites_db db;
    const struct site *s;
    size_t n;
    assert_int_equal(sites_db_read(cspan(t), &db), 0);
    assert_int_equal(db.file_count, 3);
    assert_true(sites_db_find(&db, 9, 1, &s, &n));
    assert_int_equal(n, 2);
    assert_int_equal(s[1].offset, 90);
    assert_true(sites_db_find(&db, 5, 7, &s, &n));
    assert_int_equal(n, 0);
    assert_false(sites_db_find(&db, 5, 8, &s, &n));
    kfree(t.p);
}

TEST(sitefile_refuses_damage)
{
    struct span t = table_of_three();
    struct sites_db db;
    for (size_t n = 0; n < t.n; n++)
        assert_int_equal(sites_db_read((struct cspan){t.p, n}, &db), -EINVAL);
    struct sites_file *f = (struct sites_file *) (void *) (t.p + sizeof(struct sites_header));
    f[1].count = 4;
    assert_int_equal(sites_db_read(cspan(t), &db), -EINVAL);
    f[1].count = 1;
    f[1].first = UINT32_MAX;
    assert_int_equal(sites_db_read(cspan(t), &db), -EINVAL);
    f[1].first = 0;
    f[0].size = 10;
    assert_int_equal(sites_db_read(cspan(t), &db), -EINVAL);
    kfree(t.p);
}
