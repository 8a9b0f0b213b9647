/* The ELF reader on images built byte by byte. */
#include "test/unit/test.h"
#include "libos/exec/elf.h"
#include "libos/base/errno.h"

#define FILE_SIZE 0x9000u

struct elf_file {
    struct elf64_ehdr head;
    struct elf64_phdr ph[4];
};

static struct elf_file good_file(void)
{
    return (struct elf_file){
        .head = {.ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
                 .type = ELF_ET_DYN,
                 .machine = ELF_EM_X86_64,
                 .version = 1,
                 .entry = 0x1010,
                 .phoff = 64,
                 .ehsize = 64,
                 .phentsize = 56,
                 .phnum = 4},
        .ph = {{.type = ELF_PT_LOAD,
                .flags = ELF_PF_R,
                .filesz = 0x800,
                .memsz = 0x800,
                .align = 0x1000},
               {.type = ELF_PT_LOAD,
                .flags = ELF_PF_R | ELF_PF_X,
                .offset = 0x1000,
                .vaddr = 0x1000,
                .filesz = 0x234,
                .memsz = 0x234,
                .align = 0x1000},
               {.type = ELF_PT_LOAD,
                .flags = ELF_PF_R | ELF_PF_W,
                .offset = 0x1e10,
                .vaddr = 0x3e10,
                .filesz = 0x300,
                .memsz = 0x5000,
                .align = 0x1000},
               {.type = ELF_PT_INTERP, .offset = 0x200, .filesz = 20, .memsz = 20, .align = 1}},
    };
}

static int parse(const struct elf_file *f, struct elf_image *ret)
{
    struct elf_head h;
    int r = elf_head_parse((struct cspan){(const uint8_t *) f, sizeof *f}, &h);
    if (r < 0)
        return r;
    return elf_image_parse(&h, (struct cspan){(const uint8_t *) f->ph, sizeof f->ph}, FILE_SIZE,
                           ret);
}

TEST(elf_describes_a_pie)
{
    struct elf_file f = good_file();
    struct elf_image img;
    assert_int_equal(parse(&f, &img), 0);
    assert_false(img.fixed);
    assert_int_equal(img.load_count, 3);
    assert_int_equal(img.low, 0);
    assert_int_equal(img.high, 0x9000);
    assert_int_equal(img.phdr, 64);
    assert_int_equal(img.interp_size, 20);
    const struct elf_load *data = &img.loads[2];
    assert_int_equal(data->map_start, 0x3000);
    assert_int_equal(data->map_offset, 0x1000);
    assert_int_equal(data->file_end, 0x4110);
    assert_int_equal(data->mem_end, 0x8e10);
    assert_int_equal(data->prot, 3);
    assert_int_equal(img.loads[1].prot, 5);
}

TEST(elf_head_refuses_other_files)
{
    struct elf_file f = good_file();
    struct elf_head h;
    struct cspan bytes = {(const uint8_t *) &f, sizeof f};
    for (size_t n = 0; n < sizeof f.head; n++)
        assert_int_equal(elf_head_parse((struct cspan){bytes.p, n}, &h), -ENOEXEC);
    for (int i = 0; i < 7; i++) {
        f = good_file();
        f.head.ident[i] ^= 1;
        assert_int_equal(elf_head_parse(bytes, &h), -ENOEXEC);
    }
    f = good_file();
    f.head.machine = 3;
    assert_int_equal(elf_head_parse(bytes, &h), -ENOEXEC);
    f = good_file();
    f.head.type = 1;
    assert_int_equal(elf_head_parse(bytes, &h), -ENOEXEC);
    f = good_file();
    f.head.phoff = UINT64_MAX - 8;
    assert_int_equal(elf_head_parse(bytes, &h), -ENOEXEC);
    f = good_file();
    f.head.phnum = 0xffff;
    assert_int_equal(elf_head_parse(bytes, &h), -ENOEXEC);
}

/* Each row breaks one field of one program header. */
TEST(elf_image_refuses_bad_segments)
{
    static const struct {
        int ph;
        size_t field;
        uint64_t value;
    } bad[] = {
        {1, offsetof(struct elf64_phdr, filesz), 0x235},              /* more file than memory */
        {1, offsetof(struct elf64_phdr, offset), 0x1001},             /* not congruent */
        {1, offsetof(struct elf64_phdr, offset), 0x9000},             /* beyond the file */
        {1, offsetof(struct elf64_phdr, offset), UINT64_MAX - 0xfff}, /* wraps */
        {1, offsetof(struct elf64_phdr, vaddr), 0},                   /* overlaps the one before */
        {1, offsetof(struct elf64_phdr, vaddr), 0xfffffffffffff000},
        {1, offsetof(struct elf64_phdr, align), 0x1001},
        {2, offsetof(struct elf64_phdr, memsz), UINT64_MAX},
        {2, offsetof(struct elf64_phdr, memsz), 1ull << 41},
        {2, offsetof(struct elf64_phdr, vaddr), 0x1e10}, /* shares a page */
        {3, offsetof(struct elf64_phdr, filesz), 1},
        {3, offsetof(struct elf64_phdr, filesz), 5000},
        {3, offsetof(struct elf64_phdr, offset), 0x8ff0},
    };
    struct elf_image img;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct elf_file f = good_file();
        memcpy((uint8_t *) &f.ph[bad[i].ph] + bad[i].field, &bad[i].value, sizeof bad[i].value);
        assert_int_equal(parse(&f, &img), -ENOEXEC);
    }
    struct elf_file f = good_file();
    f.head.entry = 0x9000;
    assert_int_equal(parse(&f, &img), -ENOEXEC);
    f = good_file();
    f.head.phnum = 1;
    f.ph[0].type = 6;
    assert_int_equal(parse(&f, &img), -ENOEXEC);
}

TEST(elf_image_needs_all_headers)
{
    struct elf_file f = good_file();
    struct elf_head h;
    struct elf_image img;
    assert_int_equal(elf_head_parse((struct cspan){(const uint8_t *) &f, sizeof f}, &h), 0);
    for (size_t n = 0; n < sizeof f.ph; n += 8)
        assert_int_equal(
            elf_image_parse(&h, (struct cspan){(const uint8_t *) f.ph, n}, FILE_SIZE, &img),
            -ENOEXEC);
}

TEST(elf_alignment_is_capped)
{
    struct elf_file f = good_file();
    struct elf_image img;
    f.ph[0].align = 1ull << 40;
    assert_int_equal(parse(&f, &img), 0);
    assert_int_equal(img.align, ELF_ALIGN_MAX);
}

TEST(elf_interp_must_end)
{
    assert_int_equal(elf_interp_check((struct cspan){(const uint8_t *) "/lib/ld", 8}), 7);
    assert_int_equal(elf_interp_check((struct cspan){(const uint8_t *) "/lib/ld", 7}), -ENOEXEC);
    assert_int_equal(elf_interp_check((struct cspan){(const uint8_t *) "\0", 2}), -ENOEXEC);
}
