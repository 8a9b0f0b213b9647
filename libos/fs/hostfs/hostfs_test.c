/* hostfs with a host that lies. A small model answers as a host should: one directory with a file, a link
 * and what a test adds; each test then bends one answer. */
#include <asm/unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include "abi/layout.h"
#include "libos/fs/hostfs/hostfs.h"
#include "libos/fs/ramfs.h"
#include "libos/fs/union/union.h"
#include "libos/host/fake/fake.h"
#include "libos/host/posix/unit.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/path.h"
#include "libos/vfs/registry.h"
#include "libos/vfs/vfs.h"
#include "test/unit/test.h"

#define S(text)      unit_user_string(text).v
#define OK(e)        assert_true((e) >= 0)
#define ERR(e, code) assert_int_equal((e), -(code))

static struct {
    struct host_stat st; /* of every name but "link" */
    const char *target;  /* of "link" */
    size_t target_size;
    struct cspan records; /* what readdir answers at position 0 */
    uint32_t next_slot;
    int64_t token; /* >= 0: answered instead of a fresh one */
    unsigned open_tokens;
} model;

static int64_t fresh_token(void)
{
    model.open_tokens++;
    return model.token >= 0 ? model.token : (int64_t) (1u << 16 | model.next_slot++);
}

static struct host_stat directory_stat(void)
{
    return (struct host_stat){.mode = S_IFDIR | 0755, .ino = 1, .nlink = 2, .blksize = 4096};
}

static int64_t host_root(struct cspan in, struct span out, const uint64_t args[4])
{
    struct host_stat st = directory_stat();
    memcpy(out.p, &st, sizeof st);
    model.open_tokens++;
    return 1u << 16 | model.next_slot++;
}

static int64_t host_lookup(struct cspan in, struct span out, const uint64_t args[4])
{
    struct host_stat st = model.st;
    if (in.n == 4 && memcmp(in.p, "link", 4) == 0)
        st.mode = S_IFLNK | 0777;
    memcpy(out.p, &st, sizeof st);
    return fresh_token();
}

static int64_t host_close(struct cspan in, struct span out, const uint64_t args[4])
{
    model.open_tokens--;
    return 0;
}

static int64_t host_stat_of(struct cspan in, struct span out, const uint64_t args[4])
{
    memcpy(out.p, &model.st, sizeof model.st);
    return 0;
}

static int64_t host_readlink(struct cspan in, struct span out, const uint64_t args[4])
{
    memcpy(out.p, model.target, MIN(out.n, model.target_size));
    return (int64_t) model.target_size;
}

static int64_t host_readdir(struct cspan in, struct span out, const uint64_t args[4])
{
    if (args[1] != 0)
        return 0;
    memcpy(out.p, model.records.p, MIN(out.n, model.records.n));
    return (int64_t) model.records.n;
}

static int64_t host_read(struct cspan in, struct span out, const uint64_t args[4])
{
    if (args[1] >= 5)
        return 0;
    memcpy(out.p, &"hello"[args[1]], MIN(out.n, (size_t) (5 - args[1])));
    return (int64_t) MIN(out.n, (size_t) (5 - args[1]));
}

static int64_t host_write(struct cspan in, struct span out, const uint64_t args[4])
{
    return (int64_t) in.n;
}

static int64_t says_eintr(struct cspan in, struct span out, const uint64_t args[4])
{
    return -EINTR;
}

static void setup(void)
{
    static bool mounted;
    static uint32_t slots = 1;
    unit_process();
    fake_host_reset();
    slots = MAX(slots, model.next_slot);
    model.st = (struct host_stat){
        .mode = S_IFREG | 0644, .ino = 7, .nlink = 1, .size = 5, .blksize = 4096};
    model.next_slot = slots;
    model.token = -1;
    fake_host_on(HOSTCALL_file_root, host_root);
    fake_host_on(HOSTCALL_file_lookup, host_lookup);
    fake_host_on(HOSTCALL_file_close, host_close);
    fake_host_on(HOSTCALL_file_stat, host_stat_of);
    fake_host_on(HOSTCALL_file_readlink, host_readlink);
    fake_host_on(HOSTCALL_file_readdir, host_readdir);
    fake_host_on(HOSTCALL_file_read, host_read);
    fake_host_on(HOSTCALL_file_write, host_write);
    if (mounted)
        return;
    OK(unit_syscall(__NR_mkdir, S("/hostile"), 0755));
    ERR(vfs_mount("elsewhere", "/hostile", "hostfs", 0, ""), EACCES);
    OK(hostfs_allow(".", false));
    OK(vfs_mount(".", "/hostile", "hostfs", 0, ""));
    mounted = true;
}

