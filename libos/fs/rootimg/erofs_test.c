/* The root image as the standard tools make it: read back completely, and with bits flipped. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "libos/base/log.h"
#include "libos/crypto/sha256.h"
#include "libos/fs/rootimg/rootimg.h"
#include "libos/host/posix/unit.h"
#include "test/unit/test.h"

static uint8_t *image;
static struct config_image geometry;
static struct verity_source source;
static char tmp[64];

static int read_memory(const struct verity_source *s, uint64_t offset, struct span dst)
{
    if (offset > s->size || dst.n > s->size - offset)
        return -EIO;
    memcpy(dst.p, (const uint8_t *) s->data + offset, dst.n);
    return 0;
}

static void run(const char *cmd)
{
    if (system(cmd) != 0)
        fail_msg("%s", cmd);
}

static void load(const char *path)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    free(image);
    image = malloc((size_t) size);
    assert_int_equal(fread(image, 1, (size_t) size, f), size);
    fclose(f);
    source = (struct verity_source){.read = read_memory, .data = image, .size = (uint64_t) size};
    geometry.total_blocks = (uint64_t) size / 4096;
}

static void hex(const char *text, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t) byte;
    }
}

/* Files of all layouts: empty, small (inline tail), whole pages, large, many names, links. */
static void make_image(const char *mkfs_options)
{
    char cmd[2048], root[80], line[256];
    strcpy(tmp, "/tmp/erofs-test-XXXXXX");
    assert_non_null(mkdtemp(tmp));
    snprintf(
        cmd, sizeof cmd,
        "cd %s && mkdir -p t/d/e t/many && : >t/empty && printf hello >t/small && "
        "head -c 4096 /dev/urandom >t/page && head -c 3000000 /dev/urandom >t/large && "
        "head -c 8195 /dev/urandom >t/tail && "
        "for i in $(seq 1 900); do printf %%s $i >t/many/a-rather-long-file-name-$i; done && "
        "ln -s small t/link && ln -s /d/e t/d/abs && ln t/tail t/d/hard && mkfifo t/fifo && "
        "mkfs.erofs --quiet -T0 -x-1 %s img t >/dev/null 2>&1 && S=$(stat -c%%s img) && "
        "veritysetup format --salt=00112233445566778899aabbccddeeff --uuid="
        "00000000-0000-0000-0000-000000000001 --data-blocks=$((S/4096)) --hash-offset=$S img img "
        ">info && echo $((S/4096)) >blocks && awk '/Root hash/{print $3}' info >root",
        tmp, mkfs_options);
    run(cmd);
    geometry = (struct config_image){.present = 1, .block_size = 4096, .salt_size = 16};
    hex("00112233445566778899aabbccddeeff", geometry.salt, 16);
    snprintf(root, sizeof root, "%s/root", tmp);
    FILE *f = fopen(root, "r");
    assert_non_null(fgets(line, sizeof line, f));
    fclose(f);
    hex(line, geometry.root_hash, 32);
    snprintf(root, sizeof root, "%s/blocks", tmp);
    f = fopen(root, "r");
    assert_int_equal(fscanf(f, "%lu", &geometry.data_blocks), 1);
    fclose(f);
    geometry.hash_start_block = geometry.data_blocks + 1;
    snprintf(root, sizeof root, "%s/img", tmp);
    load(root);
}

static void drop_image(void)
{
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf %s", tmp);
    run(cmd);
    free(image);
    image = NULL;
}

static int lookup(struct inode *dir, const char *name, struct inode **ret)
{
    return dir->ops->lookup(dir, QNAME(name), ret);
}

/* A sum over everything: names, modes, sizes, contents. 0: an error happened. */
struct walk {
    struct dir_ctx ctx;
    struct inode *dir;
    uint64_t sum;
    unsigned names, depth;
    int error;
};

static void walk_dir(struct walk *w);

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const uint8_t *) p)[i]) * 0x100000001b3ull;
    return h;
}

