// sources: libos/fs/cowfs/alloc.c libos/fs/cowfs/cache.c libos/fs/cowfs/check.c libos/fs/cowfs/commit.c libos/fs/cowfs/crypt.c libos/fs/cowfs/dir.c libos/fs/cowfs/file.c libos/fs/cowfs/inode.c libos/fs/cowfs/mount.c libos/fs/cowfs/names.c libos/fs/cowfs/slots.c libos/fs/cowfs/super.c libos/fs/cowfs/tree.c libos/fs/cowfs/walk.c libos/fs/cowfs/write.c libos/fs/cowfs/xattr.c libos/crypto/gcm.c libos/crypto/cpu.c libos/crypto/hkdf.c libos/crypto/seal.c libos/crypto/sha256.c libos/base/log.c libos/base/printf.c libos/base/string.c libos/host/posix/arch.c libos/host/posix/heap.c libos/host/posix/panic.c libos/host/posix/sched.c libos/host/posix/sync.c
// libs: /usr/lib/x86_64-linux-gnu/libIPSec_MB.a
/* The parsers of a cowfs volume with a cipher that changes nothing and accepts everything, as if whoever wrote
 * the volume had its key: superblocks, inodes, nodes, directories, bitmap, epochs. (The header has no such cipher:
 * it is what comes before any key.) An input is a list of patches {u16 which block in use, u16 offset, u8 size,
 * bytes} to a volume that has everything; it is mounted, walked, checked, changed, written, and mounted again.
 *
 * Any answer is right but a crash, a hang, and a panic. */
#include <stdlib.h>
#include "abi/linux/fs.h"
#include "libos/arch/random.h"
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/fs/cowfs/cow.h"
#include "test/unit/nullcipher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define BLOCKS    512u
#define STEPS_MAX 600u
#define CALLS_MAX 20000u /* of the device, in one run */

static uint8_t volume[BLOCKS][COW_BLOCK], base[BLOCKS][COW_BLOCK];
static bool changed[BLOCKS];
static uint16_t in_use[BLOCKS];
static unsigned in_use_count, calls;
static const uint8_t user_key[32] = "fuzz";

/* The same bytes in every run, so that patches keep their meaning. */
void random_bytes(struct span dst)
{
    static uint8_t n;
    for (size_t i = 0; i < dst.n; i++)
        dst.p[i] = (uint8_t) (n += 37);
}

/* ---- a device in memory ---- */

static bool outside(const struct cow_dev *d, uint64_t block, uint32_t count)
{
    if (++calls > CALLS_MAX)
        __builtin_trap(); /* it goes round in circles */
    return block > d->blocks || count > d->blocks - block;
}

static int dev_read(struct cow_dev *d, uint64_t block, uint32_t count, void *dst)
{
    if (outside(d, block, count))
        return -EIO;
    memcpy(dst, volume[block], (size_t) count * COW_BLOCK);
    return 0;
}

static int dev_write(struct cow_dev *d, uint64_t block, uint32_t count, const void *src)
{
    if (outside(d, block, count))
        return -EIO;
    memcpy(volume[block], src, (size_t) count * COW_BLOCK);
    memset(changed + block, true, count);
    return 0;
}

static int dev_barrier(struct cow_dev *d)
{
    return 0;
}

static int dev_grow(struct cow_dev *d, uint64_t blocks)
{
    return blocks <= d->blocks ? 0 : -ENOSPC;
}

static const struct cow_dev_ops dev_ops = {
    .read = dev_read,
    .write = dev_write,
    .barrier = dev_barrier,
    .grow = dev_grow,
};
static struct cow_dev dev = {&dev_ops, BLOCKS};

static struct cow_params params(void)
{
    return (struct cow_params){.dev = &dev,
                               .kind = COW_SLOT_USER,
                               .slot_secret = cow_secret_user,
                               .user_key = user_key,
                               .cipher = &null_cipher,
                               .blocks = BLOCKS,
                               .blocks_max = BLOCKS};
}

/* ---- a volume that has everything ---- */

static struct cow_name name_of(const char *s)
{
    return (struct cow_name){s, strlen(s)};
}

static struct cow_inode *make(struct cow *c, struct cow_inode *dir, const char *name, uint32_t mode,
                              const char *target)
{
    const struct cow_new what = {.mode = mode, .target = target, .rdev = 0x103};
    struct cow_inode *i;
    return cow_make(c, dir, name_of(name), &what, &i) == 0 ? i : NULL;
}

static void make_or_trap(struct cow *c, struct cow_inode *dir, const char *name, uint32_t mode,
                         const char *target)
{
    struct cow_inode *i = make(c, dir, name, mode, target);
    if (!i)
        __builtin_trap();
    cow_put(c, i);
}