static long open_at(const char *path, unsigned flags)
{
    return unit_syscall(__NR_open, S(path), flags, 0600);
}

static long stat_at(const char *path)
{
    return unit_syscall(__NR_lstat, S(path), unit_user_alloc(sizeof(struct linux_stat)).v);
}

TEST(hostfs_honest)
{
    setup();
    long fd = open_at("/hostile/f", O_RDWR);
    OK(fd);
    uaddr_t buf = unit_user_alloc(16);
    assert_int_equal(unit_syscall(__NR_read, (uint64_t) fd, buf.v, 16), 5);
    assert_memory_equal(unit_guest(buf), "hello", 5);
    assert_int_equal(unit_syscall(__NR_pwrite64, (uint64_t) fd, buf.v, 5, 0), 5);
    OK(unit_syscall(__NR_close, (uint64_t) fd));
    assert_int_equal(model.open_tokens, 1); /* the root's: nothing leaks */
}

TEST(hostfs_lengths)
{
    setup();
    uint64_t fd = (uint64_t) open_at("/hostile/f", O_RDWR);
    uaddr_t buf = unit_user_alloc(16);
    fake_host_answer(HOSTCALL_file_read, 17, 1);
    ERR(unit_syscall(__NR_read, fd, buf.v, 16), EIO);
    fake_host_answer(HOSTCALL_file_read, INT64_MAX, 1);
    ERR(unit_syscall(__NR_read, fd, buf.v, 16), EIO);
    fake_host_answer(HOSTCALL_file_write, 17, 1);
    ERR(unit_syscall(__NR_write, fd, buf.v, 16), EIO);
    fake_host_answer(HOSTCALL_file_write, 3, 1);
    assert_int_equal(unit_syscall(__NR_write, fd, buf.v, 16), 3);
    OK(unit_syscall(__NR_close, fd));
}

TEST(hostfs_errnos)
{
    setup();
    fake_host_answer(HOSTCALL_file_lookup, -EAGAIN, 1);
    ERR(stat_at("/hostile/f"), EIO);
    fake_host_answer(HOSTCALL_file_lookup, -512, 1);
    ERR(stat_at("/hostile/f"), EIO);
    fake_host_answer(HOSTCALL_file_lookup, INT64_MIN, 1);
    ERR(stat_at("/hostile/f"), EIO);
    fake_host_answer(HOSTCALL_file_unlink, 1, 1);
    ERR(unit_syscall(__NR_unlink, S("/hostile/f")), EIO);
    fake_host_answer(HOSTCALL_file_unlink, -EBADF, 1);
    ERR(unit_syscall(__NR_unlink, S("/hostile/f")), EIO);
    fake_host_answer(HOSTCALL_file_unlink, -ENOENT, 1);
    ERR(unit_syscall(__NR_unlink, S("/hostile/f")), ENOENT);
    assert_int_equal(model.open_tokens, 1);
}

TEST(hostfs_interruptions_end)
{
    setup();
    fake_host_answer(HOSTCALL_file_lookup, -EINTR, 3);
    OK(stat_at("/hostile/f"));
    fake_host_on(HOSTCALL_file_lookup, says_eintr);
    ERR(stat_at("/hostile/f"), EIO);
    assert_true(fake_host_calls(HOSTCALL_file_lookup) < 100);
}