static void walk_file(struct walk *w, struct inode *i)
{
    static uint8_t page[4096];
    for (uint64_t n = 0; n < (i->size + 4095) / 4096 && !w->error; n++) {
        int r = inode_read_page(i, n, page);
        if (r < 0)
            w->error = r;
        else
            w->sum = mix(w->sum, page, MIN((uint64_t) 4096, i->size - n * 4096));
    }
}

static bool walk_emit(struct dir_ctx *ctx, struct qname name, uint64_t ino, unsigned type,
                      uint64_t next)
{
    struct walk *w = container_of(ctx, struct walk, ctx);
    struct inode *i;
    int r = w->dir->ops->lookup(w->dir, name, &i);
    if (r < 0) {
        w->error = r;
        return false;
    }
    w->names++;
    w->sum = mix(mix(mix(w->sum, name.p, name.n), &i->mode, 4), &i->size, 8);
    if (i->link)
        w->sum = mix(w->sum, i->link, strlen(i->link));
    struct walk inner = {.ctx = {2, walk_emit}, .dir = i, .sum = w->sum, .depth = w->depth + 1};
    if (S_ISDIR(i->mode) && inner.depth < 20)
        walk_dir(&inner);
    else if (S_ISREG(i->mode))
        walk_file(&inner, i);
    w->sum = inner.sum;
    w->names += inner.names;
    w->error = inner.error;
    inode_put(i);
    ctx->pos = next;
    return !w->error;
}

static void walk_dir(struct walk *w)
{
    int r = w->dir->ops->readdir(w->dir, &w->ctx);
    if (r < 0 && !w->error)
        w->error = r;
}

/* The sum of a mount of the image as it is now; 0 and *ret_error if something was refused. */
static uint64_t sum_of_image(int *ret_error, unsigned *ret_names)
{
    struct super *s;
    *ret_error = erofs_mount_source(&geometry, &source, true, &s);
    if (*ret_error < 0)
        return 0;
    struct walk w = {.ctx = {2, walk_emit}, .dir = s->root, .sum = 1};
    walk_dir(&w);
    super_put(s);
    *ret_error = w.error;
    *ret_names = w.names;
    return w.error ? 0 : w.sum;
}

static void check_content(void)
{
    struct super *s;
    assert_int_equal(erofs_mount_source(&geometry, &source, true, &s), 0);
    AUTO(inode_put) struct inode *i = NULL;
    AUTO(inode_put) struct inode *d = NULL;
    AUTO(inode_put) struct inode *h = NULL;
    AUTO(inode_put) struct inode *l = NULL;
    AUTO(inode_put) struct inode *m = NULL;
    AUTO(inode_put) struct inode *n = NULL;
    uint8_t page[4096];
    assert_int_equal(lookup(s->root, "small", &i), 0);
    assert_int_equal(i->size, 5);
    assert_int_equal(inode_read_page(i, 0, page), 0);
    assert_memory_equal(page, "hello\0\0", 7);
    assert_int_equal(inode_read_page(i, 1, page), -ENXIO);
    assert_int_equal(lookup(s->root, "link", &l), 0);
    assert_string_equal(l->link, "small");
    assert_int_equal(lookup(s->root, "d", &d), 0);
    assert_int_equal(lookup(d, "hard", &h), 0);
    struct inode *again;
    assert_int_equal(lookup(s->root, "tail", &again), 0);
    assert_ptr_equal(again, h); /* one inode, one page cache */
    inode_put(again);
    assert_int_equal(h->nlink, 2);
    assert_int_equal(lookup(s->root, "nothing", &again), -ENOENT);
    assert_int_equal(lookup(s->root, "many", &m), 0);
    assert_int_equal(lookup(m, "a-rather-long-file-name-777", &n), 0);
    assert_int_equal(lookup(m, "a-rather-long-file-name-", &again), -ENOENT);
    assert_int_equal(lookup(m, "zzz", &again), -ENOENT);
    super_put(s);
}

