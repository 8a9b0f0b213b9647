/* The pid table: numbers are unique while used, come back only after the others, and a number whose
 * object is gone finds nothing. */
#include "libos/task/family.h"
#include "test/unit/test.h"

TEST(pid_numbers)
{
    spin_lock(&process_table_lock);
    int a = pid_alloc_locked(), b = pid_alloc_locked();
    assert_true(a > PID_INIT && b > PID_INIT && a != b);
    assert_non_null(pid_slot_locked(a));
    pid_free_locked(a);
    int c = pid_alloc_locked();
    assert_true(c != b && c != a); /* not used again at once */
    pid_free_locked(b);
    pid_free_locked(c);
    assert_null(pid_slot_locked(0));
    assert_null(pid_slot_locked(-1));
    assert_null(pid_slot_locked(PID_MAX));
    spin_unlock(&process_table_lock);
    assert_null(process_lookup_get(a));
}

TEST(pid_groups_keep_numbers)
{
    struct process *p = process_new();
    assert_non_null(p);
    spin_lock(&process_table_lock);
    int n = pid_alloc_locked();
    p->pid = n;
    family_join_group_locked(p, n);
    family_join_session_locked(p, n);
    pid_free_locked(n);
    struct pid_slot *s = pid_slot_locked(n);
    assert_false(s->reserved);
    assert_false(list_empty(&s->group));
    assert_int_equal(s->sessions, 1);
    assert_true(family_group_orphaned_locked(n, NULL)); /* it has no parent */
    family_leave_locked(p);
    assert_true(list_empty(&s->group));
    assert_int_equal(s->sessions, 0);
    spin_unlock(&process_table_lock);
    process_put(p);
}
