/* occlum ps [--stacks]: the processes of the running instance. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/mem.h"
#include "tools/occlum/client.h"
#include "tools/occlum/command.h"
#include "tools/occlum/processes.h"

COMMAND(ps, "list the processes of the running instance", cmd_ps);

enum { OPTION_STACKS = 256 };

static const struct argp_option options[] = {
    {"stacks", OPTION_STACKS, NULL, 0, "show where each thread sleeps in the kernel", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    bool *stacks = state->input;
    if (key != OPTION_STACKS)
        return ARGP_ERR_UNKNOWN;
    *stacks = true;
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc = "List the processes of the instance that `occlum start` started: numbers, user, state, "
           "processor time, memory, command. The measured configuration (control.inspect) says how "
           "much is told.",
};

/* Users are those inside, of which only root has a name that is known here. */
static const char *user_text(const struct control_status *s, uint32_t uid, char *buffer)
{
    if (s->inspect != CONTROL_INSPECT_FULL)
        return "-";
    if (uid == 0)
        return "root";
    snprintf(buffer, 16, "%u", uid);
    return buffer;
}

static void print_process(const struct control_status *s, const struct process *p)
{
    const struct control_process *r = &p->record;
    char user[16], cpu[32], age[32], size[32], memory[32];
    AUTO_FREE char *command = process_command(p);
    printf("%5d %5d %-6s %c %4u %9s %11s %6s %6s %s\n", r->pid, r->ppid, user_text(s, r->uid, user),
           r->state >= 'A' && r->state <= 'Z' ? (char) r->state : '?', r->threads,
           processes_cpu_text(r->cpu_ns, cpu), processes_age_text(s->uptime_ns - r->start_ns, age),
           r->size ? processes_size_text(r->size, size) : "-",
           r->size ? processes_size_text(r->resident, memory) : "-",
           s->inspect == CONTROL_INSPECT_FULL ? command : "-");
}

/* Lines of where it sleeps; anything else than text is not printed. */
static void print_stack(const struct process *p)
{
    char cpu[32];
    AUTO_FREE char *name = process_command(p);
    printf("      thread %d %s %s: ", p->record.tid, name,
           processes_cpu_text(p->record.cpu_ns, cpu));
    bool start = false;
    for (uint32_t i = 0; i < p->record.text_size; i++) {
        char c = p->text[i];
        if (start)
            fputs("          ", stdout);
        start = c == '\n';
        putchar((c >= 0x20 && c < 0x7f) || c == '\n' ? c : '?');
    }
    if (!start)
        putchar('\n');
}

int cmd_ps(int argc, char **argv)
{
    bool stacks = false;
    struct process_list list;
    if (argp_parse(&argp, argc, argv, 0, NULL, &stacks) != 0)
        return EXIT_USAGE;
    if (processes_get(stacks, &list) < 0)
        return 1;
    puts("  PID  PPID USER   S THRD      TIME         AGE   SIZE    RSS COMMAND");
    for (size_t i = 0; i < list.count; i++) {
        if (list.processes[i].record.tid)
            print_stack(&list.processes[i]);
        else
            print_process(&list.status, &list.processes[i]);
    }
    processes_free(&list);
    return 0;
}
