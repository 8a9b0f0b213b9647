/* The loader's library search, outside.
 *
 * glibc: DT_RPATH of the object and of the program (only if the object has no DT_RUNPATH),
 * DT_RUNPATH, then the directories of ld.so.conf (through the cache; here only for the host, and
 * for an image that has an ld.so.cache), then the built-in ones of Debian. musl: its rpath, then
 * /etc/ld-musl-x86_64.path or /lib:/usr/local/lib:/usr/lib; names of the C library itself mean the
 * loader. Files are visited breadth first, each once.
 */
#include "tools/lib/libdeps.h"

#include <elf.h>
#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/elf.h"
#include "tools/lib/fsutil.h"
#include "tools/lib/mem.h"
#include "tools/lib/rootpath.h"

struct search {
    const char *root;
    bool musl;
    struct strv directories; /* after the rpaths */
    char *program_rpath;
    char *program_path;
    struct strv queue;   /* files to read, paths as the loader opens them */
    struct strv visited; /* names already reported */
    libdeps_fn *visit;
    void *context;
};

static void read_ld_so_conf(const char *root, const char *path, struct strv *list, int depth);

static void read_include(const char *root, const char *pattern, struct strv *list, int depth)
{
    AUTO_FREE char *outside = mem_printf("%s%s%s", root, pattern[0] == '/' ? "" : "/etc/", pattern);
    glob_t found;
    if (glob(outside, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        read_ld_so_conf(root, found.gl_pathv[i] + strlen(root), list, depth + 1);
    globfree(&found);
}

static void read_ld_so_conf(const char *root, const char *path, struct strv *list, int depth)
{
    AUTO_FREE char *outside = mem_printf("%s%s", root, path);
    AUTO_FREE char *text = NULL;
    size_t size;
    if (depth > 4 || fs_read_file(outside, 65536, &text, &size) < 0)
        return;
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        line += strspn(line, " \t");
        line[strcspn(line, "# \t\r")] = strncmp(line, "include", 7) == 0 ? ' ' : 0;
        if (strncmp(line, "include ", 8) == 0) {
            line += 8 + strspn(line + 8, " \t");
            line[strcspn(line, "# \t\r")] = 0;
            read_include(root, line, list, depth);
        } else if (*line == '/') {
            strv_add(list, mem_strdup(line));
        }
    }
}

static void add_musl_directories(struct search *s)
{
    AUTO_FREE char *file = mem_printf("%s/etc/ld-musl-x86_64.path", s->root);
    AUTO_FREE char *text = NULL;
    size_t size;
    if (fs_read_file(file, 65536, &text, &size) < 0) {
        free(text);
        text = mem_strdup("/lib:/usr/local/lib:/usr/lib");
    }
    char *save = NULL;
    for (char *dir = strtok_r(text, ":\n", &save); dir; dir = strtok_r(NULL, ":\n", &save))
        strv_add(&s->directories, mem_strdup(dir));
}

static void add_glibc_directories(struct search *s)
{
    static const char *const builtin[] = {"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
                                          "/lib", "/usr/lib"};
    AUTO_FREE char *cache = mem_printf("%s/etc/ld.so.cache", s->root);
    if (fs_exists(cache))
        read_ld_so_conf(s->root, "/etc/ld.so.conf", &s->directories, 0);
    for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++)
        strv_add(&s->directories, mem_strdup(builtin[i]));
    if (!*s->root) {
        strv_add(&s->directories, mem_strdup("/lib64"));
        strv_add(&s->directories, mem_strdup("/usr/lib64"));
    }
}

/* $ORIGIN and ${ORIGIN} in a run path element become the directory of the file that has it. */
static char *expand_origin(const char *element, const char *object)
{
    const char *at = strstr(element, "$ORIGIN");
    size_t size = 7;
    if (!at) {
        at = strstr(element, "${ORIGIN}");
        size = 9;
    }
    if (!at)
        return mem_strdup(element);
    const char *slash = strrchr(object, '/');
    return mem_printf("%.*s%.*s%s", (int) (at - element), element,
                      slash ? (int) (slash - object) : 0, object, at + size);
}

static char *try_directory(const struct search *s, const char *directory, const char *name)
{
    AUTO_FREE char *path = mem_printf("%s/%s", directory, name);
    AUTO_FREE char *real = rootpath_resolve(s->root, path);
    return real ? MEM_TAKE(path) : NULL;
}

static char *try_run_path(const struct search *s, const char *list, const char *object,
                          const char *name)
{
    if (!list)
        return NULL;
    AUTO_FREE char *copy = mem_strdup(list);
    char *save = NULL;
    for (char *e = strtok_r(copy, ":", &save); e; e = strtok_r(NULL, ":", &save)) {
        AUTO_FREE char *directory = expand_origin(e, object);
        char *found = try_directory(s, directory, name);
        if (found)
            return found;
    }
    return NULL;
}

