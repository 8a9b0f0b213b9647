/* occlum stop [-t SECONDS]: ends everything in the running instance, and the instance. */
#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tools/lib/msg.h"
#include "tools/occlum/client.h"
#include "tools/occlum/command.h"

COMMAND(stop, "stop the running instance", cmd_stop);

#define DEFAULT_SECONDS 10
#define GRACE_SECONDS   10 /* for what follows SIGKILL inside */

static const struct argp_option options[] = {
    {"time", 't', "SECONDS", 0, "between SIGTERM and SIGKILL (default: 10)", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    long *seconds = state->input;
    char *end;
    if (key != 't')
        return ARGP_ERR_UNKNOWN;
    errno = 0;
    *seconds = strtol(arg, &end, 10);
    if (errno || end == arg || *end || *seconds < 0 || *seconds > CONTROL_STOP_MAX)
        argp_error(state, "-t %s: a number of seconds from 0 to %d is needed", arg,
                   CONTROL_STOP_MAX);
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc = "Send SIGTERM to every program in the instance, SIGKILL to those that are still there "
           "after SECONDS, and end the instance.",
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The runtime holds the other end until it ends. */
static bool wait_for_end(const struct client *c, long seconds)
{
    int64_t deadline = now_ms() + (seconds + GRACE_SECONDS) * 1000;
    for (;;) {
        int64_t left = deadline - now_ms();
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        char byte;
        if (left <= 0)
            return false;
        if (poll(&p, 1, (int) left) > 0 && read(c->fd, &byte, 1) <= 0)
            return true;
    }
}

int cmd_stop(int argc, char **argv)
{
    long seconds = DEFAULT_SECONDS;
    if (argp_parse(&argp, argc, argv, 0, NULL, &seconds) != 0)
        return EXIT_USAGE;
    struct client c;
    if (client_connect(&c, false) < 0)
        return 1;
    struct control_request q = {.magic = CONTROL_MAGIC, .op = CONTROL_STOP, .a = seconds};
    if (client_send(&c, &q, NULL, NULL) < 0)
        return 1;
    if (!wait_for_end(&c, seconds)) {
        msg_warn("the instance does not answer; its runtime (process %d) is killed", (int) c.pid);
        if (kill(c.pid, SIGKILL) < 0 || !wait_for_end(&c, 0)) {
            msg_error("process %d cannot be killed: %s", (int) c.pid, strerror(errno));
            return 1;
        }
    }
    client_close(&c);
    return 0;
}
