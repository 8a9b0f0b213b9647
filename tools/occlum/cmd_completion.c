/* occlum completion bash: a completion script made from the command table. */
#include <argp.h>
#include <stdio.h>
#include <string.h>
#include "tools/occlum/command.h"

COMMAND(completion, "print shell completion for bash", cmd_completion);

static error_t parse(int key, char *arg, struct argp_state *state)
{
    if (key == ARGP_KEY_ARG && strcmp(arg, "bash") != 0)
        argp_error(state, "only bash is known, not \"%s\"", arg);
    else if (key == ARGP_KEY_NO_ARGS)
        argp_error(state, "for which shell? For example: occlum completion bash");
    else if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp argp = {
    .parser = parse,
    .args_doc = "bash",
    .doc = "Print a completion script for the shell.\v"
           "Use it at once: source <(occlum completion bash)",
};

/* Options come from the command's own --help when they are asked for. */
static const char script[] =
    "    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}\n"
    "    if [ $COMP_CWORD -eq 1 ]; then\n"
    "        COMPREPLY=($(compgen -W \"$commands\" -- \"$word\"))\n"
    "        return\n"
    "    fi\n"
    "    case $command:$word in\n"
    "    *:-*) COMPREPLY=($(compgen -W \"$(occlum \"$command\" --help 2>/dev/null |\n"
    "              grep -oE -- '--[a-z-]+' | sort -u)\" -- \"$word\")) ;;\n"
    "    run:/* | trace:/* | exec:/*) COMPREPLY=($(cd image 2>/dev/null &&\n"
    "              compgen -f -- \".$word\" | sed 's/^\\.//')) ;;\n"
    "    print:*) COMPREPLY=($(compgen -W 'mrenclave mrsigner' -- \"$word\")) ;;\n"
    "    help:*) COMPREPLY=($(compgen -W \"$commands\" -- \"$word\")) ;;\n"
    "    completion:*) COMPREPLY=($(compgen -W bash -- \"$word\")) ;;\n"
    "    *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n"
    "    esac\n"
    "}\n"
    "complete -F _occlum occlum\n";

int cmd_completion(int argc, char **argv)
{
    if (argp_parse(&argp, argc, argv, 0, NULL, NULL) != 0)
        return EXIT_USAGE;
    fputs("# bash completion for occlum\n_occlum()\n{\n    local commands=\"", stdout);
    for (const struct command *c = command_table; c->name; c++)
        printf("%s%s", c == command_table ? "" : " ", c->name);
    printf("\"\n%s", script);
    return 0;
}
