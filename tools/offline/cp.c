/* occlum cp: out of the root image or a volume (cp_out.c), or into a volume (cp_in.c). */
#include <argp.h>
#include <string.h>
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/offline/cp.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct cp *a = state->input;
    switch (key) {
    case 'k':
        a->fsys.key = arg;
        break;
    case 'r':
        a->recursive = true;
        break;
    case 'o':
        a->owners = true;
        break;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1)
            argp_error(state, "two paths: from where, to where");
        *(state->arg_num ? &a->to : &a->from) = arg;
        break;
    case ARGP_KEY_END:
        if (state->arg_num < 2)
            argp_error(state, "two paths: from where, to where");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

const char *cp_last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *cp_name(const char *from)
{
    size_t n = strlen(from);
    while (n > 1 && from[n - 1] == '/')
        n--;
    AUTO_FREE char *path = mem_strndup(from, n);
    const char *last = cp_last_name(path);
    return mem_strdup(strcmp(last, ".") == 0 || strcmp(last, "..") == 0 ? "" : last);
}

int offline_cp(int argc, char **argv)
{
    static const struct argp_option options[] = {
        FSYS_KEY_OPTIONS,
        {"recursive", 'r', NULL, 0, "directories, with what is in them; links stay links", 0},
        {"owners", 'o', NULL, 0,
         "owners and set-id bits, too; else they are yours, and root's in a volume", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[VOLUME:]PATH DESTINATION\nPATH VOLUME:PATH",
        .doc = "Copy files and directories out of the root image or an encrypted volume, or into a "
               "volume.",
    };
    struct cp a = {0};
    const char *volume, *path;
    struct fsys *f;
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return 64;
    fsys_split(a.to, &volume, &path);
    bool in = volume != NULL;
    if (!in)
        fsys_split(a.from, &volume, &path);
    if (in && strcmp(volume, FSYS_ROOT) == 0) {
        msg_error("cp writes to a volume by its name; `occlum mount -w @` is for the whole");
        return 64;
    }
    a.fsys.volume = volume;
    a.fsys.writable = in;
    if (fsys_open(&a.fsys, &f) < 0)
        return 1;
    int r = in ? cp_in(f, path, &a) : cp_out(f, path, &a);
    fsys_close(f);
    if (r < 0)
        msg_error("%s: %s", in ? a.from : path, strerror(-r));
    return r < 0;
}
