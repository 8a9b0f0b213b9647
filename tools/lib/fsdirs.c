/* Of fsutil.h what needs no libcrypto: the runtime links it, too. */
#include <errno.h>
#include <string.h>

#include "tools/lib/fsutil.h"
#include "tools/lib/mem.h"

bool fs_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

bool fs_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int fs_mkdirs(const char *path, mode_t mode)
{
    AUTO_FREE char *copy = mem_strdup(path);
    for (char *p = copy + 1; *copy; p++) {
        if (*p != '/' && *p != 0)
            continue;
        char saved = *p;
        *p = 0;
        if (mkdir(copy, mode) < 0 && (errno != EEXIST || !fs_is_dir(copy)))
            return errno == EEXIST ? -ENOTDIR : -errno;
        *p = saved;
        if (saved == 0)
            break;
    }
    return 0;
}

int fs_mkdirs_for(const char *path, mode_t mode)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return 0;
    AUTO_FREE char *directory = mem_strndup(path, (size_t) (slash - path));
    return fs_mkdirs(directory, mode);
}
