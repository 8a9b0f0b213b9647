/* copy_bom on small trees in a temporary directory, and bom files that are wrong. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "test/unit/test.h"
#include "tools/copy_bom/copier.h"
#include "tools/lib/fsutil.h"

static void shell(const char *format, const char *a)
{
    char *command = mem_printf("cd %s && %s", a, format);
    if (system(command) != 0)
        fail_msg("%s", command);
    free(command);
}

struct place {
    char *dir, *bom, *image;
    int quiet_from; /* stderr while errors are provoked */
};

static struct place place_new(void)
{
    struct place p = {.dir = mem_strdup("/tmp/occlum-bom-XXXXXX")};
    assert_non_null(mkdtemp(p.dir));
    p.bom = mem_printf("%s/t.yaml", p.dir);
    p.image = mem_printf("%s/image", p.dir);
    shell("mkdir image src src/d src/d/.git src/d/e && echo one > src/one && echo a > src/d/a && "
          "echo g > src/d/.git/g && ln -s a src/d/e/l && chmod 741 src/d/a && "
          "touch -d '2020-01-02 03:04:05.678' src/d/a",
          p.dir);
    setenv("BOM_TEST_DIR", p.dir, 1);
    return p;
}

static void place_free(struct place *p)
{
    shell("rm -rf src image t.yaml i.yaml", p->dir);
    rmdir(p->dir);
    free(p->dir);
    free(p->bom);
    free(p->image);
}

static bool run(struct place *p, const char *text, bool dry_run)
{
    assert_int_equal(fs_write_file(p->bom, text, strlen(text), 0644), 0);
    struct copier c = {.root = p->image, .dry_run = dry_run};
    int out = dup(1), err = dup(2), null = open("/dev/null", O_WRONLY);
    fflush(stdout);
    dup2(null, 1);
    dup2(null, 2);
    bool good = copier_run(&c, p->bom);
    fflush(stdout);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    close(null);
    copier_fini(&c);
    return good;
}

static bool there(const struct place *p, const char *name)
{
    char *path = mem_printf("%s/%s", p->image, name);
    bool exists = fs_exists(path);
    free(path);
    return exists;
}

TEST(copy_bom_directories_files_links)
{
    struct place p = place_new();
    assert_true(run(&p,
                    "excludes: [.git]\n"
                    "targets:\n"
                    "- target: /t\n"
                    "  mkdirs: [m/n]\n"
                    "  createlinks:\n"
                    "  - {src: ../x, linkname: k/ln}\n"
                    "  copy:\n"
                    "  - from: ${BOM_TEST_DIR}/src\n"
                    "    dirs: [d]\n"
                    "    files: [one, {name: one, rename: two, autodep: false}]\n"
                    "  - dirs: [$BOM_TEST_DIR/src/d/]\n"
                    "- target: /all\n"
                    "  copy:\n"
                    "  - from: $BOM_TEST_DIR/src\n",
                    false));
    assert_true(there(&p, "t/m/n") && there(&p, "t/k/ln") && there(&p, "t/one"));
    assert_true(there(&p, "t/two") && there(&p, "t/d/a") && there(&p, "t/d/e/l"));
    assert_true(there(&p, "t/a") && there(&p, "t/e/l") && there(&p, "all/d/e/l"));
    assert_false(there(&p, "t/d/.git") || there(&p, "t/.git") || there(&p, "all/d/.git/g"));
    char *path = mem_printf("%s/t/d/a", p.image);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0741);
    assert_int_equal(st.st_mtim.tv_nsec, 678000000);
    free(path);
    place_free(&p);
}

TEST(copy_bom_dry_run_changes_nothing)
{
    struct place p = place_new();
    assert_true(
        run(&p, "targets: [{target: /t, mkdirs: [m], copy: [{from: $BOM_TEST_DIR/src}]}]\n", true));
    assert_false(there(&p, "t"));
    place_free(&p);
}

TEST(copy_bom_libraries)
{
    struct place p = place_new();
    assert_true(run(&p, "targets: [{target: /bin, copy: [{files: [/bin/true]}]}]\n", false));
    assert_true(there(&p, "bin/true") && there(&p, "lib64/ld-linux-x86-64.so.2"));
    assert_true(there(&p, "lib/x86_64-linux-gnu/libc.so.6"));
    place_free(&p);
    p = place_new();
    assert_true(run(&p,
                    "targets:\n- target: /bin\n  copy:\n  - files:\n    - name: /bin/true\n"
                    "      autodep: false\n",
                    false));
    assert_true(there(&p, "bin/true"));
    assert_false(there(&p, "lib64"));
    place_free(&p);
}

