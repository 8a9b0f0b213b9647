/* System V message queues. */
#include "guest_test.h"
#include <limits.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif
#ifndef MSG_INFO
#define MSG_INFO 12
#define MSG_STAT 11
#endif
#ifndef MSG_EXCEPT
#define MSG_EXCEPT 020000
#endif

struct message {
    long type;
    char text[9000];
};

static int made = -1;

static int new_queue(void)
{
    return made = (int) OK(msgget(IPC_PRIVATE, 0600));
}

static void drop_queue(void)
{
    OK(msgctl(made, IPC_RMID, NULL));
}

static int send_flags(int id, long type, const char *text, int flags)
{
    struct message m = {.type = type};
    snprintf(m.text, sizeof m.text, "%s", text);
    return msgsnd(id, &m, strlen(text), flags);
}

static void send(int id, long type, const char *text)
{
    OK(send_flags(id, type, text, 0));
}

static void expect(int id, long wanted, int flags, long type, const char *text)
{
    struct message m = {0};
    long n = OK(msgrcv(id, &m, sizeof m.text, wanted, flags | IPC_NOWAIT));
    CHECK_EQ(n, strlen(text));
    CHECK_EQ(m.type, type);
    CHECK_STR(m.text, text);
}

static struct msqid_ds stat_of(int id)
{
    struct msqid_ds ds;
    OK(msgctl(id, IPC_STAT, &ds));
    return ds;
}

static key_t own_key(int n)
{
    return (key_t) (getpid() * 16 + n + 0x20000);
}

TEST_CASE(keys)
{
    CHECK_ERR(msgget(own_key(1), 0), ENOENT);
    int id = (int) OK(msgget(own_key(1), IPC_CREAT | 0600));
    CHECK_EQ(msgget(own_key(1), 0), id);
    CHECK_ERR(msgget(own_key(1), IPC_CREAT | IPC_EXCL), EEXIST);
    OK(msgctl(id, IPC_RMID, NULL));
    struct message m = {.type = 1};
    CHECK_ERR(msgsnd(id, &m, 1, 0), EINVAL);
    CHECK_ERR(msgrcv(id, &m, 1, 0, 0), EINVAL);
    CHECK_ERR(msgctl(id, IPC_RMID, NULL), EINVAL);
}

TEST_CASE(bad_arguments)
{
    int id = new_queue();
    struct message m = {.type = 0};
    CHECK_ERR(msgsnd(id, &m, 1, 0), EINVAL);
    m.type = -1;
    CHECK_ERR(msgsnd(id, &m, 1, 0), EINVAL);
    m.type = 1;
    CHECK_ERR(msgsnd(id, &m, 8193, 0), EINVAL);
    CHECK_ERR(msgsnd(id, &m, (size_t) -1, 0), EINVAL);
    CHECK_ERR(msgsnd(-1, &m, 1, 0), EINVAL);
    CHECK_ERR(msgsnd(id, (void *) 8, 1, 0), EFAULT);
    CHECK_ERR(msgrcv(id, &m, (size_t) -1, 0, 0), EINVAL);
    CHECK_ERR(msgrcv(-1, &m, 1, 0, 0), EINVAL);
    CHECK_ERR(msgctl(id, 99, NULL), EINVAL);
    CHECK_ERR(msgctl(id, IPC_STAT, (void *) 8), EFAULT);
    send(id, 1, "lost");
    CHECK_ERR(msgrcv(id, (void *) 8, 100, 0, 0), EFAULT);
    drop_queue();
}

TEST_CASE(order_and_types)
{
    int id = new_queue();
    send(id, 3, "three");
    send(id, 1, "one");
    send(id, 2, "two");
    send(id, 1, "uno");
    send(id, LONG_MAX, "most");
    expect(id, 2, 0, 2, "two");
    expect(id, -2, 0, 1, "one");
    expect(id, 3, MSG_EXCEPT, 1, "uno");
    struct message m;
    CHECK_ERR(msgrcv(id, &m, 100, -2, IPC_NOWAIT), ENOMSG);
    CHECK_ERR(msgrcv(id, &m, 100, 9, IPC_NOWAIT), ENOMSG);
    expect(id, 0, 0, 3, "three");
    expect(id, LONG_MIN, 0, LONG_MAX, "most");
    CHECK_ERR(msgrcv(id, &m, 100, 0, IPC_NOWAIT), ENOMSG);
    drop_queue();
}

