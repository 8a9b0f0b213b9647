/* occlum exec [-t] [-e VAR=VALUE]... PROGRAM [ARGUMENT...]: a program in the running instance.
 *
 * The program gets this command's standard files by descriptor, so nothing is copied and a terminal stays
 * a terminal. What a terminal would send to the program arrives here as signals and is passed on; when the
 * program stops, this command stops, too, so that the shell's job control works. If this command dies, the
 * runtime sees the connection close and ends the program's session.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "tools/lib/control.h"
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/occlum/client.h"
#include "tools/occlum/command.h"
#include "tools/occlum/instance.h"

COMMAND(exec, "run a program in the running instance", cmd_exec);

#define NOT_FOUND   127
#define NOT_STARTED 126
#define FAILED      1
#define GOES_ON     (-1)

struct exec {
    bool tty;
    struct strv env; /* of -e */
    char **program;
};

static const struct argp_option options[] = {
    {"env", 'e', "VAR=VALUE", 0, "set a variable, if the measured configuration lets it in", 0},
    {"tty", 't', NULL, 0, "insist on a terminal", 0},
    {"interactive", 'i', NULL, 0, "no effect: standard input is always the program's", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct exec *e = state->input;
    switch (key) {
    case 'e':
        if (!strchr(arg, '='))
            argp_error(state, "-e %s: VAR=VALUE is needed", arg);
        strv_add(&e->env, mem_strdup(arg));
        break;
    case 't':
        e->tty = true;
        break;
    case 'i':
        break;
    case ARGP_KEY_ARG:
        e->program = state->argv + state->next - 1;
        state->next = state->argc;
        break;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which program? For example: %s /bin/hello", state->name);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "PROGRAM [ARGUMENT...]",
    .doc =
        "Run PROGRAM, an absolute path in the image, in the instance that `occlum start` started. "
        "Its standard files, terminal and signals are this command's, and so is its exit status "
        "(128+n when signal n killed it; 126, 127: it could not be started).",
};

/* ---- the request ---- */

struct strings {
    char *data;
    size_t size;
    uint32_t count;
};

static void add_string(struct strings *s, const char *text)
{
    size_t n = strlen(text) + 1;
    s->data = mem_grow(s->data, s->size + n, 1);
    memcpy(s->data + s->size, text, n);
    s->size += n;
    s->count++;
}

static bool overridden(const struct strv *env, const char *variable)
{
    size_t n = strcspn(variable, "=") + 1;
    for (size_t i = 0; i < env->count; i++)
        if (strncmp(env->items[i], variable, n) == 0)
            return true;
    return false;
}

/* One of the standard files is this command's terminal, which belongs to another job now. */
static bool in_background(void)
{
    for (int fd = 0; fd < 3; fd++) {
        pid_t foreground = tcgetpgrp(fd);
        if (foreground > 0)
            return foreground != getpgrp();
    }
    return false;
}

static int send_exec(struct client *c, const struct exec *e)
{
    struct strings s = {0};
    for (char **a = e->program; *a; a++)
        add_string(&s, *a);
    uint32_t argc = s.count;
    for (char **v = environ; *v; v++)
        if (!overridden(&e->env, *v))
            add_string(&s, *v);
    for (size_t i = 0; i < e->env.count; i++)
        add_string(&s, e->env.items[i]);
    int r = -E2BIG;
    static const int fds[3] = {0, 1, 2};
    struct control_request q = {.magic = CONTROL_MAGIC,
                                .op = CONTROL_EXEC,
                                .a = in_background(),
                                .argc = argc,
                                .envc = s.count - argc,
                                .strings_size = (uint32_t) s.size};
    if (s.size <= CONTROL_STRINGS_MAX)
        r = client_send(c, &q, s.data, fds);
    else
        msg_error("arguments and environment are larger than %u bytes", CONTROL_STRINGS_MAX);
    free(s.data);
    return r;
}

/* ---- while it runs ---- */

static void send_signal(struct client *c, int sig)
{
    struct control_request q = {.magic = CONTROL_MAGIC, .op = CONTROL_SIGNAL, .a = sig};
    (void) client_send(c, &q, NULL, NULL); /* a lost connection is seen by the reader */
}

static void tell_whose_terminal(struct client *c)
{
    struct control_request q = {
        .magic = CONTROL_MAGIC, .op = CONTROL_TERMINAL, .a = !in_background()};
    (void) client_send(c, &q, NULL, NULL); /* as above */
}

static void forward(struct client *c, int signals)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGCONT)
        tell_whose_terminal(c);
    send_signal(c, (int) info.ssi_signo);
}

