/* mount, umount2, and the names of file system types. */
#include "libos/mm/heap.h"
#include "libos/sys/path.h"
#include "libos/task/process.h"
#include "libos/vfs/registry.h"

#define TYPE_LIMIT 64

struct mount_args {
    char source[PATH_LIMIT], target[PATH_LIMIT], options[PATH_LIMIT];
    char type[TYPE_LIMIT];
};

static int optional(char *dst, size_t size, uaddr_t ua)
{
    dst[0] = 0;
    if (uaddr_null(ua))
        return 0;
    long n = str_from_user(dst, size, ua);
    return n < 0 ? (int) n : 0;
}

static long mount_with(const struct mount_args *a, unsigned long flags)
{
    AUTO_PATH struct path p = {0};
    int r = path_at(AT_FDCWD_, a->target, LOOKUP_FOLLOW, &p, NULL);
    if (r < 0)
        return r;
    if (flags & MOUNT_REMOUNT)
        return mount_change_flags(&p, flags);
    if (flags & (MOUNT_BIND | MOUNT_MOVE)) {
        AUTO_PATH struct path from = {0};
        r = path_at(AT_FDCWD_, a->source, LOOKUP_FOLLOW, &from, NULL);
        if (r < 0)
            return r;
        return flags & MOUNT_BIND ? mount_bind(&from, &p) : mount_move(&from, &p);
    }
    if (flags & MOUNT_PROPAGATION)
        return 0; /* there is one namespace: nothing propagates */
    return mount_add(a->source, &p, a->type, flags, a->options);
}

/* partial: a bind mount never has what is mounted below; propagation has no effect */
SYSCALL(mount, uaddr_t, source, uaddr_t, target, uaddr_t, type, uint64_t, flags, uaddr_t, data)
{
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    struct mount_args *a = kzalloc(sizeof *a);
    if (!a)
        return -ENOMEM;
    long r = path_from_user(a->target, target);
    if (r == 0)
        r = optional(a->source, sizeof a->source, source);
    if (r == 0)
        r = optional(a->type, sizeof a->type, type);
    if (r == 0)
        r = optional(a->options, sizeof a->options, data);
    if (r == 0)
        r = mount_with(a, flags);
    kfree(a);
    return r;
}

/* partial: MNT_EXPIRE, MNT_FORCE are MNT_DETACH or nothing */
SYSCALL(umount2, uaddr_t, target, int, flags)
{
    if (flags & ~(UMOUNT_FORCE | UMOUNT_DETACH | UMOUNT_EXPIRE | UMOUNT_NO_FOLLOW))
        return -EINVAL;
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    UNINIT char path[PATH_LIMIT];
    int r = path_from_user(path, target);
    if (r < 0)
        return r;
    AUTO_PATH struct path p = {0};
    r = path_at(AT_FDCWD_, path, flags & UMOUNT_NO_FOLLOW ? 0 : LOOKUP_FOLLOW, &p, NULL);
    return r < 0 ? r : mount_remove(&p, flags);
}

/* ---- types ------------------------------------------------------------------------------------ */
enum { SYSFS_INDEX = 1, SYSFS_NAME = 2, SYSFS_COUNT = 3 };

static long type_index(uaddr_t ua)
{
    char name[TYPE_LIMIT];
    long r = str_from_user(name, sizeof name, ua);
    for (long i = 0; r >= 0 && fs_type_table[i]; i++)
        if (str_eq(fs_type_table[i]->name, name))
            return i;
    return r == -EFAULT ? r : -EINVAL;
}

/* full */
SYSCALL(sysfs, int, option, uint64_t, a, uint64_t, b)
{
    uint64_t count = 0;
    while (fs_type_table[count])
        count++;
    switch (option) {
    case SYSFS_INDEX:
        return type_index(UADDR(a));
    case SYSFS_NAME:
        if (a >= count)
            return -EINVAL;
        const char *name = fs_type_table[a]->name;
        return copy_to_user(UADDR(b), (struct cspan){(const uint8_t *) name, strlen(name) + 1});
    case SYSFS_COUNT:
        return (long) count;
    default:
        return -EINVAL;
    }
}
