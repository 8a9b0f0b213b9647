/* occlum kill [-s SIGNAL] PID...: a signal to processes in the running instance. */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/occlum/client.h"
#include "tools/occlum/command.h"

COMMAND(kill, "send a signal to a process in the running instance", cmd_kill);

#define PID_LIMIT 32768

struct kill {
    int signal;
    char **pids;
};

static const struct argp_option options[] = {
    {"signal", 's', "SIGNAL", 0, "name or number (default: TERM)", 0},
    {0},
};

static bool parse_number(const char *text, long max, int *ret)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || end == text || *end || n < 0 || n > max)
        return false;
    *ret = (int) n;
    return true;
}

static bool parse_signal(const char *text, int *ret)
{
    if (parse_number(text, 64, ret))
        return true;
    if (strncasecmp(text, "SIG", 3) == 0)
        text += 3;
    for (int i = 1; i < 32; i++) {
        const char *name = sigabbrev_np(i);
        if (name && strcasecmp(name, text) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct kill *k = state->input;
    int pid;
    switch (key) {
    case 's':
        if (!parse_signal(arg, &k->signal))
            argp_error(state, "-s %s: there is no such signal", arg);
        return 0;
    case ARGP_KEY_ARG:
        if (!k->pids)
            k->pids = state->argv + state->next - 1;
        if (!parse_number(arg, PID_LIMIT - 1, &pid) || pid == 0)
            argp_error(state, "%s is no process number; `occlum ps` lists them", arg);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which process? `occlum ps` lists them");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "PID...",
    .doc = "Send a signal to processes in the instance that `occlum start` started. The measured "
           "configuration (control.inspect) says whether that is allowed.",
};

int cmd_kill(int argc, char **argv)
{
    struct kill k = {.signal = SIGTERM};
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &k) != 0)
        return EXIT_USAGE;
    int status = 0;
    for (char **p = k.pids; *p; p++) {
        AUTO_FREE char *nothing = NULL;
        size_t size;
        int pid = 0;
        if (!parse_number(*p, PID_LIMIT - 1, &pid) ||
            client_ask(CONTROL_KILL, pid, k.signal, &nothing, &size) < 0)
            status = 1;
    }
    return status;
}
