/* The kernel's own heap, at its place in the guest window (the rest of the unit tests uses malloc). */
#include <stdlib.h>
#include "abi/layout.h"
#include "libos/host/posix/unit.h"
#include "libos/mm/epc.h"
#include "test/unit/test.h"

#undef KERNEL_HEAP
#undef KERNEL_HEAP_END
#define KERNEL_HEAP     (UNIT_GUEST_BASE + 0xff10000000ul)
#define KERNEL_HEAP_END (UNIT_GUEST_BASE + ELRANGE_END)
#define kzalloc         own_kzalloc
#define kfree           own_kfree
#define krealloc        own_krealloc
#define kstrdup         own_kstrdup
#define kpages_alloc    own_kpages_alloc
#define kpages_free     own_kpages_free
#define heap_stats      own_heap_stats
#define heap_init       own_heap_init
#define epc_commit      heap_test_commit
static int heap_test_commit(uintptr_t addr, size_t pages);
#include "libos/mm/heap.c"
#undef epc_commit

static unsigned refuse_commits;

static int heap_test_commit(uintptr_t addr, size_t pages)
{
    if (refuse_commits > 0 && refuse_commits-- > 0)
        return -ENOMEM;
    (void) unit_guest(UADDR(USER_MIN)); /* reserves the window */
    return epc_commit(addr - UNIT_GUEST_BASE, pages);
}

static void start(void)
{
    if (!heap.map)
        heap_init(64ul << 20);
}

/* expect_panic leaves the heap's lock held. */
#define heap_panics(statement)                                                                     \
    do {                                                                                           \
        expect_panic(statement);                                                                   \
        heap.lock = (struct spinlock) SPINLOCK_INIT;                                               \
    } while (0)

TEST(heap_zeroed_and_aligned)
{
    start();
    for (size_t size = 1; size < 70000; size += size / 3 + 1) {
        uint8_t *p = kzalloc(size);
        assert_non_null(p);
        assert_int_equal((uintptr_t) p % (size >= 64 ? 64 : 16), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xa5, size);
        kfree(p);
    }
}

struct block {
    uint8_t *p;
    size_t size;
    uint8_t mark;
};

static void fill_random(struct block *b)
{
    b->size = random() % 8 ? (size_t) random() % 600 + 1 : (size_t) random() % 40000 + 1;
    b->mark = (uint8_t) random();
    b->p = kzalloc(b->size);
    assert_non_null(b->p);
    for (size_t i = 0; i < b->size; i++)
        if (b->p[i] != 0)
            fail_msg("byte %zu of %zu is not zero", i, b->size);
    memset(b->p, b->mark, b->size);
}

static void verify(const struct block *b)
{
    for (size_t i = 0; i < b->size; i++)
        if (b->p[i] != b->mark)
            fail_msg("byte %zu of %zu was overwritten", i, b->size);
}

TEST(heap_random_use)
{
    static struct block blocks[512];
    start();
    srandom(4);
    struct heap_stats before, after;
    heap_stats(&before);
    for (int round = 0; round < 60000; round++) {
        struct block *b = &blocks[random() % 512];
        if (b->p) {
            verify(b);
            kfree(b->p);
            *b = (struct block){0};
        } else {
            fill_random(b);
        }
    }
    for (size_t i = 0; i < 512; i++) {
        verify(&blocks[i]);
        kfree(blocks[i].p);
        blocks[i] = (struct block){0};
    }
    heap_stats(&after);
    assert_true(after.used_pages <= before.used_pages + 64); /* one slab of each class may stay */
}

TEST(heap_double_free)
{
    start();
    void *keep = kzalloc(100), *p = kzalloc(100), *large = kzalloc(100000);
    kfree(p);
    heap_panics(kfree(p));
    kfree(large);
    heap_panics(kfree(large));
    void *page = kpages_alloc(1);
    kpages_free(page, 1);
    heap_panics(kpages_free(page, 1));
    kfree(keep);
}

TEST(heap_wrong_pointers)
{
    start();
    uint8_t *small = kzalloc(200), *large = kzalloc(100000);
    uint64_t local = 0;
    heap_panics(kfree(small + 16));
    heap_panics(kfree(large + PAGE_SIZE));
    heap_panics(kfree(large + 16));
    heap_panics(kfree(&local));
    heap_panics(kfree((void *) KERNEL_HEAP));
    heap_panics(kfree(heap.slabs));
    void *pages = kpages_alloc(3);
    heap_panics(kpages_free(pages, 2));
    kpages_free(pages, 3);
    kfree(small);
    kfree(large);
    kfree(NULL);
}

TEST(heap_realloc)
{
    start();
    char *p = kstrdup("abc");
    for (size_t size = 8; size < 100000; size *= 3) {
        p = krealloc(p, size);
        assert_non_null(p);
        assert_string_equal(p, "abc");
        for (size_t i = 4; i < size; i++)
            assert_int_equal(p[i], 0);
    }
    p = krealloc(p, 16);
    assert_string_equal(p, "abc");
    kfree(p);
    assert_null(kzalloc(SIZE_MAX));
    assert_null(kzalloc(SIZE_MAX - 100));
}

/* "New bytes are zero" also where the object does not move. */
TEST(heap_realloc_in_place_is_zero)
{
    start();
    uint8_t *p = kzalloc(33);
    memset(p, 0xff, 33);
    p = krealloc(p, 24);
    p = krealloc(p, 40);
    assert_int_equal(p[0], 0xff);
    for (size_t i = 24; i < 40; i++)
        assert_int_equal(p[i], 0);
    kfree(p);
}

TEST(heap_limit)
{
    start();
    void *pages[64];
    size_t n = 0;
    while (n < 64 && (pages[n] = kpages_alloc(512)))
        n++;
    assert_true(n > 0 && n < 64);
    assert_null(kpages_alloc(512));
    while (n > 0)
        kpages_free(pages[--n], 512);
    void *p = kpages_alloc(512);
    assert_non_null(p);
    kpages_free(p, 512);
}

TEST(heap_host_gives_no_pages)
{
    start();
    struct heap_stats s;
    heap_stats(&s);
    heap.limit = s.used_pages + s.cached_pages + 1024;
    refuse_commits = 1;
    void *p = kpages_alloc(s.cached_pages + 1);
    refuse_commits = 0;
    assert_null(p);
    p = kpages_alloc(s.cached_pages + 1);
    assert_non_null(p);
    kpages_free(p, s.cached_pages + 1);
}
