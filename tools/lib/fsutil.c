/* Files and directories, for the tools: reading whole files, atomic replacement, copying with
 * metadata, digests, and a sorted walk (sorted so that everything made from it is reproducible).
 */
#include "tools/lib/fsutil.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/mem.h"

static void close_p(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
#define AUTO_CLOSE __attribute__((cleanup(close_p)))

static int write_all(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        size -= (size_t) n;
    }
    return 0;
}

static int read_all(int fd, char **data, size_t max, size_t *ret_size)
{
    size_t size = 0;
    for (;;) {
        *data = mem_grow(*data, size + 65536 + 1, 1);
        ssize_t n = read(fd, *data + size, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        size += (size_t) n;
        if (size > max)
            return -EFBIG;
        if (n == 0)
            break;
    }
    (*data)[size] = 0;
    *ret_size = size;
    return 0;
}

int fs_read_file(const char *path, size_t max, char **ret_data, size_t *ret_size)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    AUTO_FREE char *data = NULL;
    int r = read_all(fd, &data, max, ret_size);
    if (r < 0)
        return r;
    *ret_data = MEM_TAKE(data);
    return 0;
}

/* The new name takes effect only when everything is written; on failure the temporary is
 * removed. */
static int finish_temporary(const char *temporary, const char *path, int r)
{
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(temporary);
    return r;
}

int fs_write_file(const char *path, const void *data, size_t size, mode_t mode)
{
    AUTO_FREE char *temporary = mem_printf("%s.XXXXXX", path);
    AUTO_CLOSE int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, data, size);
    if (r == 0 && fchmod(fd, mode) < 0)
        r = -errno;
    return finish_temporary(temporary, path, r);
}

static int copy_bytes(int from, int to)
{
    for (;;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, 1u << 30, 0);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            break;
    }
    AUTO_FREE char *buffer = mem_zalloc(1u << 20);
    for (;;) {
        ssize_t n = read(from, buffer, 1u << 20);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        int r = n < 0 ? 0 : write_all(to, buffer, (size_t) n);
        if (r < 0)
            return r;
    }
}

static int copy_regular(const char *from, const char *to, const struct stat *st)
{
    AUTO_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return -errno;
    AUTO_FREE char *temporary = mem_printf("%s.XXXXXX", to);
    AUTO_CLOSE int out = mkostemp(temporary, O_CLOEXEC);
    if (out < 0)
        return -errno;
    int r = copy_bytes(in, out);
    struct timespec times[2] = {st->st_atim, st->st_mtim};
    if (r == 0 && (fchmod(out, st->st_mode & 07777) < 0 || futimens(out, times) < 0))
        r = -errno;
    return finish_temporary(temporary, to, r);
}

static int copy_symlink(const char *from, const char *to, const struct stat *st)
{
    char target[PATH_MAX];
    ssize_t n = readlink(from, target, sizeof target - 1);
    if (n < 0)
        return -errno;
    target[n] = 0;
    AUTO_FREE char *temporary = mem_printf("%s.link%ld", to, (long) getpid());
    if (symlink(target, temporary) < 0)
        return -errno;
    struct timespec times[2] = {st->st_atim, st->st_mtim};
    (void) utimensat(AT_FDCWD, temporary, times,
                     AT_SYMLINK_NOFOLLOW); /* not on every file system */
    return finish_temporary(temporary, to, 0);
}

int fs_copy_file(const char *from, const char *to)
{
    struct stat st;
    if (lstat(from, &st) < 0)
        return -errno;
    if (S_ISREG(st.st_mode))
        return copy_regular(from, to, &st);
    if (S_ISLNK(st.st_mode))
        return copy_symlink(from, to, &st);
    return -EOPNOTSUPP;
}

static int hash_fd(int fd, EVP_MD_CTX *md)
{
    AUTO_FREE char *buffer = mem_zalloc(1u << 20);
    for (;;) {
        ssize_t n = read(fd, buffer, 1u << 20);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0 && EVP_DigestUpdate(md, buffer, (size_t) n) != 1)
            return -EIO;
    }
}

int fs_sha256_file(const char *path, uint8_t ret_digest[SHA256_SIZE])
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int r = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 ? hash_fd(fd, md) : -ENOMEM;
    if (r == 0 && EVP_DigestFinal_ex(md, ret_digest, NULL) != 1)
        r = -EIO;
    EVP_MD_CTX_free(md);
    return r;
}

void fs_sha256(const void *data, size_t size, uint8_t ret_digest[SHA256_SIZE])
{
    if (EVP_Digest(data, size, ret_digest, NULL, EVP_sha256(), NULL) != 1)
        abort();
}

void fs_hex(const uint8_t *data, size_t size, char *ret_text)
{
    for (size_t i = 0; i < size; i++)
        snprintf(ret_text + 2 * i, 3, "%02x", data[i]);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool fs_unhex(const char *text, uint8_t *ret_data, size_t size)
{
    if (strlen(text) != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret_data[i] = (uint8_t) (high << 4 | low);
    }
    return true;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int walk(const char *directory, size_t root_size, fs_visit_fn *visit, void *context)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, not_dots, by_bytes);
    if (count < 0)
        return -errno;
    int r = 0;
    for (int i = 0; i < count; i++) {
        AUTO_FREE char *path = mem_printf("%s/%s", directory, entries[i]->d_name);
        struct stat st;
        if (r == 0 && lstat(path, &st) < 0)
            r = -errno;
        if (r == 0)
            r = visit(context, path, path + root_size + 1, &st);
        if (r == 0 && S_ISDIR(st.st_mode))
            r = walk(path, root_size, visit, context);
        free(entries[i]);
    }
    free(entries);
    return r;
}

int fs_walk(const char *root, fs_visit_fn *visit, void *context)
{
    return walk(root, strlen(root), visit, context);
}

char *fs_self_dir(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return mem_strdup(".");
    path[n] = 0;
    char *slash = strrchr(path, '/');
    return mem_strndup(path, slash && slash > path ? (size_t) (slash - path) : 1);
}
