/* The shared window: one address for each page of a shared object. Ranges are handed out first fit from
 * a sorted list of free ranges, each behind a page of its own that nobody can touch, so that running over the start
 * or end of an object reaches no other one.
 *
 * A page is absent until it is opened for the first touch: a large object of which a program uses little costs little,
 * neither when it is made nor when it goes. From then on it stays committed, zeroed when its range comes back, which
 * absent pages need not be. It is readable and writable whatever its mappings say, unless it is closed (behind the
 * end of a file), and executable (code) once somebody ran code in it whose mapping allows that.
 *
 *     absent, closed -- window_open --> open -- window_run --> code;   open, code -- window_close --> closed
 *
 * States are bytes in books. They change under the lock, from open and code under the mutex only, which is above it: taking
 * away permissions is a host call and must not meet another change. */
#include "abi/layout.h"
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/base/list.h"
#include "libos/base/lock.h"
#include "libos/base/panic.h"
#include "libos/base/string.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/epc.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/mm/window.h"
#include "libos/task/mutex.h"

#define BOOK_PAGES   PAGE_SIZE
#define BOOK_COUNT   ((SHARED_END - SHARED_BASE) / PAGE_SIZE / BOOK_PAGES)
#define OPEN_AT_ONCE (1024 * PAGE_SIZE) /* the lock is free in between */

enum state { ABSENT, OPEN, CODE, CLOSED };

struct hole {
    struct list link;
    uintptr_t start, end;
};

static struct {
    struct spinlock lock;
    struct mutex mutex;
    struct list holes; /* freed; by address, never side by side */
    uintptr_t next;    /* never used from here on */
    uintptr_t global_start, global_end;
    uint8_t *books[BOOK_COUNT]; /* up to next; never freed */
} window = {
    .mutex = MUTEX_INIT(window.mutex), .holes = LIST_INIT(window.holes), .next = SHARED_BASE};

/* ---- states of pages -------------------------------------------------------------------------- */
static uint8_t *entry_of(uintptr_t addr)
{
    uintptr_t page = (addr - SHARED_BASE) / PAGE_SIZE;
    check(page / BOOK_PAGES < BOOK_COUNT);
    uint8_t *book = atomic_load(&window.books[page / BOOK_PAGES]);
    check(book);
    return &book[page % BOOK_PAGES];
}

static enum state state_of(uintptr_t addr)
{
    return atomic_load(entry_of(addr));
}

static void set_state(uintptr_t at, uintptr_t end, enum state state)
{
    for (; at < end; at += PAGE_SIZE)
        atomic_store(entry_of(at), (uint8_t) state);
}

/* Where the pages end that are in the same state as the one at `at`. */
static uintptr_t run_end(uintptr_t at, uintptr_t end)
{
    enum state state = state_of(at);
    do
        at += PAGE_SIZE;
    while (at < end && state_of(at) == state);
    return at;
}

static bool grow_books_locked(uintptr_t end)
{
    uintptr_t count = (end - SHARED_BASE + BOOK_PAGES * PAGE_SIZE - 1) / (BOOK_PAGES * PAGE_SIZE);
    for (uintptr_t i = (window.next - SHARED_BASE) / (BOOK_PAGES * PAGE_SIZE); i < count; i++) {
        uint8_t *book = window.books[i] ? NULL : kpages_alloc(1);
        if (book)
            atomic_store(&window.books[i], book);
        if (!window.books[i])
            return false;
    }
    return true;
}

static int prot_of(enum state state)
{
    return state == CODE ? PROT_R | PROT_W | PROT_X : state == OPEN ? PROT_R | PROT_W : 0;
}

/* ---- ranges ----------------------------------------------------------------------------------- */
static uintptr_t take_hole_locked(uint64_t size)
{
    struct hole *h;
    list_for_each (h, &window.holes, link) {
        if (h->end - h->start < size)
            continue;
        uintptr_t at = h->start;
        h->start += size;
        if (h->start == h->end) {
            list_del(&h->link);
            kfree(h);
        }
        return at;
    }
    return 0;
}

static uintptr_t take_fresh_locked(uint64_t size)
{
    uintptr_t at = window.next;
    if (size > SHARED_END - at || !grow_books_locked(at + size))
        return 0;
    window.next += size;
    return at;
}