/* As the shell's job that this command is. Without a shell nothing stops, and the program goes on at once. */
static void stop_too(struct client *c, int sig)
{
    static const struct timespec at_once = {0};
    sigset_t stop, go_on;
    if (sig != SIGTSTP && sig != SIGTTIN && sig != SIGTTOU)
        return;
    sigemptyset(&stop);
    sigaddset(&stop, sig);
    sigemptyset(&go_on);
    sigaddset(&go_on, SIGCONT);
    raise(sig);
    sigprocmask(SIG_UNBLOCK, &stop, NULL);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    (void) sigtimedwait(&go_on, NULL, &at_once); /* the one that continued us is sent below */
    tell_whose_terminal(c);
    send_signal(c, SIGCONT);
}

static int refused(const struct exec *e, const struct control_answer *a, const char *why)
{
    if (a->value == EACCES || a->value == ENOENT || *why)
        msg_error("cannot start %s: %s", e->program[0], *why ? why : strerror((int) a->value));
    else
        client_say_refusal(a, why);
    if (e->program[0][0] != '/')
        msg_hint("occlum exec /bin/%s", e->program[0]);
    return a->value == ENOENT ? NOT_FOUND : NOT_STARTED;
}

static int exit_status(int64_t wait_status)
{
    int sig = (int) wait_status & 0x7f;
    return sig ? 128 + sig : (int) (wait_status >> 8 & 0xff);
}

/* GOES_ON or the exit status. */
static int take_answer(struct client *c, const struct exec *e)
{
    struct control_answer a;
    AUTO_FREE char *data = NULL;
    if (client_receive(c, &a, &data) < 0) {
        msg_error("the instance ended before the program did");
        return 128 + SIGKILL;
    }
    switch (a.kind) {
    case CONTROL_FAILED:
        return refused(e, &a, data);
    case CONTROL_EXITED:
        return exit_status(a.value);
    case CONTROL_STOPPED:
        stop_too(c, (int) a.value);
        return GOES_ON;
    case CONTROL_INPUT:
        send_signal(c, SIGTTIN); /* what its terminal would do; then it stops, and we do */
        return GOES_ON;
    default:
        return GOES_ON;
    }
}

static int follow(struct client *c, const struct exec *e, int signals)
{
    struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    int status = GOES_ON;
    while (status == GOES_ON) {
        if (poll(p, 2, -1) < 0)
            continue;
        if (p[1].revents)
            forward(c, signals);
        if (p[0].revents)
            status = take_answer(c, e);
    }
    return status;
}

/* What is closed becomes nothing: there are always three descriptors to pass along. */
static bool open_standard_files(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd < 3);
    if (fd < 0)
        msg_error("/dev/null: %s", strerror(errno));
    else
        close(fd);
    return fd >= 0;
}

/* The instance keeps what was built when it was started. */
static void warn_if_rebuilt(void)
{
    struct stat started, built;
    if (stat(CONTROL_DIR "/" CONTROL_LOCK, &started) < 0 ||
        stat(BUILD_DIR "/.enclave.stamp", &built) < 0 || built.st_mtime <= started.st_mtime)
        return;
    msg_warn("the instance was started before the last build and runs the older one");
    msg_hint("occlum stop && occlum start");
}

static int run(const struct exec *e)
{
    struct client c;
    sigset_t set = control_signals();
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = open_standard_files() ? signalfd(-1, &set, SFD_CLOEXEC) : -1;
    if (signals < 0 || client_connect(&c, false) < 0)
        return FAILED;
    warn_if_rebuilt();
    int status = send_exec(&c, e) < 0 ? FAILED : follow(&c, e, signals);
    client_close(&c);
    close(signals);
    return status;
}

int cmd_exec(int argc, char **argv)
{
    struct exec e = {0};
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &e) != 0)
        return EXIT_USAGE;
    int status = FAILED;
    if (e.tty && !isatty(STDIN_FILENO))
        msg_error("-t: standard input is not a terminal");
    else
        status = run(&e);
    strv_fini(&e.env);
    return status;
}
