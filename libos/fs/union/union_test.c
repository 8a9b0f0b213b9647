/* Union of two RAM file systems, through the inode operations: what shows, what hides, copy-up. */
#include "libos/fs/ramfs.h"
#include "libos/fs/union/union.h"
#include "libos/host/posix/unit.h"
#include "libos/vfs/vfs.h"
#include "test/unit/test.h"

static struct super *s;

static struct inode *add(struct inode *dir, const char *name, uint32_t mode, const char *content)
{
    struct inode *i;
    assert_int_equal(ramfs_add(dir, name, mode, 0, NULL, &i), 0);
    if (content) {
        assert_int_equal(inode_write_page(i, 0, content, strlen(content)), 0);
        i->size = strlen(content);
    }
    return i;
}

/* lower: f "lower", g "gg", d/x "dx", d/y "dy" */
static void setup(void)
{
    unit_process();
    struct super *low, *up;
    assert_int_equal(ramfs_super_new("ramfs", &low), 0);
    assert_int_equal(ramfs_super_new("ramfs", &up), 0);
    inode_put(add(low->root, "f", S_IFREG | 0640, "lower"));
    inode_put(add(low->root, "g", S_IFREG | 0644, "gg"));
    struct inode *d = add(low->root, "d", S_IFDIR | 0755, NULL);
    inode_put(add(d, "x", S_IFREG | 0644, "dx"));
    inode_put(add(d, "y", S_IFREG | 0644, "dy"));
    inode_put(d);
    assert_int_equal(union_super_new(low, up, &s), 0);
}

static struct inode *find(struct inode *dir, const char *name)
{
    struct inode *i = NULL;
    int r = dir->ops->lookup(dir, QNAME(name), &i);
    assert_true(r == 0 || r == -ENOENT);
    return i;
}

static void expect(struct inode *dir, const char *name, const char *content)
{
    uint8_t page[4096];
    struct inode *i = find(dir, name);
    assert_non_null(i);
    assert_int_equal(inode_size(i), strlen(content));
    assert_int_equal(inode_read_page(i, 0, page), 0);
    assert_memory_equal(page, content, strlen(content));
    assert_int_equal(page[strlen(content)], 0);
    inode_put(i);
}

struct names {
    struct dir_ctx ctx;
    char text[256];
    int room;
};

static bool collect(struct dir_ctx *ctx, struct qname name, uint64_t ino, unsigned type,
                    uint64_t next)
{
    struct names *n = container_of(ctx, struct names, ctx);
    if (n->room-- == 0)
        return false;
    strncat(n->text, name.p, name.n);
    strcat(n->text, " ");
    ctx->pos = next;
    return true;
}

/* All names, read `room` at a time. */
static const char *list(struct inode *dir, int room)
{
    static struct names n;
    n = (struct names){.ctx = {2, collect}};
    size_t before;
    do {
        before = strlen(n.text);
        n.room = room;
        assert_int_equal(dir->ops->readdir(dir, &n.ctx), 0);
    } while (strlen(n.text) > before);
    return n.text;
}

TEST(union_shows_both)
{
    setup();
    struct inode *root = s->root, *i;
    assert_int_equal(root->ops->create(root, QNAME("new"), S_IFREG | 0644, 0, &i), 0);
    inode_put(i);
    expect(root, "f", "lower");
    assert_string_equal(list(root, 100), "new f g d ");
    assert_string_equal(list(root, 1), "new f g d ");
    assert_null(find(root, "nothing"));
    super_put(s);
}

TEST(union_copy_up)
{
    setup();
    struct inode *root = s->root, *f = find(root, "f"), *d = find(root, "d");
    struct inode *x = find(d, "x"), *again;
    uint64_t ino = f->ino, x_ino = x->ino;
    assert_int_equal(f->ops->prepare_write(f), 0);
    expect(root, "f", "lower");
    assert_int_equal(inode_write_page(inode_real(f), 0, "UP", 2), 0);
    expect(root, "f", "UPwer");
    assert_int_equal(inode_real(f)->mode, S_IFREG | 0640);
    struct iattr a = {.valid = ATTR_SIZE, .size = 3};
    assert_int_equal(inode_change(f, &a), 0);
    expect(root, "f", "UPw");
    a.size = 5;
    assert_int_equal(inode_change(f, &a), 0);
    struct inode *low = union_of(f)->lower;
    assert_int_equal(inode_size(low), 5); /* untouched */
    uint8_t page[4096];
    assert_int_equal(inode_read_page(f, 0, page), 0);
    assert_memory_equal(page, "UPw\0\0", 5);
    assert_int_equal(inode_read_page(low, 0, page), 0);
    assert_memory_equal(page, "lower", 5);
    assert_int_equal(x->ops->prepare_write(x), 0); /* copies d up, too */
    again = find(d, "x");
    assert_ptr_equal(again, x);
    assert_int_equal(again->ino, x_ino);
    inode_put(again);
    again = find(root, "f");
    assert_int_equal(again->ino, ino);
    inode_put(again);
    assert_string_equal(list(root, 2), "f d g ");
    inode_put(f);
    inode_put(x);
    inode_put(d);
}

