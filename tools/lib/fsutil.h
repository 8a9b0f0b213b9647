/* Files and directories, for the tools. Functions return 0 or -errno and print nothing. */
#ifndef TOOLS_LIB_FSUTIL_H
#define TOOLS_LIB_FSUTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define SHA256_SIZE 32

/* Whole file; a NUL is added after the bytes. The caller frees *ret_data. -EFBIG above max
 * bytes. */
int fs_read_file(const char *path, size_t max, char **ret_data, size_t *ret_size);
/* Writes a temporary file beside path and renames it over path: readers see old or new, never
 * half. */
int fs_write_file(const char *path, const void *data, size_t size, mode_t mode);
/* mkdir -p. */
int fs_mkdirs(const char *path, mode_t mode);
/* mkdir -p of the directory that path lies in. */
int fs_mkdirs_for(const char *path, mode_t mode);
bool fs_exists(const char *path);
bool fs_is_dir(const char *path);
/* Copies one file: regular (atomically, with mode and times; sparse stays cheap), symlink (as
 * such). An older destination of another type than directory is replaced. Other types:
 * -EOPNOTSUPP. */
int fs_copy_file(const char *from, const char *to);
int fs_sha256_file(const char *path, uint8_t ret_digest[SHA256_SIZE]);
void fs_sha256(const void *data, size_t size, uint8_t ret_digest[SHA256_SIZE]);
void fs_hex(const uint8_t *data, size_t size, char *ret_text); /* 2 * size + 1 characters */
/* Decodes exactly size bytes; false unless text is 2 * size hexadecimal digits. */
bool fs_unhex(const char *text, uint8_t *ret_data, size_t size);

/* Calls visit for everything below root, depth first, names sorted bytewise, symlinks not followed;
 * rel is the path below root without a leading '/'. Stops when visit returns other than 0. */
typedef int fs_visit_fn(void *context, const char *path, const char *rel, const struct stat *st);
int fs_walk(const char *root, fs_visit_fn *visit, void *context);

/* Directory of this executable. The caller frees it. */
char *fs_self_dir(void);
#endif