TEST_CASE(sizes)
{
    int id = new_queue();
    struct message m = {0};
    send(id, 1, "");
    expect(id, 0, 0, 1, "");
    send(id, 1, "long text");
    CHECK_ERR(msgrcv(id, &m, 4, 0, IPC_NOWAIT), E2BIG);
    CHECK_EQ(msgrcv(id, &m, 4, 0, IPC_NOWAIT | MSG_NOERROR), 4);
    CHECK_STR(m.text, "long");
    CHECK_ERR(msgrcv(id, &m, 4, 0, IPC_NOWAIT), ENOMSG);
    m.type = 1;
    memset(m.text, 'x', sizeof m.text);
    OK(msgsnd(id, &m, 8192, 0));
    memset(m.text, 0, sizeof m.text);
    CHECK_EQ(msgrcv(id, &m, sizeof m.text, 0, 0), 8192);
    CHECK(m.text[8191] == 'x' && !m.text[8192]);
    drop_queue();
}

TEST_CASE(copies)
{
    int id = new_queue();
    send(id, 5, "first");
    send(id, 6, "second");
    struct message m = {0};
    long n = msgrcv(id, &m, 100, 1, MSG_COPY | IPC_NOWAIT);
    SKIP_IF(n < 0 && errno == ENOSYS, "kernel without MSG_COPY");
    CHECK_EQ(n, 6);
    CHECK_EQ(m.type, 6);
    CHECK_STR(m.text, "second");
    CHECK_ERR(msgrcv(id, &m, 100, 2, MSG_COPY | IPC_NOWAIT), ENOMSG);
    CHECK_ERR(msgrcv(id, &m, 100, 0, MSG_COPY), EINVAL);
    CHECK_ERR(msgrcv(id, &m, 100, 0, MSG_COPY | IPC_NOWAIT | MSG_EXCEPT), EINVAL);
    CHECK_ERR(msgrcv(id, &m, 3, 0, MSG_COPY | IPC_NOWAIT), E2BIG);
    CHECK_EQ(stat_of(id).msg_qnum, 2);
    drop_queue();
}

TEST_CASE(status)
{
    int id = (int) OK(msgget(own_key(2), IPC_CREAT | 0640));
    struct msqid_ds ds = stat_of(id);
    CHECK_EQ(ds.msg_perm.mode, 0640);
    CHECK(ds.msg_stime == 0 && ds.msg_rtime == 0 && ds.msg_lspid == 0 && ds.msg_lrpid == 0);
    CHECK(ds.msg_ctime > 0 && ds.msg_qbytes >= 16384);
    send(id, 1, "12345");
    send(id, 1, "678");
    ds = stat_of(id);
    CHECK_EQ(ds.msg_qnum, 2);
    CHECK_EQ(ds.msg_cbytes, 8);
    CHECK(ds.msg_stime > 0 && ds.msg_lspid == getpid());
    expect(id, 0, 0, 1, "12345");
    ds = stat_of(id);
    CHECK(ds.msg_rtime > 0 && ds.msg_lrpid == getpid() && ds.msg_cbytes == 3);
    ds.msg_qbytes = 10;
    ds.msg_perm.mode = 0606;
    OK(msgctl(id, IPC_SET, &ds));
    ds = stat_of(id);
    CHECK(ds.msg_qbytes == 10 && ds.msg_perm.mode == 0606);
    CHECK_ERR(send_flags(id, 1, "12345678", IPC_NOWAIT), EAGAIN);
    struct msginfo mi;
    int highest = (int) OK(msgctl(0, IPC_INFO, (struct msqid_ds *) &mi));
    CHECK(mi.msgmax >= 8192 && mi.msgmnb >= 16384 && mi.msgmni >= 16);
    CHECK_EQ(msgctl(0, MSG_INFO, (struct msqid_ds *) &mi), highest);
    CHECK(mi.msgpool >= 1 && mi.msgmap >= 1 && mi.msgtql >= 3);
    bool found = false;
    for (int i = 0; i <= highest && !found; i++)
        found = msgctl(i, MSG_STAT, &ds) == id && ds.msg_qnum == 1;
    CHECK(found);
    char text[65536], line[64];
    read_file("/proc/sysvipc/msg", text, sizeof text);
    snprintf(line, sizeof line, "%10d %10d   606  %10d %10d", own_key(2), id, 3, 1);
    CHECK(strstr(text, line));
    OK(msgctl(id, IPC_RMID, NULL));
}

