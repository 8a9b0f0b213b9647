#include "libos/base/list.h"
#include "test/unit/test.h"

struct item {
    int v;
    struct list link;
};

static int sum_in_order(struct list *head)
{
    int s = 0;
    struct item *i;
    list_for_each (i, head, link)
        s = s * 10 + i->v;
    return s;
}

TEST(list_order)
{
    struct list head = LIST_INIT(head);
    struct item a = {.v = 1}, b = {.v = 2}, c = {.v = 3};
    assert_true(list_empty(&head));
    assert_null(list_first(&head, struct item, link));
    list_add_tail(&head, &b.link);
    list_add_tail(&head, &c.link);
    list_add(&head, &a.link);
    assert_int_equal(sum_in_order(&head), 123);
    assert_ptr_equal(list_first(&head, struct item, link), &a);
    assert_ptr_equal(list_last(&head, struct item, link), &c);
}

TEST(list_delete)
{
    struct list head = LIST_INIT(head);
    struct item a = {.v = 1}, b = {.v = 2}, c = {.v = 3};
    list_add_tail(&head, &a.link);
    list_add_tail(&head, &b.link);
    list_add_tail(&head, &c.link);
    list_del(&b.link);
    list_del(&b.link); /* twice is harmless */
    assert_int_equal(sum_in_order(&head), 13);
    struct item *i;
    list_for_each_safe (i, &head, link)
        list_del(&i->link);
    assert_true(list_empty(&head));
}