TEST(hostfs_types)
{
    setup();
    model.st.mode = 0644;
    ERR(stat_at("/hostile/f"), EIO);
    model.st.mode = 0170644;
    ERR(stat_at("/hostile/f"), EIO);
    model.st.mode = 0xf0000000u | S_IFREG;
    ERR(stat_at("/hostile/f"), EIO);
    model.st.mode = S_IFREG | 0644;
    model.st.size = UINT64_MAX;
    ERR(stat_at("/hostile/f"), EIO);
    model.st.size = 5;
    model.st.mode = S_IFCHR | 0666;
    ERR(open_at("/hostile/f", O_RDWR), EACCES);
    model.st.mode = S_IFIFO | 0666;
    ERR(open_at("/hostile/f", O_RDWR), EOPNOTSUPP);
    model.st.mode = S_IFSOCK | 0666;
    ERR(open_at("/hostile/f", O_RDWR), EOPNOTSUPP);
    assert_int_equal(fake_host_calls(HOSTCALL_file_open), 0);
    assert_int_equal(model.open_tokens, 1);
}

TEST(hostfs_file_becomes_directory)
{
    setup();
    uint64_t fd = (uint64_t) open_at("/hostile/f", O_RDONLY);
    model.st.mode = S_IFDIR | 0755;
    ERR(unit_syscall(__NR_lseek, fd, 0, 2), EIO);
    model.st.mode = S_IFREG | 06755;
    struct linux_stat st;
    uaddr_t buf = unit_user_alloc(sizeof st);
    OK(unit_syscall(__NR_fstat, fd, buf.v));
    memcpy(&st, unit_guest(buf), sizeof st);
    assert_int_equal(st.mode, S_IFREG | 0755);
    OK(unit_syscall(__NR_close, fd));
}

TEST(hostfs_tokens)
{
    setup();
    long fd = open_at("/hostile/f", O_RDONLY);
    OK(fd);
    model.st.ino = 8;
    model.token = (int64_t) (1u << 16 | (model.next_slot - 1)); /* the open file's */
    ERR(stat_at("/hostile/g"), EIO);
    model.token = 3; /* no generation */
    ERR(stat_at("/hostile/g"), EIO);
    model.token = 1 << 16 | HOST_FILE_SLOTS;
    ERR(stat_at("/hostile/g"), EIO);
    model.token = (int64_t) 1 << 31;
    ERR(stat_at("/hostile/g"), EIO);
    model.token = -1;
    model.open_tokens -= 4; /* never believed, so never closed */
    OK(stat_at("/hostile/g"));
    OK(unit_syscall(__NR_close, (uint64_t) fd));
    assert_int_equal(model.open_tokens, 1);
}

/* One record as getdents64 has it. */
static size_t put_record(uint8_t *p, uint64_t next, size_t len, const char *name, size_t n)
{
    uint64_t ino = 9;
    uint16_t len16 = (uint16_t) len;
    memcpy(p, &ino, 8);
    memcpy(p + 8, &next, 8);
    memcpy(p + 16, &len16, 2);
    p[18] = LINUX_DT_REG;
    memcpy(p + 19, name, n);
    return len;
}

static long list(const uint8_t *p, size_t n)
{
    model.records = (struct cspan){p, n};
    uint64_t fd = (uint64_t) open_at("/hostile", O_RDONLY | O_DIRECTORY);
    uaddr_t buf = unit_user_alloc(4096);
    long r = unit_syscall(__NR_getdents64, fd, buf.v, 4096);
    /* "." and ".." may have come first: the error is then the next call's */
    if (r > 0)
        r = unit_syscall(__NR_getdents64, fd, buf.v, 4096);
    unit_syscall(__NR_close, fd);
    return r;
}

