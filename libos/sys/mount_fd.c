/* Mounting by descriptors: a context collects what fsconfig says, fsmount makes a mount of it that is
 * nowhere yet, move_mount puts it (or any other) into the tree. */
#include "libos/sys/path.h"
#include "libos/task/process.h"
#include "libos/vfs/fscontext.h"
#include "abi/layout.h"

/* ---- contexts --------------------------------------------------------------------------------- */
enum { FSOPEN_CLOEXEC = 1 };
enum { PICK_CLOEXEC = 1, PICK_NO_FOLLOW = 2, PICK_NO_AUTOMOUNT = 4, PICK_EMPTY = 8 };

static long install(struct file *f, bool cloexec)
{
    int fd = fd_install(f, cloexec ? O_CLOEXEC : 0);
    if (fd < 0)
        file_put(f);
    return fd;
}

/* full */
SYSCALL(fsopen, uaddr_t, type, unsigned, flags)
{
    char name[64];
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (flags & ~(unsigned) FSOPEN_CLOEXEC)
        return -EINVAL;
    long n = str_from_user(name, sizeof name, type);
    if (n < 0)
        return n == -ENAMETOOLONG ? -EINVAL : n;
    struct file *f;
    int r = fscontext_new(name, &f);
    return r < 0 ? r : install(f, flags & FSOPEN_CLOEXEC);
}

/* The root of a mount, by name. */
static int mount_at(int dirfd, uaddr_t ua, bool follow, bool empty, struct path *ret)
{
    UNINIT char path[PATH_LIMIT];
    int r = path_from_user(path, ua);
    unsigned flags =
        (follow ? (unsigned) LOOKUP_FOLLOW : 0) | (empty ? (unsigned) LOOKUP_EMPTY : 0);
    return r < 0 ? r : path_at(dirfd, path, flags, ret, NULL);
}

static bool is_mount_root(const struct path *p)
{
    return p->mnt && p->dentry == p->mnt->root;
}

/* full */
SYSCALL(fspick, int, dirfd, uaddr_t, path, unsigned, flags)
{
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (flags & ~(unsigned) (PICK_CLOEXEC | PICK_NO_FOLLOW | PICK_NO_AUTOMOUNT | PICK_EMPTY))
        return -EINVAL;
    AUTO_PATH struct path p = {0};
    int r = mount_at(dirfd, path, !(flags & PICK_NO_FOLLOW), flags & PICK_EMPTY, &p);
    if (r < 0)
        return r;
    if (!is_mount_root(&p))
        return -EINVAL;
    struct file *f;
    r = fscontext_pick(&p, &f);
    return r < 0 ? r : install(f, flags & PICK_CLOEXEC);
}

enum {
    CONFIG_FLAG = 0,
    CONFIG_STRING = 1,
    CONFIG_BINARY = 2,
    CONFIG_PATH = 3,
    CONFIG_PATH_EMPTY = 4,
    CONFIG_FD = 5,
    CONFIG_CREATE = 6,
    CONFIG_RECONFIGURE = 7,
};
#define CONFIG_TEXT 256

static bool config_shape_ok(unsigned cmd, bool key, bool value, int aux)
{
    switch (cmd) {
    case CONFIG_FLAG:
        return key && !value && !aux;
    case CONFIG_STRING:
        return key && value && !aux;
    case CONFIG_CREATE:
    case CONFIG_RECONFIGURE:
        return !key && !value && !aux;
    default: /* no file system here takes blobs, paths or descriptors */
        return false;
    }
}

static long config_text(char text[CONFIG_TEXT], uaddr_t ua)
{
    long n = uaddr_null(ua) ? 0 : str_from_user(text, CONFIG_TEXT, ua);
    return n == -ENAMETOOLONG ? -EINVAL : MIN(n, 0L);
}

