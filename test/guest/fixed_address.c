/* Programs linked to fixed addresses (-no-pie): several processes of the same one at the same addresses,
 * each with its own data, heap and system calls in flight. */
#include <stdatomic.h>
#include "guest_test.h"

#define FILL 300000

static unsigned char data[FILL];

static bool all(const unsigned char *p, size_t n, unsigned char v)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != v)
            return false;
    return true;
}

/* One process: fills its memory, starts two children of the next depth, looks whether it changed. */
static int tree(int depth)
{
    unsigned char *heap = malloc(FILL / 3), mine = (unsigned char) (depth + 1);
    memset(data, mine, FILL);
    memset(heap, mine, FILL / 3);
    for (int i = 0; depth > 0 && i < 2; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", depth - 1);
        pid_t pid = child_start("node", text, NULL);
        for (int k = 0; k < 3; k++) {
            usleep(500);
            if (!all(data, FILL, mine))
                return 3;
        }
        if (child_wait(pid) != 0)
            return 4;
    }
    usleep(500);
    int r = all(data, FILL, mine) && all(heap, FILL / 3, mine) ? 0 : 5;
    free(heap);
    return r;
}

CHILD(node)
{
    return tree(atoi(argv[0]));
}

TEST_CASE(is_fixed)
{
    CHECK((uintptr_t) data < 0x10000000);
}

TEST_CASE(same_program_many_times)
{
    CHECK_EQ(tree(3), 0);
}

/* A pipe between two processes at the same addresses: data moves while one of them is away. */
CHILD(echo)
{
    unsigned char b;
    while (read(0, &b, 1) == 1)
        if (write(1, &b, 1) != 1)
            return 2;
    return 0;
}

TEST_CASE(talking)
{
    int to[2], from[2];
    OK(pipe2(to, O_CLOEXEC));
    OK(pipe2(from, O_CLOEXEC));
    char *argv[] = {(char *) test_program, "--child", "echo", NULL};
    posix_spawn_file_actions_t fa;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_adddup2(&fa, to[0], 0);
    posix_spawn_file_actions_adddup2(&fa, from[1], 1);
    pid_t pid;
    ZERO(posix_spawn(&pid, test_program, &fa, NULL, argv, environ));
    posix_spawn_file_actions_destroy(&fa);
    OK(close(to[0]));
    OK(close(from[1]));
    for (int i = 0; i < 200; i++) {
        unsigned char b = (unsigned char) i, got = 0;
        CHECK_EQ(write(to[1], &b, 1), 1);
        CHECK_EQ(read(from[0], &got, 1), 1);
        CHECK_EQ(got, b);
    }
    OK(close(to[1]));
    CHECK_EQ(child_wait(pid), 0);
    close(from[0]);
}

CHILD(spin)
{
    for (volatile int i = 0;; i++)
        ;
    return 0;
}

/* Several threads in each of two processes: all of them find all of their memory after every turn. */
static unsigned char pages[64][4096];
static atomic_int wrong, turns;

static void *look(void *arg)
{
    unsigned char mine = *(unsigned char *) arg;
    for (int i = 0; i < 150; i++) {
        for (int k = 0; k < 64; k++)
            wrong += pages[k][0] != mine || pages[k][4095] != mine;
        turns++;
        usleep(i % 2 ? 50 : 500);
    }
    return NULL;
}

static int look_with_threads(unsigned char mine)
{
    pthread_t t[4];
    memset(pages, mine, sizeof pages);
    for (int i = 0; i < 4; i++)
        if (pthread_create(&t[i], NULL, look, &mine) != 0)
            return 2;
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    return wrong == 0 && turns == 600 ? 0 : 3;
}

CHILD(threads)
{
    return look_with_threads(7);
}

TEST_CASE(threads_on_both_sides)
{
    pid_t pid = child_start("threads", NULL);
    CHECK_EQ(look_with_threads(9), 0);
    CHECK_EQ(child_wait(pid), 0);
}

/* The parent's sleep ends although a process at the same addresses never gives its turn away. */
TEST_CASE(busy_child_gives_way)
{
    pid_t pid = child_start("spin", NULL);
    usleep(50000);
    OK(kill(pid, SIGKILL));
    CHECK_EQ(child_wait(pid), 128 + SIGKILL);
}

/* A child of vfork waits for the turn of its new program while it runs in the memory of the one that has it, and whose
 * other threads never give it up. */
static atomic_bool busy_end;

static void *busy(UNUSED void *arg)
{
    while (!busy_end)
        ;
    return NULL;
}

CHILD(ends)
{
    return 0;
}

TEST_CASE(started_by_a_busy_program)
{
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        ZERO(pthread_create(&t[i], NULL, busy, NULL));
    for (int i = 0; i < 20; i++)
        CHECK_EQ(child_wait(child_start("ends", NULL)), 0);
    busy_end = true;
    for (int i = 0; i < 2; i++)
        ZERO(pthread_join(t[i], NULL));
}
