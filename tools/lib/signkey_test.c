/* Signing keys: the one made on first use, and files that are none. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "test/unit/quiet.h"
#include "test/unit/vectors.h"
#include "tools/lib/signkey.h"

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

TEST(signkey_made_once)
{
    char directory[] = "/tmp/occlum-signkey-XXXXXX", path[128], sub[128];
    assert_non_null(mkdtemp(directory));
    char *old = getenv("XDG_CONFIG_HOME");
    setenv("XDG_CONFIG_HOME", directory, 1);
    EVP_PKEY *first = NULL, *second = NULL;
    int quiet = quiet_begin();
    assert_int_equal(signkey_default(&first), 0);
    assert_int_equal(signkey_default(&second), 0);
    quiet_end(quiet);
    assert_int_equal(EVP_PKEY_eq(first, second), 1);
    snprintf(sub, sizeof sub, "%s/occlum", directory);
    snprintf(path, sizeof path, "%s/sign-key.pem", sub);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(mode_of(sub), 0700);
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(sub), 0); /* no temporary file is left */
    assert_int_equal(rmdir(directory), 0);
    if (old)
        setenv("XDG_CONFIG_HOME", old, 1);
    else
        unsetenv("XDG_CONFIG_HOME");
}

TEST(signkey_bad_files)
{
    EVP_PKEY *key = NULL;
    int quiet = quiet_begin();
    assert_int_equal(signkey_load("/nonexistent/key.pem", &key), -ENOENT);
    assert_int_equal(signkey_load("/dev/null", &key), -EINVAL);
    assert_int_equal(signkey_load(VECTOR_DIR "tiny.sigstruct", &key), -EINVAL);
    quiet_end(quiet);
    assert_null(key);
}
