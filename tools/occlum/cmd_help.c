/* occlum help [COMMAND]: the list of commands, or one command's --help. */
#include <stdio.h>
#include <string.h>
#include "tools/lib/msg.h"
#include "tools/occlum/command.h"

COMMAND(help, "list the commands, or explain one of them", cmd_help);

static void list(void)
{
    puts("Usage: occlum [-C DIR] COMMAND [ARGUMENT...]\n"
         "Run unmodified Linux programs inside one Intel SGX enclave.\n");
    for (const struct command *c = command_table; c->name; c++)
        printf("  %-15s %s\n", c->name, c->help);
    puts("\nFirst steps:\n"
         "  occlum new hello && cd hello\n"
         "  cp /path/to/hello image/bin/\n"
         "  occlum build\n"
         "  occlum run /bin/hello\n\n"
         "`occlum help COMMAND` explains a command. -C DIR works in another instance directory.");
}

int cmd_help(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        list();
        return 0;
    }
    const struct command *command = command_find(argv[1]);
    if (!command) {
        msg_error("there is no command \"%s\"", argv[1]);
        msg_hint("occlum help");
        return EXIT_USAGE;
    }
    if (strcmp(command->name, "help") == 0) {
        list();
        return 0;
    }
    char name[64];
    char option[] = "--help";
    snprintf(name, sizeof name, "occlum %s", command->name);
    return command->fn(2, (char *[]){name, option, NULL});
}
