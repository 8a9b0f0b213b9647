/* The kernel's own heap, at its place in the guest window (the rest of the unit tests uses malloc). */
#include <stdlib.h>
#include "abi/layout.h"
#include "libos/host/posix/unit.h"
#include "libos/mm/epc.h"
#include "libos/task/thread.h"
#include "test/unit/test.h"

#undef KERNEL_HEAP
#undef KERNEL_HEAP_END
#define KERNEL_HEAP      (UNIT_GUEST_BASE + 0xff10000000ul)
#define KERNEL_HEAP_END  (UNIT_GUEST_BASE + ELRANGE_END)
#define kzalloc          own_kzalloc
#define kfree            own_kfree
#define krealloc         own_krealloc
#define kstrdup          own_kstrdup
#define kpages_alloc     own_kpages_alloc
#define kpages_free      own_kpages_free
#define heap_stats       own_heap_stats
#define heap_init        own_heap_init
#define heap_owner_of    own_heap_owner_of
#define heap_charged     own_heap_charged
#define heap_class_stats own_heap_class_stats
#define current          heap_test_current
#define epc_commit       heap_test_commit
static int heap_test_commit(uintptr_t addr, size_t pages);
static struct thread *heap_test_current(void);
#include "libos/mm/heap.c"
#include "libos/mm/slab.c"
#undef epc_commit

static unsigned refuse_commits;
static struct thread heap_test_thread;

static struct thread *heap_test_current(void)
{
    return &heap_test_thread;
}

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
        heap_init(64ul << 20, 0x123456789abcdef);
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

/* One byte too far, for objects of all sizes: the bytes up to the tail, the tail, the guard page. */
TEST(heap_overflow_is_found)
{
    start();
    static const size_t sizes[] = {1,   24,   25,    56,    57,    64,   100,
                                   500, 4096, 16440, 16441, 20000, 65536};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint8_t *p = kzalloc(sizes[i]);
        uint8_t saved = p[sizes[i]];
        p[sizes[i]] ^= 0x41;
        heap_panics(kfree(p));
        assert_non_null(strstr(unit_panic_text, "over the end"));
        p[sizes[i]] = saved;
        kfree(p);
    }
    uint8_t *run = kpages_alloc(4);
    run[5 * PAGE_SIZE - 1] = 0;
    heap_panics(kpages_free(run, 4));
    run[5 * PAGE_SIZE - 1] = GUARD_BYTE;
    kpages_free(run, 4);
}

TEST(heap_overflow_is_found_by_realloc)
{
    start();
    uint8_t *p = kzalloc(56);
    p[56] ^= 1;
    heap_panics(p = krealloc(p, 50));
    p[56] ^= 1;
    kfree(p);
}

TEST(heap_write_after_free_is_found)
{
    start();
    for (size_t size = 16; size <= 4096; size *= 4) {
        volatile uint64_t *p = kzalloc(size);
        void *others[SLAB_OBJECTS] = {0};
        kfree(unconst((const void *) (uintptr_t) p));
        p[1] = 7;
        size_t n = 0;
        heap_panics(while (n < SLAB_OBJECTS && (others[n] = kzalloc(size))) n++);
        assert_non_null(strstr(unit_panic_text, "after it was freed"));
        p[1] = 0;
        while (n > 0)
            kfree(others[--n]);
    }
}

/* A slot that was freed is not the next to be handed out. */
TEST(heap_reuse_is_late)
{
    start();
    void *p = kzalloc(300);
    kfree(p);
    void *q = kzalloc(300);
    assert_ptr_not_equal(p, q);
    kfree(q);
}

static size_t take_all(void **pages, size_t max)
{
    size_t n = 0;
    while (n < max && (pages[n] = kpages_alloc(15)))
        n++;
    return n;
}

/* One process takes what it can get; another still gets its modest share, and the kernel everything. */
TEST(heap_shares)
{
    static void *hog[2000], *small[2000], *kernel[2000];
    start();
    size_t limit = heap.limit;
    heap.limit = heap.used + 4096;
    heap_test_thread.heap_owner = heap_owner_of(77);
    size_t n = take_all(hog, 2000);
    assert_in_range(n * 16, 1, heap.limit - heap.limit / COMMON_PARTS);
    assert_int_equal(heap_charged(heap_owner_of(77)), n * 16 * PAGE_SIZE);
    heap_test_thread.heap_owner = heap_owner_of(78);
    size_t m = take_all(small, 2000);
    assert_in_range(m * 16, 1, heap.limit / MODEST_PARTS);
    heap_test_thread.heap_owner = KERNEL_OWNER;
    size_t k = take_all(kernel, 2000);
    assert_true(heap.used + 16 > heap.limit);
    while (k > 0)
        kpages_free(kernel[--k], 15);
    while (m > 0)
        kpages_free(small[--m], 15);
    while (n > 0)
        kpages_free(hog[--n], 15);
    assert_int_equal(heap_charged(heap_owner_of(77)), 0);
    assert_int_equal(heap_charged(heap_owner_of(78)), 0);
    heap.limit = limit;
}

TEST(heap_class_counts)
{
    start();
    struct heap_class_stats before, after;
    assert_true(heap_class_stats(0, &before));
    void *p = kzalloc(20);
    assert_true(heap_class_stats(0, &after));
    assert_int_equal(after.used, before.used + 1);
    assert_true(after.size >= 20 && after.slabs >= 1);
    kfree(p);
    assert_true(heap_class_stats(0, &after));
    assert_int_equal(after.used, before.used);
    assert_false(heap_class_stats(CLASSES, &after));
}
