/* What the host may run: entry points, argument rules, and the environment allow-list of the measured
 * configuration decide, for the first program (`occlum run`) and for each that is added (`occlum exec`)
 * alike. The strings come from the host and are only compared and passed on.
 */
#include "libos/boot/command.h"
#include "libos/boot/boot.h"
#include "libos/boot/config.h"
#include "libos/mm/heap.h"

static const char *next_string(const char *s)
{
    return s + strlen(s) + 1;
}

static bool env_is_set(const char *const *env, size_t count, const char *var)
{
    size_t n = (size_t) (strchr(var, '=') - var) + 1;
    for (size_t i = 0; i < count; i++)
        if (strncmp(env[i], var, n) == 0)
            return true;
    return false;
}

/* The host's variables that the policy lets in override the measured defaults. */
static const char *const *make_env(const char *host_env, unsigned envc)
{
    const struct boot_config *c = boot_config();
    const char **env = kzalloc((envc + c->env_default_count + 1) * sizeof *env);
    if (!env)
        return NULL;
    size_t n = 0;
    const char *s = host_env;
    for (unsigned i = 0; i < envc; i++, s = next_string(s)) {
        const char *eq = strchr(s, '=');
        if (eq && boot_config_env_allowed(c, s, (size_t) (eq - s)))
            env[n++] = s;
    }
    for (size_t i = 0; i < c->env_default_count; i++) {
        const char *var = boot_config_str(c, c->env_default[i]);
        if (!env_is_set(env, n, var))
            env[n++] = var;
    }
    return env;
}

static const char *why_not(unsigned argc, const char *const *argv)
{
    if (!boot_config_entry_allowed(boot_config(), argv[0]))
        return "it is not below any of the entry_points in Occlum.json";
    if (!boot_config_args_allowed(boot_config(), argc, argv))
        return "these arguments are not allowed by the policy in Occlum.json";
    return NULL;
}

void boot_command_free(struct boot_command *c)
{
    if (!c)
        return;
    kfree(unconst(c->params.argv));
    kfree(unconst(c->params.envp));
    kfree(c->strings);
    kfree(c);
}

static int fill(struct boot_command *c, unsigned argc, unsigned envc)
{
    const char **argv = kzalloc((argc + 1) * sizeof *argv);
    c->params.argv = argv;
    if (!argv)
        return -ENOMEM;
    const char *s = c->strings;
    for (unsigned i = 0; i < argc; i++, s = next_string(s))
        argv[i] = s;
    c->params.path = argv[0];
    c->params.envp = make_env(s, envc);
    return c->params.envp ? 0 : -ENOMEM;
}

int boot_command_new(const char *strings, size_t size, unsigned argc, unsigned envc,
                     struct boot_command **ret, const char **ret_why)
{
    struct boot_command *c = new_zero(struct boot_command);
    int r = -ENOMEM;
    if (c && (c->strings = kzalloc(size)) != NULL) {
        memcpy(c->strings, strings, size);
        r = fill(c, argc, envc);
    }
    if (r == 0 && (*ret_why = why_not(argc, c->params.argv)) != NULL)
        r = -EACCES;
    if (r == 0)
        *ret = TAKE(c);
    boot_command_free(c);
    return r;
}
