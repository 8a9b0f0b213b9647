/* All sockets that have a file, for /proc/net. A socket is on the list from its file's beginning to its
 * release, and the file holds a reference, so whoever has the lock may take another. */
#include "libos/mm/heap.h"
#include "libos/net/socket.h"

static struct spinlock lock;
static struct list sockets = LIST_INIT(sockets);
static size_t count;

void socket_list_add(struct socket *s)
{
    SPIN_GUARD(&lock);
    list_add_tail(&sockets, &s->list_link);
    count++;
}

void socket_list_del(struct socket *s)
{
    SPIN_GUARD(&lock);
    list_del(&s->list_link);
    count--;
}

static size_t take(struct socket_list *l, size_t room, int family)
{
    SPIN_GUARD(&lock);
    struct socket *s;
    list_for_each (s, &sockets, list_link) {
        if (l->count == room)
            break;
        if (s->family != family)
            continue;
        socket_get(s);
        l->at[l->count++] = s;
    }
    return count;
}

struct socket_list *socket_list(int family)
{
    for (size_t room = 64;;) {
        struct socket_list *l = kzalloc(sizeof *l + room * sizeof l->at[0]);
        if (!l)
            return NULL;
        size_t all = take(l, room, family);
        if (l->count < room)
            return l;
        socket_list_put(l); /* there may be more */
        room = all + 64;
    }
}

void socket_list_put(struct socket_list *l)
{
    for (size_t i = 0; l && i < l->count; i++)
        socket_put(l->at[i]);
    kfree(l);
}