static int make_files(struct cow *c, struct cow_inode *dir)
{
    static const uint8_t content[3 * COW_BLOCK] = "some content";
    char name[80];
    struct cow_inode *i = make(c, dir, "file", S_IFREG | 0644, NULL), *sub;
    if (!i)
        return -1;
    int r = cow_write(c, i, 0, 3, content, 9000);
    if (r == 0)
        r = cow_write(c, i, 200, 1, content, 200 * COW_BLOCK + 7); /* two levels */
    if (r == 0)
        r = cow_xattr_set(c, i, "user.x", CSPAN_OF(name), 0);
    if (r == 0)
        r = cow_link(c, dir, name_of("hard"), i, 1);
    cow_put(c, i);
    make_or_trap(c, dir, "link", S_IFLNK | 0777, "file");
    memset(name, 'l', sizeof name);
    name[79] = 0;
    make_or_trap(c, dir, "device", S_IFCHR | 0600, NULL);
    sub = make(c, dir, "sub", S_IFDIR | 0755, NULL);
    for (char n = 'a'; n < 'a' + 26 && sub; n++) { /* more than a block of names */
        name[0] = n;
        make_or_trap(c, sub, name, S_IFREG | 0600, NULL);
        name[1] = n;
        make_or_trap(c, sub, name, S_IFDIR | 0700, NULL);
    }
    cow_put(c, sub);
    return r;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct cow_params p = params();
    struct cow *c;
    struct cow_inode *root, *orphan;
    const struct cow_new what = {.mode = S_IFREG | 0600};
    log_level = LOG_OFF;
    if (cow_create(&p) != 0 || cow_mount(&p, &c) != 0 || cow_get(c, COW_INO_ROOT, &root) != 0 ||
        make_files(c, root) != 0 || cow_tmpfile(c, &what, &orphan) != 0 || cow_check(c) != 0)
        __builtin_trap();
    memcpy(base, volume, sizeof base); /* with an orphan, as after a crash */
    cow_put(c, orphan);
    cow_put(c, root);
    cow_abandon(c);
    static const uint8_t zero[COW_BLOCK];
    for (uint16_t b = 0; b < BLOCKS; b++)
        if (memcmp(base[b], zero, COW_BLOCK) != 0)
            in_use[in_use_count++] = b;
    memset(changed, true, sizeof changed);
    return 0;
}

/* ---- what a kernel may ask of it ---- */

static unsigned steps;

static void look(struct cow *c, uint64_t ino, unsigned depth);

static void look_names(struct cow *c, struct cow_inode *dir, unsigned depth)
{
    struct cow_dirent e;
    uint64_t pos = 0;
    for (; cow_readdir(c, dir, pos, &e) == 1 && ++steps < STEPS_MAX; pos = e.next) {
        struct cow_inode *i;
        if (e.next <= pos || e.name_size == 0 || e.name_size > 255 ||
            memchr(e.name, '/', e.name_size))
            __builtin_trap();
        if (cow_lookup(c, dir, (struct cow_name){e.name, e.name_size}, &i) == 0)
            cow_put(c, i);
        if (depth < 6)
            look(c, e.ino, depth + 1);
    }
}

static void look(struct cow *c, uint64_t ino, unsigned depth)
{
    static uint8_t buf[2 * COW_BLOCK];
    struct cow_inode *i;
    struct cow_attr a;
    uint64_t at = 0;
    if (++steps > STEPS_MAX || cow_get(c, ino, &i) < 0)
        return;
    cow_attr_get(c, i, &a);
    if (S_ISLNK(a.mode))
        (void) cow_readlink(c, i, (char *) buf, 100);
    (void) cow_xattr_list(c, i, SPAN_OF(buf));
    (void) cow_xattr_get(c, i, "user.x", SPAN_OF(buf));
    for (unsigned n = 0; S_ISREG(a.mode) && n < 8; n++, at++) {
        if (cow_next(c, i, at, n % 2 == 0, &at) < 0 || at == UINT64_MAX)
            break;
        (void) cow_read(c, i, at, 2, buf); /* a refusal is an answer, too */
    }
    if (S_ISDIR(a.mode))
        look_names(c, i, depth);
    cow_put(c, i);
}

static void change(struct cow *c, struct cow_inode *root)
{
    static const uint8_t content[COW_BLOCK] = "new";
    struct cow_inode *i = make(c, root, "fresh", S_IFREG | 0600, NULL);
    if (i) {
        (void) cow_write(c, i, 130, 1, content, 131 * COW_BLOCK);
        (void) cow_xattr_set(c, i, "user.y", CSPAN_OF(content), 0);
        cow_put(c, i);
    }
    if (cow_lookup(c, root, name_of("file"), &i) == 0) {
        (void) cow_write(c, i, 1, 1, content, 0);
        (void) cow_truncate(c, i, 4097);
        (void) cow_xattr_remove(c, i, "user.x");
        cow_put(c, i);
    }
    (void) cow_rename(c, root, name_of("link"), root, name_of("sub"), true, 2);
    (void) cow_unlink(c, root, name_of("hard"), 3);
    (void) cow_unlink(c, root, name_of("device"), 3);
    (void) cow_sync(c);
}

static void use(void)
{
    const struct cow_params p = params();
    struct cow *c;
    struct cow_inode *root;
    steps = 0;
    if (cow_mount(&p, &c) < 0)
        return;
    look(c, COW_INO_ROOT, 0);
    (void) cow_check(c);
    if (cow_get(c, COW_INO_ROOT, &root) == 0) {
        change(c, root);
        cow_put(c, root);
    }
    (void) cow_unmount(c);
}

static void restore(void)
{
    for (unsigned b = 0; b < BLOCKS; b++)
        if (changed[b])
            memcpy(volume[b], base[b], COW_BLOCK);
    memset(changed, false, sizeof changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    restore();
    while (size >= 5) {
        uint16_t block = in_use[(data[0] | data[1] << 8) % in_use_count];
        size_t at = (size_t) (data[2] | data[3] << 8) % COW_BLOCK;
        size_t n = MIN(MIN((size_t) data[4], size - 5), COW_BLOCK - at);
        memcpy(volume[block] + at, data + 5, n);
        changed[block] = true;
        data += 5 + n;
        size -= 5 + n;
    }
    calls = 0;
    use();
    use();
    return 0;
}