int window_alloc(uint64_t pages, uintptr_t *ret_addr)
{
    if (pages == 0 || pages >= (SHARED_END - SHARED_BASE) / PAGE_SIZE)
        return -ENOMEM;
    uint64_t size = (pages + 1) * PAGE_SIZE;
    spin_lock(&window.lock);
    uintptr_t at = take_hole_locked(size);
    if (!at)
        at = take_fresh_locked(size);
    spin_unlock(&window.lock);
    if (!at)
        return -ENOMEM;
    *ret_addr = at + PAGE_SIZE;
    window_close(at, *ret_addr);
    return 0;
}

/* Without holes that join, ranges of different sizes would use up the window one after the other. */
static void add_hole_locked(struct hole *h)
{
    struct hole *other, *before = NULL, *after = NULL;
    list_for_each (other, &window.holes, link) {
        if (other->start > h->start) {
            after = other;
            break;
        }
        before = other;
    }
    list_add_tail(after ? &after->link : &window.holes, &h->link);
    if (after && after->start == h->end) {
        h->end = after->end;
        list_del(&after->link);
        kfree(after);
    }
    if (before && before->end == h->start) {
        before->end = h->end;
        list_del(&h->link);
        kfree(h);
    }
}

/* Makes pages of one state zeros that nobody runs. */
static void clear_run(uintptr_t at, uintptr_t end)
{
    enum state state = state_of(at);
    if (state == ABSENT)
        return;
    if (state != OPEN)
        epc_protect(at, (end - at) / PAGE_SIZE, prot_of(state), prot_of(OPEN));
    set_state(at, end, OPEN);
    memset(enclave_ptr(at), 0, end - at);
}

void window_free(uintptr_t addr, uint64_t pages)
{
    uintptr_t end = addr + pages * PAGE_SIZE;
    mutex_lock(&window.mutex);
    for (uintptr_t at = addr, stop; at < end; at = stop) {
        stop = run_end(at, end);
        clear_run(at, stop);
    }
    mutex_unlock(&window.mutex);
    struct hole *h = new_zero(struct hole);
    if (!h)
        return; /* the range is lost, not reused: safe */
    h->start = addr - PAGE_SIZE;
    h->end = end;
    SPIN_GUARD(&window.lock);
    add_hole_locked(h);
}

/* ---- pages that are opened and closed --------------------------------------------------------- */
bool window_closed(uintptr_t addr)
{
    enum state state = state_of(addr);
    return state == ABSENT || state == CLOSED;
}

static int open_run_locked(uintptr_t at, uintptr_t end)
{
    size_t pages = (end - at) / PAGE_SIZE;
    enum state state = state_of(at);
    if (state == ABSENT && epc_commit(at, pages) < 0)
        return -ENOMEM;
    if (state == CLOSED)
        epc_protect(at, pages, prot_of(CLOSED), prot_of(OPEN)); /* extends: no host call */
    if (state == ABSENT || state == CLOSED)
        set_state(at, end, OPEN);
    return 0;
}

int window_open(uintptr_t start, uintptr_t end)
{
    for (uintptr_t at = start, stop; at < end; at = stop) {
        stop = run_end(at, MIN(end, at + OPEN_AT_ONCE));
        if (!window_closed(at))
            continue;
        SPIN_GUARD(&window.lock);
        stop = run_end(at, stop); /* again: somebody else may have been first */
        int r = open_run_locked(at, stop);
        if (r < 0)
            return r;
    }
    return 0;
}

void window_close(uintptr_t start, uintptr_t end)
{
    MUTEX_GUARD(&window.mutex);
    for (uintptr_t at = start, stop; at < end; at = stop) {
        stop = run_end(at, end);
        enum state state = state_of(at);
        if (state != OPEN && state != CODE)
            continue;
        epc_protect(at, (stop - at) / PAGE_SIZE, prot_of(state), prot_of(CLOSED));
        set_state(at, stop, CLOSED);
    }
}

void window_run(uintptr_t start, uintptr_t end)
{
    MUTEX_GUARD(&window.mutex);
    for (uintptr_t at = start, stop; at < end; at = stop) {
        stop = run_end(at, end);
        if (state_of(at) != OPEN)
            continue;
        epc_protect(at, (stop - at) / PAGE_SIZE, prot_of(OPEN), prot_of(CODE));
        set_state(at, stop, CODE);
    }
}

int window_global(uintptr_t addr, uint64_t pages, int prot)
{
    if (window.global_end && addr != window.global_end)
        return -EINVAL;
    epc_protect(addr, pages, PROT_R | PROT_W, prot);
    window.global_start = window.global_start ? window.global_start : addr;
    window.global_end = addr + pages * PAGE_SIZE;
    return 0;
}

bool window_is_global(uintptr_t start, uintptr_t end)
{
    return start >= window.global_start && end <= window.global_end;
}
