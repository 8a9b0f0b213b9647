/* Semaphores: unnamed, named, between threads and processes. */
#include "guest_test.h"
#include <semaphore.h>
#include <sys/mman.h>

static sem_t items, room;
static int ring[8], produced, consumed;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void wait_for(sem_t *s)
{
    while (sem_wait(s) < 0)
        CHECK_EQ(errno, EINTR);
}

static void *produce(void *arg)
{
    for (int i = 0; i < 5000; i++) {
        wait_for(&room);
        pthread_mutex_lock(&mutex);
        ring[produced++ % 8] = i;
        pthread_mutex_unlock(&mutex);
        OK(sem_post(&items));
    }
    return arg;
}

static void *consume(void *arg)
{
    long sum = 0;
    for (int i = 0; i < 5000; i++) {
        wait_for(&items);
        pthread_mutex_lock(&mutex);
        sum += ring[consumed++ % 8];
        pthread_mutex_unlock(&mutex);
        OK(sem_post(&room));
    }
    *(long *) arg = sum;
    return NULL;
}

TEST_CASE(producers_and_consumers)
{
    pthread_t t[4];
    long sums[2] = {0};
    OK(sem_init(&items, 0, 0));
    OK(sem_init(&room, 0, 8));
    for (int i = 0; i < 2; i++) {
        ZERO(pthread_create(&t[i], NULL, produce, NULL));
        ZERO(pthread_create(&t[2 + i], NULL, consume, &sums[i]));
    }
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(t[i], NULL));
    CHECK_EQ(sums[0] + sums[1], 2 * (4999L * 5000 / 2));
    int v;
    OK(sem_getvalue(&room, &v));
    CHECK_EQ(v, 8);
}

TEST_CASE(without_waiting)
{
    sem_t s;
    struct timespec ts;
    OK(sem_init(&s, 0, 1));
    OK(sem_trywait(&s));
    CHECK_ERR(sem_trywait(&s), EAGAIN);
    OK(clock_gettime(CLOCK_REALTIME, &ts));
    ts.tv_nsec += 20000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
    }
    CHECK_ERR(sem_timedwait(&s, &ts), ETIMEDOUT);
    OK(sem_destroy(&s));
}

TEST_CASE(named)
{
    char name[64];
    snprintf(name, sizeof name, "/guest-sem.%d", (int) getpid());
    sem_t *s = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
    CHECK(s != SEM_FAILED);
    CHECK(sem_open(name, O_CREAT | O_EXCL, 0600, 0) == SEM_FAILED && errno == EEXIST);
    pid_t pid = child_start("posts", name, NULL);
    for (int i = 0; i < 3; i++)
        wait_for(s);
    CHECK_EQ(child_wait(pid), 0);
    OK(sem_close(s));
    OK(sem_unlink(name));
    CHECK(sem_open(name, 0) == SEM_FAILED && errno == ENOENT);
}

CHILD(posts)
{
    sem_t *s = sem_open(argv[0], 0);
    if (s == SEM_FAILED)
        return 1;
    for (int i = 0; i < 3; i++)
        sem_post(s);
    return 0;
}

struct shared {
    sem_t ping, pong;
    pthread_mutex_t mutex;
    int count;
};

TEST_CASE(shared_memory)
{
    int fd = (int) OK_OR_SKIP(syscall(SYS_memfd_create, "sem", 0));
    OK(ftruncate(fd, PAGE));
    struct shared *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(s != MAP_FAILED);
    pthread_mutexattr_t a;
    OK(sem_init(&s->ping, 1, 0));
    OK(sem_init(&s->pong, 1, 0));
    ZERO(pthread_mutexattr_init(&a));
    ZERO(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
    ZERO(pthread_mutex_init(&s->mutex, &a));
    pid_t pid = child_start("answers", num(fd), NULL);
    for (int i = 0; i < 500; i++) {
        OK(sem_post(&s->ping));
        wait_for(&s->pong);
        ZERO(pthread_mutex_lock(&s->mutex));
        s->count++;
        ZERO(pthread_mutex_unlock(&s->mutex));
    }
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(s->count, 1000);
    OK(munmap(s, PAGE));
    close(fd);
}

CHILD(answers)
{
    struct shared *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[0]), 0);
    if (s == MAP_FAILED)
        return 1;
    for (int i = 0; i < 500; i++) {
        wait_for(&s->ping);
        pthread_mutex_lock(&s->mutex);
        s->count++;
        pthread_mutex_unlock(&s->mutex);
        sem_post(&s->pong);
    }
    return 0;
}
