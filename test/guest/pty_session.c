/* Sessions on a pseudo-terminal: the child leads one and talks to us through its terminal. Controlling
 * terminal, signals of the keyboard, window size, job control, hangup. */
#include "guest_pty.h"

static int lead(const char *name)
{
    if (setsid() < 0)
        return -1;
    int fd = open(name, O_RDWR);
    if (fd >= 0) {
        dup2(fd, 0);
        dup2(fd, 1);
    }
    return fd;
}

static void report(const char *s)
{
    (void) write(1, s, strlen(s));
}

CHILD(session)
{
    if (setsid() < 0 || open("/dev/tty", O_RDWR) >= 0 || errno != ENXIO)
        return 1;
    close(open(argv[0], O_RDWR | O_NOCTTY));
    if (open("/dev/tty", O_RDWR) >= 0)
        return 2;
    int fd = open(argv[0], O_RDWR), tty = open("/dev/tty", O_RDWR);
    if (fd < 0 || tty < 0)
        return 3;
    if (tcgetsid(fd) != getpid() || tcgetpgrp(tty) != getpid())
        return 4;
    if (write(tty, "hello\n", 6) != 6 || ioctl(fd, TIOCSCTTY, 0) != 0)
        return 5;
    if (tcsetpgrp(fd, 1) != -1 || (errno != EPERM && errno != ESRCH))
        return 6;
    if (tcsetpgrp(fd, -1) != -1 || errno != EINVAL)
        return 7;
    signal(SIGHUP, SIG_IGN);
    if (ioctl(fd, TIOCNOTTY) != 0 || open("/dev/tty", O_RDWR) >= 0 || errno != ENXIO)
        return 8;
    if (ioctl(fd, TIOCNOTTY) != -1 || errno != ENOTTY)
        return 9;
    if (ioctl(fd, TIOCSCTTY, 0) != 0 || open("/dev/tty", O_RDWR) < 0)
        return 10;
    return 0;
}

TEST_CASE(controlling_terminal)
{
    char name[64];
    int master = open_master(name, sizeof name);
    pid_t pid = child_start("session", name, NULL);
    CHECK_STR(collect(master, "\n"), "hello\r\n");
    CHECK_EQ(child_wait(pid), 0);
    close(master);
}

CHILD(victim)
{
    if (lead(argv[0]) < 0)
        return 1;
    report("ready\n");
    return park();
}

TEST_CASE(keyboard_signals)
{
    static const struct {
        const char *key, *echo;
        int sig;
    } keys[] = {{"\x03", "^C", SIGINT}, {"\x1c", "^\\", SIGQUIT}};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char name[64];
        int master = open_master(name, sizeof name);
        pid_t pid = child_start("victim", name, NULL);
        CHECK_STR(collect(master, "\n"), "ready\r\n");
        type(master, keys[i].key);
        CHECK_EQ(child_wait(pid), 128 + keys[i].sig);
        CHECK_STR(collect(master, keys[i].echo), keys[i].echo);
        close(master);
    }
}

static volatile sig_atomic_t winch;

static void on_winch(int sig)
{
    winch = sig;
}

CHILD(sized)
{
    struct winsize w;
    char text[32];
    signal(SIGWINCH, on_winch);
    sigset_t block, old;
    sigemptyset(&block);
    sigaddset(&block, SIGWINCH);
    sigprocmask(SIG_BLOCK, &block, &old);
    if (lead(argv[0]) < 0)
        return 1;
    report("ready\n");
    while (!winch)
        sigsuspend(&old);
    if (ioctl(0, TIOCGWINSZ, &w) < 0)
        return 2;
    snprintf(text, sizeof text, "%dx%d\n", w.ws_col, w.ws_row);
    report(text);
    return read(0, text, 1) == 1 ? 0 : 3;
}

TEST_CASE(window_size)
{
    char name[64];
    struct winsize w = {.ws_row = 40, .ws_col = 132};
    int master = open_master(name, sizeof name);
    pid_t pid = child_start("sized", name, NULL);
    CHECK_STR(collect(master, "\n"), "ready\r\n");
    OK(ioctl(master, TIOCSWINSZ, &w));
    CHECK_STR(collect(master, "\n"), "132x40\r\n");
    type(master, "\n");
    CHECK_EQ(child_wait(pid), 0);
    close(master);
}