TEST(hostfs_directory_records)
{
    uint8_t b[600] = {0};
    char long_name[300];
    memset(long_name, 'x', sizeof long_name);
    setup();
    put_record(b, 1, 24, "a", 2);
    assert_int_equal(list(b, 24), 0);
    put_record(b, 1, 24, "a/b", 4);
    ERR(list(b, 24), EIO);
    put_record(b, 1, 24, "", 1);
    ERR(list(b, 24), EIO);
    put_record(b, 1, 24, "abcde", 5); /* no NUL within the record */
    ERR(list(b, 24), EIO);
    put_record(b, 1, 19, "", 0);
    ERR(list(b, 24), EIO);
    put_record(b, 1, 0, "a", 2);
    ERR(list(b, 24), EIO);
    put_record(b, 1, 32, "a", 2); /* longer than what was sent */
    ERR(list(b, 24), EIO);
    ERR(list(b, 10), EIO);
    long_name[256] = 0;
    put_record(b, 1, 280, long_name, 257);
    ERR(list(b, 280), EIO);
    put_record(b, 0, 24, "a", 2); /* leads back to the start: would never end */
    ERR(list(b, 24), EIO);
    put_record(b, UINT64_MAX, 24, "a", 2);
    ERR(list(b, 24), EIO);
    fake_host_answer(HOSTCALL_file_readdir, 100000, 1);
    ERR(list(b, 24), EIO);
}

static long through_link(const char *target, size_t n)
{
    model.target = target;
    model.target_size = n;
    return open_at("/hostile/link", O_RDONLY);
}

TEST(hostfs_links)
{
    setup();
    ERR(through_link("/", 1), ELOOP);
    ERR(through_link("../namei", 8), ENOENT);
    ERR(through_link("..", 2), ELOOP);
    ERR(through_link("f\0g", 3), EIO);
    ERR(through_link("", 0), EIO);
    static char longest[5000];
    memset(longest, '.', sizeof longest);
    ERR(through_link(longest, 4096), EIO);
    ERR(through_link("link", 4), ELOOP);
    long fd = through_link("f", 1);
    OK(fd);
    OK(unit_syscall(__NR_close, (uint64_t) fd));
    fd = through_link("/hostile/f", 10);
    OK(fd);
    OK(unit_syscall(__NR_close, (uint64_t) fd));
    model.target = "/made-by-the-host";
    model.target_size = strlen(model.target);
    ERR(open_at("/hostile/link", O_CREAT | O_WRONLY), ELOOP);
    ERR(stat_at("/made-by-the-host"), ENOENT);
}

TEST(hostfs_made_as_something_else)
{
    setup();
    fake_host_answer(HOSTCALL_file_lookup, -ENOENT, 1);
    fake_host_on(HOSTCALL_file_mkdir, host_lookup); /* a regular file */
    ERR(unit_syscall(__NR_mkdir, S("/hostile/d"), 0755), EIO);
    assert_int_equal(model.open_tokens, 1);
}

TEST(hostfs_never_executable)
{
    setup();
    model.st.mode = S_IFREG | 0755;
    ERR(unit_syscall(__NR_access, S("/hostile/f"), 1), EACCES);
    OK(unit_syscall(__NR_mount, S("x"), S("/hostile"), S("x"), MOUNT_REMOUNT, 0));
    struct file *f;
    ERR(vfs_open_exec(FD_AT_FDCWD, "/hostile/f", 0, &f), EACCES); /* remounting does not help */
}

TEST(hostfs_statfs_is_sane)
{
    struct host_statfs h = {
        .blocks = UINT64_MAX, .bfree = UINT64_MAX, .bsize = 3, .namelen = UINT32_MAX};
    struct linux_statfs s;
    OK(hostfs_statfs_check(&h, &s));
    assert_true(s.bfree <= s.blocks && s.bsize == PAGE_SIZE && s.namelen == NAME_LIMIT);
}

/* ---- positions of 63 bits, as hashes of names are */

#define ENTRIES 3000u

static uint64_t
cookie_of(uint64_t n) /* behind the entry before n; the last: what ext4 says at the end */
{
    uint64_t hash = (n << 49) / 6 | n * 12345 % 1000;
    return n == 0 ? 0 : n == ENTRIES ? INT64_MAX : hash + 1;
}

static int64_t host_readdir_hashes(struct cspan in, struct span out, const uint64_t args[4])
{
    uint64_t n = 0;
    size_t used = 0;
    while (n < ENTRIES && cookie_of(n) != args[1])
        n++;
    for (; n < ENTRIES && used + 32 <= out.n; n++) {
        char name[16];
        memset(out.p + used, 0, 32);
        snprintf(name, sizeof name, "f%u", (unsigned) n);
        used += put_record(out.p + used, cookie_of(n + 1), 32, name, strlen(name) + 1);
    }
    return (int64_t) used;
}

