/* Pipes between two processes and two threads: round trips of one byte, and throughput. */
#include "bench.h"

enum { CHUNK = 128 * 1024 };
static const long stream_bytes = 64L << 20;
static int to[2], back[2];

static void round_trips(long n)
{
    char c = 'x';
    while (n--) {
        MUST(write(to[1], &c, 1));
        if (MUST(read(back[0], &c, 1)) != 1)
            die("the other side is gone");
    }
}

static int echo(int in, int out)
{
    char c;
    while (read(in, &c, 1) == 1) {
        if (write(out, &c, 1) != 1)
            return 1;
    }
    return 0;
}

static void *echo_thread(void *arg)
{
    (void) echo(to[0], back[1]);
    return arg;
}

static void make_pipes(void)
{
    MUST(pipe(to));
    MUST(pipe(back));
}

static void process_round_trip(void)
{
    make_pipes();
    pid_t pid = start_self("echo", num(to[0]), num(back[1]), num(to[1]));
    close(to[0]);
    close(back[1]);
    measure("pipe_rtt_process", "ns", round_trips);
    close(to[1]);
    MUST(waitpid(pid, NULL, 0));
    close(back[0]);
}

static void thread_round_trip(void)
{
    pthread_t t;
    make_pipes();
    if (pthread_create(&t, NULL, echo_thread, NULL))
        die("pthread_create");
    measure("pipe_rtt_thread", "ns", round_trips);
    close(to[1]);
    pthread_join(t, NULL);
    close(to[0]);
    close(back[0]);
    close(back[1]);
}

static int sink(int in, int out)
{
    static char b[CHUNK];
    long have = 0;
    ssize_t n;
    while ((n = read(in, b, sizeof b)) > 0) {
        have += n;
        if (have >= stream_bytes) {
            have -= stream_bytes;
            if (write(out, "d", 1) != 1)
                return 1;
        }
    }
    return 0;
}

static void stream(void)
{
    static char b[CHUNK];
    char c;
    for (long left = stream_bytes; left > 0;)
        left -= MUST(write(to[1], b, left < CHUNK ? (size_t) left : CHUNK));
    if (MUST(read(back[0], &c, 1)) != 1)
        die("the other side is gone");
}

static void process_throughput(void)
{
    double v[5];
    make_pipes();
    pid_t pid = start_self("sink", num(to[0]), num(back[1]), num(to[1]));
    close(to[0]);
    close(back[1]);
    stream();
    for (int i = 0; i < 5; i++) {
        int64_t t = now_ns();
        stream();
        v[i] = (double) stream_bytes / (double) (now_ns() - t);
    }
    print_value("pipe_throughput", median(v, 5), "GB/s");
    close(to[1]);
    MUST(waitpid(pid, NULL, 0));
    close(back[0]);
}

int main(int argc, char **argv)
{
    bench_argc = argc;
    bench_argv = argv;
    if (argc == 6 && strcmp(argv[1], "--child") == 0) {
        close(atoi(argv[5]));
        return (strcmp(argv[2], "echo") == 0 ? echo : sink)(atoi(argv[3]), atoi(argv[4]));
    }
    if (wanted("pipe_rtt_process"))
        process_round_trip();
    if (wanted("pipe_rtt_thread"))
        thread_round_trip();
    if (wanted("pipe_throughput"))
        process_throughput();
    return 0;
}