TEST(erofs_reads_everything)
{
    unit_process();
    static const char *const options[] = {"", "-Eforce-inode-extended", "--chunksize=16384"};
    for (size_t o = 0; o < ARRAY_SIZE(options); o++) {
        make_image(options[o]);
        int error;
        unsigned names;
        uint64_t sum = sum_of_image(&error, &names);
        assert_int_equal(error, 0);
        assert_true(sum != 0);
        assert_int_equal(names, 900 + 12);
        check_content();
        drop_image();
    }
}

TEST(erofs_flipped_bits)
{
    unit_process();
    log_level = LOG_OFF;
    make_image("");
    int error;
    unsigned names, caught = 0;
    uint64_t good = sum_of_image(&error, &names);
    unsigned seed = 1;
    for (int round = 0; round < 60; round++) {
        uint64_t at = ((uint64_t) rand_r(&seed) << 16 ^ (uint64_t) rand_r(&seed)) % source.size;
        uint8_t bit = (uint8_t) (1u << (rand_r(&seed) % 8));
        image[at] ^= bit;
        uint64_t sum = sum_of_image(&error, &names);
        image[at] ^= bit;
        assert_true(error == -EIO || sum == good);
        caught += error == -EIO;
    }
    assert_true(caught > 30);
    geometry.root_hash[5] ^= 1;
    assert_int_equal(sum_of_image(&error, &names), 0);
    assert_int_equal(error, -EIO);
    geometry.root_hash[5] ^= 1;
    source.size -= 4096;
    assert_int_equal(sum_of_image(&error, &names), 0);
    assert_int_equal(error, -EINVAL);
    log_level = LOG_ERROR;
    drop_image();
}

/* The first reader of a page gets it past the cache, verified all the same. */
TEST(erofs_passes_pages)
{
    unit_process();
    log_level = LOG_OFF;
    make_image("");
    struct super *s;
    struct inode *i;
    uint8_t page[4096];
    for (int bad = 0; bad < 2; bad++) {
        assert_int_equal(erofs_mount_source(&geometry, &source, true, &s), 0);
        assert_int_equal(lookup(s->root, "page", &i), 0);
        for (uint64_t b = 0; bad && b < geometry.data_blocks; b++)
            image[b * 4096] ^= 1;
        assert_int_equal(pages_pass(i, 0, page), bad ? -EIO : 0);
        assert_false(pages_has(i, 0));
        assert_int_equal(pages_pass(i, 0, page), bad ? -EIO : 0);
        assert_int_equal(pages_has(i, 0), !bad);
        struct cpage *cached;
        if (!bad) {
            assert_int_equal(pages_get(i, 0, false, &cached), 0);
            assert_memory_equal(page, cached->data, sizeof page);
            cpage_unpin(cached);
        }
        inode_put(i);
        super_put(s);
    }
    log_level = LOG_ERROR;
    drop_image();
}

TEST(sha256_known_answers)
{
    static const char *const digests[] = {
        /* "", "abc", a million times "a" (FIPS 180) */
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
    };
    for (int ni = 0; ni < 2; ni++) {
        sha256_setup(ni && __builtin_cpu_supports("sse4.1") && getenv("OCCLUM_TEST_SHA_NI"));
        for (int k = 0; k < 3; k++) {
            struct sha256 s;
            uint8_t want[32], got[32];
            char buf[1000];
            memset(buf, 'a', sizeof buf);
            sha256_init(&s);
            if (k == 1)
                sha256_update(&s, (struct cspan){(const uint8_t *) "abc", 3});
            for (int i = 0; k == 2 && i < 1000; i++)
                sha256_update(&s, (struct cspan){(const uint8_t *) buf, sizeof buf});
            sha256_final(&s, got);
            hex(digests[k], want, 32);
            assert_memory_equal(got, want, 32);
        }
    }
    sha256_setup(false);
}