TEST(copy_bom_hash)
{
    struct place p = place_new();
    static const char format[] = "targets: [{target: /, copy: [{files: [{name: "
                                 "$BOM_TEST_DIR/src/one, hash: %s}]}]}]\n";
    uint8_t digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    fs_sha256("one\n", 4, digest);
    fs_hex(digest, sizeof digest, hex);
    char *good = mem_printf(format, hex);
    hex[0] = hex[0] == '0' ? '1' : '0';
    char *bad = mem_printf(format, hex);
    assert_false(run(&p, bad, false));
    assert_false(there(&p, "one"));
    assert_true(run(&p, good, false));
    assert_true(there(&p, "one"));
    free(good);
    free(bad);
    place_free(&p);
}

TEST(copy_bom_stays_in_the_image)
{
    struct place p = place_new();
    shell("mkdir outside && ln -s $PWD/outside image/abs && ln -s ../outside image/rel", p.dir);
    assert_false(
        run(&p, "targets: [{target: /rel, copy: [{files: [$BOM_TEST_DIR/src/one]}]}]\n", false));
    assert_false(run(&p, "targets: [{target: /abs/d, mkdirs: [e]}]\n", false));
    assert_false(run(&p, "targets: [{target: /none/../x, mkdirs: [e]}]\n", false));
    assert_true(run(&p, "targets: [{target: /../../x, copy: [{files: [$BOM_TEST_DIR/src/one]}]}]\n",
                    false));
    assert_true(there(&p, "x/one"));
    shell("rmdir outside", p.dir); /* still empty */
    place_free(&p);
}

TEST(copy_bom_includes_once)
{
    struct place p = place_new();
    shell("printf 'includes: [t.yaml]\\ntargets: [{target: /inc}]\\n' > i.yaml", p.dir);
    assert_true(run(&p, "includes: [i.yaml]\ntargets: [{target: /own}]\n", false));
    assert_true(there(&p, "inc") && there(&p, "own"));
    assert_false(run(&p, "includes: [none.yaml]\n", false));
    place_free(&p);
}

TEST(copy_bom_missing_sources_fail)
{
    struct place p = place_new();
    assert_false(run(&p, "targets: [{target: /, copy: [{files: [/nonexistent]}]}]\n", false));
    assert_false(run(&p, "targets: [{target: /, copy: [{dirs: [/nonexistent]}]}]\n", false));
    assert_false(
        run(&p, "targets: [{target: /, copy: [{dirs: [$BOM_TEST_DIR/src/one]}]}]\n", false));
    assert_false(run(&p, "targets: [{target: /, copy: [{files: [$BOM_TEST_DIR/src]}]}]\n", false));
    place_free(&p);
}

static const struct {
    const char *text, *message;
} errors[] = {
    {"a: [", "not valid YAML"},
    {"targets: 5", "b:1: targets must be a list"},
    {"- x", "b:1: a bom file must be a mapping"},
    {"targets:\n- mkdirs: [a]", "b:2: an element of targets has no \"target\""},
    {"targets:\n- target: /\n  mkdir: [a]", "b:3: unknown key \"mkdir\""},
    {"targets:\n- target: /\n  copy:\n  - files:\n    - hash: 12", "b:5: hash must be"},
    {"targets:\n- target: /\n  copy:\n  - files:\n    - {name: a, autodep: 1}", "autodep must be"},
    {"targets:\n- target: /\n  copy:\n  - files:\n    - {name: a, rename: b/c}", "plain name"},
    {"targets:\n- target: /\n  copy:\n  - {}", "names nothing"},
    {"targets:\n- target: /\n  createlinks:\n  - src: a", "a link needs"},
    {"targets:\n- target: $BOM_TEST_UNSET/x", "BOM_TEST_UNSET is not set"},
    {"targets:\n- target: ${BOM", "a \"$\" must begin"},
    {"targets:\n- target: [a]", "target"},
};

TEST(copy_bom_errors)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        char *messages;
        size_t size;
        FILE *stream = open_memstream(&messages, &size);
        struct bom *bom = bom_parse("b", errors[i].text, strlen(errors[i].text), stream);
        fclose(stream);
        if (bom || !strstr(messages, errors[i].message))
            fail_msg("%s\ngave \"%s\", not \"%s\"", errors[i].text, messages, errors[i].message);
        free(messages);
    }
}
