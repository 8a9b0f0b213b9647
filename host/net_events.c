/* What happens at the enclave's sockets, and how it gets there.
 *
 * All sockets are in one epoll set, edge-triggered. Nobody has a thread for it: events are posted to
 * struct host_net by whoever comes by. Socket calls post on their way back, so that what a program
 * does to its own sockets (loopback) is visible when the call returns. A vCPU that has nothing to do
 * waits for the set itself; one does, the poller, others that park sleep on their kick words. The
 * poller hands its place to one of those when it goes back into the enclave. While all vCPUs are busy
 * the enclave asks at its ticks (socket_events).
 *
 * The lock covers taking events from the set together with posting them; without it a call could
 * return between the two steps of another vCPU. net_forget relies on it too.
 */
#include "host/net.h"
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "abi/enter.h"
#include "host/runtime.h"

#define BATCH 64

enum { KICK_NONE, KICK_ENTER, KICK_POLL /* look whether there is a poller */ };

struct host_net host_net __attribute__((aligned(4096)));

static struct {
    pthread_mutex_t lock;
    int epoll;       /* -1 until the first socket */
    int wake;        /* eventfd: ends the poller's wait */
    int poller;      /* index of the vCPU that waits for the set; -1: none; atomic */
    uint32_t asleep; /* bit per vCPU that sleeps on its kick word; atomic */
} net = {.lock = PTHREAD_MUTEX_INITIALIZER, .epoll = -1, .poller = -1};

static bool active(void)
{
    return __atomic_load_n(&net.epoll, __ATOMIC_ACQUIRE) >= 0;
}

static int start_locked(void)
{
    if (active())
        return 0;
    int epoll = epoll_create1(EPOLL_CLOEXEC), wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (epoll < 0 || wake < 0) {
        int error = errno;
        if (epoll >= 0)
            close(epoll);
        return -error;
    }
    net.wake = wake;
    __atomic_store_n(&net.epoll, epoll, __ATOMIC_RELEASE);
    vcpu_kick_any(); /* those that parked before there was a set */
    return 0;
}

int net_watch(int fd, uint64_t token)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                            .data.u64 = token};
    pthread_mutex_lock(&net.lock);
    int r = start_locked();
    pthread_mutex_unlock(&net.lock);
    if (r == 0 && epoll_ctl(net.epoll, EPOLL_CTL_ADD, fd, &e) < 0)
        r = -errno;
    return r;
}

static void post(uint64_t token, uint32_t events)
{
    uint32_t slot = token & 0xffff;
    if (slot >= HOST_SOCKET_SLOTS)
        return;
    uint32_t word = slot / 64;
    __atomic_fetch_or(&host_net.events[slot], events, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&host_net.changed[word], 1ull << slot % 64, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&host_net.summary[word / 64], 1ull << word % 64, __ATOMIC_SEQ_CST);
}

static int take_locked(void)
{
    struct epoll_event e[BATCH];
    int n, total = 0;
    do {
        n = epoll_wait(net.epoll, e, BATCH, 0);
        for (int i = 0; i < n; i++)
            post(e[i].data.u64, e[i].events);
        total += n > 0 ? n : 0;
    } while (n == BATCH);
    return total;
}

/* How many were posted. */
static int take(void)
{
    pthread_mutex_lock(&net.lock);
    int n = take_locked();
    pthread_mutex_unlock(&net.lock);
    return n;
}

void net_post(void)
{
    if (active())
        take();
}

void net_forget(int fd, uint64_t token)
{
    uint32_t slot = token & 0xffff;
    pthread_mutex_lock(&net.lock);
    if (active())
        epoll_ctl(net.epoll, EPOLL_CTL_DEL, fd, NULL);
    if (slot < HOST_SOCKET_SLOTS)
        __atomic_store_n(&host_net.events[slot], 0, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&net.lock);
}

/* ---- parking ---- */

void net_kick(unsigned index)
{
    uint64_t one = 1;
    if (__atomic_load_n(&net.poller, __ATOMIC_SEQ_CST) == (int) index)
        (void) !write(net.wake, &one, sizeof one);
}

static bool kicked(const struct host_vcpu *v)
{
    return __atomic_load_n(&v->kick, __ATOMIC_SEQ_CST) == KICK_ENTER;
}

/* What is left until the deadline; NULL: no end. */
static struct timespec *time_left(struct timespec *ts, int64_t deadline)
{
    if (deadline == INT64_MAX)
        return NULL;
    int64_t ns = deadline - now_ns(CLOCK_MONOTONIC);
    ns = ns < 0 ? 0 : ns;
    *ts = (struct timespec){ns / 1000000000, ns % 1000000000};
    return ts;
}

/* Waits for the set as the poller; true: the vCPU has to go in. */
static bool wait_set(struct host_vcpu *v, int64_t deadline)
{
    struct pollfd p[2] = {{.fd = net.epoll, .events = POLLIN}, {.fd = net.wake, .events = POLLIN}};
    struct timespec ts;
    uint64_t n;
    int r = kicked(v) ? 1 : ppoll(p, 2, time_left(&ts, deadline), NULL);
    if (r > 0 && p[1].revents)
        (void) !read(net.wake, &n, sizeof n);
    bool posted = r > 0 && p[0].revents && take() > 0;
    __atomic_store_n(&net.poller, -1, __ATOMIC_SEQ_CST);
    return posted || r == 0 || kicked(v);
}

/* Sleeps while another vCPU is the poller; true: the vCPU has to go in. */
static bool wait_word(struct host_vcpu *v, int64_t deadline)
{
    uint32_t bit = 1u << v->index, expected = KICK_POLL;
    struct timespec ts;
    long r = 0;
    __atomic_fetch_or(&net.asleep, bit, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&net.poller, __ATOMIC_SEQ_CST) >= 0)
        r = syscall(SYS_futex, &v->kick, FUTEX_WAIT_PRIVATE, KICK_NONE, time_left(&ts, deadline),
                    NULL, 0);
    bool late = r < 0 && errno == ETIMEDOUT;
    __atomic_fetch_and(&net.asleep, ~bit, __ATOMIC_SEQ_CST);
    __atomic_compare_exchange_n(&v->kick, &expected, KICK_NONE, 0, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
    return late || kicked(v);
}

/* The place of the poller is free: one of those that sleep takes it. */
static void hand_over(void)
{
    uint32_t asleep = __atomic_load_n(&net.asleep, __ATOMIC_SEQ_CST), none = KICK_NONE;
    if (!asleep || __atomic_load_n(&net.poller, __ATOMIC_SEQ_CST) >= 0)
        return;
    uint32_t *word = &runtime.vcpus[__builtin_ctz(asleep)]->kick;
    if (__atomic_compare_exchange_n(word, &none, KICK_POLL, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

bool net_park(struct host_vcpu *v, uint64_t max_ns)
{
    if (!active())
        return false;
    int64_t now = now_ns(CLOCK_MONOTONIC);
    int64_t deadline = max_ns >= (uint64_t) (INT64_MAX - now) ? INT64_MAX : now + (int64_t) max_ns;
    bool in = false;
    while (!in && !kicked(v)) {
        int none = -1;
        bool mine = __atomic_compare_exchange_n(&net.poller, &none, (int) v->index, 0,
                                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        in = mine ? wait_set(v, deadline) : wait_word(v, deadline);
    }
    __atomic_store_n(&v->kick, KICK_NONE, __ATOMIC_SEQ_CST);
    hand_over();
    return true;
}
