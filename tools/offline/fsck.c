/* occlum fsck: reads everything and says whether it fits together. There is no repair: a block that is not what
 * its pointer says cannot be guessed, and a volume goes back to its last whole commit by itself. */
#include <argp.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/offline/volume.h"

struct arguments {
    struct fsys_options fsys;
    char **names; /* NULL-terminated; NULL: everything */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case 'k':
        a->fsys.key = arg;
        break;
    case ARGP_KEY_ARG:
        a->names = state->argv + state->next - 1;
        state->next = state->argc;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void describe(struct fsys *f, const char *volume)
{
    struct cow_space space;
    if (!volume) {
        puts("root image: clean");
        return;
    }
    cow_space(volume_cow(f), &space);
    printf("volume %s: clean, %llu files\n", volume, (unsigned long long) space.inodes);
}

/* 0: clean, 1: not, or not to be read. */
static int check_one(const char *volume, const struct arguments *a)
{
    struct fsys_options o = {.volume = volume, .key = a->fsys.key};
    const char *what = volume ? volume : "the root image";
    struct fsys *f;
    if (fsys_open(&o, &f) < 0)
        return 1;
    long wrong = f->ops->check(f);
    if (wrong < 0)
        msg_error("%s cannot be read completely: %s", what, strerror((int) -wrong));
    else if (wrong > 0)
        msg_error("%s: %ld thing%s wrong", what, wrong, wrong == 1 ? " is" : "s are");
    else
        describe(f, volume);
    fsys_close(f);
    return wrong != 0;
}

static int is_volume(const struct dirent *d)
{
    return d->d_name[0] != '.' && !strchr(d->d_name, '.');
}

static int check_all(const struct arguments *a)
{
    struct dirent **list;
    int count = scandir("run/volumes", &list, is_volume, alphasort);
    int status = check_one(NULL, a);
    for (int i = 0; i < count; i++) {
        status |= check_one(list[i]->d_name, a);
        free(list[i]);
    }
    if (count >= 0)
        free(list);
    return status;
}

int offline_fsck(int argc, char **argv)
{
    static const struct argp_option options[] = {
        FSYS_KEY_OPTIONS,
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[VOLUME...]",
        .doc = "Check the root image and all encrypted volumes, or the volumes named: every block "
               "against what "
               "points to it, every count, name and link. Nothing is changed.",
    };
    struct arguments a = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return 64;
    int status = a.names ? 0 : check_all(&a);
    for (char **p = a.names; p && *p; p++)
        status |= check_one(*p, &a);
    return status;
}