/* full */
SYSCALL(fsconfig, int, fd, unsigned, cmd, uaddr_t, key, uaddr_t, value, int, aux)
{
    char name[CONFIG_TEXT] = "", text[CONFIG_TEXT] = "";
    if (fd < 0)
        return -EINVAL;
    if (cmd > CONFIG_RECONFIGURE)
        return -EOPNOTSUPP;
    if (!config_shape_ok(cmd, !uaddr_null(key), !uaddr_null(value), aux))
        return -EINVAL;
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f)
        return -EBADF;
    if (!file_is_fscontext(f))
        return -EINVAL;
    long r = config_text(name, key);
    if (r == 0)
        r = config_text(text, value);
    if (r < 0)
        return r;
    if (cmd == CONFIG_CREATE)
        return fscontext_create(f);
    if (cmd == CONFIG_RECONFIGURE)
        return fscontext_reconfigure(f);
    return fscontext_set(f, name, cmd == CONFIG_FLAG ? NULL : text);
}

/* ---- mounts ----------------------------------------------------------------------------------- */
enum {
    ATTR_RDONLY = 1,
    ATTR_NOSUID = 2,
    ATTR_NODEV = 4,
    ATTR_NOEXEC = 8,
    ATTR_NOATIME = 0x10,
    ATTR_STRICTATIME = 0x20,
    ATTR_ATIME_MASK = 0x70,
    ATTR_NODIRATIME = 0x80,
};
#define ATTR_KNOWN                                                                                 \
    (uint64_t)(ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC | ATTR_ATIME_MASK |            \
               ATTR_NODIRATIME)
#define LOW_FLAGS (uint64_t)(ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC)

static bool atime_known(uint64_t attr)
{
    uint64_t how = attr & ATTR_ATIME_MASK;
    return how == 0 || how == ATTR_NOATIME || how == ATTR_STRICTATIME;
}

/* The low four are the same bits in both. */
static uint32_t mount_flags(uint64_t attr)
{
    uint64_t how = attr & ATTR_ATIME_MASK;
    return (uint32_t) (attr & LOW_FLAGS) | (how == ATTR_NOATIME ? MOUNT_NOATIME : 0) |
           (how == 0 ? MOUNT_RELATIME : 0) | (attr & ATTR_NODIRATIME ? MOUNT_NODIRATIME : 0);
}

/* A descriptor for the root of a mount; takes m over. */
static long mount_descriptor(struct mount *m, bool cloexec)
{
    struct path root = {m, m->root};
    dentry_get(root.dentry);
    struct file *f;
    int r = file_open_path(&root, O_PATH, false, &f);
    if (r < 0) {
        path_put(&root);
        return r;
    }
    return install(f, cloexec);
}

/* full */
SYSCALL(fsmount, int, fd, unsigned, flags, unsigned, attr)
{
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    if ((flags & ~(unsigned) FSOPEN_CLOEXEC) || (attr & ~ATTR_KNOWN) || !atime_known(attr))
        return -EINVAL;
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f)
        return -EBADF;
    if (!file_is_fscontext(f))
        return -EINVAL;
    struct mount *m;
    int r = fscontext_take_mount(f, mount_flags(attr), &m);
    return r < 0 ? r : mount_descriptor(m, flags & FSOPEN_CLOEXEC);
}

enum { FROM_FOLLOW = 1, FROM_EMPTY = 4, TO_FOLLOW = 0x10, TO_EMPTY = 0x40, MOVE_KNOWN = 0x77 };

/* full */
SYSCALL(move_mount, int, from_fd, uaddr_t, from, int, to_fd, uaddr_t, to, unsigned, flags)
{
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (flags & ~(unsigned) MOVE_KNOWN)
        return -EINVAL;
    AUTO_PATH struct path source = {0}, target = {0};
    int r = mount_at(from_fd, from, flags & FROM_FOLLOW, flags & FROM_EMPTY, &source);
    if (r == 0)
        r = mount_at(to_fd, to, flags & TO_FOLLOW, flags & TO_EMPTY, &target);
    return r < 0 ? r : mount_move(&source, &target);
}

