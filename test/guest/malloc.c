/* The C library's allocator on top of brk and mmap. */
#include "guest_test.h"
#include <malloc.h>

TEST_CASE(growing_sizes)
{
    for (size_t size = 1; size <= (16 << 20); size *= 2) {
        unsigned char *p = malloc(size);
        CHECK(p);
        memset(p, 0x5a, size);
        CHECK_EQ(p[size - 1], 0x5a);
        free(p);
    }
}

TEST_CASE(calloc_is_zero)
{
    for (int round = 0; round < 200; round++) {
        size_t size = (size_t) round * 997 + 1;
        unsigned char *p = calloc(1, size);
        CHECK(p);
        for (size_t i = 0; i < size; i++)
            CHECK_EQ(p[i], 0);
        memset(p, 0xff, size);
        free(p);
    }
}

TEST_CASE(realloc_keeps)
{
    size_t size = 16;
    unsigned char *p = malloc(size);
    memset(p, 1, size);
    while (size < (8 << 20)) {
        p = realloc(p, size * 2);
        CHECK(p);
        CHECK_EQ(p[size - 1], 1);
        memset(p + size, 1, size);
        size *= 2;
    }
    for (size_t i = 0; i < size; i++)
        CHECK_EQ(p[i], 1);
    free(p);
}

TEST_CASE(aligned)
{
    for (size_t align = 16; align <= 65536; align *= 2) {
        void *p = NULL;
        ZERO(posix_memalign(&p, align, 100));
        CHECK_EQ((uintptr_t) p % align, 0);
        free(p);
    }
}

static void *churn(void *arg)
{
    enum { SLOTS = 128 };
    unsigned char *slots[SLOTS] = {0};
    unsigned seed = (unsigned) (uintptr_t) arg;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1103515245 + 12345;
        unsigned s = seed >> 16 & (SLOTS - 1);
        if (slots[s])
            CHECK_EQ(slots[s][0], (unsigned char) s);
        free(slots[s]);
        slots[s] = malloc((seed >> 8 & 4095) + 1);
        CHECK(slots[s]);
        slots[s][0] = (unsigned char) s;
    }
    for (int s = 0; s < SLOTS; s++)
        free(slots[s]);
    return NULL;
}

TEST_CASE(from_many_threads)
{
    pthread_t t[16];
    for (int i = 0; i < 16; i++)
        ZERO(pthread_create(&t[i], NULL, churn, (void *) (uintptr_t) (i + 1)));
    for (int i = 0; i < 16; i++)
        ZERO(pthread_join(t[i], NULL));
}

TEST_CASE(too_much_fails_cleanly)
{
    volatile size_t huge = (size_t) 1 << 62;
    errno = 0;
    CHECK(malloc(huge) == NULL);
    CHECK_EQ(errno, ENOMEM);
}
