/* exit_group and exit: threads that spin, sleep or block go with the process. */
#include "guest_test.h"

static void *spin(void *arg)
{
    for (;;)
        ;
    return arg;
}
static void *sleeper(void *arg)
{
    for (;;)
        sleep_ms(1000000);
    return arg;
}
static void *reader(void *arg)
{
    static int pipes[2];
    char c;
    if (pipe(pipes) == 0 && read(pipes[0], &c, 1) == 1)
        abort();
    return arg;
}
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *locker(void *arg)
{
    pthread_mutex_lock(&mutex);
    return arg;
}

static void start_threads(void)
{
    void *(*const fns[])(void *) = {spin, sleeper, reader, locker};
    pthread_t t;
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < ARRAY_LEN(fns); i++)
        ZERO(pthread_create(&t, NULL, fns[i], NULL));
}

CHILD(leaves)
{
    start_threads();
    sleep_ms(20);
    return 12;
}

static void *leave_from_here(void *arg)
{
    exit((int) (intptr_t) arg);
}

CHILD(thread_leaves)
{
    pthread_t t;
    start_threads();
    ZERO(pthread_create(&t, NULL, leave_from_here, (void *) 13));
    pause();
    return 1;
}

CHILD(main_thread_ends_first)
{
    pthread_t t;
    ZERO(pthread_create(&t, NULL, leave_from_here, (void *) 14));
    pthread_exit(NULL);
}

static void *late(void *arg)
{
    sleep_ms(30);
    return arg;
}

CHILD(last_thread_returns)
{
    pthread_t t;
    ZERO(pthread_create(&t, NULL, late, NULL));
    pthread_exit(NULL);
}

static void at_exit(void)
{
    write_file(test_path("at_exit"), "ran", 3);
}

CHILD(runs_atexit)
{
    atexit(at_exit);
    exit(15);
}

CHILD(skips_atexit)
{
    atexit(at_exit);
    _exit(16);
}

TEST_CASE(from_the_main_thread)
{
    CHECK_EQ(child_wait(child_start("leaves", NULL)), 12);
}
TEST_CASE(from_another_thread)
{
    CHECK_EQ(child_wait(child_start("thread_leaves", NULL)), 13);
}
TEST_CASE(after_the_main_thread)
{
    CHECK_EQ(child_wait(child_start("main_thread_ends_first", NULL)), 14);
    CHECK_EQ(child_wait(child_start("last_thread_returns", NULL)), 0);
}
TEST_CASE(handlers)
{
    CHECK_EQ(child_wait(child_start("skips_atexit", NULL)), 16);
    CHECK(!path_exists(test_path("at_exit")));
    CHECK_EQ(child_wait(child_start("runs_atexit", NULL)), 15);
    CHECK(path_exists(test_path("at_exit")));
}
TEST_CASE(again_and_again)
{
    for (int i = 0; i < 20; i++)
        CHECK_EQ(child_wait(child_start("thread_leaves", NULL)), 13);
}
