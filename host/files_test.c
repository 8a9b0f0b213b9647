/* Tokens, and what the host refuses to do for an enclave gone wrong. */
#include "host/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "host/runtime.h"
#include "test/unit/test.h"

static struct host_vcpu v;
static char dir[64];

static int64_t with(hostcall_fn *fn, uint64_t a0, uint64_t a1, const void *in, size_t n)
{
    v.args[0] = a0;
    v.args[1] = a1;
    v.args[2] = 0;
    v.in_size = n;
    v.out_size = sizeof v.data;
    if (n > 0)
        memcpy(v.data, in, n);
    return fn(&v);
}

static uint64_t root(void)
{
    snprintf(dir, sizeof dir, "/tmp/occlum-files-test.XXXXXX");
    assert_non_null(mkdtemp(dir));
    runtime.instance = dir;
    int64_t token = with(host_call_file_root, 0, 0, ".", 1);
    assert_true(token > 0);
    return (uint64_t) token;
}

static void remove_root(uint64_t token)
{
    with(host_call_file_close, token, 0, NULL, 0);
    assert_int_equal(rmdir(dir), 0);
}

TEST(files_names_are_single_components)
{
    uint64_t r = root();
    static const char *const bad[] = {"", ".", "..", "a/b", "/etc", "../x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(with(host_call_file_lookup, r, 0, bad[i], strlen(bad[i])), -EINVAL);
        assert_int_equal(with(host_call_file_create, r, 0600, bad[i], strlen(bad[i])), -EINVAL);
        assert_int_equal(with(host_call_file_mkdir, r, 0700, bad[i], strlen(bad[i])), -EINVAL);
        assert_int_equal(with(host_call_file_unlink, r, 0, bad[i], strlen(bad[i])), -EINVAL);
    }
    assert_int_equal(with(host_call_file_lookup, r, 0, "a\0b", 3), -EINVAL);
    char name[300];
    memset(name, 'x', sizeof name);
    assert_int_equal(with(host_call_file_create, r, 0600, name, 256), -ENAMETOOLONG);
    assert_int_equal(with(host_call_file_rename, r, r, "a\0../b", 6), -EINVAL);
    assert_int_equal(with(host_call_file_rename, r, r, "ab", 2), -EINVAL);
    remove_root(r);
}

TEST(files_tokens_end)
{
    uint64_t r = root();
    int64_t f = with(host_call_file_create, r, 04755, "f", 1);
    assert_true(f > 0);
    struct host_stat st;
    memcpy(&st, v.data, sizeof st);
    assert_int_equal(st.mode, S_IFREG | 0755);
    assert_int_equal(with(host_call_file_write, (uint64_t) f, 0, "abc", 3), 3);
    assert_int_equal(with(host_call_file_write, (uint64_t) f, UINT64_MAX, "de", 2), 2);
    assert_int_equal(with(host_call_file_read, (uint64_t) f, 0, NULL, 0), 5);
    assert_memory_equal(v.data, "abcde", 5);
    with(host_call_file_close, (uint64_t) f, 0, NULL, 0);
    assert_int_equal(with(host_call_file_read, (uint64_t) f, 0, NULL, 0), -EBADF);
    int64_t again = with(host_call_file_lookup, r, 0, "f", 1);
    assert_true(again > 0 && again != f && (again & 0xffff) == (f & 0xffff));
    assert_int_equal(with(host_call_file_read, (uint64_t) again, 0, NULL, 0), -EBADF); /* O_PATH */
    assert_int_equal(with(host_call_file_open, (uint64_t) again, HOST_FILE_READ, NULL, 0), 0);
    assert_int_equal(with(host_call_file_write, (uint64_t) again, 0, "x", 1), -EBADF);
    assert_int_equal(with(host_call_file_unlink, r, 0, "f", 1), 0);
    assert_int_equal(with(host_call_file_read, (uint64_t) again, 0, NULL, 0), 5);
    with(host_call_file_close, (uint64_t) again, 0, NULL, 0);
    with(host_call_file_close, (uint64_t) again, 0, NULL, 0);
    assert_int_equal(with(host_call_file_read, UINT64_MAX, 0, NULL, 0), -EBADF);
    remove_root(r);
}

TEST(files_links_are_not_followed)
{
    uint64_t r = root();
    int64_t l = with(host_call_file_symlink, r, 0, "l\0/etc", 6);
    assert_true(l > 0);
    struct host_stat st;
    memcpy(&st, v.data, sizeof st);
    assert_true(S_ISLNK(st.mode));
    assert_int_equal(with(host_call_file_readlink, (uint64_t) l, 0, NULL, 0), 4);
    assert_memory_equal(v.data, "/etc", 4);
    assert_int_equal(with(host_call_file_lookup, (uint64_t) l, 0, "passwd", 6), -ENOTDIR);
    assert_int_equal(with(host_call_file_create, r, 0600, "l", 1), -EEXIST);
    assert_int_equal(with(host_call_file_open, (uint64_t) l, HOST_FILE_READ, NULL, 0), -EOPNOTSUPP);
    with(host_call_file_close, (uint64_t) l, 0, NULL, 0);
    assert_int_equal(with(host_call_file_unlink, r, 0, "l", 1), 0);
    remove_root(r);
}

TEST(files_pipes_are_not_opened)
{
    uint64_t r = root();
    char path[80];
    snprintf(path, sizeof path, "%s/p", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    int64_t p = with(host_call_file_lookup, r, 0, "p", 1);
    assert_true(p > 0);
    assert_int_equal(with(host_call_file_open, (uint64_t) p, 3, NULL, 0), -EOPNOTSUPP);
    with(host_call_file_close, (uint64_t) p, 0, NULL, 0);
    assert_int_equal(unlink(path), 0);
    remove_root(r);
}
