/* Unit tests: write TEST(name) { ... } in any *_test.c; scripts/gen-tables registers it. */
#ifndef TEST_UNIT_TEST_H
#define TEST_UNIT_TEST_H
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#define TEST(name)                                                                                 \
    void test_##name(void **state);                                                                \
    void test_##name(__attribute__((unused)) void **state)

extern const struct CMUnitTest unit_tests[];
extern const size_t unit_test_count;
#endif
