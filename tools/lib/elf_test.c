/* The ELF reader on real files and on damaged ones, and paths and libraries inside an image. */
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "test/unit/test.h"
#include "tools/lib/elf.h"
#include "tools/lib/fsutil.h"
#include "tools/lib/libdeps.h"
#include "tools/lib/rootpath.h"

TEST(elf_reads_this_program)
{
    struct elf_info info;
    assert_int_equal(elf_read_file("/proc/self/exe", &info), 0);
    assert_true(info.is_64);
    assert_int_equal(info.machine, EM_X86_64);
    assert_string_equal(info.interpreter, "/lib64/ld-linux-x86-64.so.2");
    bool libc = false;
    for (size_t i = 0; i < info.needed.count; i++)
        libc |= strcmp(info.needed.items[i], "libc.so.6") == 0;
    assert_true(libc);
    elf_info_fini(&info);
}

TEST(elf_refuses_what_is_none)
{
    struct elf_info info;
    assert_int_equal(elf_read((const uint8_t *) "", 0, &info), -ENOEXEC);
    assert_int_equal(elf_read((const uint8_t *) "#!/bin/sh\n", 10, &info), -ENOEXEC);
    assert_int_equal(elf_read((const uint8_t *) "\177ELF", 4, &info), -ENOEXEC);
    assert_int_equal(elf_read_file("/", &info), -ENOEXEC);
    assert_int_equal(elf_read_file("/nonexistent", &info), -ENOENT);
}

/* An exact-size heap copy, so that ASan sees any access beyond it. */
static void read_copy(const char *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    struct elf_info info;
    if (elf_read(copy, size, &info) == 0)
        elf_info_fini(&info);
    free(copy);
}

TEST(elf_survives_damage)
{
    char *data;
    size_t size;
    assert_int_equal(fs_read_file("/lib64/ld-linux-x86-64.so.2", 1u << 24, &data, &size), 0);
    for (size_t cut = 0; cut < 1500; cut++)
        read_copy(data, cut);
    for (size_t bit = 0; bit < 1024 * 8; bit++) {
        data[bit / 8] = (char) (data[bit / 8] ^ 1 << bit % 8);
        read_copy(data, size);
        data[bit / 8] = (char) (data[bit / 8] ^ 1 << bit % 8);
    }
    free(data);
    assert_int_equal(fs_read_file("/bin/true", 1u << 24, &data, &size), 0);
    srandom(3);
    for (int round = 0; round < 5000; round++) {
        char *damaged = malloc(size);
        memcpy(damaged, data, size);
        for (int i = 0; i < 30; i++) /* headers are hit often enough this way */
            damaged[(size_t) random() % (i % 2 ? size : 800)] = (char) random();
        read_copy(damaged, (size_t) random() % size);
        memcpy(damaged, ELFMAG, SELFMAG);
        damaged[EI_CLASS] = ELFCLASS64;
        damaged[EI_DATA] = ELFDATA2LSB;
        read_copy(damaged, size);
        free(damaged);
    }
    free(data);
}

static char *make_root(void)
{
    char *root = mem_strdup("/tmp/occlum-test-XXXXXX");
    assert_non_null(mkdtemp(root));
    return root;
}

static void remove_root(char *root)
{
    char *command = mem_printf("rm -rf %s", root);
    assert_int_equal(system(command), 0);
    free(command);
    free(root);
}

static void expect_path(const char *root, const char *path, const char *expected)
{
    char *got = rootpath_resolve(root, path);
    if (expected)
        assert_string_equal(got, expected);
    else
        assert_null(got);
    free(got);
}

TEST(rootpath_stays_inside)
{
    char *root = make_root();
    char *command = mem_printf("cd %s && mkdir -p usr/lib etc && echo x > usr/lib/a && "
                               "ln -s usr/lib lib && ln -s /etc abs && ln -s ../../../.. up && "
                               "ln -s loop loop && ln -s /lib/a usr/link",
                               root);
    assert_int_equal(system(command), 0);
    expect_path(root, "/", "/");
    expect_path(root, "/lib/a", "/usr/lib/a");
    expect_path(root, "/lib/../lib/./a", "/usr/lib/a");
    expect_path(root, "/usr/link", "/usr/lib/a");
    expect_path(root, "/abs", "/etc");
    expect_path(root, "/abs/passwd", NULL);
    expect_path(root, "/up/etc", "/etc");
    expect_path(root, "/../../etc", "/etc");
    expect_path(root, "/loop", NULL);
    expect_path(root, "/usr/lib/a/b", NULL);
    expect_path(root, "/none", NULL);
    free(command);
    remove_root(root);
}

struct seen {
    int found, missing;
};

static int count_library(void *context, const struct libdep *dep)
{
    struct seen *s = context;
    if (dep->found)
        s->found++;
    else
        s->missing++;
    return 0;
}

TEST(libdeps_on_host_and_in_image)
{
    struct seen s = {0};
    assert_int_equal(libdeps_visit("", "/usr/bin/python3", count_library, &s), 0);
    assert_true(s.found >= 3);
    assert_int_equal(s.missing, 0);

    char *root = make_root();
    char *command = mem_printf("mkdir -p %s/bin %s/lib64 && cp /bin/true %s/bin/ && "
                               "cp -L /lib64/ld-linux-x86-64.so.2 %s/lib64/",
                               root, root, root, root);
    assert_int_equal(system(command), 0);
    s = (struct seen){0};
    assert_int_equal(libdeps_visit(root, "/bin/true", count_library, &s), 0);
    assert_int_equal(s.found, 1);   /* the interpreter */
    assert_int_equal(s.missing, 1); /* libc.so.6 */
    assert_int_equal(libdeps_visit(root, "/bin/none", count_library, &s), -ENOENT);
    free(command);
    remove_root(root);
}

static int stop_at_once(void *context, const struct libdep *dep)
{
    return 42;
}

TEST(libdeps_visitor_can_stop)
{
    assert_int_equal(libdeps_visit("", "/usr/bin/python3", stop_at_once, NULL), 42);
}
