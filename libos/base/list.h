/* Intrusive doubly linked list with a head node. A node not on a list points to itself once
 * list_init was called; list_del leaves it that way, so deleting twice is harmless. */
#ifndef BASE_LIST_H
#define BASE_LIST_H
#include "libos/base/types.h"

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(name)                                                                            \
    {                                                                                              \
        &(name), &(name)                                                                           \
    }

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_insert(struct list *node, struct list *prev, struct list *next)
{
    node->next = next;
    node->prev = prev;
    next->prev = node;
    prev->next = node;
}

static inline void list_add(struct list *head, struct list *node) /* at the front */
{
    list_insert(node, head, head->next);
}

static inline void list_add_tail(struct list *head, struct list *node)
{
    list_insert(node, head->prev, head);
}

static inline void list_del(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_first(head, type, member)                                                             \
    (list_empty(head) ? NULL : list_entry((head)->next, type, member))
#define list_last(head, type, member)                                                              \
    (list_empty(head) ? NULL : list_entry((head)->prev, type, member))
#define list_for_each(var, head, member)                                                           \
    for ((var) = list_entry((head)->next, __typeof__(*(var)), member); &(var)->member != (head);   \
         (var) = list_entry((var)->member.next, __typeof__(*(var)), member))
/* The body may delete var. */
#define list_for_each_safe(var, head, member)                                                      \
    for (__typeof__(var) var##_next =                                                              \
             ((var) = list_entry((head)->next, __typeof__(*(var)), member),                        \
             list_entry((var)->member.next, __typeof__(*(var)), member));                          \
         &(var)->member != (head); (var) = var##_next,                                             \
                         var##_next = list_entry((var)->member.next, __typeof__(*(var)), member))
#endif
