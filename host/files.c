/* Tokens of files. One lock over the table; descriptors in use are kept open by a count, so that a file
 * closed by one vCPU does not pull the descriptor (or worse, its successor) from under another. */
#include "host/files.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define GENERATION_MAX 0x7fffu

static struct {
    pthread_mutex_t lock;
    struct open_file slots[HOST_FILE_SLOTS];
    uint16_t free[HOST_FILE_SLOTS];
    unsigned free_count, used_max;
} files = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Every token is a descriptor or three, so the usual soft limit of 1024 is soon reached. */
static void raise_limit(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
        l.rlim_cur = l.rlim_max;
        setrlimit(RLIMIT_NOFILE, &l);
    }
}

static int slot_take_locked(void)
{
    if (files.free_count > 0)
        return files.free[--files.free_count];
    if (files.used_max == 0)
        raise_limit();
    return files.used_max < HOST_FILE_SLOTS ? (int) files.used_max++ : -1;
}

static void close_all(const struct open_file *f)
{
    close(f->path_fd);
    if (f->read_fd >= 0 && f->read_fd != f->path_fd)
        close(f->read_fd);
    if (f->write_fd >= 0 && f->write_fd != f->path_fd && f->write_fd != f->read_fd)
        close(f->write_fd);
    if (f->map)
        munmap(f->map, HOST_VOLUME_MAP);
}

static int64_t add(struct open_file f)
{
    pthread_mutex_lock(&files.lock);
    int slot = slot_take_locked();
    int64_t token = -ENFILE;
    if (slot >= 0) {
        f.generation = (uint16_t) (files.slots[slot].generation % GENERATION_MAX + 1);
        f.users = 1;
        f.valid = true;
        files.slots[slot] = f;
        token = (int64_t) f.generation << 16 | slot;
    }
    pthread_mutex_unlock(&files.lock);
    if (slot < 0)
        close_all(&f);
    return token;
}

int64_t files_add(int fd, int opened)
{
    int same = opened ? fd : -1;
    return add((struct open_file){.path_fd = fd, .read_fd = same, .write_fd = same});
}

int64_t files_add_mapped(int fd, void *map)
{
    return add((struct open_file){.path_fd = fd, .read_fd = fd, .write_fd = fd, .map = map});
}

static struct open_file *find_locked(uint64_t token)
{
    uint64_t slot = token & 0xffff;
    if (slot >= files.used_max)
        return NULL;
    struct open_file *f = &files.slots[slot];
    return f->valid && f->generation == token >> 16 ? f : NULL;
}

struct open_file *files_get(uint64_t token)
{
    pthread_mutex_lock(&files.lock);
    struct open_file *f = find_locked(token);
    if (f)
        f->users++;
    pthread_mutex_unlock(&files.lock);
    return f;
}

void files_put(struct open_file *f)
{
    pthread_mutex_lock(&files.lock);
    int last = --f->users == 0;
    struct open_file old = *f;
    if (last)
        files.free[files.free_count++] = (uint16_t) (f - files.slots);
    pthread_mutex_unlock(&files.lock);
    if (last)
        close_all(&old);
}

/* The token becomes invalid at once, its slot free when the last call is done. */
void files_close(uint64_t token)
{
    pthread_mutex_lock(&files.lock);
    struct open_file *f = find_locked(token);
    if (f)
        f->valid = false;
    pthread_mutex_unlock(&files.lock);
    if (f)
        files_put(f);
}

struct fd_path files_path(const struct open_file *f)
{
    struct fd_path p;
    snprintf(p.text, sizeof p.text, "/proc/self/fd/%d", f->path_fd);
    return p;
}

/* Opens the file itself, whatever it is called by now; -EOPNOTSUPP for what is no plain file. */
static int reopen(const struct open_file *f, int flags)
{
    struct stat st;
    if (fstat(f->path_fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode)) {
        int fd = openat(f->path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
    }
    if (!S_ISREG(st.st_mode))
        return -EOPNOTSUPP;
    struct fd_path path = files_path(f);
    int fd = open(path.text, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* Two vCPUs may open the same file at once: the second one's descriptor goes. */
static void install(struct open_file *f, int fd, int readable, int writable)
{
    int used = 0;
    pthread_mutex_lock(&files.lock);
    if (readable && f->read_fd < 0) {
        f->read_fd = fd;
        used = 1;
    }
    if (writable && f->write_fd < 0) {
        f->write_fd = fd;
        used = 1;
    }
    pthread_mutex_unlock(&files.lock);
    if (!used)
        close(fd);
}

int files_open(struct open_file *f, unsigned access)
{
    int readable = (access & HOST_FILE_READ) && f->read_fd < 0;
    int writable = (access & HOST_FILE_WRITE) && f->write_fd < 0;
    if (!readable && !writable)
        return 0;
    int fd = reopen(f, readable && writable ? O_RDWR : readable ? O_RDONLY : O_WRONLY);
    if (fd < 0)
        return fd;
    install(f, fd, readable, writable);
    return 0;
}

int files_readable(struct open_file *f)
{
    int r = files_open(f, HOST_FILE_READ);
    return r < 0 ? r : f->read_fd;
}