TEST(union_whiteouts)
{
    setup();
    struct inode *root = s->root, *f = find(root, "f"), *d = find(root, "d"), *i;
    struct inode *x = find(d, "x"), *y = find(d, "y");
    assert_int_equal(root->ops->unlink(root, QNAME("f"), f), 0);
    assert_null(find(root, "f"));
    assert_string_equal(list(root, 100), "g d ");
    assert_int_equal(root->ops->rmdir(root, QNAME("d"), d), -ENOTEMPTY);
    assert_int_equal(d->ops->unlink(d, QNAME("x"), x), 0);
    assert_int_equal(d->ops->unlink(d, QNAME("y"), y), 0);
    assert_string_equal(list(d, 100), "");
    assert_int_equal(root->ops->rmdir(root, QNAME("d"), d), 0);
    assert_null(find(root, "d"));
    assert_int_equal(root->ops->mkdir(root, QNAME("d"), S_IFDIR | 0755, &i), 0);
    assert_string_equal(list(i, 100), ""); /* opaque: x and y stay gone */
    assert_null(find(i, "x"));
    inode_put(i);
    assert_int_equal(root->ops->create(root, QNAME("f"), S_IFREG | 0600, 0, &i), 0);
    assert_int_equal(inode_size(i), 0);
    inode_put(i);
    assert_string_equal(list(root, 100), "d f g ");
    inode_put(x);
    inode_put(y);
    inode_put(f);
    inode_put(d);
}

TEST(union_rename)
{
    setup();
    struct inode *root = s->root, *f = find(root, "f"), *g = find(root, "g"), *d = find(root, "d");
    assert_int_equal(root->ops->rename(root, QNAME("d"), d, root, QNAME("e"), NULL, 0), -EXDEV);
    assert_int_equal(root->ops->rename(root, QNAME("f"), f, d, QNAME("z"), NULL, 0), 0);
    assert_null(find(root, "f"));
    expect(d, "z", "lower");
    assert_int_equal(root->ops->rename(root, QNAME("g"), g, d, QNAME("z"), f, 0), 0);
    expect(d, "z", "gg");
    assert_string_equal(list(root, 100), "d ");
    assert_string_equal(list(d, 100), "z x y ");
    inode_put(f);
    inode_put(g);
    inode_put(d);
}

/* Three layers: the middle one hides, replaces and merges; nothing but the highest is ever written. */
TEST(union_of_three)
{
    unit_process();
    struct super *low, *mid, *up, *below, *all;
    assert_int_equal(ramfs_super_new("ramfs", &low), 0);
    assert_int_equal(ramfs_super_new("ramfs", &mid), 0);
    assert_int_equal(ramfs_super_new("ramfs", &up), 0);
    inode_put(add(low->root, "f", S_IFREG | 0640, "low f"));
    inode_put(add(low->root, "g", S_IFREG | 0640, "low g"));
    inode_put(add(low->root, "h", S_IFREG | 0640, "low h"));
    inode_put(add(mid->root, "g", S_IFREG | 0644, "mid g"));
    inode_put(add(mid->root, "h", S_IFCHR, NULL)); /* a whiteout */
    struct inode *d = add(low->root, "d", S_IFDIR | 0755, NULL), *e;
    inode_put(add(d, "x", S_IFREG | 0644, "low x"));
    e = add(mid->root, "d", S_IFDIR | 0755, NULL);
    inode_put(add(e, "y", S_IFREG | 0644, "mid y"));
    inode_put(d);
    inode_put(e);
    assert_int_equal(union_super_new(low, mid, &below), 0);
    assert_int_equal(union_super_new(below, up, &all), 0);
    struct inode *root = all->root, *a, *b;
    expect(root, "f", "low f");
    expect(root, "g", "mid g");
    assert_null(find(root, "h"));
    d = find(root, "d");
    expect(d, "x", "low x");
    expect(d, "y", "mid y");
    assert_string_equal(list(d, 1), "y x ");
    assert_string_equal(list(root, 1), "g d f ");
    a = find(d, "x");
    b = find(d, "y");
    assert_true(a->ino != b->ino);
    assert_int_equal(root->ops->unlink(root, QNAME("g"), NULL), 0);
    assert_null(find(root, "g"));
    assert_int_equal(b->ops->prepare_write(b), 0); /* copied up, out of the middle */
    assert_int_equal(inode_write_page(inode_real(b), 0, "top y", 5), 0);
    expect(d, "y", "top y");
    inode_put(a);
    inode_put(b);
    struct inode *m = find(below->root, "d");
    expect(m, "y", "mid y");
    expect(below->root, "g", "mid g");
    inode_put(m);
    inode_put(d);
    super_put(all);
}