/* A job of the session: a child in a group of its own. */
static pid_t start_job(const char *role)
{
    posix_spawnattr_t attr;
    pid_t pid;
    char *argv[] = {(char *) test_program, (char *) "--child", (char *) role, NULL};
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attr, 0);
    if (posix_spawn(&pid, test_program, NULL, &attr, argv, environ) != 0)
        return -1;
    posix_spawnattr_destroy(&attr);
    return pid;
}

CHILD(job_reads)
{
    char b[16];
    ssize_t n = read(0, b, sizeof b);
    return n == 3 ? 7 : 1;
}

CHILD(job_sleeps)
{
    report("job\n");
    return park();
}

static bool stopped_by(pid_t pid, int sig)
{
    int status;
    return waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == sig;
}

CHILD(shell)
{
    signal(SIGTTOU, SIG_IGN);
    if (lead(argv[0]) < 0)
        return 1;
    pid_t job = start_job("job_reads");
    if (job < 0 || !stopped_by(job, SIGTTIN)) /* it reads in the background */
        return 2;
    if (tcsetpgrp(0, job) < 0 || tcgetpgrp(0) != job || kill(-job, SIGCONT) < 0)
        return 3;
    report("reading\n");
    if (child_wait(job) != 7) /* the read went on */
        return 4;
    job = start_job("job_sleeps");
    if (job < 0 || tcsetpgrp(0, job) < 0)
        return 5;
    if (!stopped_by(job, SIGTSTP)) /* ^Z */
        return 6;
    if (tcsetpgrp(0, getpgrp()) < 0 || tcgetpgrp(0) != getpgrp())
        return 7;
    kill(-job, SIGCONT);
    kill(-job, SIGKILL);
    return child_wait(job) == 128 + SIGKILL ? 0 : 8;
}

TEST_CASE(job_control)
{
    char name[64];
    int master = open_master(name, sizeof name);
    pid_t pid = child_start("shell", name, NULL);
    CHECK_STR(collect(master, "\n"), "reading\r\n");
    type(master, "in\n");
    CHECK_STR(collect(master, "job\r\n"), "in\r\njob\r\n");
    sleep_ms(100);
    type(master, "\x1a");
    CHECK_EQ(child_wait(pid), 0);
    close(master);
}

CHILD(job_writes)
{
    report("background\n");
    return 0;
}

CHILD(shell_tostop)
{
    struct termios t;
    signal(SIGTTOU, SIG_IGN);
    if (lead(argv[0]) < 0 || tcgetattr(0, &t) < 0)
        return 1;
    t.c_lflag |= TOSTOP;
    if (tcsetattr(0, TCSANOW, &t) < 0)
        return 2;
    signal(SIGTTOU, SIG_DFL);
    pid_t job = start_job("job_writes");
    if (!stopped_by(job, SIGTTOU))
        return 3;
    kill(job, SIGKILL);
    return child_wait(job) == 128 + SIGKILL ? 0 : 4;
}

TEST_CASE(background_output)
{
    char name[64];
    int master = open_master(name, sizeof name);
    CHECK_EQ(child_wait(child_start("shell_tostop", name, NULL)), 0);
    close(master);
}

TEST_CASE(hangup_kills_the_session)
{
    char name[64];
    int master = open_master(name, sizeof name);
    pid_t pid = child_start("victim", name, NULL);
    CHECK_STR(collect(master, "\n"), "ready\r\n");
    close(master);
    CHECK_EQ(child_wait(pid), 128 + SIGHUP);
}

CHILD(job_hup)
{
    sigset_t s;
    int sig, fd = 3;
    sigemptyset(&s);
    sigaddset(&s, SIGHUP);
    sigprocmask(SIG_BLOCK, &s, NULL);
    report("job\n");
    if (sigwait(&s, &sig) != 0)
        return 1;
    (void) write(fd, "hup", 3);
    return 0;
}

CHILD(leader_leaves)
{
    signal(SIGTTOU, SIG_IGN);
    char go;
    if (lead(argv[0]) < 0)
        return 1;
    pid_t job = start_job("job_hup");
    if (job < 0 || tcsetpgrp(0, job) < 0)
        return 2;
    return read(4, &go, 1) == 1 ? 0 : 3;
}

