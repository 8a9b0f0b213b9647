/* The skeleton of a new instance.
 *
 * The image gets the loaders and C libraries of this host under the paths that programs built here
 * look for, so that a plain `gcc` or `musl-gcc` binary needs nothing else. A library the host does
 * not have is left out: `occlum build` names what a program then lacks. The state file is written
 * last.
 */
#include "tools/occlum/skeleton.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/lib/fsutil.h"
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/occlum/instance.h"

static const struct {
    const char *path;
    mode_t mode;
} directories[] = {
    {"bin", 0755},     {"dev", 0755},      {"etc", 0755},      {"home", 0755},
    {"host", 0755},    {"lib", 0755},      {"lib64", 0755},    {"lib/x86_64-linux-gnu", 0755},
    {"opt", 0755},     {"proc", 0555},     {"root", 0700},     {"run", 0755},
    {"sbin", 0755},    {"sys", 0555},      {"tmp", 01777},     {"usr", 0755},
    {"usr/bin", 0755}, {"usr/lib", 0755},  {"usr/sbin", 0755}, {"usr/share", 0755},
    {"var", 0755},     {"var/tmp", 01777},
};

static const struct {
    const char *path, *text;
} texts[] = {
    {"etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"},
    {"etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
                   "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"},
    {"etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"},
    {"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
    {"etc/resolv.conf", "# name servers, one per line:\n# nameserver 192.0.2.1\n"},
    {"etc/hostname", "occlum\n"},
};

/* Copied as what they are on the host, links followed; the first place that has one wins. */
static const struct {
    const char *to;
    const char *from[3];
} libraries[] = {
    {"lib/ld-musl-x86_64.so.1",
     {"/lib/ld-musl-x86_64.so.1", "/usr/lib/x86_64-linux-musl/libc.so", NULL}},
    {"lib64/ld-linux-x86-64.so.2", {"/lib64/ld-linux-x86-64.so.2", NULL}},
#define GLIBC(name)                                                                                \
    {                                                                                              \
        "lib/x86_64-linux-gnu/" name,                                                              \
        {                                                                                          \
            "/lib/x86_64-linux-gnu/" name, "/usr/lib/x86_64-linux-gnu/" name, "/lib64/" name       \
        }                                                                                          \
    }
    GLIBC("libc.so.6"),
    GLIBC("libm.so.6"),
    GLIBC("libpthread.so.0"),
    GLIBC("libdl.so.2"),
    GLIBC("librt.so.1"),
    GLIBC("libutil.so.1"),
    GLIBC("libresolv.so.2"),
    GLIBC("libgcc_s.so.1"),
    GLIBC("libstdc++.so.6"),
#undef GLIBC
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int report(const char *what, const char *path, int r)
{
    if (r < 0)
        msg_error("cannot %s %s: %s", what, path, strerror(-r));
    return r;
}

static int make_directories(void)
{
    for (size_t i = 0; i < COUNT(directories); i++) {
        AUTO_FREE char *path = mem_printf(INSTANCE_IMAGE "/%s", directories[i].path);
        int r = fs_mkdirs(path, 0755);
        if (r == 0 && chmod(path, directories[i].mode) < 0)
            r = -errno;
        if (report("make", path, r) < 0)
            return r;
    }
    return 0;
}

static int write_texts(void)
{
    for (size_t i = 0; i < COUNT(texts); i++) {
        AUTO_FREE char *path = mem_printf(INSTANCE_IMAGE "/%s", texts[i].path);
        int r = fs_write_file(path, texts[i].text, strlen(texts[i].text), 0644);
        if (report("write", path, r) < 0)
            return r;
    }
    return 0;
}

static int copy_from_host(const char *from, const char *to)
{
    AUTO_FREE char *real = realpath(from, NULL);
    if (!real)
        return -errno;
    return report("copy", from, fs_copy_file(real, to));
}

static int copy_libraries(void)
{
    for (size_t i = 0; i < COUNT(libraries); i++) {
        AUTO_FREE char *to = mem_printf(INSTANCE_IMAGE "/%s", libraries[i].to);
        int r = -ENOENT;
        for (size_t j = 0; r == -ENOENT && j < COUNT(libraries[i].from) && libraries[i].from[j];
             j++)
            r = copy_from_host(libraries[i].from[j], to);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    int r = copy_from_host("/etc/localtime", INSTANCE_IMAGE "/etc/localtime");
    return r == -ENOENT ? 0 : r; /* no time zone: UTC, as on any Linux */
}

static int write_config(void)
{
    AUTO_FREE char *template = instance_installed("etc/template/" INSTANCE_CONFIG);
    if (!template) {
        msg_error("the template of %s is missing beside this program (../etc/template)",
                  INSTANCE_CONFIG);
        msg_hint("install the tools again: make install");
        return -ENOENT;
    }
    AUTO_FREE char *text = NULL;
    size_t size;
    int r = fs_read_file(template, 1u << 20, &text, &size);
    if (r == 0)
        r = fs_write_file(INSTANCE_CONFIG, text, size, 0644);
    return report("write", INSTANCE_CONFIG, r);
}

static int refuse_existing(void)
{
    if (fs_exists(INSTANCE_STATUS)) {
        msg_error("this directory is an Occlum instance already");
        msg_hint("occlum build   (or `occlum new DIR` for another instance)");
        return -EEXIST;
    }
    static const char *const names[] = {INSTANCE_CONFIG, INSTANCE_IMAGE, BUILD_DIR};
    for (size_t i = 0; i < COUNT(names); i++) {
        if (!fs_exists(names[i]))
            continue;
        msg_error("%s is here already, and init would have to write it", names[i]);
        msg_hint("move it away, or make the instance elsewhere: occlum new DIR");
        return -EEXIST;
    }
    return 0;
}

int skeleton_make(void)
{
    int r = refuse_existing();
    if (r == 0)
        r = make_directories();
    if (r == 0)
        r = write_texts();
    if (r == 0)
        r = copy_libraries();
    if (r == 0)
        r = write_config();
    if (r == 0)
        r = report("make", "run", fs_mkdirs("run", 0755));
    return r == 0 ? instance_set_state("initialized") : r;
}