struct one_number {
    struct dir_ctx ctx;
    const char *name;
    uint64_t ino;
};

static bool take_number(struct dir_ctx *ctx, struct qname name, uint64_t ino, unsigned type,
                        uint64_t next)
{
    struct one_number *o = container_of(ctx, struct one_number, ctx);
    if (name.n == strlen(o->name) && memcmp(name.p, o->name, name.n) == 0)
        o->ino = ino;
    ctx->pos = next;
    return true;
}

/* What readdir says of it. */
static uint64_t number_in(struct inode *dir, const char *name)
{
    struct one_number o = {.ctx = {2, take_number}, .name = name};
    assert_int_equal(dir->ops->readdir(dir, &o.ctx), 0);
    return o.ino;
}

static uint64_t number_of(struct inode *dir, const char *name)
{
    struct inode *i = find(dir, name);
    assert_non_null(i);
    uint64_t ino = i->ino;
    inode_put(i);
    return ino;
}

#define NUMBERS 0x1234u

/* As an earlier start left it: copies above that know where they come from, and directories with both halves. */
TEST(union_numbers_stay)
{
    unit_process();
    struct super *low, *up;
    assert_int_equal(ramfs_super_new("ramfs", &low), 0);
    assert_int_equal(ramfs_super_new("ramfs", &up), 0);
    low->numbers = NUMBERS;
    struct inode *f = add(low->root, "f", S_IFREG | 0640, "low f"), *copy, *z, *d, *e, *old;
    struct inode *g = add(low->root, "g", S_IFREG | 0640, "low g");
    uint64_t f_ino = f->ino, g_ino = g->ino;
    d = add(low->root, "d", S_IFDIR | 0755, NULL);
    uint64_t d_ino = d->ino;
    e = add(up->root, "d", S_IFDIR | 0755, NULL);
    copy = add(up->root, "f", S_IFREG | 0640, "up f");
    copy->origin = (uint64_t) NUMBERS << 40 | f_ino;
    old = add(up->root, "old", S_IFREG | 0640, "of another image");
    old->origin = (uint64_t) (NUMBERS + 1) << 40 | g_ino;
    z = add(up->root, "z", S_IFREG | 0640, "up z"); /* whose original shows all the same */
    z->origin = (uint64_t) NUMBERS << 40 | g_ino;
    uint64_t z_ino = z->ino;
    assert_int_equal(union_super_new(low, up, &s), 0);
    struct inode *root = s->root;
    assert_int_equal(number_of(root, "f"), f_ino);
    assert_int_equal(number_in(root, "f"), f_ino);
    assert_int_equal(number_of(root, "d"), d_ino);
    assert_int_equal(number_in(root, "d"), d_ino);
    assert_true(number_of(root, "old") != g_ino);
    assert_int_equal(number_in(root, "old"), number_of(root, "old"));
    expect(root, "f", "up f");
    struct inode *a = find(root, "g"), *b = find(root, "z");
    assert_ptr_not_equal(a, b);
    assert_true(a->ino != b->ino);
    expect(root, "g", "low g");
    expect(root, "z", "up z");
    inode_put(a);
    inode_put(b);
    b = find(root, "z"); /* the other way round */
    a = find(root, "g");
    assert_ptr_not_equal(a, b);
    assert_true(a->ino != b->ino);
    assert_int_equal(b->ino, g_ino);
    assert_true(z_ino != g_ino || a->ino != g_ino);
    inode_put(a);
    inode_put(b);
    struct inode *all[] = {f, g, d, e, copy, old, z};
    for (unsigned n = 0; n < ARRAY_SIZE(all); n++)
        inode_put(all[n]);
    super_put(s);
}

/* A copy knows where it comes from only if that says something. */
TEST(union_origin)
{
    setup();
    struct inode *root = s->root, *f = find(root, "f"), *g = find(root, "g"), *d = find(root, "d");
    union_of(f)->lower->super->numbers = NUMBERS;
    union_of(g)->lower->nlink = 2;
    assert_int_equal(f->ops->prepare_write(f), 0);
    assert_int_equal(g->ops->prepare_write(g), 0);
    assert_int_equal(d->ops->prepare_write(d), 0);
    assert_int_equal(union_of(f)->upper->origin, (uint64_t) NUMBERS << 40 | f->ino);
    assert_int_equal(union_of(g)->upper->origin, 0);
    assert_int_equal(union_of(d)->upper->origin, 0);
    inode_put(f);
    inode_put(g);
    inode_put(d);
}
