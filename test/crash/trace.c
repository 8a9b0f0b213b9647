/* Workloads of programs inside the LibOS, as strace saw the runtime write the volume's file (test/crash/record):
 * pwrite64, fallocate and fdatasync (strace -P shows those of run/volumes/root alone), and what the program printed:
 * "committed N" is a promise.
 * Each committed state is laid out as a directory, in which a command looks for what was promised. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "abi/config.h"
#include "libos/crypto/hkdf.h"
#include "test/crash/crash.h"
#include "tools/lib/keyfile.h"

#define DEPTH_MAX 40

static const char *command;
static uint64_t seen_digest, laid_out;

/* ---- the trace ---- */

/* Decodes a string of \xNN up to its closing quote; p behind the opening one. */
static size_t unhex(const char *p, uint8_t *dst, size_t size)
{
    size_t n = 0;
    for (; p[0] == '\\' && p[1] == 'x' && n < size; p += 4) {
        unsigned byte;
        if (sscanf(p + 2, "%2x", &byte) != 1)
            break;
        dst[n++] = (uint8_t) byte;
    }
    return n;
}

static void take_write(struct disk *d, const char *line)
{
    static uint8_t data[COW_IO_BLOCKS * COW_BLOCK];
    const char *text = strchr(line, '"'), *end = text ? strchr(text + 1, '"') : NULL;
    unsigned long size, offset;
    if (!end || sscanf(end, "\", %lu, %lu", &size, &offset) != 2)
        fail("trace: %.60s", line);
    size_t n = unhex(text + 1, data, sizeof data);
    if (n != size || n % COW_BLOCK || offset % COW_BLOCK)
        fail("trace: a write of %lu bytes of which %zu are known", size, n);
    for (size_t at = 0; at < n; at += COW_BLOCK) {
        uint8_t *p = disk_buffer(d);
        memcpy(p, data + at, COW_BLOCK);
        disk_record(d, EVENT_WRITE, (offset + at) / COW_BLOCK, p);
    }
}

static void take_output(struct disk *d, const char *line)
{
    char text[4096];
    const char *start = strchr(line, '"');
    size_t n = start ? unhex(start + 1, (uint8_t *) text, sizeof text - 1) : 0;
    text[n] = 0;
    unsigned long number;
    for (const char *p = text; (p = strstr(p, "committed ")) != NULL; p++)
        if (sscanf(p, "committed %lu", &number) == 1)
            disk_record(d, EVENT_ACK, number, NULL);
}

static void take_line(struct disk *d, const char *line)
{
    unsigned long size;
    const char *call = strchr(line, ' ');
    while (call && *call == ' ')
        call++;
    if (!call)
        return;
    if (strncmp(call, "write(1, ", 9) == 0)
        take_output(d, call);
    else if (strncmp(call, "pwrite64(", 9) == 0)
        take_write(d, call);
    else if (strncmp(call, "fdatasync(", 10) == 0)
        disk_record(d, EVENT_BARRIER, 0, NULL);
    else if (sscanf(call, "fallocate(%*u, 0, 0, %lu", &size) == 1)
        disk_record(d, EVENT_GROW, size / COW_BLOCK, NULL);
}

static int trace_read(struct disk *d, const char *file)
{
    FILE *f = fopen(file, "r");
    char *line = NULL;
    size_t room = 0;
    if (!f)
        return -errno;
    d->recording = true;
    while (getline(&line, &room, f) > 0)
        take_line(d, line);
    d->recording = false;
    free(line);
    fclose(f);
    return 0;
}

/* ---- a committed state as a directory ---- */

static void file_out(struct cow *c, struct cow_inode *i, const struct cow_attr *a, int dir,
                     const char *name)
{
    static uint8_t buf[COW_BLOCK];
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, a->mode & 0777);
    if (fd < 0)
        fail("%s: %s", name, strerror(errno));
    for (uint64_t n = 0; n * COW_BLOCK < a->size; n++) {
        if (cow_next(c, i, n, true, &n) < 0 || n * COW_BLOCK >= a->size)
            break;
        size_t size = MIN(a->size - n * COW_BLOCK, (uint64_t) COW_BLOCK);
        if (cow_read(c, i, n, 1, buf) < 0 ||
            pwrite(fd, buf, size, (off_t) (n * COW_BLOCK)) != (ssize_t) size)
            fail("%s cannot be copied", name);
    }
    if (ftruncate(fd, (off_t) a->size) < 0)
        fail("%s: %s", name, strerror(errno));
    close(fd);
}

