/* A command line that the host wants to run: checked against the measured policy, with the environment
 * that the policy lets in. */
#ifndef BOOT_COMMAND_H
#define BOOT_COMMAND_H
#include "libos/task/process.h"

struct boot_command {
    struct spawn_params params; /* points into this object */
    char *strings;
    unsigned session; /* of the console */
    uint32_t id;      /* of the control request; 0: none, it is pid 1 */
};

/* strings: argc + envc of them, NUL-terminated, back to back, copied; their form was checked. *ret_why
 * (static text): why not, when -EACCES. The caller frees the result. */
must_check int boot_command_new(const char *strings, size_t size, unsigned argc, unsigned envc,
                                struct boot_command **ret, const char **ret_why);
void boot_command_free(struct boot_command *c);
static inline struct boot_command *boot_command_of(const struct spawn_params *params)
{
    return container_of(unconst(params), struct boot_command, params);
}
#endif
