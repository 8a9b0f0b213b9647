/* Reading and making key files. */
#include "tools/lib/keyfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "tools/lib/fsutil.h"
#include "tools/lib/msg.h"

#define TEXT_MAX 4096u

void keyfile_wipe(struct keyfile *key)
{
    explicit_bzero(key, sizeof *key);
}

static const char *skip_space(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

int keyfile_parse(const char *text, struct keyfile *ret)
{
    struct keyfile key = {0};
    const char *p = skip_space(text);
    while (key.size < KEYFILE_MAX && isxdigit((unsigned char) p[0]) &&
           isxdigit((unsigned char) p[1])) {
        const char pair[3] = {p[0], p[1], 0};
        key.key[key.size++] = (uint8_t) strtoul(pair, NULL, 16);
        p += 2;
        if (*p != '-')
            break;
        p++;
    }
    bool good = key.size >= KEYFILE_MIN && p[-1] != '-' && *skip_space(p) == 0;
    if (good)
        *ret = key;
    keyfile_wipe(&key);
    return good ? 0 : -EINVAL;
}

int keyfile_load(const char *path, struct keyfile *ret)
{
    char *text = NULL;
    size_t size;
    int r = fs_read_file(path, TEXT_MAX, &text, &size);
    if (r < 0) {
        msg_error("cannot read the key file %s: %s", path, strerror(-r));
        msg_hint("occlum gen-image-key FILE   (makes a new key)");
        return r;
    }
    r = strlen(text) == size ? keyfile_parse(text, ret) : -EINVAL;
    explicit_bzero(text, size);
    free(text);
    if (r < 0) {
        msg_error("%s is no key: %u to %u bytes as xx-xx-...-xx are expected", path, KEYFILE_MIN,
                  KEYFILE_MAX);
        msg_hint("occlum gen-image-key FILE   (makes a new one)");
    }
    return r;
}

static int write_key(int fd, const uint8_t *key, size_t size)
{
    char text[3 * KEYFILE_MAX + 1];
    for (size_t i = 0; i < size; i++)
        snprintf(text + 3 * i, 4, "%02x%c", key[i], i + 1 < size ? '-' : '\n');
    ssize_t written = write(fd, text, 3 * size);
    explicit_bzero(text, sizeof text);
    return written == (ssize_t) (3 * size) ? 0 : -EIO;
}

int keyfile_write(const char *path, const uint8_t *key, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        int r = -errno;
        msg_error("cannot make %s: %s", path, strerror(-r));
        return r;
    }
    int r = write_key(fd, key, size);
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r < 0)
        msg_error("%s could not be written completely", path);
    return r;
}

int keyfile_create(const char *path, size_t size)
{
    struct keyfile key = {.size = size};
    if (getrandom(key.key, size, 0) != (ssize_t) size) {
        msg_error("the system gives no random numbers: %s", strerror(errno));
        return -EIO;
    }
    int r = keyfile_write(path, key.key, size);
    keyfile_wipe(&key);
    return r;
}
