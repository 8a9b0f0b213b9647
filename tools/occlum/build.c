/* `occlum build`: Occlum.json and image/ become build/{image.erofs,enclave.sgxs,enclave.sig}.
 *
 * Each product is made beside its final name and renamed, in the order image, enclave, signature,
 * so a killed build leaves old or new files, never half of one. The enclave is made again only when
 * the kernel, the configuration blob (which holds the image's root hash) or the signer changed; the
 * stamp file remembers a digest of these. Nothing depends on the clock: DATE in the signature comes
 * from SOURCE_DATE_EPOCH or is constant.
 */
#include "tools/occlum/build.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "tools/lib/config.h"
#include "tools/lib/enclave_image.h"
#include "tools/lib/fsutil.h"
#include "tools/lib/keyfile.h"
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/lib/signkey.h"
#include "tools/lib/sigstruct.h"
#include "tools/occlum/image.h"
#include "tools/occlum/instance.h"
#include "tools/occlum/volumes.h"

#define ENCLAVE_STAMP BUILD_DIR "/.enclave.stamp"
#define DEFAULT_EPOCH 1700000000ull

/* Everything that enclave.sgxs and enclave.sig are made from. */
struct enclave_stamp {
    uint8_t kernel[SHA256_SIZE];
    uint8_t blob[SHA256_SIZE];
    uint8_t key[SHA256_SIZE];
    uint8_t mrenclave[32];
    uint32_t date;
    uint32_t reserved;
};

static void config_free_p(struct config **config)
{
    config_free(*config);
}

static void key_free_p(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static uint64_t source_epoch(void)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    char *end;
    uint64_t seconds = epoch ? strtoull(epoch, &end, 10) : DEFAULT_EPOCH;
    return epoch && (*epoch == 0 || *end) ? DEFAULT_EPOCH : seconds;
}

static int load_key(const char *path, EVP_PKEY **ret_key, uint8_t ret_digest[SHA256_SIZE])
{
    int r = path ? signkey_load(path, ret_key) : signkey_default(ret_key);
    if (r < 0) {
        if (path)
            msg_hint("make one: openssl genrsa -3 -out %s 3072", path);
        return r;
    }
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(*ret_key, &der);
    if (size < 0)
        return -EINVAL;
    fs_sha256(der, (size_t) size, ret_digest);
    OPENSSL_free(der);
    return 0;
}

static bool stamp_current(const struct enclave_stamp *new, uint8_t ret_mrenclave[32])
{
    AUTO_FREE char *data = NULL;
    size_t size;
    struct enclave_stamp old;
    if (fs_read_file(ENCLAVE_STAMP, 4096, &data, &size) < 0 || size != sizeof old ||
        !fs_exists(BUILD_SGXS) || !fs_exists(BUILD_SIG))
        return false;
    memcpy(&old, data, sizeof old);
    memcpy(ret_mrenclave, old.mrenclave, sizeof old.mrenclave);
    memcpy(old.mrenclave, new->mrenclave, sizeof old.mrenclave);
    return memcmp(&old, new, sizeof old) == 0;
}

static int build_enclave(const struct config *config, const struct build_options *options,
                         uint8_t ret_mrenclave[32], bool *ret_changed)
{
    AUTO_FREE char *kernel = instance_installed("lib/libos.elf");
    if (!kernel) {
        msg_error("the kernel (lib/libos.elf) is missing beside this program");
        msg_hint("build it with `make`, or install the tools again: make install");
        return -ENOENT;
    }
    AUTO_FREE uint8_t *blob = NULL;
    size_t blob_size;
    int r = config_to_blob(config, &blob, &blob_size);
    if (r < 0) {
        msg_error("the configuration is too large: its binary form must fit into 1 MiB");
        return r;
    }
    struct enclave_stamp stamp = {.date = sigstruct_date(source_epoch())};
    __attribute__((cleanup(key_free_p))) EVP_PKEY *key = NULL;
    fs_sha256(blob, blob_size, stamp.blob);
    r = load_key(options->sign_key, &key, stamp.key);
    if (r == 0)
        r = fs_sha256_file(kernel, stamp.kernel);
    if (r < 0)
        return r;
    *ret_changed = options->force || !stamp_current(&stamp, ret_mrenclave);
    if (!*ret_changed)
        return 0;

    struct enclave_image image = {
        .kernel_path = kernel,
        .config = blob,
        .config_size = blob_size,
        .vcpu_count = config->limits.vcpus,
        .debuggable = config->identity.debuggable,
        .isv_prod_id = config->identity.product_id,
        .isv_svn = config->identity.version_number,
        .date = stamp.date,
    };
    msg_progress("measuring and signing the enclave");
    (void) unlink(ENCLAVE_STAMP); /* until both files are new it would lie; absent is fine */
    r = enclave_image_build(&image, BUILD_SGXS, stamp.mrenclave);
    if (r == 0)
        r = enclave_image_sign(&image, stamp.mrenclave, key, BUILD_SIG);
    msg_progress_end();
    if (r == 0)
        r = fs_write_file(ENCLAVE_STAMP, &stamp, sizeof stamp, 0644);
    if (r < 0)
        msg_error("the enclave could not be built: %s", strerror(-r));
    memcpy(ret_mrenclave, stamp.mrenclave, sizeof stamp.mrenclave);
    return r;
}

/* Two builds at once would write the same temporary files. The lock ends with the process. */
static int lock_build(void)
{
    int fd = open(BUILD_DIR "/.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    int r = -errno;
    if (r == -EWOULDBLOCK)
        msg_error("another `occlum build` is at work in this instance");
    else
        msg_error("cannot lock %s: %s", BUILD_DIR, strerror(-r));
    return r;
}

static int build_image(const struct build_options *options, struct config_image *ret_image,
                       bool *ret_changed)
{
    struct keyfile key = {0};
    const char *path = options->image_key ? options->image_key : options->volume_key;
    struct image_options o = {
        .force = options->force,
        .epoch = source_epoch(),
        .key = path ? &key : NULL,
        .encipher = options->image_key != NULL,
    };
    int r = path ? keyfile_load(path, &key) : 0;
    if (r == 0)
        r = image_build(&o, ret_image, ret_changed);
    keyfile_wipe(&key);
    return r;
}

int build_instance(const struct build_options *options, uint8_t ret_mrenclave[32],
                   bool *ret_changed)
{
    __attribute__((cleanup(config_free_p))) struct config *config =
        config_load(INSTANCE_CONFIG, stderr);
    if (!config) {
        msg_error("%s was refused, see above; nothing was built", INSTANCE_CONFIG);
        msg_hint("correct the lines named above; docs/config.md explains every key");
        return -EINVAL;
    }
    int r = fs_mkdirs(BUILD_DIR, 0755);
    if (r < 0) {
        msg_error("cannot make %s: %s", BUILD_DIR, strerror(-r));
        return r;
    }
    r = lock_build();
    if (r < 0)
        return r;
    bool image_changed = false;
    r = build_image(options, &config->image, &image_changed);
    if (r == 0)
        r = build_enclave(config, options, ret_mrenclave, ret_changed);
    *ret_changed |= image_changed;
    return r == 0 ? volumes_order(config) : r;
}
