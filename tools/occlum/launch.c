/* Starts a program: checks what can be checked cheaply outside, for better messages (the kernel
 * checks again, and only its checks count), then executes occlum-run in this very process, so that
 * standard files, terminal, signals and exit status need no forwarding.
 */
#include "tools/occlum/launch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/lib/config.h"
#include "tools/lib/fsutil.h"
#include "tools/lib/keyfile.h"
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/occlum/image.h"
#include "tools/occlum/image_cipher.h"
#include "tools/occlum/instance.h"

#define FRESHNESS_LIMIT 40 /* files of image/ looked at before each run: 0.1 ms */

static bool newer(const struct stat *a, const struct stat *b)
{
    return a->st_mtim.tv_sec != b->st_mtim.tv_sec ? a->st_mtim.tv_sec > b->st_mtim.tv_sec
                                                  : a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

struct freshness {
    struct stat built;
    int left;
    char path[PATH_MAX]; /* of what is looked at */
};

static bool look_at(struct freshness *f, int directory, const char *name, size_t size);

/* Looks at what the directory named by the first size bytes of path holds; true: that is enough. */
static bool look_into(struct freshness *f, int parent, const char *name, size_t size)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _Alignas(struct dirent64) char block[1024]; /* opendir takes three calls more and 32 KiB */
    bool enough = false;
    ssize_t n;
    while (fd >= 0 && !enough && (n = getdents64(fd, block, sizeof block)) > 0)
        for (ssize_t at = 0; at < n && !enough;) {
            const struct dirent64 *e = (const struct dirent64 *) (block + at);
            at += e->d_reclen;
            if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
                enough = look_at(f, fd, e->d_name, size);
        }
    if (fd >= 0)
        close(fd);
    return enough;
}

static bool look_at(struct freshness *f, int directory, const char *name, size_t size)
{
    struct stat st;
    size_t length = strlen(name);
    if (--f->left < 0 || size + 1 + length >= sizeof f->path)
        return true;
    if (strcmp(f->path, INSTANCE_IMAGE) == 0 && strcmp(name, ".occlum") == 0)
        return false;
    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    f->path[size] = '/';
    memcpy(f->path + size + 1, name, length + 1);
    bool enough = newer(&st, &f->built);
    if (enough) {
        msg_warn("%s was changed after the last build, and the program will not see that", f->path);
        msg_hint("occlum build");
    } else if (S_ISDIR(st.st_mode)) {
        enough = look_into(f, directory, name, size + 1 + length);
    }
    f->path[size] = 0;
    return enough;
}

/* The build is complete and not older than what it was made from (warnings only). */
static int check_built(void)
{
    static const char *const products[] = {BUILD_IMAGE, BUILD_SGXS, BUILD_SIG};
    const char *state = instance_state(false);
    if (!state)
        return -ENOENT;
    for (int i = 0; i < 3; i++) {
        if (fs_exists(products[i]))
            continue;
        msg_error("nothing to run: %s is not there", products[i]);
        msg_hint("occlum build");
        return -ENOENT;
    }
    struct freshness f = {.left = FRESHNESS_LIMIT, .path = INSTANCE_IMAGE};
    struct stat config;
    if (stat(BUILD_DIR "/.enclave.stamp", &f.built) < 0 || stat(INSTANCE_CONFIG, &config) < 0)
        return 0;
    if (newer(&config, &f.built)) {
        msg_warn("%s was changed after the last build, and the change has no effect yet",
                 INSTANCE_CONFIG);
        msg_hint("occlum build");
    } else {
        (void) look_into(&f, AT_FDCWD, INSTANCE_IMAGE, strlen(INSTANCE_IMAGE)); /* a hint only */
    }
    return 0;
}

static bool below(const char *path, const char *prefix)
{
    size_t size = strlen(prefix);
    while (size > 0 && prefix[size - 1] == '/')
        size--;
    return strncmp(path, prefix, size) == 0 && (path[size] == '/' || path[size] == 0);
}

/* The same rule as the kernel's, from Occlum.json, to explain a refusal. */
static int check_entry_point(const char *program)
{
    if (program[0] != '/') {
        msg_error("\"%s\" must be the absolute path of a program in the image", program);
        msg_hint("occlum run /bin/%s", program);
        return -EINVAL;
    }
    FILE *nowhere = fopen("/dev/null", "w");
    struct config *config = nowhere ? config_load(INSTANCE_CONFIG, nowhere) : NULL;
    if (nowhere)
        fclose(nowhere);
    if (!config)
        return 0; /* edited since the build, which has what counts */
    bool allowed = false;
    AUTO_FREE char *list = mem_strdup("");
    for (size_t i = 0; i < config->entry_points.count; i++) {
        allowed |= below(program, config->entry_points.items[i]);
        char *longer = mem_printf("%s%s%s", list, i ? ", " : "", config->entry_points.items[i]);
        free(list);
        list = longer;
    }
    config_free(config);
    if (allowed)
        return 0;
    msg_error("%s may not be started: it is under none of the entry_points (%s)", program, list);
    msg_hint("add its directory to \"entry_points\" in %s, then: occlum build", INSTANCE_CONFIG);
    return -EACCES;
}

