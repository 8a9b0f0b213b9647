/* occlum top [-b] [-d SECONDS] [-n COUNT]: the processes of the running instance, again and again, the
 * busiest first. On a terminal the screen is redrawn and q ends it; with -b, lists follow each other. */
#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/occlum/client.h"
#include "tools/occlum/command.h"
#include "tools/occlum/processes.h"

COMMAND(top, "watch the processes of the running instance", cmd_top);

struct top {
    bool batch;
    double seconds;
    long count; /* 0: for ever */
};

struct row {
    const struct process *process;
    double share; /* of one vCPU, since the last list */
};

static struct termios saved;
static volatile sig_atomic_t ended;

static const struct argp_option options[] = {
    {"batch", 'b', NULL, 0, "lists one after another, no screen, no keys", 0},
    {"delay", 'd', "SECONDS", 0, "between two lists (default: 2)", 0},
    {"iterations", 'n', "COUNT", 0, "end after so many lists", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct top *t = state->input;
    char *end = arg;
    switch (key) {
    case 'b':
        t->batch = true;
        return 0;
    case 'd':
        t->seconds = strtod(arg, &end);
        if (end == arg || *end || !(t->seconds >= 0.1 && t->seconds <= 3600))
            argp_error(state, "-d %s: 0.1 to 3600 seconds", arg);
        return 0;
    case 'n':
        t->count = strtol(arg, &end, 10);
        if (end == arg || *end || t->count < 1)
            argp_error(state, "-n %s: a number from 1 on is needed", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc = "Watch the processes of the instance that `occlum start` started; q ends it.",
};

/* ---- a list ---- */

static double share_of(const struct process *p, const struct process_list *list,
                       const struct process_list *before)
{
    int64_t cpu = p->record.cpu_ns, time = list->status.uptime_ns - p->record.start_ns;
    for (size_t i = 0; i < before->count; i++) {
        const struct control_process *old = &before->processes[i].record;
        if (old->pid != p->record.pid || old->start_ns != p->record.start_ns)
            continue;
        cpu -= old->cpu_ns;
        time = list->status.uptime_ns - before->status.uptime_ns;
    }
    return time > 0 ? 100.0 * (double) cpu / (double) time : 0;
}

static int busier(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->share != y->share)
        return x->share < y->share ? 1 : -1;
    return x->process->record.pid - y->process->record.pid;
}

static struct row *rank(const struct process_list *list, const struct process_list *before)
{
    struct row *rows = mem_zalloc((list->count + 1) * sizeof *rows);
    for (size_t i = 0; i < list->count; i++)
        rows[i] = (struct row){&list->processes[i], share_of(&list->processes[i], list, before)};
    qsort(rows, list->count, sizeof *rows, busier);
    return rows;
}

static void print_head(const struct control_status *s, const char *eol)
{
    char a[32], b[32], c[32];
    printf("occlum top: up %s, %u processes, %u threads, %u vCPUs%s\n",
           processes_age_text(s->uptime_ns, a), s->processes, s->threads, s->vcpus, eol);
    printf("memory %s of %s,", processes_size_text(s->user_used, a),
           processes_size_text(s->user_limit, b));
    printf(" kernel %s of %s%s\n%s\n", processes_size_text(s->heap_used, a),
           processes_size_text(s->heap_limit, c), eol, eol);
    printf("  PID S THRD  %%CPU      TIME    RSS COMMAND%s\n", eol);
}

static void print_row(const struct row *row, bool full, int width, const char *eol)
{
    const struct control_process *r = &row->process->record;
    char cpu[32], memory[32];
    AUTO_FREE char *command = process_command(row->process);
    printf("%5d %c %4u %5.1f %9s %6s %.*s%s\n", r->pid,
           r->state >= 'A' && r->state <= 'Z' ? (char) r->state : '?', r->threads, row->share,
           processes_cpu_text(r->cpu_ns, cpu), processes_size_text(r->resident, memory),
           width > 40 ? width - 38 : 2, full ? command : "-", eol);
}

static void print_list(const struct process_list *list, const struct process_list *before,
                       size_t lines, int width, const char *eol)
{
    struct row *rows = rank(list, before);
    print_head(&list->status, eol);
    for (size_t i = 0; i < list->count && i + 4 < lines; i++)
        print_row(&rows[i], list->status.inspect == CONTROL_INSPECT_FULL, width, eol);
    free(rows);
}

/* ---- the screen ---- */

static void on_signal(int sig)
{
    ended = 1;
}

static void screen_begin(void)
{
    struct termios t;
    struct sigaction a = {.sa_handler = on_signal};
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGHUP, &a, NULL);
    tcgetattr(STDIN_FILENO, &saved);
    t = saved;
    t.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &t);
    fputs("\033[?1049h\033[?25l", stdout);
}

static void screen_end(void)
{
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

static void screen_draw(const struct process_list *list, const struct process_list *before)
{
    struct winsize w = {.ws_row = 24, .ws_col = 80};
    (void) ioctl(STDOUT_FILENO, TIOCGWINSZ, &w); /* the default is right often enough */
    fputs("\033[H", stdout);
    print_list(list, before, w.ws_row > 6 ? w.ws_row - 1u : 5, w.ws_col, "\033[K");
    fputs("\033[J", stdout);
}

/* Waits; true: go on. */
static bool pause_for(const struct top *t)
{
    struct pollfd p = {.fd = t->batch ? -1 : STDIN_FILENO, .events = POLLIN};
    char key;
    if (poll(&p, 1, (int) (t->seconds * 1000)) > 0)
        return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q' && key != 3;
    return !ended;
}

static int watch(const struct top *t)
{
    struct process_list before = {0}, list;
    int r = 0;
    for (long i = 0; t->count == 0 || i < t->count; i++) {
        if (i > 0 && !pause_for(t))
            break;
        r = processes_get(false, &list);
        if (r < 0)
            break;
        if (t->batch)
            print_list(&list, &before, SIZE_MAX, 200, "");
        else
            screen_draw(&list, &before);
        if (fflush(stdout) != 0)
            break;
        processes_free(&before);
        before = list;
    }
    processes_free(&before);
    return r < 0 ? 1 : 0;
}

int cmd_top(int argc, char **argv)
{
    struct top t = {.seconds = 2};
    if (argp_parse(&argp, argc, argv, 0, NULL, &t) != 0)
        return EXIT_USAGE;
    if (!t.batch && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
        msg_error("this is no terminal");
        msg_hint("occlum top -b -n 1");
        return 1;
    }
    if (t.batch)
        return watch(&t);
    screen_begin();
    int status = watch(&t);
    screen_end();
    return status;
}
