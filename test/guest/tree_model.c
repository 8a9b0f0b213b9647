/* Names at random, and a model of them: files, directories, links of both kinds are made, moved, exchanged and deleted;
 * each call succeeds or fails as the model says, and now and then the whole tree is compared with it. TREE_OPS
 * operations (6000), TREE_SEED, in the directory FSX_DIR. */
#include "guest_model.h"
#include <sys/xattr.h>

#define OBJECTS   96
#define NAMES     7
#define DEPTH_MAX 5

enum { NONE, FILE_, DIR_, LINK_ };
static struct object {
    int type, names, depth; /* names: directory entries that lead to it; depth: of directories */
    int parent;             /* of directories */
    mode_t mode;
    size_t size;
    char fill, attribute;
    int entry[NAMES]; /* of directories: object number, 0: none */
} objects[OBJECTS];

static char top[300];
static unsigned long op;

struct place {
    int dir, name;
};

/* Path of a directory, then of a name in it. */
static void dir_path(int dir, char *buf, size_t n)
{
    if (dir == 1) {
        snprintf(buf, n, "%s", top);
        return;
    }
    char above[700];
    const struct object *p = &objects[objects[dir].parent];
    dir_path(objects[dir].parent, above, sizeof above);
    for (int i = 0; i < NAMES; i++)
        if (p->entry[i] == dir)
            snprintf(buf, n, "%s/name-%d", above, i);
}

static const char *path_of(struct place at)
{
    static char buf[2][800];
    static int turn;
    char dir[700];
    char *out = buf[turn ^= 1];
    dir_path(at.dir, dir, sizeof dir);
    snprintf(out, sizeof buf[0], "%s/name-%d", dir, at.name);
    return out;
}

static struct place somewhere(void)
{
    int dir;
    do
        dir = 1 + (int) rnd(OBJECTS - 1);
    while (objects[dir].type != DIR_);
    return (struct place){dir, (int) rnd(NAMES)};
}

static int *entry_of(struct place at)
{
    return &objects[at.dir].entry[at.name];
}

static int fresh(int type)
{
    for (int i = 2; i < OBJECTS; i++)
        if (objects[i].type == NONE) {
            objects[i] = (struct object){.type = type, .names = 1};
            return i;
        }
    return 0;
}

static bool empty(const struct object *d)
{
    for (int i = 0; i < NAMES; i++)
        if (d->entry[i])
            return false;
    return true;
}

static void expect(const char *what, struct place at, bool ok, int r)
{
    if ((r == 0) == ok)
        return;
    printf("# operation %lu: %s %s: %s, which the model did not expect\n", op, what, path_of(at),
           r == 0 ? "done" : strerror(errno));
    CHECK((r == 0) == ok);
}

static void dropped(int o)
{
    if (--objects[o].names == 0)
        objects[o].type = NONE;
}

/* ---- operations ---- */

static void make(struct place at, int type)
{
    int o = *entry_of(at) ? 0 : fresh(type), r = 0;
    const char *path = path_of(at);
    if (o == 0 && *entry_of(at) == 0)
        return; /* no more objects */
    if (type == DIR_ && objects[at.dir].depth >= DEPTH_MAX) {
        objects[o].type = o ? NONE : objects[o].type;
        return;
    }
    if (type == FILE_) {
        int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0640);
        r = fd < 0 ? -1 : close(fd);
    } else {
        r = type == DIR_ ? mkdir(path, 0750) : symlink("name-0/where", path);
    }
    expect("make", at, o != 0, r);
    if (o == 0)
        return;
    *entry_of(at) = o;
    objects[o].mode = type == FILE_ ? 0640 : type == DIR_ ? 0750 : 0777;
    objects[o].size = type == LINK_ ? strlen("name-0/where") : 0;
    objects[o].parent = at.dir;
    objects[o].depth = objects[at.dir].depth + 1;
}

static void delete (struct place at)
{
    int o = *entry_of(at);
    bool dir = objects[o].type == DIR_;
    int r = rnd(8) == 0 ? remove(path_of(at)) : dir ? rmdir(path_of(at)) : unlink(path_of(at));
    bool ok = o && (!dir || empty(&objects[o]));
    expect("delete", at, ok, r);
    if (ok) {
        *entry_of(at) = 0;
        dropped(o);
    }
}

static void link_it(struct place from, struct place to)
{
    int o = *entry_of(from);
    bool ok = o && objects[o].type != DIR_ && *entry_of(to) == 0;
    expect("link", from, ok, linkat(AT_FDCWD, path_of(from), AT_FDCWD, path_of(to), 0));
    if (ok) {
        *entry_of(to) = o;
        objects[o].names++;
    }
}

static bool below(int dir, int above)
{
    for (; dir != 1; dir = objects[dir].parent)
        if (dir == above)
            return true;
    return above == 1;
}

static void depths(int dir)
{
    for (int i = 0; i < NAMES; i++) {
        struct object *o = &objects[objects[dir].entry[i]];
        if (o->type == DIR_ && o != objects) {
            o->parent = dir;
            o->depth = objects[dir].depth + 1;
            depths((int) (o - objects));
        }
    }
}

static bool may_replace(int o, int victim)
{
    if (victim == 0)
        return true;
    bool dir = objects[o].type == DIR_, over_dir = objects[victim].type == DIR_;
    return dir == over_dir && (!dir || empty(&objects[victim]));
}

