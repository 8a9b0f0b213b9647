/* The initial stack, read back the way a C library's start-up code does. */
#include "test/unit/test.h"
#include "libos/exec/stack.h"
#include "libos/base/errno.h"
#include "abi/elf.h"

#define TOP 0x7ffff000ul

static const char *at(const struct stack_image *img, uint64_t addr)
{
    assert_in_range(addr, img->sp, TOP - 1);
    return img->p + (addr - img->sp);
}

static uint64_t word(const struct stack_image *img, size_t i)
{
    uint64_t v;
    memcpy(&v, img->p + i * sizeof v, sizeof v);
    return v;
}

TEST(stack_layout)
{
    struct stack_spec spec = {
        .top = TOP,
        .first = {"/bin/sh\0-e\0./x", 15, 3},
        .argv = {"a\0b b", 6, 2},
        .envp = {"PATH=/bin\0E=", 13, 2},
        .execfn = "./x",
        .random = {1, 2, 3},
        .auxv = {{AUX_PAGESZ, 4096}},
        .auxv_count = 1,
    };
    struct stack_image img;
    assert_int_equal(stack_build(&spec, 0x10000, &img), 0);
    assert_int_equal(img.sp % 16, 0);
    assert_int_equal(img.sp + img.n, TOP);
    static const char *const args[] = {"/bin/sh", "-e", "./x", "a", "b b"};
    assert_int_equal(word(&img, 0), 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(at(&img, word(&img, 1 + i)), args[i]);
    assert_int_equal(word(&img, 6), 0);
    assert_string_equal(at(&img, word(&img, 7)), "PATH=/bin");
    assert_string_equal(at(&img, word(&img, 8)), "E=");
    assert_int_equal(word(&img, 9), 0);
    assert_int_equal(word(&img, 10), AUX_PAGESZ);
    assert_int_equal(word(&img, 12), AUX_PLATFORM);
    assert_string_equal(at(&img, word(&img, 13)), "x86_64");
    assert_int_equal(word(&img, 14), AUX_RANDOM);
    assert_memory_equal(at(&img, word(&img, 15)), spec.random, 16);
    assert_int_equal(word(&img, 16), AUX_EXECFN);
    assert_string_equal(at(&img, word(&img, 17)), "./x");
    assert_int_equal(word(&img, 18), AUX_NULL);
    assert_int_equal(img.arg_start, word(&img, 1));
    assert_int_equal(img.arg_end, img.env_start);
    assert_int_equal(img.env_start, word(&img, 7));
    assert_int_equal(img.env_end, img.env_start + 13);
    stack_free(&img);
}

TEST(stack_limit)
{
    struct stack_spec spec = {.top = TOP, .argv = {"x", 2, 1}, .execfn = "x"};
    struct stack_image img;
    size_t vector = 8 * (1 + 3 + 2 * 4), strings = 2 + 2;
    assert_int_equal(stack_build(&spec, vector + strings - 1, &img), -E2BIG);
    assert_int_equal(stack_build(&spec, vector + strings, &img), 0);
    stack_free(&img);
    spec.argv.count = SIZE_MAX / 4;
    assert_int_equal(stack_build(&spec, 0x200000, &img), -E2BIG);
}
