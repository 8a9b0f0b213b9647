/* Unix stream sockets between two processes (round trip and throughput), and switches: around a ring of a
 * thousand threads, and to a thread of another CPU. */
#include "bench.h"
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum { CHUNK = 128 * 1024, THREADS = 1000 };
static const long stream_bytes = 64L << 20;
static int sock;

static void round_trips(long n)
{
    char c = 'x';
    while (n--) {
        MUST(write(sock, &c, 1));
        if (MUST(read(sock, &c, 1)) != 1)
            die("the other side is gone");
    }
}

/* What the other process does: "echo" answers each byte, "sink" each stream_bytes. */
static int answer(const char *how, int fd)
{
    static char b[CHUNK];
    long every = strcmp(how, "echo") == 0 ? 1 : stream_bytes, have = 0;
    ssize_t n;
    while ((n = read(fd, b, every == 1 ? 1 : sizeof b)) > 0) {
        for (have += n; have >= every; have -= every)
            if (write(fd, "d", 1) != 1)
                return 1;
    }
    return 0;
}

static pid_t start_answer(const char *how)
{
    int s[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    MUST(fcntl(s[0], F_SETFD, FD_CLOEXEC));
    pid_t pid = start_self(how, num(s[1]), "-", "-");
    close(s[1]);
    sock = s[0];
    return pid;
}

static void end_answer(pid_t pid)
{
    close(sock);
    MUST(waitpid(pid, NULL, 0));
}

static void stream(void)
{
    static char b[CHUNK];
    char c;
    for (long left = stream_bytes; left > 0;)
        left -= MUST(write(sock, b, left < CHUNK ? (size_t) left : CHUNK));
    if (MUST(read(sock, &c, 1)) != 1)
        die("the other side is gone");
}

static void unix_throughput(void)
{
    double v[5];
    pid_t pid = start_answer("sink");
    stream();
    for (int i = 0; i < 5; i++) {
        int64_t t = now_ns();
        stream();
        v[i] = (double) stream_bytes / (double) (now_ns() - t);
    }
    print_value("unix_throughput", median(v, 5), "GB/s");
    end_answer(pid);
}

/* ---- switches --------------------------------------------------------------------------------- */
static int ring[THREADS + 1]; /* eventfds: thread i waits for i and wakes i + 1 */

/* 1 goes round; 2 is the end. */
static void *link_of_ring(void *arg)
{
    long i = (long) arg;
    uint64_t v = 1;
    while (v == 1) {
        MUST(read(ring[i], &v, sizeof v));
        MUST(write(ring[i + 1], &v, sizeof v));
    }
    return NULL;
}

/* A round is THREADS switches. */
static void rounds(long n)
{
    for (uint64_t v = 1; n > 0; n--) {
        MUST(write(ring[0], &v, sizeof v));
        MUST(read(ring[THREADS], &v, sizeof v));
    }
}

static void run_ring(const char *name, const char *unit)
{
    static pthread_t t[THREADS];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    for (int i = 0; i <= THREADS; i++)
        ring[i] = (int) MUST(eventfd(0, 0));
    for (long i = 0; i < THREADS; i++)
        if (pthread_create(&t[i], &small, link_of_ring, (void *) i))
            die("pthread_create");
    measure(name, unit, rounds);
    uint64_t end = 2;
    MUST(write(ring[0], &end, sizeof end));
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i <= THREADS; i++)
        close(ring[i]);
}

/* ---- another CPU ------------------------------------------------------------------------------ */
static int there, back;

static bool pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

static void *other_cpu(void *arg)
{
    uint64_t v;
    (void) pin(1);
    while (MUST(read(there, &v, sizeof v)) == sizeof v && v == 1)
        MUST(write(back, &v, sizeof v));
    return arg;
}

static void wake_ups(long n)
{
    for (uint64_t v = 1; n > 0; n--) {
        MUST(write(there, &v, sizeof v));
        MUST(read(back, &v, sizeof v));
    }
}

static void cross_cpu(void)
{
    pthread_t t;
    cpu_set_t before;
    sched_getaffinity(0, sizeof before, &before);
    if (!pin(0) || !pin(1)) { /* one CPU only: nothing to cross */
        sched_setaffinity(0, sizeof before, &before);
        return;
    }
    there = (int) MUST(eventfd(0, 0));
    back = (int) MUST(eventfd(0, 0));
    if (pthread_create(&t, NULL, other_cpu, NULL))
        die("pthread_create");
    (void) pin(0);
    measure("cross_cpu_rtt", "ns", wake_ups);
    uint64_t end = 2;
    MUST(write(there, &end, sizeof end));
    pthread_join(t, NULL);
    sched_setaffinity(0, sizeof before, &before);
}

int main(int argc, char **argv)
{
    bench_argc = argc;
    bench_argv = argv;
    if (argc == 6 && strcmp(argv[1], "--child") == 0)
        return answer(argv[2], atoi(argv[3]));
    if (wanted("unix_rtt")) {
        pid_t pid = start_answer("echo");
        measure("unix_rtt", "ns", round_trips);
        end_answer(pid);
    }
    if (wanted("unix_throughput"))
        unix_throughput();
    if (wanted("switch_1000_threads"))
        run_ring("switch_1000_threads", "us");
    if (wanted("cross_cpu_rtt"))
        cross_cpu();
    return 0;
}
