/* occlum build: the command line of build.c. */
#include <argp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/fsutil.h"
#include "tools/lib/msg.h"
#include "tools/occlum/build.h"
#include "tools/occlum/command.h"
#include "tools/occlum/instance.h"

COMMAND(build, "build the enclave and its root image", cmd_build);

enum {
    OPTION_SGX_MODE = 256,
    OPTION_SIGN_KEY,
    OPTION_SIGN_TOOL,
    OPTION_IMAGE_KEY,
    OPTION_VOLUME_KEY,
    OPTION_EDMM
};

struct arguments {
    struct build_options build;
    const char *sgx_mode;
};

static const struct argp_option options[] = {
    {"sgx-mode", OPTION_SGX_MODE, "HW|SIM", 0,
     "mode that `occlum run` shall use; the files built are the same for both", 0},
    {"sign-key", OPTION_SIGN_KEY, "FILE", 0,
     "PEM file with the RSA-3072 key (exponent 3) that signs the enclave; default: your own key, "
     "made on first use",
     0},
    {"image-key", OPTION_IMAGE_KEY, "FILE", 0,
     "encrypt the root image with this key (occlum gen-image-key makes one)", 0},
    {"volume-key", OPTION_VOLUME_KEY, "FILE", 0,
     "leave the root image readable; volumes also open with this key, if `occlum run` gets it", 0},
    {"force", 'f', NULL, 0, "build everything again, even what has not changed", 0},
    {"sign-tool", OPTION_SIGN_TOOL, "FILE", OPTION_HIDDEN, NULL, 0},
    {"enable-edmm", OPTION_EDMM, "Y|N", OPTION_HIDDEN, NULL, 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case OPTION_SGX_MODE:
        a->sgx_mode = arg;
        break;
    case OPTION_SIGN_KEY:
        a->build.sign_key = arg;
        break;
    case OPTION_IMAGE_KEY:
        a->build.image_key = arg;
        break;
    case OPTION_VOLUME_KEY:
        a->build.volume_key = arg;
        break;
    case ARGP_KEY_END:
        if (a->build.image_key && a->build.volume_key)
            argp_error(
                state,
                "--image-key and --volume-key: one of them (--image-key is for volumes, too)");
        break;
    case 'f':
        a->build.force = true;
        break;
    case OPTION_SIGN_TOOL:
    case OPTION_EDMM:
        msg_note("an option of Occlum that means nothing here was ignored (%s)", arg);
        break;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument \"%s\"", arg);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc = "Check Occlum.json, make image/ into a verified root image, and build and sign the "
           "enclave. What has not changed is not made again; what programs wrote (run/) is never "
           "touched. The same inputs give the same bytes, on any machine."
           "\vResults: build/image.erofs (EROFS + dm-verity), build/enclave.sgxs (its SHA-256 is "
           "MRENCLAVE), build/enclave.sig (SIGSTRUCT).",
};

static int record_mode(const char *option, const struct mode_choice *choice)
{
    if (!option && !(choice->by && strcmp(choice->by, "SGX_MODE") == 0))
        return 0;
    const char *name = mode_name(choice->mode);
    return fs_write_file(BUILD_MODE, name, strlen(name), 0644);
}

static void report_mode(const struct mode_choice *choice)
{
    if (choice->mode == SGX_MODE_HW && !mode_device_present()) {
        msg_warn(
            "HW was asked for (by %s), but this machine has no /dev/sgx_enclave: what is built "
            "runs in HW mode elsewhere",
            choice->by);
        msg_hint("here: occlum run --sgx-mode SIM PROGRAM   (no security)");
    }
    if (choice->mode == SGX_MODE_SIM && !choice->by)
        msg_note(
            "no SGX on this machine, so `occlum run` will simulate it (SIM mode, no security)");
}

int cmd_build(int argc, char **argv)
{
    struct arguments a = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return EXIT_USAGE;
    struct mode_choice choice;
    if (!instance_state(false) || instance_mode(a.sgx_mode, &choice) < 0)
        return 1;
    report_mode(&choice);
    uint8_t mrenclave[32];
    bool changed = false;
    if (build_instance(&a.build, mrenclave, &changed) < 0)
        return 1;
    if (record_mode(a.sgx_mode, &choice) < 0 || instance_set_state("built") < 0)
        return 1;
    char hex[65];
    fs_hex(mrenclave, sizeof mrenclave, hex);
    printf("%s  MRENCLAVE %s\n", changed ? "Built." : "Nothing changed.", hex);
    return 0;
}
