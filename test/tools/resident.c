/* What test/tools/control.sh and terminal.py run in an instance: resident ROLE [ARGUMENT]. */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

extern char **environ;

static void say(const char *text)
{
    puts(text);
    fflush(stdout);
}

/* N children that sleep; waits for them. */
static int family(int count, const char *self)
{
    for (int i = 0; i < count; i++) {
        pid_t pid;
        char *argv[] = {(char *) self, "sleep", NULL};
        if (posix_spawn(&pid, self, NULL, NULL, argv, environ) != 0)
            return 1;
    }
    say("ready");
    while (wait(NULL) > 0)
        continue;
    return 3;
}

static void caught(int sig)
{
    char line[] = "caught 00\n";
    line[7] = (char) ('0' + sig / 10);
    line[8] = (char) ('0' + sig % 10);
    (void) !write(1, line, sizeof line - 1);
}

/* Says which signals arrive; SIGUSR2 ends it. */
static int signals(void)
{
    static const int list[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                               SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};
    sigset_t all;
    sigemptyset(&all);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        sigaddset(&all, list[i]);
    sigprocmask(SIG_BLOCK, &all, NULL);
    say("ready");
    for (int sig = 0; sig != SIGUSR2;) {
        if (sigwait(&all, &sig) == 0)
            caught(sig);
    }
    return 4;
}

_Noreturn static void stubborn(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    say("ready");
    for (;;)
        pause();
}

static void say_size(int sig)
{
    struct winsize w = {0};
    char line[64];
    ioctl(0, TIOCGWINSZ, &w);
    int n = snprintf(line, sizeof line, "size %dx%d\n", w.ws_row, w.ws_col);
    (void) !write(1, line, (size_t) n);
}

/* What a terminal is to the program on it; lines echo back until "end". */
static int terminal(void)
{
    char line[256];
    int tty = open("/dev/tty", O_RDWR);
    printf("tty %d name %s leader %d foreground %d\n", tty >= 0, ttyname(0) ? ttyname(0) : "none",
           getsid(0) == getpid(), tcgetpgrp(0) == getpgrp());
    signal(SIGWINCH, say_size);
    siginterrupt(SIGWINCH, 0);
    say_size(0);
    say("ready");
    while (fgets(line, sizeof line, stdin) && strcmp(line, "end\n") != 0)
        printf("got %s", line), fflush(stdout);
    return 0;
}

/* Single keys, without echo, until q; the settings come back. */
static int keys(void)
{
    struct termios old, raw;
    char c;
    if (tcgetattr(0, &old) < 0)
        return 1;
    raw = old;
    cfmakeraw(&raw);
    tcsetattr(0, TCSANOW, &raw);
    (void) !write(1, "ready\r\n", 7);
    while (read(0, &c, 1) == 1 && c != 'q') {
        char text[16];
        int n = snprintf(text, sizeof text, "key %d\r\n", c);
        (void) !write(1, text, (size_t) n);
    }
    tcsetattr(0, TCSANOW, &old);
    return 0;
}

/* Writes for ever. */
_Noreturn static void flood(void)
{
    for (;;)
        puts("flood");
}

int main(int argc, char **argv)
{
    const char *role = argc > 1 ? argv[1] : "";
    if (strcmp(role, "exit") == 0)
        return atoi(argv[2]);
    if (strcmp(role, "die") == 0)
        return raise(atoi(argv[2]));
    if (strcmp(role, "env") == 0)
        return puts(getenv(argv[2]) ? getenv(argv[2]) : "unset") < 0;
    if (strcmp(role, "sleep") == 0)
        return (int) sleep(1000);
    if (strcmp(role, "family") == 0)
        return family(atoi(argv[2]), argv[0]);
    if (strcmp(role, "signals") == 0)
        return signals();
    if (strcmp(role, "stubborn") == 0)
        stubborn();
    if (strcmp(role, "terminal") == 0)
        return terminal();
    if (strcmp(role, "keys") == 0)
        return keys();
    if (strcmp(role, "flood") == 0)
        flood();
    if (strcmp(role, "both") == 0) {
        fputs("to stderr\n", stderr);
        return puts("to stdout") < 0;
    }
    return 2;
}
