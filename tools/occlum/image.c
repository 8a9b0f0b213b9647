/* Builds the root image with mkfs.erofs and veritysetup; with a key of the user, what lies between the two
 * is enciphered.
 *
 * Reproducible: owner, UUID and (no) salt are fixed, extended attributes are left out, and no file
 * is newer than SOURCE_DATE_EPOCH: what was made or copied today gets that time, what came with its
 * own old time keeps it (Python compares it with what its compiled modules remember). Incremental:
 * build/.image.stamp holds a digest over the metadata of everything in image/ (ctime included, so
 * no edit is missed) and the geometry, root hash and key check of the image made from it. The files
 * image/.occlum/ are written by this build itself (sites.h) and do not count.
 */
#include "tools/occlum/image.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "abi/layout.h"
#include "tools/lib/fsutil.h"
#include "tools/lib/imagestamp.h"
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/lib/spawn.h"
#include "tools/occlum/image_cipher.h"
#include "tools/occlum/instance.h"
#include "tools/occlum/libcheck.h"
#include "tools/occlum/sites.h"

#define STAMP      IMAGE_STAMP
#define TEMPORARY  BUILD_IMAGE ".new"
#define IMAGE_UUID "6f63636c-756d-4000-8000-726f6f74696d" /* fixed: the image names no build */
#define GENERATED  ".occlum"

struct survey {
    EVP_MD_CTX *md;
    size_t count;
};

static int survey_entry(void *context, const char *path, const char *rel, const struct stat *st)
{
    struct survey *s = context;
    size_t size = strlen(GENERATED);
    if (strncmp(rel, GENERATED, size) == 0 && (rel[size] == 0 || rel[size] == '/'))
        return 0;
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode) && !S_ISLNK(st->st_mode) &&
        !S_ISFIFO(st->st_mode) && !S_ISCHR(st->st_mode)) {
        msg_warn("%s is neither file, directory, link, fifo nor character device; a program will "
                 "not be able to use it",
                 path);
    }
    /* A directory's own times change when image/.occlum appears; its entries speak for
     * themselves. */
    bool file = !S_ISDIR(st->st_mode);
    int64_t facts[] = {
        st->st_mode,
        file ? (int64_t) st->st_ino : 0,
        file ? st->st_size : 0,
        file ? st->st_mtim.tv_sec : 0,
        file ? st->st_mtim.tv_nsec : 0,
        file ? st->st_ctim.tv_sec : 0,
        file ? st->st_ctim.tv_nsec : 0,
        (int64_t) st->st_rdev,
    };
    if (++s->count % 1024 == 0)
        msg_progress("looking at image/: %zu files", s->count);
    bool good = EVP_DigestUpdate(s->md, rel, strlen(rel) + 1) == 1 &&
                EVP_DigestUpdate(s->md, facts, sizeof facts) == 1;
    return good ? 0 : -ENOMEM;
}