/* ---- waiting ---- */
struct waiting {
    int id, result;
    long type;
    size_t max;
    bool sends;
    struct message m;
    pthread_t thread;
};

static void *wait_in_thread(void *arg)
{
    struct waiting *w = arg;
    long n = w->sends ? msgsnd(w->id, &w->m, w->max, 0) : msgrcv(w->id, &w->m, w->max, w->type, 0);
    w->result = n < 0 ? -errno : (int) n;
    return NULL;
}

static struct waiting *start(int id, bool sends, long type, size_t max)
{
    static struct waiting all[4];
    static unsigned turn;
    struct waiting *w = &all[turn++ % 4];
    memset(w, 0, sizeof *w);
    w->id = id;
    w->type = w->m.type = type;
    w->sends = sends;
    w->max = max;
    ZERO(pthread_create(&w->thread, NULL, wait_in_thread, w));
    sleep_ms(20); /* to be waiting by then; nothing below depends on it */
    return w;
}

static int finish(struct waiting *w)
{
    ZERO(pthread_join(w->thread, NULL));
    return w->result;
}

TEST_CASE(waits_for_a_message)
{
    int id = new_queue();
    struct waiting *two = start(id, false, 2, 100), *low = start(id, false, -5, 100);
    send(id, 6, "six");
    send(id, 4, "four");
    CHECK_EQ(finish(low), 4);
    CHECK_STR(low->m.text, "four");
    send(id, 2, "two");
    CHECK_EQ(finish(two), 3);
    CHECK_STR(two->m.text, "two");
    expect(id, 0, 0, 6, "six");
    drop_queue();
}

TEST_CASE(waiter_without_room)
{
    int id = new_queue();
    struct waiting *w = start(id, false, 0, 2);
    send(id, 1, "long");
    CHECK_EQ(finish(w), -E2BIG);
    expect(id, 0, 0, 1, "long");
    drop_queue();
}

TEST_CASE(waits_for_room)
{
    int id = new_queue();
    struct msqid_ds ds = stat_of(id);
    ds.msg_qbytes = 4;
    OK(msgctl(id, IPC_SET, &ds));
    send(id, 1, "1234");
    struct waiting *w = start(id, true, 7, 2);
    CHECK_ERR(send_flags(id, 1, "x", IPC_NOWAIT), EAGAIN);
    expect(id, 0, 0, 1, "1234");
    CHECK_EQ(finish(w), 0);
    CHECK_EQ(stat_of(id).msg_cbytes, 2);
    w = start(id, true, 8, 4);
    ds.msg_qbytes = 100;
    OK(msgctl(id, IPC_SET, &ds)); /* more room lets it go on */
    CHECK_EQ(finish(w), 0);
    drop_queue();
}

TEST_CASE(empty_messages_are_counted)
{
    int id = new_queue();
    struct msqid_ds ds = stat_of(id);
    ds.msg_qbytes = 3;
    OK(msgctl(id, IPC_SET, &ds));
    for (int i = 0; i < 3; i++)
        send(id, 1, "");
    CHECK_ERR(send_flags(id, 1, "", IPC_NOWAIT), EAGAIN);
    drop_queue();
}

TEST_CASE(removed_while_waiting)
{
    int id = new_queue();
    struct waiting *r = start(id, false, 1, 10);
    struct msqid_ds ds = stat_of(id);
    ds.msg_qbytes = 1;
    OK(msgctl(id, IPC_SET, &ds));
    struct waiting *s = start(id, true, 2, 4);
    drop_queue();
    CHECK_EQ(finish(r), -EIDRM);
    int e = finish(s);
    CHECK(e == -EIDRM || e == -EINVAL);
}

