/* Carries out bom files.
 *
 * Nothing is ever deleted, and nothing is written outside the image: a destination is resolved as a
 * path inside the image, so a link in it that points to the host's /usr means the image's /usr.
 * Like rsync -a, a file that has the same size and time already is not copied again. Files named
 * one by one are copied with links followed (a name for a program must become a program); in
 * directories links stay links.
 */
#include "tools/copy_bom/copier.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/lib/elf.h"
#include "tools/lib/fsutil.h"
#include "tools/lib/libdeps.h"
#include "tools/lib/msg.h"
#include "tools/lib/rootpath.h"

#define LOUD(c) ((c)->verbose || (c)->dry_run)

static void fail(struct copier *c, const char *what, const char *path, int r)
{
    msg_error("cannot %s %s: %s", what, path, strerror(-r));
    c->errors++;
}

static bool listed(const struct strv *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0)
            return true;
    }
    return false;
}

/* A link that leads nowhere in the image may well lead somewhere on the host. */
static bool is_link(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* root + real + tail, where tail does not exist yet. */
static char *join_destination(struct copier *c, const char *inside, const char *real,
                              const char *tail)
{
    AUTO_FREE char *first =
        mem_printf("%s%s%.*s", c->root, real, *tail ? (int) strcspn(tail + 1, "/") + 1 : 0, tail);
    if (*tail && is_link(first)) {
        msg_error("\"%s\" leads through %s, a link to nowhere in the image", inside, first);
        c->errors++;
        return NULL;
    }
    return mem_printf("%s%s%s", c->root, real, tail);
}

/* Where `inside` lies on the host. Existing directories are followed within the image; NULL (and an
 * error) for a link that leads nowhere in it and for a ".." behind something that does not exist.
 * The caller frees it. */
static char *destination(struct copier *c, const char *inside)
{
    AUTO_FREE char *head = mem_strdup(inside);
    AUTO_FREE char *tail = mem_strdup("");
    for (;;) {
        size_t size = strlen(head);
        while (size > 0 && head[size - 1] == '/')
            head[--size] = 0;
        AUTO_FREE char *real = rootpath_resolve(c->root, size ? head : "/");
        if (real || size == 0)
            return join_destination(c, inside, real && strcmp(real, "/") != 0 ? real : "", tail);
        char *slash = strrchr(head, '/');
        const char *name = slash ? slash + 1 : head;
        if (strcmp(name, "..") == 0) {
            msg_error("\"%s\" leads through a directory that does not exist", inside);
            c->errors++;
            return NULL;
        }
        char *longer = mem_printf("/%s%s", name, tail);
        free(tail);
        tail = longer;
        head[slash ? (size_t) (slash - head) : 0] = 0;
    }
}

/* mkdir -p inside the image. */
static bool make_directory(struct copier *c, const char *inside)
{
    AUTO_FREE char *path = destination(c, inside);
    if (!path)
        return false;
    if (fs_is_dir(path))
        return true;
    if (LOUD(c))
        printf("mkdir %s\n", path);
    int r = c->dry_run ? 0 : fs_mkdirs(path, 0755);
    if (r < 0)
        fail(c, "make", path, r);
    return r == 0;
}

static bool same_link(const char *path, const char *text)
{
    char target[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof target);
    return n >= 0 && (size_t) n == strlen(text) && memcmp(target, text, (size_t) n) == 0;
}

static bool same_already(const char *path, const struct stat *from, const char *to)
{
    struct stat st;
    if (S_ISLNK(from->st_mode)) {
        char target[PATH_MAX];
        ssize_t n = readlink(path, target, sizeof target - 1);
        target[n < 0 ? 0 : n] = 0;
        return n > 0 && same_link(to, target);
    }
    return lstat(to, &st) == 0 && S_ISREG(st.st_mode) && S_ISREG(from->st_mode) &&
           st.st_size == from->st_size && st.st_mtim.tv_sec == from->st_mtim.tv_sec &&
           st.st_mtim.tv_nsec == from->st_mtim.tv_nsec &&
           (st.st_mode & 07777) == (from->st_mode & 07777);
}

/* from is a host path, to one in the image whose directory exists. */
static bool copy_one(struct copier *c, const char *from, const char *to_inside)
{
    const char *slash = strrchr(to_inside, '/');
    AUTO_FREE char *parent = mem_strndup(to_inside, slash ? (size_t) (slash - to_inside) : 0);
    AUTO_FREE char *directory = destination(c, parent);
    if (!directory)
        return false;
    AUTO_FREE char *to = mem_printf("%s/%s", directory, slash ? slash + 1 : to_inside);
    struct stat st;
    if (lstat(from, &st) < 0) {
        fail(c, "read", from, -errno);
        return false;
    }
    if (same_already(from, &st, to))
        return true;
    if (fs_is_dir(to) && !S_ISDIR(st.st_mode)) {
        fail(c, "replace the directory", to, -EISDIR);
        return false;
    }
    if (LOUD(c))
        printf("copy %s -> %s\n", from, to);
    int r = c->dry_run ? 0 : fs_copy_file(from, to);
    if (r < 0)
        fail(c, "copy", from, r);
    return r == 0;
}

struct dependents {
    struct copier *c;
    bool required; /* a missing library is an error, not a warning */
};

static int copy_library(void *context, const struct libdep *dep)
{
    struct dependents *d = context;
    struct copier *c = d->c;
    if (!dep->found && d->required) {
        msg_error("%s needs %s, which this machine does not have", dep->needed_by, dep->name);
        msg_hint("install the package it is in, or set \"autodep: false\" for this file");
        c->errors++;
    } else if (!dep->found) {
        msg_warn("%s needs %s, which this machine does not have", dep->needed_by, dep->name);
    }
    if (!dep->found || listed(&c->done_libraries, dep->found))
        return 0;
    strv_add(&c->done_libraries, mem_strdup(dep->found));
    const char *slash = strrchr(dep->found, '/');
    AUTO_FREE char *directory = mem_strndup(dep->found, (size_t) (slash - dep->found));
    if (make_directory(c, directory))
        (void) copy_one(c, dep->real, dep->found); /* counted in errors */
    return 0;
}

/* The libraries of an ELF file go to the same places in the image as they have here. */
static void copy_dependents(struct copier *c, const char *path, bool required)
{
    struct dependents d = {.c = c, .required = required};
    AUTO_FREE char *real = realpath(path, NULL);
    if (!real)
        return;
    int r = libdeps_visit("", real, copy_library, &d);
    if (r < 0)
        msg_warn("the libraries of %s cannot be found out: %s", path,
                 r == -EINVAL ? "a damaged ELF file" : strerror(-r));
}

static char *source_path(const struct bom_copy *copy, const char *name)
{
    if (name[0] == '/' || !copy->from)
        return mem_strdup(name);
    return mem_printf("%s/%s", copy->from, name);
}

static bool hash_matches(struct copier *c, const char *path, const char *expected)
{
    uint8_t digest[SHA256_SIZE], wanted[SHA256_SIZE];
    int r = fs_sha256_file(path, digest);
    if (r < 0) {
        fail(c, "read", path, r);
        return false;
    }
    if (fs_unhex(expected, wanted, sizeof wanted) && memcmp(digest, wanted, sizeof wanted) == 0)
        return true;
    char hex[2 * SHA256_SIZE + 1];
    fs_hex(digest, sizeof digest, hex);
    msg_error("%s is not the file that was meant: its SHA-256 is %s, the bom file says %s", path,
              hex, expected);
    c->errors++;
    return false;
}

static void copy_file(struct copier *c, const struct bom_target *target,
                      const struct bom_copy *copy, const struct bom_file *file)
{
    AUTO_FREE char *from = source_path(copy, file->name);
    AUTO_FREE char *real = realpath(from, NULL);
    if (!real) {
        fail(c, "copy", from, -errno);
        return;
    }
    if (fs_is_dir(real)) {
        msg_error("%s is a directory; name it under \"dirs\"", from);
        c->errors++;
        return;
    }
    if (file->hash && !hash_matches(c, real, file->hash))
        return;
    const char *slash = strrchr(from, '/');
    const char *name = file->rename ? file->rename : slash ? slash + 1 : from;
    AUTO_FREE char *to = mem_printf("%s/%s", target->target, name);
    if (copy_one(c, real, to) && file->autodep)
        copy_dependents(c, real, true);
}

struct tree {
    struct copier *c;
    const char *target; /* in the image */
    bool failed;
};

/* An exclude names a file or directory at any depth, or a path below the copied directory. */
static bool excluded(const struct copier *c, const char *rel)
{
    for (size_t i = 0; c->excludes && i < c->excludes->count; i++) {
        AUTO_FREE char *pattern = mem_strdup(c->excludes->items[i]);
        size_t size = strlen(pattern);
        if (size > 1 && pattern[size - 1] == '/')
            pattern[size - 1] = 0;
        bool anchored = strchr(pattern, '/') != NULL;
        AUTO_FREE char *copy = mem_strdup(rel);
        /* rel itself, then each directory above it */
        for (char *end = copy + strlen(copy); end; end = strrchr(copy, '/')) {
            *end = 0;
            char *slash = strrchr(copy, '/');
            const char *subject = anchored ? copy : slash ? slash + 1 : copy;
            if (fnmatch(pattern + (pattern[0] == '/'), subject, anchored ? FNM_PATHNAME : 0) == 0)
                return true;
            if (!*copy)
                break;
        }
    }
    return false;
}

static int copy_tree_entry(void *context, const char *path, const char *rel, const struct stat *st)
{
    struct tree *t = context;
    if (excluded(t->c, rel))
        return 0;
    AUTO_FREE char *to = mem_printf("%s/%s", t->target, rel);
    if (S_ISDIR(st->st_mode)) {
        AUTO_FREE char *directory = make_directory(t->c, to) ? destination(t->c, to) : NULL;
        if (directory && !t->c->dry_run && chmod(directory, st->st_mode & 07777) < 0)
            fail(t->c, "set the mode of", directory, -errno);
        return 0;
    }
    if (!S_ISREG(st->st_mode) && !S_ISLNK(st->st_mode)) {
        msg_warn("%s is neither file, directory nor link: left out", path);
        return 0;
    }
    if (copy_one(t->c, path, to) && S_ISREG(st->st_mode))
        copy_dependents(t->c, path, false);
    return 0;
}

/* "dir" becomes target/dir; of "dir/" the contents go to target. */
static void copy_directory(struct copier *c, const char *target, const char *from, bool contents)
{
    AUTO_FREE char *source = mem_strdup(from);
    size_t size = strlen(source);
    while (size > 1 && source[size - 1] == '/') {
        source[--size] = 0;
        contents = true;
    }
    if (!fs_is_dir(source)) {
        fail(c, "copy the directory", source, fs_exists(source) ? -ENOTDIR : -ENOENT);
        return;
    }
    const char *slash = strrchr(source, '/');
    const char *name = slash ? slash + 1 : source;
    AUTO_FREE char *into = contents ? mem_strdup(target) : mem_printf("%s/%s", target, name);
    if (!make_directory(c, into))
        return;
    struct tree t = {.c = c, .target = into};
    int r = fs_walk(source, copy_tree_entry, &t);
    if (r < 0)
        fail(c, "copy the directory", source, r);
}

static void make_link(struct copier *c, const struct bom_target *target,
                      const struct bom_link *link)
{
    AUTO_FREE char *inside = mem_printf("%s/%s", target->target, link->linkname);
    char *slash = strrchr(inside, '/');
    AUTO_FREE char *parent = mem_strndup(inside, (size_t) (slash - inside));
    if (!make_directory(c, parent))
        return;
    AUTO_FREE char *directory = destination(c, parent);
    AUTO_FREE char *path = mem_printf("%s/%s", directory, slash + 1);
    if (same_link(path, link->src))
        return;
    if (LOUD(c))
        printf("link %s -> %s\n", path, link->src);
    if (c->dry_run)
        return;
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && unlink(path) < 0)
        fail(c, "replace", path, -errno);
    else if (symlink(link->src, path) < 0)
        fail(c, "make the link", path, -errno);
}

