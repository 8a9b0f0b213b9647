/* occlum ls, occlum cat. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/offline/fsys.h"

struct arguments {
    struct fsys_options fsys;
    bool details, recursive, all, numbers;
    char **paths; /* NULL-terminated */
};

static const struct argp_option options[] = {
    FSYS_KEY_OPTIONS,
    {"long", 'l', NULL, 0, "modes, owners, sizes and times", 0},
    {"inode", 'i', NULL, 0, "numbers of inodes, as `occlum fsck` gives them", 0},
    {"recursive", 'R', NULL, 0, "directories below, too", 0},
    {"all", 'a', NULL, 0, "names that begin with a dot, too", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case 'k':
        a->fsys.key = arg;
        break;
    case 'l':
        a->details = true;
        break;
    case 'i':
        a->numbers = true;
        break;
    case 'R':
        a->recursive = true;
        break;
    case 'a':
        a->all = true;
        break;
    case ARGP_KEY_ARG:
        a->paths = state->argv + state->next - 1;
        state->next = state->argc;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* Names come from the volume, and a terminal takes some bytes for orders. */
static void put_name(const char *name)
{
    for (const unsigned char *p = (const unsigned char *) name; *p; p++)
        putchar(*p < ' ' || *p == 0x7f ? '?' : *p);
}

static void put_mode(uint32_t mode)
{
    static const char types[] = "?pc?d?b?-?l?s???";
    putchar(types[mode >> 12 & 15]);
    for (int i = 8; i >= 0; i--) {
        char c = mode >> i & 1 ? "xwr"[i % 3] : '-';
        bool special = (i == 6 && (mode & S_ISUID)) || (i == 3 && (mode & S_ISGID)) ||
                       (i == 0 && (mode & S_ISVTX));
        putchar(special ? (i == 0 ? (c == 'x' ? 't' : 'T') : (c == 'x' ? 's' : 'S')) : c);
    }
}

static void put_details(const struct fsys_stat *st)
{
    char when[32] = "?";
    time_t seconds = (time_t) (st->mtime_ns / 1000000000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm))
        strftime(when, sizeof when, "%Y-%m-%d %H:%M", &tm);
    put_mode(st->mode);
    printf(" %3u %5u %5u ", st->nlink, st->uid, st->gid);
    if (S_ISCHR(st->mode) || S_ISBLK(st->mode))
        printf("%6u,%5u", major(st->rdev), minor(st->rdev));
    else
        printf("%12llu", (unsigned long long) st->size);
    printf(" %s ", when);
}

static int show(struct fsys *f, struct fsys_node *n, const char *name, const struct arguments *a)
{
    struct fsys_stat st;
    char target[4096];
    f->ops->stat(f, n, &st);
    if (a->numbers)
        printf("%8llu ", (unsigned long long) st.ino);
    if (a->details)
        put_details(&st);
    put_name(name);
    if (a->details && S_ISLNK(st.mode)) {
        long size = f->ops->readlink(f, n, target, sizeof target - 1);
        if (size < 0)
            return (int) size;
        target[size] = 0;
        fputs(" -> ", stdout);
        put_name(target);
    }
    putchar('\n');
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The names in it, sorted. */
static int read_names(struct fsys *f, struct fsys_node *dir, struct strv *ret)
{
    struct fsys_entry e;
    int r;
    for (uint64_t pos = 0; (r = f->ops->readdir(f, dir, pos, &e)) == 1; pos = e.next)
        strv_add(ret, mem_strdup(e.name));
    if (ret->count > 0)
        qsort(ret->items, ret->count, sizeof *ret->items, compare);
    return r;
}

static int list_dir(struct fsys *f, struct fsys_node *dir, const char *path,
                    const struct arguments *a);

static int list_below(struct fsys *f, struct fsys_node *dir, const char *path, const char *name,
                      const struct arguments *a)
{
    struct fsys_node *n;
    struct fsys_stat st;
    int r = f->ops->lookup(f, dir, name, &n);
    if (r < 0)
        return r;
    f->ops->stat(f, n, &st);
    AUTO_FREE char *longer = mem_printf("%s/%s", strcmp(path, "/") == 0 ? "" : path, name);
    if (S_ISDIR(st.mode))
        r = list_dir(f, n, longer, a);
    f->ops->put(f, n);
    return r;
}

static int list_dir(struct fsys *f, struct fsys_node *dir, const char *path,
                    const struct arguments *a)
{
    AUTO_STRV struct strv names = {0};
    int r = read_names(f, dir, &names);
    if (a->recursive) {
        put_name(path);
        puts(":");
    }
    for (size_t i = 0; i < names.count && r == 0; i++) {
        struct fsys_node *n;
        if (names.items[i][0] == '.' && !a->all)
            continue;
        r = f->ops->lookup(f, dir, names.items[i], &n);
        if (r == 0) {
            r = show(f, n, names.items[i], a);
            f->ops->put(f, n);
        }
    }
    if (a->recursive)
        putchar('\n');
    for (size_t i = 0; i < names.count && r == 0 && a->recursive; i++)
        if (names.items[i][0] != '.' || a->all)
            r = list_below(f, dir, path, names.items[i], a);
    return r;
}

static int list(struct fsys *f, const char *path, const struct arguments *a)
{
    struct fsys_node *n;
    struct fsys_stat st;
    int r = fsys_find(f, path, !a->details, &n);
    if (r < 0)
        return r;
    f->ops->stat(f, n, &st);
    r = S_ISDIR(st.mode) ? list_dir(f, n, path, a) : show(f, n, path, a);
    f->ops->put(f, n);
    return r;
}

static int cat(struct fsys *f, const char *path, const struct arguments *a)
{
    static uint8_t buf[64 * FSYS_BLOCK];
    struct fsys_node *n;
    int r = fsys_find(f, path, true, &n);
    if (r < 0)
        return r;
    long got;
    for (uint64_t off = 0; (got = fsys_read(f, n, buf, sizeof buf, off)) > 0; off += (uint64_t) got)
        if (fwrite(buf, 1, (size_t) got, stdout) != (size_t) got) {
            got = -EIO;
            break;
        }
    f->ops->put(f, n);
    return (int) got;
}

/* Each path opens its own file system: mostly there is one. */
static int with_path(char *text, struct arguments *a,
                     int (*fn)(struct fsys *f, const char *path, const struct arguments *a))
{
    const char *path;
    struct fsys *f;
    fsys_split(text, &a->fsys.volume, &path);
    int r = fsys_open(&a->fsys, &f);
    if (r < 0)
        return 1;
    r = fn(f, path, a);
    fsys_close(f);
    if (r < 0)
        msg_error("%s: %s", path, strerror(-r));
    return r < 0;
}

int offline_ls(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[[VOLUME:]PATH...]",
        .doc = "List files of the root image, or of an encrypted volume (VOLUME:PATH).",
    };
    struct arguments a = {0};
    static char root[] = "/", *all[] = {root, NULL};
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return 64;
    int status = 0;
    for (char **p = a.paths ? a.paths : all; *p; p++)
        status |= with_path(*p, &a, list);
    return status;
}

int offline_cat(int argc, char **argv)
{
    struct argp_option key_only[4];
    const struct argp argp = {
        .options = key_only,
        .parser = parse,
        .args_doc = "[VOLUME:]PATH...",
        .doc =
            "Write files of the root image, or of an encrypted volume (VOLUME:PATH), to standard "
            "output.",
    };
    struct arguments a = {0};
    memcpy(key_only, options, 3 * sizeof *options);
    key_only[3] = (struct argp_option){0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return 64;
    if (!a.paths) {
        msg_error("which file? For example: occlum cat /etc/hosts");
        return 64;
    }
    int status = 0;
    for (char **p = a.paths; *p; p++)
        status |= with_path(*p, &a, cat);
    if (fflush(stdout) != 0)
        status = 1;
    return status;
}
