/* Key files of users: bytes as two hexadecimal digits with '-' between them, as Occlum's
 * `gen-image-key` writes them. */
#ifndef TOOLS_LIB_KEYFILE_H
#define TOOLS_LIB_KEYFILE_H

#include <stddef.h>
#include <stdint.h>

#define KEYFILE_MIN 16u
#define KEYFILE_MAX 32u

struct keyfile {
    uint8_t key[KEYFILE_MAX];
    size_t size; /* KEYFILE_MIN to KEYFILE_MAX */
};

/* -EINVAL: the text is no key of that size; a line end and spaces around it are fine. */
int keyfile_parse(const char *text, struct keyfile *ret);
/* Prints its own error. Wipe *ret after use. */
int keyfile_load(const char *path, struct keyfile *ret);
/* A new file for its owner alone; -EEXIST: never over an old one. Prints its own error. */
int keyfile_create(const char *path, size_t size);
/* The same with these bytes. */
int keyfile_write(const char *path, const uint8_t *key, size_t size);
void keyfile_wipe(struct keyfile *key);
#endif