enum { OPEN_TREE_CLONE = 1 };

/* partial: OPEN_TREE_CLONE copies one mount, never those below it */
SYSCALL(open_tree, int, dirfd, uaddr_t, path, unsigned, flags)
{
    const unsigned known = FD_AT_EMPTY_PATH | FD_AT_NO_AUTOMOUNT | FD_AT_RECURSIVE |
                           FD_AT_SYMLINK_NOFOLLOW | OPEN_TREE_CLONE | O_CLOEXEC;
    bool clone = flags & OPEN_TREE_CLONE;
    if ((flags & ~known) || ((flags & FD_AT_RECURSIVE) && !clone))
        return -EINVAL;
    if (clone && !capable(CAP_SYS_ADMIN))
        return -EPERM;
    struct path p = {0};
    int r = mount_at(dirfd, path, !(flags & FD_AT_SYMLINK_NOFOLLOW), flags & FD_AT_EMPTY_PATH, &p);
    if (r < 0)
        return r;
    struct mount *m;
    if (clone) {
        r = mount_clone(&p, &m);
        path_put(&p);
        return r < 0 ? r : mount_descriptor(m, flags & O_CLOEXEC);
    }
    struct file *f;
    r = file_open_path(&p, O_PATH, false, &f);
    if (r < 0) {
        path_put(&p);
        return r;
    }
    return install(f, flags & O_CLOEXEC);
}

struct mount_attr {
    uint64_t set, clear, propagation, userns;
};

static int attr_from_user(struct mount_attr *a, uaddr_t ua, size_t size)
{
    if (size > PAGE_SIZE)
        return -E2BIG;
    if (size < sizeof *a)
        return -EINVAL;
    if (get_user(a, ua) < 0)
        return -EFAULT;
    for (size_t i = sizeof *a; i < size; i++) {
        uint8_t byte;
        if (get_user(&byte, uaddr_add(ua, i)) < 0)
            return -EFAULT;
        if (byte)
            return -E2BIG;
    }
    bool times = (a->set | a->clear) & ATTR_ATIME_MASK;
    bool all_cleared = (a->clear & ATTR_ATIME_MASK) == ATTR_ATIME_MASK;
    if (((a->set | a->clear) & ~ATTR_KNOWN) || a->userns || !atime_known(a->set) ||
        (times && !all_cleared))
        return -EINVAL;
    return 0;
}

static uint64_t attr_of(uint32_t flags)
{
    return (flags & LOW_FLAGS) | (flags & MOUNT_NOATIME ? ATTR_NOATIME : 0) |
           (flags & MOUNT_NODIRATIME ? ATTR_NODIRATIME : 0);
}

/* partial: one mount, whatever AT_RECURSIVE says; no ID-mapped mounts; propagation has no effect */
SYSCALL(mount_setattr, int, dirfd, uaddr_t, path, unsigned, flags, uaddr_t, attr, size_t, size)
{
    const unsigned known =
        FD_AT_EMPTY_PATH | FD_AT_RECURSIVE | FD_AT_SYMLINK_NOFOLLOW | FD_AT_NO_AUTOMOUNT;
    struct mount_attr a;
    if (flags & ~known)
        return -EINVAL;
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    int r = attr_from_user(&a, attr, size);
    if (r < 0 || !(a.set | a.clear | a.propagation))
        return r;
    AUTO_PATH struct path p = {0};
    r = mount_at(dirfd, path, !(flags & FD_AT_SYMLINK_NOFOLLOW), flags & FD_AT_EMPTY_PATH, &p);
    if (r < 0)
        return r;
    if (!is_mount_root(&p))
        return -EINVAL;
    return mount_change_flags(&p, mount_flags((attr_of(p.mnt->flags) & ~a.clear) | a.set));
}
