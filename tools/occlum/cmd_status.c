/* occlum status: the one-word state, as scripts expect it from Occlum; of a running instance also what it
 * uses. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "tools/lib/mem.h"
#include "tools/occlum/client.h"
#include "tools/occlum/command.h"
#include "tools/occlum/instance.h"
#include "tools/occlum/processes.h"

COMMAND(status, "print the state of the instance", cmd_status);

static const struct argp argp = {
    .doc =
        "Print \"initialized\", \"built\" or \"running\". A running instance has more lines: its "
        "process, for how long it runs, and what memory it uses.",
};

static int ask(struct client *c, struct control_status *ret)
{
    struct control_request q = {.magic = CONTROL_MAGIC, .op = CONTROL_STATUS};
    struct control_answer a;
    AUTO_FREE char *data = NULL;
    int r = client_send(c, &q, NULL, NULL);
    if (r == 0)
        r = client_receive(c, &a, &data);
    if (r < 0 || a.kind != CONTROL_DATA || a.size != sizeof *ret)
        return r < 0 ? r : -EPROTO;
    memcpy(ret, data, sizeof *ret);
    return 0;
}

static void print_use(const struct control_status *s)
{
    char used[32], limit[32];
    printf("uptime          %s\n", processes_age_text(s->uptime_ns, used));
    printf("vcpus           %u\n", s->vcpus);
    printf("memory          %s of %s\n", processes_size_text(s->user_used, used),
           processes_size_text(s->user_limit, limit));
    printf("kernel memory   %s of %s\n", processes_size_text(s->heap_used, used),
           processes_size_text(s->heap_limit, limit));
    if (s->inspect != CONTROL_INSPECT_OFF)
        printf("processes       %u with %u threads\n", s->processes, s->threads);
}

int cmd_status(int argc, char **argv)
{
    if (argp_parse(&argp, argc, argv, 0, NULL, NULL) != 0)
        return EXIT_USAGE;
    const char *state = instance_state(false);
    if (!state)
        return 1;
    struct client c;
    int r = client_connect(&c, true);
    if (r < 0) {
        if (r == -ECONNREFUSED)
            puts(state);
        return r == -ECONNREFUSED ? 0 : 1;
    }
    printf("running\nprocess         %d\n", (int) c.pid);
    fflush(stdout);
    struct control_status s;
    r = ask(&c, &s);
    client_close(&c);
    if (r == 0)
        print_use(&s);
    return r == 0 ? 0 : 1;
}
