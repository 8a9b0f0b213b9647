/* Reader of ELF headers and the dynamic section.
 *
 * Every access goes through view(), which knows the file's bounds; damaged files give -EINVAL. Only
 * 64-bit little-endian files are read in depth. The string table is found through the program
 * headers, as the loader does, because section headers may be stripped.
 */
#include "tools/lib/elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DYNAMIC_MAX 65536 /* entries looked at */

struct file {
    const uint8_t *data;
    size_t size;
    const uint8_t *headers; /* program headers */
    size_t header_count;
};

/* NULL unless [off, off + size) lies in the file. */
static const uint8_t *view(const struct file *f, uint64_t off, uint64_t size)
{
    return off <= f->size && size <= f->size - off ? f->data + off : NULL;
}

static Elf64_Phdr header_at(const struct file *f, size_t i)
{
    Elf64_Phdr h;
    memcpy(&h, f->headers + i * sizeof h, sizeof h);
    return h;
}

/* The NUL-terminated string at off, or NULL. */
static const char *string_at(const struct file *f, uint64_t off)
{
    const uint8_t *p = view(f, off, 1);
    return p && memchr(p, 0, f->size - off) ? (const char *) p : NULL;
}

/* File offset of a virtual address; ~0 if no segment has it in the file. */
static uint64_t offset_of(const struct file *f, uint64_t address)
{
    for (size_t i = 0; i < f->header_count; i++) {
        Elf64_Phdr h = header_at(f, i);
        if (h.p_type == PT_LOAD && address >= h.p_vaddr && address - h.p_vaddr < h.p_filesz)
            return h.p_offset + (address - h.p_vaddr);
    }
    return ~0ull;
}

static int read_interpreter(const struct file *f, const Elf64_Phdr *h, struct elf_info *info)
{
    const char *text = string_at(f, h->p_offset);
    if (!text || strlen(text) >= h->p_filesz || info->interpreter)
        return -EINVAL;
    info->interpreter = mem_strdup(text);
    return 0;
}

static int take_string(const struct file *f, uint64_t table, uint64_t off, char **ret_text)
{
    const char *text = table + off >= table ? string_at(f, table + off) : NULL;
    if (!text)
        return -EINVAL;
    free(*ret_text);
    *ret_text = mem_strdup(text);
    return 0;
}

static int take_entry(const struct file *f, uint64_t table, const Elf64_Dyn *d,
                      struct elf_info *info)
{
    char *needed = NULL;
    int r = 0;
    switch (d->d_tag) {
    case DT_NEEDED:
        r = take_string(f, table, d->d_un.d_val, &needed);
        if (r == 0)
            strv_add(&info->needed, needed);
        break;
    case DT_SONAME:
        r = take_string(f, table, d->d_un.d_val, &info->soname);
        break;
    case DT_RPATH:
        r = take_string(f, table, d->d_un.d_val, &info->rpath);
        break;
    case DT_RUNPATH:
        r = take_string(f, table, d->d_un.d_val, &info->runpath);
        break;
    }
    return r;
}

static Elf64_Dyn dynamic_at(const uint8_t *entries, size_t i)
{
    Elf64_Dyn d;
    memcpy(&d, entries + i * sizeof d, sizeof d);
    return d;
}

static int read_dynamic(const struct file *f, const Elf64_Phdr *h, struct elf_info *info)
{
    const uint8_t *entries = view(f, h->p_offset, h->p_filesz);
    if (!entries)
        return -EINVAL;
    size_t count = h->p_filesz / sizeof(Elf64_Dyn);
    count = count < DYNAMIC_MAX ? count : DYNAMIC_MAX;
    uint64_t table = ~0ull;
    size_t end = 0;
    for (; end < count; end++) {
        Elf64_Dyn d = dynamic_at(entries, end);
        if (d.d_tag == DT_NULL)
            break;
        if (d.d_tag == DT_STRTAB)
            table = offset_of(f, d.d_un.d_ptr);
    }
    int r = 0;
    for (size_t i = 0; i < end && r == 0; i++) {
        Elf64_Dyn d = dynamic_at(entries, i);
        r = take_entry(f, table, &d, info);
    }
    return r;
}

static int read_64(struct file *f, struct elf_info *info)
{
    Elf64_Ehdr e;
    const uint8_t *p = view(f, 0, sizeof e);
    if (!p)
        return -EINVAL;
    memcpy(&e, p, sizeof e);
    info->has_entry = e.e_entry != 0;
    if (e.e_phnum == 0)
        return 0;
    f->header_count = e.e_phnum;
    f->headers = view(f, e.e_phoff, (uint64_t) e.e_phnum * sizeof(Elf64_Phdr));
    if (e.e_phentsize != sizeof(Elf64_Phdr) || !f->headers)
        return -EINVAL;
    int r = 0;
    for (size_t i = 0; i < f->header_count && r == 0; i++) {
        Elf64_Phdr h = header_at(f, i);
        if (h.p_type == PT_INTERP)
            r = read_interpreter(f, &h, info);
        else if (h.p_type == PT_DYNAMIC)
            r = read_dynamic(f, &h, info);
    }
    return r;
}

int elf_read(const uint8_t *data, size_t size, struct elf_info *ret_info)
{
    struct file f = {.data = data, .size = size};
    const uint8_t *ident = view(&f, 0, EI_NIDENT + 4);
    if (!ident || memcmp(ident, ELFMAG, SELFMAG) != 0)
        return -ENOEXEC;
    struct elf_info info = {
        .is_64 = ident[EI_CLASS] == ELFCLASS64 && ident[EI_DATA] == ELFDATA2LSB,
        .type = (uint16_t) (ident[EI_NIDENT] | ident[EI_NIDENT + 1] << 8),
        .machine = (uint16_t) (ident[EI_NIDENT + 2] | ident[EI_NIDENT + 3] << 8),
    };
    int r = info.is_64 ? read_64(&f, &info) : 0;
    if (r < 0) {
        elf_info_fini(&info);
        return r;
    }
    if (info.runpath) {
        free(info.rpath);
        info.rpath = NULL;
    }
    *ret_info = info;
    return 0;
}

int elf_read_file(const char *path, struct elf_info *ret_info)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    char magic[SELFMAG];
    struct stat st;
    int r = 0;
    if (fstat(fd, &st) < 0)
        r = -errno;
    else if (!S_ISREG(st.st_mode) || pread(fd, magic, sizeof magic, 0) != sizeof magic ||
             memcmp(magic, ELFMAG, SELFMAG) != 0)
        r = -ENOEXEC;
    size_t size = r == 0 ? (size_t) st.st_size : 0;
    void *map = r == 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (r == 0 && map == MAP_FAILED)
        r = -errno;
    close(fd);
    if (r < 0)
        return r;
    r = elf_read(map, size, ret_info);
    munmap(map, size);
    return r;
}

void elf_info_fini(struct elf_info *info)
{
    free(info->interpreter);
    free(info->soname);
    free(info->rpath);
    free(info->runpath);
    strv_fini(&info->needed);
    *info = (struct elf_info){0};
}
