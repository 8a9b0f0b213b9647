/* copy_bom: fills an image with what a bom file lists. */
#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/copy_bom/copier.h"
#include "tools/lib/fsutil.h"
#include "tools/lib/msg.h"

enum { OPTION_ROOT = 256, OPTION_DRY_RUN };

struct arguments {
    struct copier copier;
    const char *file;
    char *root;
};

static const struct argp_option options[] = {
    {"file", 'f', "BOM", 0, "the bom file", 0},
    {"root", OPTION_ROOT, "DIR", 0, "the image to fill, usually image", 0},
    {"dry-run", OPTION_DRY_RUN, NULL, 0, "only print what would be done", 0},
    {"include-dir", 'i', "DIR", 0, "look here for included bom files (may be repeated)", 0},
    {"verbose", 'v', NULL, 0, "print what is done", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case 'f':
        a->file = arg;
        break;
    case OPTION_ROOT:
        a->root = arg;
        break;
    case OPTION_DRY_RUN:
        a->copier.dry_run = true;
        break;
    case 'i':
        strv_add(&a->copier.include_dirs, mem_strdup(arg));
        break;
    case 'v':
        a->copier.verbose = true;
        break;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument \"%s\"", arg);
        break;
    case ARGP_KEY_END:
        if (!a->file || !a->root || !*a->root)
            argp_error(state, "needs both: copy_bom --file app.yaml --root image");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc =
        "Copy the files and directories that a bom file lists into an image, with the shared "
        "libraries that the programs among them need. Nothing is deleted; what is there already is "
        "not copied again."
        "\vRelative paths in a bom file start from the current directory. docs/cli.md describes "
        "the "
        "format.",
};

int main(int argc, char **argv)
{
    struct arguments a = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return 64;
    size_t size = strlen(a.root);
    while (size > 1 && a.root[size - 1] == '/')
        a.root[--size] = 0;
    a.copier.root = a.root;
    int r = a.copier.dry_run ? 0 : fs_mkdirs(a.root, 0755);
    if (r < 0) {
        msg_error("cannot make %s: %s", a.root, strerror(-r));
        return 1;
    }
    bool good = copier_run(&a.copier, a.file);
    copier_fini(&a.copier);
    if (!good)
        msg_error("%s: not everything could be copied, see above", a.file);
    return good ? 0 : 1;
}
