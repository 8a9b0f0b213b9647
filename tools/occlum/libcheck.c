/* Warns about programs, scripts and libraries in the image that lack something.
 *
 * Programs (files with an interpreter) are followed through all their libraries. Other shared
 * objects may be opened by a program that has more paths, so for them a library counts as present
 * when any file of that name is in the image. Each missing file is named once, with a command that
 * copies it.
 */
#include "tools/occlum/libcheck.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/elf.h"
#include "tools/lib/fsutil.h"
#include "tools/lib/libdeps.h"
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/lib/rootpath.h"

#define WARNINGS_MAX 20

struct check {
    const char *image;
    struct strv objects; /* shared objects that are no programs: paths in the image */
    struct strv names;   /* file names of all ELF files */
    struct strv missing; /* names already reported */
    size_t files;
};

static bool listed(const struct strv *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0)
            return true;
    }
    return false;
}

/* Where in the image a library of the host would go: to the same directory. */
static void suggest(const struct check *c, const char *name)
{
    AUTO_FREE char *host = libdeps_on_host(name);
    const char *slash = host ? strrchr(host, '/') : NULL;
    if (!slash) {
        msg_hint(
            "this machine does not have it either: install the package with %s, then copy it to "
            "%s/lib/",
            name, c->image);
        return;
    }
    AUTO_FREE char *directory = mem_strndup(host, (size_t) (slash - host));
    AUTO_FREE char *there = mem_printf("%s%s", c->image, directory);
    if (fs_is_dir(there))
        msg_hint("cp -L %s %s/", host, there);
    else
        msg_hint("mkdir -p %s && cp -L %s %s/", there, host, there);
}

static void report_missing(struct check *c, const struct libdep *dep);

/* What a library that will be copied needs in turn, as found on the host. */
static int check_follower(void *context, const struct libdep *dep)
{
    struct check *c = context;
    AUTO_FREE char *there = dep->found ? mem_printf("%s%s", c->image, dep->found) : NULL;
    if (there && !fs_exists(there))
        report_missing(c, dep);
    return 0;
}

static void report_missing(struct check *c, const struct libdep *dep)
{
    if (listed(&c->missing, dep->name))
        return;
    strv_add(&c->missing, mem_strdup(dep->name));
    if (c->missing.count > WARNINGS_MAX)
        return;
    msg_warn("%s%s needs %s, which is not in the image", dep->found ? "" : c->image, dep->needed_by,
             dep->name);
    suggest(c, dep->name);
    AUTO_FREE char *host = dep->found ? NULL : libdeps_on_host(dep->name);
    if (host)
        (void) libdeps_visit("", host, check_follower, c); /* the visitor never stops */
}

static int check_program(void *context, const struct libdep *dep)
{
    if (!dep->found)
        report_missing(context, dep);
    return 0;
}

static int check_object(void *context, const struct libdep *dep)
{
    struct check *c = context;
    if (!dep->found && !listed(&c->names, dep->name))
        report_missing(c, dep);
    return 0;
}

static void look_at_elf(struct check *c, const char *rel, const struct elf_info *info)
{
    AUTO_FREE char *inside = mem_printf("/%s", rel);
    if (!info->is_64 || info->machine != EM_X86_64) {
        if (info->type == ET_EXEC)
            msg_warn("%s%s is not a 64-bit x86 program and will not run", c->image, inside);
        return;
    }
    const char *slash = strrchr(inside, '/');
    strv_add(&c->names, mem_strdup(slash + 1));
    if (info->interpreter)
        (void) libdeps_visit(c->image, inside, check_program, c); /* the visitor never stops */
    else if (info->type == ET_DYN && info->needed.count > 0)
        strv_add(&c->objects, MEM_TAKE(inside));
}

/* An executable script names its interpreter in its first line. */
static void look_at_script(struct check *c, const char *path, const char *rel)
{
    char line[256];
    FILE *file = fopen(path, "re");
    bool read = file && fgets(line, sizeof line, file) && strncmp(line, "#!", 2) == 0;
    if (file)
        fclose(file);
    if (!read)
        return;
    char *name = line + 2 + strspn(line + 2, " \t");
    name[strcspn(name, " \t\r\n")] = 0;
    AUTO_FREE char *there = *name == '/' ? rootpath_resolve(c->image, name) : NULL;
    AUTO_FREE char *inside = mem_printf("/%s", rel);
    if (!there && *name == '/')
        report_missing(c, &(struct libdep){.needed_by = inside, .name = name});
}

static int visit(void *context, const char *path, const char *rel, const struct stat *st)
{
    struct check *c = context;
    if (++c->files % 256 == 0)
        msg_progress("checking the libraries of programs: %zu files", c->files);
    if (!S_ISREG(st->st_mode))
        return 0;
    AUTO_ELF struct elf_info info = {0};
    int r = elf_read_file(path, &info);
    if (r == 0)
        look_at_elf(c, rel, &info);
    else if (r == -EINVAL)
        msg_warn("%s is a damaged ELF file", path);
    else if (r == -ENOEXEC && (st->st_mode & 0111))
        look_at_script(c, path, rel);
    return 0;
}

void libcheck_image(const char *image)
{
    struct check c = {.image = image};
    if (fs_walk(image, visit, &c) < 0)
        msg_warn("not all of %s/ could be checked for missing libraries", image);
    for (size_t i = 0; i < c.objects.count; i++)
        (void) libdeps_visit(image, c.objects.items[i], check_object, &c); /* never stops */
    msg_progress_end();
    if (c.missing.count > WARNINGS_MAX)
        msg_warn("and %zu more files are missing", c.missing.count - WARNINGS_MAX);
    strv_fini(&c.objects);
    strv_fini(&c.names);
    strv_fini(&c.missing);
}
