/* First lines of scripts, by the rules of binfmt_script. */
#include "test/unit/test.h"
#include "libos/exec/script.h"
#include "libos/base/errno.h"

static int parse(const char *text, size_t n, struct script *ret)
{
    return script_parse((struct cspan){(const uint8_t *) text, n}, ret);
}

TEST(script_interpreter_and_argument)
{
    static const struct {
        const char *text, *interp, *arg;
    } good[] = {
        {"#!/bin/sh\necho", "/bin/sh", NULL},
        {"#! /bin/sh\n", "/bin/sh", NULL},
        {"#!/bin/sh", "/bin/sh", NULL},
        {"#!\t /usr/bin/env \t python3 -E  x \t\n", "/usr/bin/env", "python3 -E  x"},
        {"#!sh -e", "sh", "-e"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct script s;
        assert_int_equal(parse(good[i].text, strlen(good[i].text), &s), 0);
        assert_string_equal(s.interp, good[i].interp);
        if (good[i].arg)
            assert_string_equal(s.arg, good[i].arg);
        else
            assert_null(s.arg);
    }
}

TEST(script_without_interpreter)
{
    static const char *const bad[] = {"", "#", "#!", "#!\n/bin/sh", "#!  \t \n", "# !/bin/sh"};
    struct script s;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(parse(bad[i], strlen(bad[i]), &s), -ENOEXEC);
}

TEST(script_long_lines)
{
    char text[600] = "#!/";
    struct script s;
    memset(text + 3, 'x', sizeof text - 3);
    assert_int_equal(parse(text, sizeof text, &s), -ENOEXEC); /* the name would be cut */
    text[200] = ' ';
    assert_int_equal(parse(text, sizeof text, &s), 0); /* only the argument is */
    assert_int_equal(strlen(s.interp), 198);
    assert_int_equal(strlen(s.arg), SCRIPT_LINE_MAX - 201);
    text[SCRIPT_LINE_MAX - 1] = '\n';
    text[200] = 'x';
    assert_int_equal(parse(text, sizeof text, &s), 0);
    assert_int_equal(strlen(s.interp), SCRIPT_LINE_MAX - 3);
}
