/* Random operations against a model: the numbers, and what the environment says of a run. */
#ifndef GUEST_MODEL_H
#define GUEST_MODEL_H
#include "guest_test.h"

static unsigned long seed; /* the same one gives the same run */

static unsigned long rnd(unsigned long n)
{
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return (seed >> 33) % n;
}

static unsigned long number_from(const char *variable, unsigned long otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoul(text, NULL, 10) : otherwise;
}

/* In the directory FSX_DIR, or in the test's own. */
static void place_of(const char *name, char *ret_path, size_t size)
{
    const char *dir = getenv("FSX_DIR");
    if (dir)
        snprintf(ret_path, size, "%s/%s", dir, name);
    else
        snprintf(ret_path, size, "%s", test_path(name));
}
#endif
