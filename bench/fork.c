/* fork: what it costs to make a child, to be one, and to talk to one while both sides write. */
#include <sys/mman.h>
#include "bench.h"

#define HEAP   (100ul << 20)
#define PAGE   4096ul
#define CHATTY 1024

static unsigned char *heap;
static char program[400];

static void reap(pid_t pid, int want)
{
    int status;
    MUST(waitpid(pid, &status, 0));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != want) {
        fprintf(stderr, "child: status %x\n", (unsigned) status);
        exit(1);
    }
}

static void fork_exit(long n)
{
    while (n--) {
        pid_t pid = (pid_t) MUST(fork());
        if (pid == 0)
            _exit(42);
        reap(pid, 42);
    }
}

static void fork_exec(long n)
{
    char *argv[] = {program, NULL}, *envp[] = {NULL};
    while (n--) {
        pid_t pid = (pid_t) MUST(fork());
        if (pid == 0) {
            execve(program, argv, envp);
            _exit(1);
        }
        reap(pid, 42);
    }
}

static void write_pages(unsigned char *p, size_t pages, size_t step, unsigned char v)
{
    for (size_t i = 0; i < pages; i += step)
        p[i * PAGE] = v;
}

static void dirty_fork_exit(long n)
{
    while (n--) {
        write_pages(heap, HEAP / PAGE, 1, (unsigned char) n);
        fork_exit(1);
    }
}

static void dirty_fork_exec(long n)
{
    while (n--) {
        write_pages(heap, HEAP / PAGE, 1, (unsigned char) n);
        fork_exec(1);
    }
}

static void child_writes(long n)
{
    while (n--) {
        pid_t pid = (pid_t) MUST(fork());
        if (pid == 0) {
            write_pages(heap, HEAP / PAGE, 8, (unsigned char) n);
            _exit(42);
        }
        reap(pid, 42);
    }
}

/* As a database writes a snapshot: the child reads everything while the parent goes on writing. */
static void snapshot(long n)
{
    while (n--) {
        pid_t pid = (pid_t) MUST(fork());
        if (pid == 0) {
            unsigned sum = 0;
            for (size_t i = 0; i < HEAP; i += 64)
                sum += heap[i];
            _exit(sum == 1 ? 41 : 42);
        }
        for (size_t i = 0; i < 1000; i++)
            heap[i * 7919 % (HEAP / PAGE) * PAGE]++;
        reap(pid, 42);
    }
}

static int to[2], from[2];
static size_t pages_written;

static void answer_for_ever(void)
{
    char c;
    close(to[1]);
    while (read(to[0], &c, 1) == 1) {
        write_pages(heap, pages_written, 1, (unsigned char) c);
        MUST(write(from[1], &c, 1));
    }
    _exit(42);
}

static void round_trips(long n)
{
    char c = 'x';
    while (n--) {
        write_pages(heap, pages_written, 1, (unsigned char) n);
        MUST(write(to[1], &c, 1));
        MUST(read(from[0], &c, 1));
    }
}

static void chat(const char *name, size_t pages)
{
    if (!wanted(name))
        return;
    MUST(pipe(to));
    MUST(pipe(from));
    pages_written = pages;
    pid_t pid = (pid_t) MUST(fork());
    if (pid == 0)
        answer_for_ever();
    close(to[0]);
    measure(name, "us", round_trips);
    close(to[1]);
    reap(pid, 42);
    close(from[0]);
    close(from[1]);
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    int dir = slash ? (int) (slash - argv[0]) : 0;
    bench_argc = argc;
    bench_argv = argv;
    measure("fork_exit", "us", fork_exit);
    snprintf(program, sizeof program, "%.*s/true_static_musl", dir, argv[0]);
    measure("fork_exec_static", "us", fork_exec);
    snprintf(program, sizeof program, "%.*s/true_dynamic_glibc", dir, argv[0]);
    measure("fork_exec_dynamic", "us", fork_exec);
    heap = mmap(NULL, HEAP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    write_pages(heap, CHATTY, 1, 1);
    chat("fork_chat_0", 0);
    chat("fork_chat_16", 16);
    chat("fork_chat_64", 64);
    chat("fork_chat_256", 256);
    chat("fork_chat_1024", 1024);
    write_pages(heap, HEAP / PAGE, 1, 1);
    measure("fork_100mb_exit", "us", fork_exit);
    measure("fork_100mb_dirty_exit", "us", dirty_fork_exit);
    measure("fork_100mb_dirty_exec", "us", dirty_fork_exec);
    measure("fork_100mb_child_writes", "us", child_writes);
    measure("fork_100mb_snapshot", "us", snapshot);
    return 0;
}
