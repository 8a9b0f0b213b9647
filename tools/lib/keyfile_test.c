/* Key files as people edit them: what is one and what is not, and that none is overwritten. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "test/unit/test.h"
#include "tools/lib/keyfile.h"

#define OCCLUM_KEY "c7-32-b3-ed-44-df-ec-7b-25-2d-9a-32-38-8d-58-61"

TEST(keyfile_forms)
{
    struct keyfile k = {.size = 99};
    assert_int_equal(keyfile_parse(" " OCCLUM_KEY "\r\n", &k), 0);
    assert_int_equal(k.size, 16);
    assert_memory_equal(k.key, "\xc7\x32\xb3\xed\x44\xdf\xec\x7b\x25\x2d\x9a\x32\x38\x8d\x58\x61",
                        16);
    assert_int_equal(keyfile_parse(OCCLUM_KEY "-" OCCLUM_KEY, &k), 0);
    assert_int_equal(k.size, 32);
    static const char *const wrong[] = {
        "",
        "\n",
        "c7",
        "c7-32-b3-ed-44-df-ec-7b-25-2d-9a-32-38-8d-58",
        OCCLUM_KEY "-",
        OCCLUM_KEY " 00",
        OCCLUM_KEY "-0",
        (OCCLUM_KEY "-" OCCLUM_KEY "-00"),
        "c732b3ed44dfec7b252d9a32388d5861",
        ("-" OCCLUM_KEY),
        "c7:32:b3:ed:44:df:ec:7b:25:2d:9a:32:38:8d:58:61",
        "xx-32-b3-ed-44-df-ec-7b-25-2d-9a-32-38-8d-58-61",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        k.size = 99;
        assert_int_equal(keyfile_parse(wrong[i], &k), -EINVAL);
        assert_int_equal(k.size, 99);
    }
}

TEST(keyfile_files)
{
    char dir[] = "/tmp/keyfile-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/key", dir);
    assert_int_equal(keyfile_create(path, 32), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct keyfile a, b;
    assert_int_equal(keyfile_load(path, &a), 0);
    assert_int_equal(a.size, 32);
    assert_int_equal(keyfile_create(path, 16), -EEXIST);
    assert_int_equal(keyfile_load(path, &b), 0);
    assert_memory_equal(&a, &b, sizeof a);
    FILE *f = fopen(path, "r+");
    fwrite("\0", 1, 1, f); /* a NUL does not end the text early */
    fclose(f);
    assert_int_equal(keyfile_load(path, &b), -EINVAL);
    unlink(path);
    assert_int_equal(keyfile_load(path, &b), -ENOENT);
    rmdir(dir);
}
