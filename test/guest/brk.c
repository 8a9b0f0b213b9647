/* brk: growing gives zeroed writable pages, shrinking takes them away, zeroed again after regrowth.
 */
#include "guest_fault.h"

static char *set_break(char *to)
{
    return (char *) syscall(SYS_brk, to);
}

TEST_CASE(grow_and_shrink)
{
    char *start = set_break(NULL);
    CHECK(start != NULL);
    CHECK(set_break(start + 300000) == start + 300000);
    for (int i = 0; i < 300000; i++)
        CHECK_EQ(start[i], 0);
    memset(start, 'b', 300000);
    CHECK(set_break(start + 100000) == start + 100000);
    CHECK_EQ(start[99999], 'b');
    CHECK(set_break(start + 300000) == start + 300000);
    char *page = (char *) (((uintptr_t) start + 100000 + PAGE - 1) & ~(PAGE - 1));
    for (char *p = page; p < start + 300000; p++)
        CHECK_EQ(*p, 0);
    CHECK(set_break(start) == start);
}

TEST_CASE(shrunk_pages_are_gone)
{
    char *start = set_break(NULL);
    CHECK(set_break(start + 64 * PAGE) == start + 64 * PAGE);
    start[40 * PAGE] = 1;
    CHECK(set_break(start) == start);
    char *gone = (char *) (((uintptr_t) start + 40 * PAGE) & ~(PAGE - 1));
    CHECK_FAULT(fault_write(gone), SIGSEGV, SEGV_MAPERR, gone);
}

TEST_CASE(impossible_breaks_change_nothing)
{
    char *start = set_break(NULL);
    CHECK(set_break((char *) 1) == start);
    CHECK(set_break((char *) 0x7fffffffffffUL) == start);
    CHECK(set_break((char *) -1L) == start);
    CHECK(set_break(NULL) == start);
}

TEST_CASE(not_executable)
{
    char *start = set_break(NULL);
    CHECK(set_break(start + 2 * PAGE) == start + 2 * PAGE);
    unsigned char *code = (unsigned char *) (((uintptr_t) start + PAGE - 1) & ~(PAGE - 1));
    *code = 0xc3;
    CHECK_EQ(fault_call(code).sig, SIGSEGV);
    CHECK(set_break(start) == start);
}

TEST_CASE(large)
{
    char *start = set_break(NULL);
    size_t size = 32 << 20;
    CHECK(set_break(start + size) == start + size);
    for (size_t at = 0; at < size; at += PAGE)
        start[at] = (char) (at >> 12);
    for (size_t at = 0; at < size; at += PAGE)
        CHECK_EQ(start[at], (char) (at >> 12));
    CHECK(set_break(start) == start);
}