static void tree_out(struct cow *c, struct cow_inode *from, int dir, unsigned depth);

static void entry_out(struct cow *c, const struct cow_dirent *e, int dir, unsigned depth)
{
    struct cow_inode *i;
    struct cow_attr a;
    if (cow_get(c, e->ino, &i) < 0)
        fail("%s cannot be looked up", e->name);
    cow_attr_get(c, i, &a);
    if (S_ISREG(a.mode)) {
        file_out(c, i, &a, dir, e->name);
    } else if (S_ISDIR(a.mode)) {
        int sub = mkdirat(dir, e->name, 0755) == 0 ? openat(dir, e->name, O_DIRECTORY) : -1;
        if (sub < 0)
            fail("%s: %s", e->name, strerror(errno));
        tree_out(c, i, sub, depth + 1);
        close(sub);
    }
    cow_put(c, i);
}

static void tree_out(struct cow *c, struct cow_inode *from, int dir, unsigned depth)
{
    struct cow_dirent e;
    if (depth > DEPTH_MAX)
        fail("directories too deep");
    for (uint64_t pos = 0; cow_readdir(c, from, pos, &e) == 1; pos = e.next) {
        e.name[e.name_size] = 0;
        entry_out(c, &e, dir, depth);
    }
}

static void look_at(struct verifier *v, struct cow *c, uint64_t acked)
{
    char number[32];
    uint64_t digest = tree_digest(c);
    if (digest == seen_digest && acked == 0)
        return;
    seen_digest = digest;
    snprintf(number, sizeof number, "%lu", acked);
    setenv("ACKED", number, 1);
    if (system("rm -rf state && mkdir state") != 0)
        fail("the directory \"state\" cannot be made");
    int dir = open("state", O_DIRECTORY);
    struct cow_inode *root;
    if (dir < 0 || cow_get(c, COW_INO_ROOT, &root) < 0)
        fail("no root");
    tree_out(c, root, dir, 0);
    cow_put(c, root);
    close(dir);
    int status = system(command);
    if (status != 0)
        fail("%s: txg %lu, promised %lu: the check ends with status %d", v->what, cow_txg(c), acked,
             WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    laid_out++;
}

/* ---- all of it ---- */

static void key_of(const char *key_file, uint8_t secret[32])
{
    static const char info[] = VOLUME_KEY_INFO;
    struct keyfile key;
    if (keyfile_load(key_file, &key) < 0)
        exit(2);
    hkdf_sha256((struct cspan){key.key, key.size}, (struct cspan){0},
                (struct cspan){(const uint8_t *) info, sizeof info - 1}, (struct span){secret, 32});
    keyfile_wipe(&key);
}

/* Up to the first barrier behind which there is a volume that opens with the key: how many events. */
static size_t apply_birth(struct verifier *v, const struct disk *from, struct disk *to)
{
    for (size_t n = 0; n < from->event_count; n++) {
        const struct event *e = &from->events[n];
        struct cow *c;
        if (e->kind == EVENT_GROW)
            to->dev.blocks = e->n;
        else if (e->kind == EVENT_WRITE)
            disk_set(to, e->n, e->data);
        else if (e->kind == EVENT_BARRIER && cow_mount(&v->params, &c) == 0) {
            cow_abandon(c);
            return n + 1;
        }
    }
    fail("%s: the trace holds no volume that opens with the key", v->what);
}

int trace_run(struct verifier *v, const char *file, const char *key_file, const char *check_command,
              const struct effort *effort)
{
    uint8_t secret[32];
    struct disk *recorder = disk_new(), *replayer = disk_new();
    int r = trace_read(recorder, file);
    if (r < 0)
        fail("%s: %s", file, strerror(-r));
    key_of(key_file, secret);
    v->what = file;
    v->params.user_key = secret;
    v->params.name = "root";
    v->params.dev = &replayer->dev;
    v->params.blocks_max = DISK_BLOCKS;
    command = check_command;
    v->each = command ? look_at : NULL;
    rnd_seed = 1;
    size_t birth = apply_birth(v, recorder, replayer);
    recorder->event_count -= birth;
    memmove(recorder->events, recorder->events + birth,
            recorder->event_count * sizeof *recorder->events);
    crash_everywhere(recorder, replayer, v, effort, NULL);
    printf("%s: %lu different committed states were looked at by the program's own check\n", file,
           laid_out);
    if (command && laid_out == 0)
        fail("%s: nothing was looked at", file);
    disk_free(replayer);
    disk_free(recorder);
    verify_forget();
    return 0;
}