static void run_copy(struct copier *c, const struct bom_target *target, const struct bom_copy *copy)
{
    for (size_t i = 0; i < copy->dirs.count; i++) {
        AUTO_FREE char *from = source_path(copy, copy->dirs.items[i]);
        copy_directory(c, target->target, from, false);
    }
    for (size_t i = 0; i < copy->file_count; i++)
        copy_file(c, target, copy, &copy->files[i]);
    if (copy->dirs.count == 0 && copy->file_count == 0)
        copy_directory(c, target->target, copy->from, true);
}

static void run_target(struct copier *c, const struct bom_target *target)
{
    if (!make_directory(c, target->target))
        return;
    for (size_t i = 0; i < target->mkdirs.count; i++) {
        AUTO_FREE char *inside = mem_printf("%s/%s", target->target, target->mkdirs.items[i]);
        (void) make_directory(c, inside); /* counted in errors */
    }
    for (size_t i = 0; i < target->link_count; i++)
        make_link(c, target, &target->links[i]);
    for (size_t i = 0; i < target->copy_count; i++)
        run_copy(c, target, &target->copies[i]);
}

/* An included bom: beside the including one, in the -i directories, then in the installation. */
static char *find_include(const struct copier *c, const char *name, const char *from)
{
    if (name[0] == '/')
        return fs_exists(name) ? mem_strdup(name) : NULL;
    const char *slash = strrchr(from, '/');
    AUTO_FREE char *beside = mem_printf("%.*s%s", slash ? (int) (slash + 1 - from) : 0, from, name);
    if (fs_exists(beside))
        return MEM_TAKE(beside);
    for (size_t i = 0; i < c->include_dirs.count; i++) {
        AUTO_FREE char *path = mem_printf("%s/%s", c->include_dirs.items[i], name);
        if (fs_exists(path))
            return MEM_TAKE(path);
    }
    AUTO_FREE char *self = fs_self_dir();
    AUTO_FREE char *installed = mem_printf("%s/../etc/template/%s", self, name);
    return fs_exists(installed) ? MEM_TAKE(installed) : NULL;
}

static void run_bom(struct copier *c, const char *path)
{
    AUTO_FREE char *real = realpath(path, NULL);
    if (real && listed(&c->done_boms, real))
        return;
    if (real)
        strv_add(&c->done_boms, mem_strdup(real));
    struct bom *bom = bom_load(path, stderr);
    if (!bom) {
        c->errors++;
        return;
    }
    for (size_t i = 0; i < bom->includes.count; i++) {
        AUTO_FREE char *include = find_include(c, bom->includes.items[i], path);
        if (include) {
            run_bom(c, include);
        } else {
            msg_error("%s includes %s, which is not there", path, bom->includes.items[i]);
            msg_hint("name its directory: copy_bom -i DIR ...");
            c->errors++;
        }
    }
    c->excludes = &bom->excludes;
    for (size_t i = 0; i < bom->target_count; i++)
        run_target(c, &bom->targets[i]);
    c->excludes = NULL;
    bom_free(bom);
}

bool copier_run(struct copier *c, const char *bom_path)
{
    c->errors = 0;
    run_bom(c, bom_path);
    return c->errors == 0;
}

void copier_fini(struct copier *c)
{
    strv_fini(&c->include_dirs);
    strv_fini(&c->done_boms);
    strv_fini(&c->done_libraries);
}
