/* The command lines of `occlum run`, `trace` and `start`: options, then (not for start) a program of the
 * image and its own arguments, which are never taken for options. */
#include <argp.h>
#include <string.h>
#include "tools/lib/msg.h"
#include "tools/occlum/command.h"
#include "tools/occlum/launch.h"

enum { OPTION_SGX_MODE = 256, OPTION_IMAGE_KEY, OPTION_CONFIG_ID, OPTION_CONFIG_SVN };

static const struct argp_option options[] = {
    {"sgx-mode", OPTION_SGX_MODE, "HW|SIM", 0,
     "hardware or simulation; default: $SGX_MODE, else what `occlum build` was told, else HW where "
     "/dev/sgx_enclave is and SIM where not",
     0},
    {"image-key", OPTION_IMAGE_KEY, "FILE", 0,
     "the key that `occlum build` had with --image-key or --volume-key", 0},
    {"volume-key", OPTION_IMAGE_KEY, NULL, OPTION_ALIAS, NULL, 0},
    {"config-id", OPTION_CONFIG_ID, "BASE64", OPTION_HIDDEN, NULL, 0},
    {"config-svn", OPTION_CONFIG_SVN, "N", OPTION_HIDDEN, NULL, 0},
    {0},
};

/* Stops at the first word that is no option: the rest belongs to the program. */
static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct launch *launch = state->input;
    switch (key) {
    case OPTION_SGX_MODE:
        launch->sgx_mode = arg;
        break;
    case OPTION_IMAGE_KEY:
        launch->image_key = arg;
        break;
    case OPTION_CONFIG_ID:
    case OPTION_CONFIG_SVN:
        argp_error(state, "--config-id and --config-svn are not supported yet");
        break;
    case ARGP_KEY_ARG:
        launch->program = state->argv + state->next - 1;
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

int launch_command(int argc, char **argv, const char *doc, bool trace)
{
    struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "PROGRAM [ARGUMENT...]",
        .doc = doc,
    };
    struct launch launch = {.trace = trace};
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &launch) != 0)
        return EXIT_USAGE;
    return launch_program(&launch);
}

static error_t parse_start(int key, char *arg, struct argp_state *state)
{
    if (key == ARGP_KEY_ARG)
        argp_error(state, "no program is given here: occlum start, then occlum exec %s", arg);
    return key == ARGP_KEY_NO_ARGS ? 0 : parse(key, arg, state);
}

int launch_parse_start(int argc, char **argv, struct launch *launch)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse_start,
        .doc =
            "Start the instance in the background. It runs without a program until `occlum stop`; "
            "`occlum exec` runs programs in it.\v"
            "What the kernel says is in .control/log (OCCLUM_LOG_LEVEL as for `occlum run`).",
    };
    return argp_parse(&argp, argc, argv, 0, NULL, launch) == 0 ? 0 : EXIT_USAGE;
}