TEST_CASE(leader_exit_hangs_up_the_foreground)
{
    char name[64], b[8];
    int told[2], go[2];
    OK(pipe(told));
    OK(pipe(go));
    OK(dup2(told[1], 103)); /* out of the way of what follows */
    OK(dup2(go[0], 104));
    close(told[1]);
    close(go[0]);
    int master = open_master(name, sizeof name);
    posix_spawn_file_actions_t fa;
    ZERO(posix_spawn_file_actions_init(&fa));
    ZERO(posix_spawn_file_actions_adddup2(&fa, 103, 3));
    ZERO(posix_spawn_file_actions_adddup2(&fa, 104, 4));
    char *argv[] = {(char *) test_program, (char *) "--child", (char *) "leader_leaves", name,
                    NULL};
    pid_t pid;
    ZERO(posix_spawn(&pid, test_program, &fa, NULL, argv, environ));
    close(103);
    close(104);
    CHECK_STR(collect(master, "\n"), "job\r\n");
    CHECK_EQ(write(go[1], "x", 1), 1);
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(ready(told[0], POLLIN, 5000) & POLLIN, POLLIN);
    CHECK_EQ(read(told[0], b, sizeof b), 3);
    ZERO(posix_spawn_file_actions_destroy(&fa));
    close(told[0]);
    close(go[1]);
    close(master);
}

/* ---- the console: what test/tools/console.sh runs with a terminal as its standard streams ---- */

CHILD(console)
{
    struct winsize w;
    int n = -1, tty = open("/dev/tty", O_RDWR);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGWINCH, on_winch);
    if (!isatty(0) || !ttyname(0) || tty < 0 || tcgetsid(tty) != getsid(0))
        return 1;
    printf("on %s\n", ttyname(0));
    if (tcgetpgrp(0) != getpgrp() || ioctl(0, TIOCGWINSZ, &w) < 0)
        return 2;
    printf("size %dx%d\n", w.ws_col, w.ws_row);
    while (!winch)
        sleep_ms(10);
    if (ioctl(0, TIOCGWINSZ, &w) < 0)
        return 3;
    printf("size %dx%d\n", w.ws_col, w.ws_row);
    pid_t job = start_job("job_reads");
    if (job < 0 || !stopped_by(job, SIGTTIN) || tcsetpgrp(0, job) < 0)
        return 4;
    kill(-job, SIGCONT);
    printf("reading\n");
    if (child_wait(job) != 7)
        return 5;
    job = start_job("job_sleeps");
    if (job < 0 || tcsetpgrp(0, job) < 0 || !stopped_by(job, SIGTSTP))
        return 6;
    kill(-job, SIGCONT);
    printf("continued\n");
    if (child_wait(job) != 128 + SIGINT)
        return 7;
    tcsetpgrp(0, getpgrp());
    change(0, ICANON | ECHO, 0);
    printf("raw\n");
    while (n < 2 && ioctl(0, FIONREAD, &n) == 0)
        sleep_ms(10);
    char b[4];
    printf("%d bytes\n", (int) read(0, b, sizeof b));
    return 0;
}

/* Runs a command on a terminal of its own: becomes the leader of its session. */
CHILD(on_terminal)
{
    if (lead(argv[0]) < 0)
        return 1;
    dup2(0, 2);
    execv(argv[1], argv + 1);
    return 2;
}

static int expect(int master, const char *want)
{
    const char *got = collect(master, want);
    size_t n = strlen(got), size = strlen(want);
    if (n >= size && strcmp(got + n - size, want) == 0)
        return 0;
    printf("the terminal shows \"%s\", not \"%s\"\n", got, want);
    return 1;
}

/* The person at the terminal: "pty_session --child terminal COMMAND...", where COMMAND runs the role console. */
CHILD(terminal)
{
    char name[64],
        *args[16] = {(char *) test_program, (char *) "--child", (char *) "on_terminal", name};
    struct winsize w = {.ws_row = 30, .ws_col = 100};
    int master = open_master(name, sizeof name);
    pid_t pid;
    for (int i = 0; i < argc && i < 10; i++)
        args[i + 4] = argv[i];
    ioctl(master, TIOCSWINSZ, &w);
    if (posix_spawn(&pid, test_program, NULL, NULL, args, environ) != 0)
        return 1;
    int bad = expect(master, "size 100x30\r\n");
    w.ws_row = 31;
    ioctl(master, TIOCSWINSZ, &w);
    bad |= expect(master, "size 100x31\r\nreading\r\n");
    type(master, "in\n");
    bad |= expect(master, "job\r\n");
    sleep_ms(100);
    type(master, "\x1a");
    bad |= expect(master, "continued\r\n");
    type(master, "\x03");
    bad |= expect(master, "raw\r\n");
    type(master, "\x04\x16");
    bad |= expect(master, "2 bytes\r\n");
    if (bad)
        kill(pid, SIGKILL);
    int status = child_wait(pid);
    printf("the console's exit status is %d\n", status);
    return bad || status ? 1 : 0;
}
