/* Runs the unit tests of one side; an argument selects tests by substring. */
#include <string.h>
#include <stdio.h>
#include "test.h"

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests("unit", unit_tests, unit_test_count, NULL, NULL);
}
