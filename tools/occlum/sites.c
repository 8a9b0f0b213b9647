/* Writes the table of system-call and cpuid sites of the image's ELF files (abi/sites.h). The scanner is
 * the kernel's own, so that both sides see the same sites. Files come in the order of the walk and the
 * table is sorted by content, so the same image gives the same bytes.
 */
#include "tools/occlum/sites.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "abi/layout.h"
#include "libos/exec/sitefile.h"
#include "libos/mm/heap.h"
#include "tools/lib/fsutil.h"
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"

struct scan {
    struct sites_entry *entries;
    size_t count;
    size_t files; /* looked at, for the progress line */
};

static int read_at(void *context, uint64_t offset, struct span dst)
{
    const int *fd = context;
    while (dst.n > 0) {
        ssize_t n = pread(*fd, dst.p, dst.n, (off_t) offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        dst = (struct span){dst.p + n, dst.n - (size_t) n};
        offset += (uint64_t) n;
    }
    return 0;
}

/* 1: scanned; 0: no ELF file that could run here. */
static int scan_fd(int fd, uint64_t size, struct sites_entry *ret_entry)
{
    uint8_t first[PAGE_SIZE];
    struct code_source source = {.read = read_at, .ctx = &fd};
    struct span head = {first, size < sizeof first ? (size_t) size : sizeof first};
    int r = size < sizeof(Elf64_Ehdr) ? -ENOEXEC : read_at(&fd, 0, head);
    if (r == 0 && memcmp(first, ELFMAG, SELFMAG) != 0)
        r = -ENOEXEC;
    struct sites_entry entry = {.size = size};
    if (r == 0)
        r = sites_scan_file(&source, size, &entry.list);
    if (r == -ENOEXEC || r == -EINVAL)
        return 0;
    if (r < 0)
        return r;
    entry.hash = sites_hash(cspan(head));
    *ret_entry = entry;
    return 1;
}

static int visit(void *context, const char *path, const char *rel, const struct stat *st)
{
    struct scan *s = context;
    if (++s->files % 256 == 0)
        msg_progress("looking for system calls: %zu files", s->files);
    if (!S_ISREG(st->st_mode))
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    struct sites_entry entry;
    int r = scan_fd(fd, (uint64_t) st->st_size, &entry);
    close(fd);
    if (r < 0)
        msg_error("%s cannot be searched for system calls: %s", path, strerror(-r));
    if (r <= 0)
        return r;
    s->entries = mem_grow(s->entries, s->count + 1, sizeof *s->entries);
    s->entries[s->count++] = entry;
    return 0;
}

static int write_table(const char *path, const struct scan *s)
{
    struct span table = {0};
    int r = sites_db_write(s->entries, s->count, &table);
    if (r == 0)
        r = fs_write_file(path, table.p, table.n, 0444);
    kfree(table.p);
    if (r < 0)
        msg_error("cannot write %s: %s", path, strerror(-r));
    return r;
}

int sites_write(const char *image)
{
    AUTO_FREE char *directory = mem_printf("%s/.occlum", image);
    AUTO_FREE char *path = mem_printf("%s/sites", directory);
    struct scan s = {0};
    int r = fs_walk(image, visit, &s);
    msg_progress_end();
    if (r == 0)
        r = fs_mkdirs(directory, 0755);
    if (r == 0)
        r = write_table(path, &s);
    for (size_t i = 0; i < s.count; i++)
        site_list_free(&s.entries[i].list);
    free(s.entries);
    return r;
}