static char *find_library(const struct search *s, const struct elf_info *info, const char *object,
                          const char *name)
{
    if (strchr(name, '/')) {
        AUTO_FREE char *real = rootpath_resolve(s->root, name);
        return real ? mem_strdup(name) : NULL;
    }
    char *found = info->runpath ? NULL : try_run_path(s, info->rpath, object, name);
    if (!found && !info->runpath)
        found = try_run_path(s, s->program_rpath, s->program_path, name);
    if (!found)
        found = try_run_path(s, info->runpath, object, name);
    for (size_t i = 0; !found && i < s->directories.count; i++)
        found = try_directory(s, s->directories.items[i], name);
    return found;
}

static bool is_musl_itself(const char *name)
{
    static const char *const names[] = {"c", "pthread", "rt", "m", "dl", "util", "xnet"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t size = strlen(names[i]);
        if (strncmp(name, "lib", 3) == 0 && strncmp(name + 3, names[i], size) == 0 &&
            name[3 + size] == '.')
            return true;
    }
    return false;
}

static bool seen(struct search *s, const char *name)
{
    for (size_t i = 0; i < s->visited.count; i++) {
        if (strcmp(s->visited.items[i], name) == 0)
            return true;
    }
    strv_add(&s->visited, mem_strdup(name));
    return false;
}

static int report(struct search *s, const char *object, const char *name, char *found)
{
    AUTO_FREE char *real = found ? rootpath_resolve(s->root, found) : NULL;
    struct libdep dep = {.needed_by = object, .name = name, .found = found, .real = real};
    int r = s->visit(s->context, &dep);
    if (found)
        strv_add(&s->queue, found);
    return r;
}

static int visit_object(struct search *s, const char *object, const struct elf_info *info)
{
    int r = 0;
    for (size_t i = 0; i < info->needed.count && r == 0; i++) {
        const char *name = info->needed.items[i];
        if ((s->musl && is_musl_itself(name)) || seen(s, name))
            continue;
        r = report(s, object, name, find_library(s, info, object, name));
    }
    return r;
}

static int read_in_root(const struct search *s, const char *path, struct elf_info *ret_info)
{
    AUTO_FREE char *real = rootpath_resolve(s->root, path);
    if (!real)
        return -ENOENT;
    AUTO_FREE char *outside = mem_printf("%s%s", s->root, real);
    return elf_read_file(outside, ret_info);
}

static bool wants_musl(const struct elf_info *info)
{
    if (info->interpreter)
        return strstr(info->interpreter, "ld-musl") != NULL;
    for (size_t i = 0; i < info->needed.count; i++) {
        if (strcmp(info->needed.items[i], "libc.so") == 0)
            return true;
    }
    return false;
}

static int visit_program(struct search *s, const struct elf_info *info)
{
    s->musl = wants_musl(info);
    s->program_rpath = info->rpath;
    if (s->musl)
        add_musl_directories(s);
    else
        add_glibc_directories(s);
    int r = 0;
    if (info->interpreter && !seen(s, info->interpreter)) {
        AUTO_FREE char *real = rootpath_resolve(s->root, info->interpreter);
        r = report(s, s->program_path, info->interpreter,
                   real ? mem_strdup(info->interpreter) : NULL);
    }
    /* Libraries name the loader that is running already, which needs no search. */
    const char *slash = info->interpreter ? strrchr(info->interpreter, '/') : NULL;
    (void) seen(s, slash ? slash + 1 : "ld-linux-x86-64.so.2");
    if (r == 0)
        r = visit_object(s, s->program_path, info);
    for (size_t i = 0; i < s->queue.count && r == 0; i++) {
        AUTO_ELF struct elf_info library = {0};
        if (read_in_root(s, s->queue.items[i], &library) == 0)
            r = visit_object(s, s->queue.items[i], &library);
    }
    return r;
}

int libdeps_visit(const char *root, const char *program, libdeps_fn *visit, void *context)
{
    struct search s = {.root = root, .visit = visit, .context = context};
    AUTO_ELF struct elf_info info = {0};
    int r = read_in_root(&s, program, &info);
    if (r == -ENOEXEC)
        return 0;
    if (r < 0 || !info.is_64 || info.machine != EM_X86_64)
        return r;
    s.program_path = mem_strdup(program);
    r = visit_program(&s, &info);
    free(s.program_path);
    strv_fini(&s.directories);
    strv_fini(&s.queue);
    strv_fini(&s.visited);
    return r;
}

char *libdeps_on_host(const char *name)
{
    if (strchr(name, '/'))
        return fs_exists(name) ? mem_strdup(name) : NULL;
    struct search s = {.root = ""};
    struct elf_info none = {0};
    add_glibc_directories(&s);
    char *found = find_library(&s, &none, "/", name);
    strv_fini(&s.directories);
    return found;
}