static int choose_mode(const char *option, enum sgx_mode *ret_mode)
{
    struct mode_choice choice;
    int r = instance_mode(option, &choice);
    if (r < 0)
        return r;
    if (choice.mode == SGX_MODE_HW && !mode_device_present()) {
        msg_error("HW mode was asked for (by %s), but this machine has no /dev/sgx_enclave",
                  choice.by);
        msg_hint("occlum run --sgx-mode SIM ...   (or SGX_MODE=SIM; simulation, no security)");
        msg_hint("occlum doctor   (says what this machine lacks)");
        return -ENODEV;
    }
    if (choice.mode == SGX_MODE_SIM)
        msg_note("SIM mode%s: SGX is only simulated, the program has NO protection",
                 choice.by ? "" : " (this machine has no /dev/sgx_enclave)");
    *ret_mode = choice.mode;
    return 0;
}

static char *find_runtime(void)
{
    AUTO_FREE char *beside = instance_installed("bin/occlum-run");
    return beside ? MEM_TAKE(beside) : instance_installed("libexec/occlum-run");
}

/* A key on this machine's disk, passed on by this machine, protects nothing from it. */
static int check_may_pass_key(void)
{
    FILE *nowhere = fopen("/dev/null", "w");
    struct config *config = nowhere ? config_load(INSTANCE_CONFIG, nowhere) : NULL;
    bool production = config && !config->identity.debuggable;
    if (nowhere)
        fclose(nowhere);
    config_free(config);
    if (!production)
        return 0;
    msg_error("--image-key is for simulation and debuggable enclaves: a production enclave must "
              "get its key "
              "after attestation, which is not there yet");
    return -EPERM;
}

/* Whether it is the right one, the kernel says: asking libcrypto here would cost each start 2 ms. */
static int check_image_key(struct launch *launch)
{
    struct config_image image;
    struct keyfile key;
    if (!launch->image_key)
        return 0;
    int r = launch->mode == SGX_MODE_HW ? check_may_pass_key() : 0;
    if (r == 0)
        r = keyfile_load(launch->image_key, &key);
    if (r < 0)
        return r;
    if (image_built(&image) && !image_names_key(&image)) {
        msg_warn("the instance was built without a key: this one has no use");
        launch->image_key = NULL;
    }
    keyfile_wipe(&key);
    return r;
}

int launch_check(struct launch *launch)
{
    if (check_built() < 0 || (launch->program && check_entry_point(launch->program[0]) < 0) ||
        choose_mode(launch->sgx_mode, &launch->mode) < 0)
        return -1;
    return check_image_key(launch);
}

void launch_runtime(const struct launch *launch)
{
    AUTO_FREE char *runtime = find_runtime();
    if (!runtime) {
        msg_error("the host runtime occlum-run is missing beside this program");
        msg_hint("build it with `make`, or install the tools again: make install");
        return;
    }
    size_t count = 0;
    while (launch->program && launch->program[count])
        count++;
    char **argv = mem_zalloc((count + 12) * sizeof *argv);
    AUTO_FREE char *ready = mem_printf("%d", launch->ready_fd);
    size_t n = 0;
    argv[n++] = "occlum-run";
    argv[n++] = "--instance";
    argv[n++] = ".";
    argv[n++] = "--mode";
    argv[n++] = launch->mode == SGX_MODE_HW ? "HW" : "SIM";
    if (launch->trace)
        argv[n++] = "--trace";
    if (launch->image_key) {
        argv[n++] = "--image-key";
        argv[n++] = launch->image_key;
    }
    argv[n++] = launch->program ? "--" : "--control";
    if (launch->program)
        memcpy(argv + n, launch->program, count * sizeof *argv);
    else
        argv[n] = ready;
    execv(runtime, argv);
    msg_error("cannot start %s: %s", runtime, strerror(errno));
    free(argv);
}

int launch_program(struct launch *launch)
{
    if (launch_check(launch) == 0)
        launch_runtime(launch);
    return 1;
}
