/* HW or SIM: the choice is made once, here, for every tool. */
#ifndef TOOLS_LIB_MODE_H
#define TOOLS_LIB_MODE_H

#include <stdbool.h>

enum sgx_mode { SGX_MODE_SIM, SGX_MODE_HW };

struct mode_input {
    const char *option;   /* --sgx-mode, or NULL */
    const char *variable; /* $SGX_MODE, or NULL */
    const char *recorded; /* what `occlum build` was told explicitly, or NULL */
    bool device;          /* /dev/sgx_enclave is there */
};

struct mode_choice {
    enum sgx_mode mode;
    const char *by; /* "--sgx-mode", "SGX_MODE", "the last build"; NULL: nobody asked, by device */
};

/* First of option, variable, recorded; else HW where the device is, SIM where it is not. -EINVAL
 * for a word that is neither HW nor SIM: ret_choice->by then says which one was wrong. */
int mode_choose(const struct mode_input *input, struct mode_choice *ret_choice);
const char *mode_name(enum sgx_mode mode);
bool mode_device_present(void);
#endif