static void nothing(UNUSED int sig)
{
}

TEST_CASE(interrupted)
{
    struct sigaction sa = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    OK(sigaction(SIGUSR1, &sa, NULL));
    int id = new_queue();
    struct waiting *w = start(id, false, 1, 10);
    ZERO(pthread_kill(w->thread, SIGUSR1));
    CHECK_EQ(finish(w), -EINTR);
    drop_queue();
}

/* ---- other processes ---- */
CHILD(echo)
{
    int id = atoi(argv[0]);
    struct message m;
    for (;;) {
        long n = msgrcv(id, &m, sizeof m.text, 1, 0);
        if (n < 0)
            return errno == EIDRM ? 0 : 1;
        m.type = 2;
        if (msgsnd(id, &m, (size_t) n, 0) < 0)
            return 2;
    }
}

TEST_CASE(between_processes)
{
    int id = new_queue();
    pid_t pid = child_start("echo", num(id), NULL);
    for (int i = 0; i < 500; i++) {
        struct message m = {.type = 1};
        size_t n = (size_t) (i * 7 % 5000);
        memset(m.text, 'a' + i % 26, n);
        OK(msgsnd(id, &m, n, 0));
        memset(m.text, 0, sizeof m.text);
        CHECK_EQ(msgrcv(id, &m, sizeof m.text, 2, 0), n);
        CHECK(n == 0 || (m.text[0] == 'a' + i % 26 && m.text[n - 1] == m.text[0] && !m.text[n]));
    }
    CHECK_EQ(stat_of(id).msg_lspid, pid);
    drop_queue();
    CHECK_EQ(child_wait(pid), 0);
}

CHILD(as_user)
{
    int id = atoi(argv[0]);
    struct message m = {.type = 1};
    if (setresgid(5000, 5000, 5000) < 0 || setresuid(5000, 5000, 5000) < 0)
        return 1;
    if (msgrcv(id, &m, 10, 0, IPC_NOWAIT) != -1 || errno != EACCES)
        return 2;
    if (msgsnd(id, &m, 1, IPC_NOWAIT) < 0)
        return 3;
    if (msgctl(id, IPC_RMID, NULL) != -1 || errno != EPERM)
        return 4;
    struct msqid_ds ds;
    if (msgctl(id, IPC_STAT, &ds) != -1 || errno != EACCES)
        return 5;
    int mine = msgget(IPC_PRIVATE, 0600);
    if (mine < 0 || msgctl(mine, IPC_STAT, &ds) < 0)
        return 6;
    ds.msg_qbytes = 1000000;
    if (msgctl(mine, IPC_SET, &ds) != -1 || errno != EPERM)
        return 7;
    return msgctl(mine, IPC_RMID, NULL) < 0 ? 8 : 0;
}

TEST_CASE(permissions)
{
    SKIP_IF(geteuid() != 0, "needs to be root");
    int id = new_queue();
    struct msqid_ds ds = stat_of(id);
    ds.msg_perm.mode = 0602;
    OK(msgctl(id, IPC_SET, &ds));
    CHECK_EQ(child_wait(child_start("as_user", num(id), NULL)), 0);
    CHECK_EQ(stat_of(id).msg_qnum, 1);
    drop_queue();
}

TEST_CASE(limits_in_proc)
{
    char text[128];
    read_file("/proc/sys/kernel/msgmax", text, sizeof text);
    CHECK_EQ(atoi(text), 8192);
    read_file("/proc/sys/kernel/msgmnb", text, sizeof text);
    CHECK_EQ(atoi(text), 16384);
    int a, b, c, d;
    read_file("/proc/sys/kernel/sem", text, sizeof text);
    CHECK_EQ(sscanf(text, "%d %d %d %d", &a, &b, &c, &d), 4);
    CHECK(a >= 250 && b >= 32000 && c >= 32 && d >= 128);
}
