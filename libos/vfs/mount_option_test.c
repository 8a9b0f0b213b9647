/* Options of mounts: whole keys only, the last one counts, values that do not fit are refused. */
#include "libos/vfs/mount_option.h"
#include "libos/base/errno.h"
#include "libos/fs/cowfs/volume.h"
#include "test/unit/test.h"

TEST(mount_option_values)
{
    static const char options[] = "xdir=a,dir=b,create,dirs=c,dir=dd,empty=,last";
    char buf[8];
    assert_int_equal(mount_option(options, "dir", buf, sizeof buf), 2);
    assert_string_equal(buf, "dd");
    assert_int_equal(mount_option(options, "xdir", buf, sizeof buf), 1);
    assert_int_equal(mount_option(options, "di", buf, sizeof buf), -ENOENT);
    assert_int_equal(mount_option(options, "empty", buf, sizeof buf), 0);
    assert_int_equal(mount_option(options, "last", buf, sizeof buf), 0);
    assert_int_equal(mount_option("", "dir", buf, sizeof buf), -ENOENT);
    assert_int_equal(mount_option("dir=1234567", "dir", buf, sizeof buf), 7);
    assert_int_equal(mount_option("dir=12345678", "dir", buf, sizeof buf), -ENAMETOOLONG);
    assert_true(mount_option_is(options, "create"));
    assert_true(mount_option_is(options, "last"));
    assert_true(mount_option_is("anchor=file", "anchor=file"));
    assert_false(mount_option_is("anchor=files", "anchor=file"));
    assert_false(mount_option_is("recreate", "create"));
}

TEST(mount_option_keys)
{
    uint8_t plain[32], dashes[32], other[32];
    assert_int_equal(cowfs_key_of_text("000102030405060708090a0b0c0d0e0f", plain), 0);
    assert_int_equal(cowfs_key_of_text("00-01-02-03-04-05-06-07-08-09-0A-0B-0c-0d-0e-0F", dashes),
                     0);
    assert_memory_equal(plain, dashes, 32);
    assert_int_equal(cowfs_key_of_text("000102030405060708090a0b0c0d0e0f10", other), 0);
    assert_memory_not_equal(plain, other, 32);
    static const char *const bad[] = {"",
                                      "00",
                                      "000102030405060708090a0b0c0d0e",
                                      "000102030405060708090a0b0c0d0e0",
                                      "0x0102030405060708090a0b0c0d0e0f",
                                      "000102030405060708090a0b0c0d0e0f-"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(cowfs_key_of_text(bad[i], other), -EINVAL);
}
