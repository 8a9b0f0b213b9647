/* Choice of HW or SIM. Pure apart from mode_device_present(), so that every combination is
 * tested. */
#include "tools/lib/mode.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int from_word(const char *word, enum sgx_mode *ret_mode)
{
    if (strcasecmp(word, "HW") == 0)
        *ret_mode = SGX_MODE_HW;
    else if (strcasecmp(word, "SIM") == 0)
        *ret_mode = SGX_MODE_SIM;
    else
        return -EINVAL;
    return 0;
}

int mode_choose(const struct mode_input *input, struct mode_choice *ret_choice)
{
    const struct {
        const char *word, *by;
    } asked[] = {
        {input->option, "--sgx-mode"},
        {input->variable, "SGX_MODE"},
        {input->recorded, "the last build"},
    };
    for (int i = 0; i < 3; i++) {
        if (!asked[i].word || !*asked[i].word)
            continue;
        *ret_choice = (struct mode_choice){.by = asked[i].by};
        return from_word(asked[i].word, &ret_choice->mode);
    }
    *ret_choice = (struct mode_choice){.mode = input->device ? SGX_MODE_HW : SGX_MODE_SIM};
    return 0;
}

const char *mode_name(enum sgx_mode mode)
{
    return mode == SGX_MODE_HW ? "HW" : "SIM";
}

bool mode_device_present(void)
{
    return access("/dev/sgx_enclave", F_OK) == 0;
}
