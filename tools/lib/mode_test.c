/* The choice of HW or SIM, and lines of JSON values. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "test/unit/test.h"
#include "tools/lib/jsonpos.h"
#include "tools/lib/mode.h"

TEST(mode_first_that_says_something)
{
    static const struct {
        struct mode_input input;
        enum sgx_mode mode;
        const char *by;
    } cases[] = {
        {{NULL, NULL, NULL, false}, SGX_MODE_SIM, NULL},
        {{NULL, NULL, NULL, true}, SGX_MODE_HW, NULL},
        {{"SIM", "HW", "HW", true}, SGX_MODE_SIM, "--sgx-mode"},
        {{"hw", "SIM", NULL, false}, SGX_MODE_HW, "--sgx-mode"},
        {{NULL, "HW", "SIM", false}, SGX_MODE_HW, "SGX_MODE"},
        {{NULL, "SIM", NULL, true}, SGX_MODE_SIM, "SGX_MODE"},
        {{NULL, "", "SIM", true}, SGX_MODE_SIM, "the last build"},
        {{"", "", "", true}, SGX_MODE_HW, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mode_choice choice;
        assert_int_equal(mode_choose(&cases[i].input, &choice), 0);
        assert_int_equal(choice.mode, cases[i].mode);
        if (cases[i].by)
            assert_string_equal(choice.by, cases[i].by);
        else
            assert_null(choice.by);
    }
}

TEST(mode_refuses_other_words)
{
    struct mode_choice choice;
    struct mode_input option = {.option = "HYPER", .variable = "SIM"};
    assert_int_equal(mode_choose(&option, &choice), -EINVAL);
    assert_string_equal(choice.by, "--sgx-mode");
    struct mode_input variable = {.variable = "SIMULATION"};
    assert_int_equal(mode_choose(&variable, &choice), -EINVAL);
    assert_string_equal(choice.by, "SGX_MODE");
}

TEST(jsonpos_lines)
{
    static const char text[] = "{\n \"a\": [1,\n {\"b\\\"}\": 3,\n  \"c\": \"]}\\n\"},\n"
                               " [[]], 5],\n \"d\":\n {} }\n";
    assert_int_equal(json_line_of(text, ""), 1);
    assert_int_equal(json_line_of(text, "a"), 2);
    assert_int_equal(json_line_of(text, "a[0]"), 2);
    assert_int_equal(json_line_of(text, "a[1]"), 3);
    assert_int_equal(json_line_of(text, "a[1].c"), 4);
    assert_int_equal(json_line_of(text, "a[3]"), 5);
    assert_int_equal(json_line_of(text, "d"), 6);
    assert_int_equal(json_line_of(text, "a[9]"), 2);
    assert_int_equal(json_line_of(text, "none"), 1);
}

TEST(jsonpos_survives_damage)
{
    static const char text[] = "{\"a\": [{\"b\": \"x\\\"y\"}, [1, 2, {\"c\": null}]], \"d\": 4}";
    srandom(4);
    for (int round = 0; round < 20000; round++) {
        char *damaged = strdup(text);
        damaged[(size_t) random() % strlen(text)] = (char) (random() % 256);
        damaged[(size_t) random() % strlen(text)] = "{}[]\",:\\"[random() % 8];
        (void) json_line_of(damaged, "a[1][2].c");
        (void) json_line_of(damaged, "d");
        free(damaged);
    }
}