static void move(struct place from, struct place to)
{
    int o = *entry_of(from), victim = *entry_of(to);
    bool ok = o && !(objects[o].type == DIR_ && below(to.dir, o));
    if (ok && victim == o) { /* the same object: nothing happens */
        expect("move", from, true, rename(path_of(from), path_of(to)));
        return;
    }
    ok = ok && may_replace(o, victim) &&
         !(victim && objects[victim].type == DIR_ && below(from.dir, victim));
    expect("move", from, ok, rename(path_of(from), path_of(to)));
    if (!ok)
        return;
    *entry_of(from) = 0;
    *entry_of(to) = o;
    if (victim)
        dropped(victim);
    depths(1);
}

static void exchange(struct place from, struct place to)
{
    int a = *entry_of(from), b = *entry_of(to);
    bool ok = a && b && !(objects[a].type == DIR_ && below(to.dir, a)) &&
              !(objects[b].type == DIR_ && below(from.dir, b));
    if (a == b && a)
        return;
    int r = (int) syscall(SYS_renameat2, AT_FDCWD, path_of(from), AT_FDCWD, path_of(to), 2);
    if (r < 0 && errno == EINVAL && ok)
        return; /* a file system without */
    expect("exchange", from, ok, r);
    if (!ok)
        return;
    *entry_of(from) = b;
    *entry_of(to) = a;
    depths(1);
}

static void change(struct place at)
{
    struct object *o = &objects[*entry_of(at)];
    static char buf[30000];
    if (o->type != FILE_ || o == objects)
        return;
    const char *path = path_of(at);
    switch (rnd(4)) {
    case 0:
        o->mode = 0600 | (mode_t) rnd(0100);
        OK(chmod(path, o->mode));
        return;
    case 1: {
        size_t size = rnd(sizeof buf);
        OK(truncate(path, (off_t) size));
        o->size = size < o->size ? size : o->size;
        OK(truncate(path, (off_t) o->size));
        return;
    }
    case 2:
        o->attribute = (char) ('a' + rnd(26));
        if (setxattr(path, "user.model", &o->attribute, 1, 0) < 0) {
            CHECK(errno == EOPNOTSUPP);
            o->attribute = 0;
        }
        return;
    default:
        o->size = rnd(sizeof buf);
        o->fill = (char) ('a' + rnd(26));
        memset(buf, o->fill, o->size);
        write_file(path, buf, o->size);
    }
}

/* ---- the whole tree ---- */

static void same_file(const char *path, const struct object *o)
{
    static char buf[40000];
    ssize_t n = read_file(path, buf, sizeof buf);
    CHECK_EQ(n, o->size);
    for (ssize_t i = 0; i < n; i++)
        CHECK_EQ(buf[i], o->fill);
    char value = 0;
    if (o->attribute)
        CHECK(getxattr(path, "user.model", &value, 1) == 1 && value == o->attribute);
}

static void same_object(struct place at)
{
    const struct object *o = &objects[*entry_of(at)];
    const char *path = path_of(at);
    struct stat st;
    OK(lstat(path, &st));
    CHECK_EQ(st.st_mode & S_IFMT, o->type == FILE_ ? S_IFREG : o->type == DIR_ ? S_IFDIR : S_IFLNK);
    if (o->type != DIR_)
        CHECK_EQ(st.st_nlink, o->names);
    if (o->type != LINK_)
        CHECK_EQ(st.st_mode & 0777, o->mode);
    if (o->type != DIR_)
        CHECK_EQ(st.st_size, o->size);
    if (o->type == FILE_)
        same_file(path, o);
}

static void compare(int dir)
{
    char path[800];
    bool seen[NAMES] = {false};
    dir_path(dir, path, sizeof path);
    DIR *d = opendir(path);
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        int n;
        if (sscanf(e->d_name, "name-%d", &n) != 1)
            continue;
        CHECK(n >= 0 && n < NAMES && objects[dir].entry[n] && !seen[n]);
        seen[n] = true;
    }
    closedir(d);
    for (int i = 0; i < NAMES; i++) {
        CHECK_EQ(seen[i], objects[dir].entry[i] != 0);
        if (!seen[i])
            continue;
        same_object((struct place){dir, i});
        if (objects[objects[dir].entry[i]].type == DIR_)
            compare(objects[dir].entry[i]);
    }
}

static void clear(int dir)
{
    for (int i = 0; i < NAMES; i++) {
        struct place at = {dir, i};
        int o = *entry_of(at);
        if (!o)
            continue;
        if (objects[o].type == DIR_)
            clear(o);
        OK(remove(path_of(at)));
        *entry_of(at) = 0;
    }
}

static void operate(void)
{
    struct place at = somewhere(), to = somewhere();
    switch (rnd(12)) {
    case 0:
    case 1:
        make(at, FILE_);
        break;
    case 2:
        make(at, DIR_);
        break;
    case 3:
        make(at, LINK_);
        break;
    case 4:
    case 5:
        delete (at);
        break;
    case 6:
        link_it(at, to);
        break;
    case 7:
    case 8:
        move(at, to);
        break;
    case 9:
        exchange(at, to);
        break;
    default:
        change(at);
    }
}

TEST_CASE(random_names)
{
    unsigned long count = number_from("TREE_OPS", 6000);
    seed = number_from("TREE_SEED", 1);
    place_of("tree-model", top, sizeof top);
    umask(0);
    OK(mkdir(top, 0755));
    objects[1] = (struct object){.type = DIR_, .names = 1, .parent = 1};
    for (op = 0; op < count; op++) {
        operate();
        if (op % 500 == 499)
            compare(1);
    }
    compare(1);
    clear(1);
    OK(rmdir(top));
}
