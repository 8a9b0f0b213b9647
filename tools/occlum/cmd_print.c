/* occlum print mrenclave|mrsigner: identities of the built enclave, from its files. */
#include <argp.h>
#include <stdio.h>
#include <string.h>
#include "abi/sgx.h"
#include "tools/lib/fsutil.h"
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/lib/sigstruct.h"
#include "tools/occlum/command.h"
#include "tools/occlum/instance.h"

COMMAND(print, "print mrenclave or mrsigner of the built enclave", cmd_print);

static error_t parse(int key, char *arg, struct argp_state *state)
{
    const char **what = state->input;
    if (key == ARGP_KEY_ARG && (strcmp(arg, "mrenclave") == 0 || strcmp(arg, "mrsigner") == 0))
        *what = arg;
    else if (key == ARGP_KEY_ARG)
        argp_error(state, "\"%s\" is neither mrenclave nor mrsigner", arg);
    else if (key == ARGP_KEY_NO_ARGS)
        argp_error(state, "print what? mrenclave or mrsigner");
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp argp = {
    .parser = parse,
    .args_doc = "mrenclave|mrsigner",
    .doc = "Print the measurement of the enclave (mrenclave) or the digest of its signer's public "
           "key (mrsigner), 64 hexadecimal digits.",
};

static int unreadable(const char *path, int r)
{
    msg_error("%s cannot be read: %s", path, strerror(-r));
    msg_hint("occlum build");
    return 1;
}

int cmd_print(int argc, char **argv)
{
    const char *what = NULL;
    if (argp_parse(&argp, argc, argv, 0, NULL, &what) != 0)
        return EXIT_USAGE;
    if (!instance_state(false))
        return 1;
    uint8_t digest[32];
    if (strcmp(what, "mrenclave") == 0) {
        int r = fs_sha256_file(BUILD_SGXS, digest);
        if (r < 0)
            return unreadable(BUILD_SGXS, r);
    } else {
        AUTO_FREE char *data = NULL;
        size_t size;
        struct sgx_sigstruct sigstruct;
        int r = fs_read_file(BUILD_SIG, 65536, &data, &size);
        if (r < 0)
            return unreadable(BUILD_SIG, r);
        if (size != sizeof sigstruct) {
            msg_error("%s is damaged: %zu bytes instead of %zu", BUILD_SIG, size, sizeof sigstruct);
            msg_hint("occlum build -f");
            return 1;
        }
        memcpy(&sigstruct, data, sizeof sigstruct);
        sigstruct_mrsigner(&sigstruct, digest);
    }
    char hex[65];
    fs_hex(digest, sizeof digest, hex);
    puts(hex);
    return 0;
}