/* The name of the next entry from there on, and the position behind it; 0: the end. */
static long next_entry(uint64_t fd, char name[16], uint64_t *ret_next)
{
    uaddr_t buf = unit_user_alloc(64);
    uint8_t b[64];
    long r = unit_syscall(__NR_getdents64, fd, buf.v, 40);
    OK(r);
    if (r == 0)
        return 0;
    OK(copy_from_user((struct span){b, (size_t) r}, buf));
    memcpy(ret_next, b + 8, 8);
    memcpy(name, b + 19, 16);
    return r;
}

TEST(hostfs_directory_positions)
{
    static uint64_t position[ENTRIES];
    char name[16], want[16];
    setup();
    fake_host_on(HOSTCALL_file_readdir, host_readdir_hashes);
    uint64_t fd = (uint64_t) open_at("/hostile", O_RDONLY | O_DIRECTORY), next = 0;
    for (unsigned n = 0; n < ENTRIES;) {
        assert_true(next_entry(fd, name, &next) > 0);
        assert_true(next < (uint64_t) 1 << 54); /* room for what unions put above */
        snprintf(want, sizeof want, "f%u", n);
        if (name[0] != '.') {
            assert_string_equal(name, want);
            position[n++] = next;
        }
    }
    assert_int_equal(next_entry(fd, name, &next), 0);
    for (unsigned n = 0; n < ENTRIES - 1; n = n * 3 + 1) {
        assert_int_equal(unit_syscall(__NR_lseek, fd, position[n], 0), (long) position[n]);
        assert_true(next_entry(fd, name, &next) > 0);
        snprintf(want, sizeof want, "f%u", n + 1);
        assert_string_equal(name, want);
        assert_int_equal(next, position[n + 1]); /* the same each time */
    }
    OK(unit_syscall(__NR_lseek, fd, ((uint64_t) 1 << 40) + 100000, 0)); /* invented */
    assert_int_equal(next_entry(fd, name, &next), 0);
    unit_syscall(__NR_close, fd);
}

struct union_names {
    struct dir_ctx ctx;
    unsigned count, room;
    bool *seen;
};

static bool take_union_name(struct dir_ctx *ctx, struct qname name, uint64_t ino, unsigned type,
                            uint64_t next)
{
    struct union_names *u = container_of(ctx, struct union_names, ctx);
    if (u->room-- == 0)
        return false;
    unsigned n = name.p[0] == 'f' ? (unsigned) strtoul(name.p + 1, NULL, 10) : 0;
    assert_true(u->count ? !u->seen[n] : name.p[0] == 'a');
    u->seen[n] |= name.p[0] == 'f';
    u->count++;
    ctx->pos = next;
    return true;
}

/* The same below a union, whose own names come first. */
TEST(hostfs_below_a_union)
{
    struct super *low, *up, *both;
    struct inode *i;
    setup();
    fake_host_on(HOSTCALL_file_readdir, host_readdir_hashes);
    const struct fs_type *const *t = fs_type_table;
    while (!str_eq((*t)->name, "hostfs"))
        t++;
    assert_int_equal((*t)->mount(".", "", MOUNT_RDONLY, &low), 0);
    assert_int_equal(ramfs_super_new("ramfs", &up), 0);
    assert_int_equal(ramfs_add(up->root, "above", S_IFREG | 0600, 0, NULL, &i), 0);
    inode_put(i);
    assert_int_equal(union_super_new(low, up, &both), 0);
    static bool seen[ENTRIES];
    struct union_names u = {.ctx = {2, take_union_name}, .seen = seen};
    for (unsigned before = ~0u; before != u.count;) { /* seven at a time */
        before = u.count;
        u.room = 7;
        assert_int_equal(both->root->ops->readdir(both->root, &u.ctx), 0);
        assert_true(u.ctx.pos <= INT64_MAX);
    }
    assert_int_equal(u.count, ENTRIES + 1);
    super_put(both);
}