/* Digest over the metadata of image/ and the time that limits those of the files. */
static int survey_tree(uint64_t epoch, uint8_t ret_digest[SHA256_SIZE])
{
    struct survey s = {.md = EVP_MD_CTX_new()};
    bool good = s.md && EVP_DigestInit_ex(s.md, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(s.md, &epoch, sizeof epoch) == 1;
    int r = good ? 0 : -ENOMEM;
    if (r == 0)
        r = fs_walk(INSTANCE_IMAGE, survey_entry, &s);
    if (r == 0 && EVP_DigestFinal_ex(s.md, ret_digest, NULL) != 1)
        r = -ENOMEM;
    EVP_MD_CTX_free(s.md);
    msg_progress_end();
    if (r < 0)
        msg_error("cannot read all of image/: %s", strerror(-r));
    return r;
}

bool image_built(struct config_image *ret_image)
{
    struct image_stamp stamp;
    bool have = image_stamp_load(".", &stamp);
    if (have)
        *ret_image = stamp.image;
    return have;
}

/* Runs a tool of a Debian package; what it prints is shown only when it fails. */
static int run_tool(const char *program, const char *package, char *const arguments[],
                    char **ret_output)
{
    AUTO_FREE char *path = spawn_find(program);
    if (!path) {
        msg_error("%s is not installed, and the root image is made with it", program);
        msg_hint("apt-get install %s   (or `make deps` in the source tree)", package);
        return -ENOENT;
    }
    char *argv[16] = {path};
    for (size_t i = 0; arguments[i] && i < 14; i++)
        argv[i + 1] = arguments[i];
    int status = spawn_capture(argv, ret_output);
    if (status == 0)
        return 0;
    msg_error("%s failed (%s %d)%s%s", program, status < 0 ? "error" : "exit status", abs(status),
              status > 0 && **ret_output ? ", saying:\n" : "", status > 0 ? *ret_output : "");
    return -EIO;
}

/* With this variable in its environment mkfs.erofs lowers newer times and leaves older ones alone. */
static int make_erofs(uint64_t epoch)
{
    AUTO_FREE char *output = NULL;
    AUTO_FREE char *seconds = mem_printf("%" PRIu64, epoch);
    if (setenv("SOURCE_DATE_EPOCH", seconds, 1) < 0)
        return -errno;
    char *arguments[] = {"--quiet",       "-T0",  "-U",      IMAGE_UUID,     "--force-uid=0",
                         "--force-gid=0", "-x-1", TEMPORARY, INSTANCE_IMAGE, NULL};
    return run_tool("mkfs.erofs", "erofs-utils", arguments, &output);
}

/* "Root hash:      \t<64 digits>" somewhere in veritysetup's output. */
static int parse_root_hash(const char *output, uint8_t ret_hash[32])
{
    static const char label[] = "Root hash:";
    const char *at = strstr(output, label);
    if (!at)
        return -EPROTO;
    at += strlen(label);
    at += strspn(at, " \t");
    AUTO_FREE char *digits = mem_strndup(at, strcspn(at, " \t\r\n"));
    return fs_unhex(digits, ret_hash, 32) ? 0 : -EPROTO;
}

static int add_verity(struct config_image *image)
{
    struct stat st;
    if (stat(TEMPORARY, &st) < 0)
        return -errno;
    if (st.st_size == 0 || (size_t) st.st_size % PAGE_SIZE != 0) {
        msg_error("mkfs.erofs made an image of %lld bytes, which is no multiple of 4096",
                  (long long) st.st_size);
        return -EPROTO;
    }
    AUTO_FREE char *blocks =
        mem_printf("--data-blocks=%lld", (long long) st.st_size / (long long) PAGE_SIZE);
    AUTO_FREE char *offset = mem_printf("--hash-offset=%lld", (long long) st.st_size);
    AUTO_FREE char *output = NULL;
    char *arguments[] = {"format",
                         "--salt=-",
                         "--uuid=" IMAGE_UUID,
                         "--hash=sha256",
                         "--data-block-size=4096",
                         "--hash-block-size=4096",
                         blocks,
                         offset,
                         TEMPORARY,
                         TEMPORARY,
                         NULL};
    int r = run_tool("veritysetup", "cryptsetup-bin", arguments, &output);
    if (r < 0)
        return r;
    r = parse_root_hash(output, image->root_hash);
    if (r < 0) {
        msg_error("veritysetup printed no root hash:\n%s", output);
        return r;
    }
    image->present = 1;
    image->block_size = PAGE_SIZE;
    image->data_blocks = (uint64_t) st.st_size / PAGE_SIZE;
    image->hash_start_block = image->data_blocks + 1;
    if (stat(TEMPORARY, &st) < 0)
        return -errno;
    image->total_blocks = (uint64_t) st.st_size / PAGE_SIZE;
    return 0;
}

static int make_image(const struct image_options *o, struct image_stamp *stamp)
{
    (void) unlink(TEMPORARY); /* left by a build that was killed */
    msg_progress("building the root image");
    int r = make_erofs(o->epoch);
    if (r == 0 && o->encipher)
        r = image_encipher(TEMPORARY, o->key, &stamp->image);
    if (r == 0) {
        msg_progress("computing the hash tree of the root image");
        r = add_verity(&stamp->image);
    }
    msg_progress_end();
    (void) unlink(STAMP); /* from here on the old stamp would describe the wrong file */
    if (r == 0 && rename(TEMPORARY, BUILD_IMAGE) < 0)
        r = -errno;
    if (r == 0)
        r = fs_write_file(STAMP, stamp, sizeof *stamp, 0644);
    if (r < 0) {
        (void) unlink(TEMPORARY);
        msg_error("the root image could not be made: %s", strerror(-r));
    }
    return r;
}

/* Is it in the clear where it shall be, and enciphered with the key where not? */
static bool cipher_unchanged(const struct config_image *image, const struct image_options *o)
{
    return o->encipher ? image->cipher && image_key_fits(image, o->key) : !image->cipher;
}

/* Without image/ the old one is kept, if the user means that one. */
static int keep_image(const struct image_stamp *old, const struct image_options *o)
{
    if (!cipher_unchanged(&old->image, o)) {
        msg_error("the root image built before %s, and there is no image/ to make another from",
                  o->encipher ? "is not enciphered with this key"
                              : "is enciphered, and no key was given");
        return -EKEYREJECTED;
    }
    msg_note("no image/ here: keeping the root image built before");
    return 0;
}

static int make_if_changed(const struct image_options *o, struct image_stamp *stamp,
                           bool *ret_changed)
{
    struct image_stamp old = *stamp, new = {0};
    int r = survey_tree(o->epoch, new.tree);
    if (r == 0)
        r = fs_sha256_file("/proc/self/exe", new.builder);
    if (r < 0)
        return r;
    bool have = old.image.present;
    if (have && !o->force && memcmp(old.tree, new.tree, sizeof new.tree) == 0 &&
        memcmp(old.builder, new.builder, sizeof new.builder) == 0 &&
        cipher_unchanged(&old.image, o))
        return 0;
    if (have && old.image.cipher && !o->encipher)
        msg_warn("the root image becomes readable: it was enciphered before, and no --image-key "
                 "was given");
    libcheck_image(INSTANCE_IMAGE);
    r = sites_write(INSTANCE_IMAGE);
    if (r == 0)
        r = make_image(o, &new);
    *stamp = new;
    *ret_changed = true;
    return r;
}

/* The descriptor of a plain image names the key that is for volumes, or none; the image stays as it is. */
static int name_key(const struct image_options *o, struct image_stamp *stamp)
{
    struct config_image image = stamp->image;
    memset(image.key_check, 0, sizeof image.key_check);
    int r = o->key ? image_name_key(o->key, &image) : 0;
    if (r < 0 || memcmp(&image, &stamp->image, sizeof image) == 0)
        return r;
    stamp->image = image;
    return fs_write_file(STAMP, stamp, sizeof *stamp, 0644);
}

int image_build(const struct image_options *o, struct config_image *ret_image, bool *ret_changed)
{
    struct image_stamp stamp = {0};
    bool have = image_stamp_load(".", &stamp);
    *ret_changed = false;
    int r;
    if (fs_is_dir(INSTANCE_IMAGE)) {
        r = make_if_changed(o, &stamp, ret_changed);
    } else if (have) {
        r = keep_image(&stamp, o);
    } else {
        msg_error("there is no image/ to make the root file system from");
        msg_hint("make a new instance with `occlum new DIR`");
        return -ENOENT;
    }
    if (r == 0 && !o->encipher)
        r = name_key(o, &stamp);
    *ret_image = stamp.image;
    return r;
}
