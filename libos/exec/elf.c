/* The ELF reader. It looks at nothing but the bytes it is given and believes none of them: every sum
 * is checked, every range lies inside the file and inside the address range, loads are in ascending
 * order and share no page. What passes can be mapped without further checks, except for where an
 * ET_EXEC image wants to live.
 *
 * Neighbouring loads may meet inside a page on Linux (the later mapping wins). Linkers have not
 * produced that for x86-64 since pages are the common alignment, and a page here has one content, so
 * such files are refused.
 */
#include "libos/exec/elf.h"
#include "libos/base/ckmath.h"
#include "libos/base/errno.h"
#include "abi/layout.h"

enum { LOAD_R = 1, LOAD_W = 2, LOAD_X = 4 }; /* = PROT_* of mm/mm.h */

static const uint8_t elf_ident[7] = {0x7f, 'E', 'L', 'F', 2 /* 64 bit */, 1 /* little */, 1};

int elf_head_parse(struct cspan file_start, struct elf_head *ret)
{
    struct elf64_ehdr h;
    if (!cspan_get(file_start, 0, &h, sizeof h) ||
        memcmp(h.ident, elf_ident, sizeof elf_ident) != 0)
        return -ENOEXEC;
    if ((h.type != ELF_ET_EXEC && h.type != ELF_ET_DYN) || h.machine != ELF_EM_X86_64)
        return -ENOEXEC;
    if (h.phentsize != sizeof(struct elf64_phdr) || h.phnum == 0)
        return -ENOEXEC;
    uint32_t phsize = (uint32_t) h.phnum * (uint32_t) sizeof(struct elf64_phdr);
    uint64_t ph_end;
    if (phsize > ELF_PHDRS_BYTES || ck_add(&ph_end, h.phoff, (uint64_t) phsize))
        return -ENOEXEC;
    *ret = (struct elf_head){
        .fixed = h.type == ELF_ET_EXEC,
        .entry = h.entry,
        .phoff = h.phoff,
        .phnum = h.phnum,
        .phsize = phsize,
    };
    return 0;
}

static uint32_t load_prot(uint32_t flags)
{
    return (flags & ELF_PF_R ? LOAD_R : 0u) | (flags & ELF_PF_W ? LOAD_W : 0u) |
           (flags & ELF_PF_X ? LOAD_X : 0u);
}

static bool align_good(uint64_t align)
{
    return (align & (align - 1)) == 0; /* 0 and 1 mean none */
}

/* Checks one PT_LOAD against the file and the loads before it and adds it to the image. */
static int load_add(struct elf_image *img, const struct elf64_phdr *p, uint64_t file_size)
{
    uint64_t file_end, mem_end, disk_end;
    if (p->filesz > p->memsz || !align_good(p->align) || ck_add(&mem_end, p->vaddr, p->memsz) ||
        mem_end > ELF_SPAN_MAX || ck_add(&disk_end, p->offset, p->filesz) || disk_end > file_size)
        return -ENOEXEC;
    file_end = p->vaddr + p->filesz;
    uint64_t in_page = p->vaddr & (PAGE_SIZE - 1);
    if (p->filesz != 0 && in_page != (p->offset & (PAGE_SIZE - 1)))
        return -ENOEXEC;
    if (p->memsz == 0)
        return 0;
    uint64_t start = p->vaddr - in_page, end = ROUND_UP(mem_end, PAGE_SIZE);
    if (img->load_count == ELF_LOADS_MAX || (img->load_count > 0 && start < img->high))
        return -ENOEXEC;
    if (img->load_count == 0)
        img->low = start;
    img->high = end;
    uint64_t align = MIN(p->align, ELF_ALIGN_MAX);
    img->align = MAX(img->align, align);
    img->loads[img->load_count++] = (struct elf_load){
        .map_start = start,
        .map_offset = p->filesz ? p->offset - in_page : 0,
        .file_end = p->filesz ? file_end : start,
        .mem_end = mem_end,
        .prot = load_prot(p->flags),
    };
    return 0;
}

static int interp_add(struct elf_image *img, const struct elf64_phdr *p, uint64_t file_size)
{
    uint64_t end;
    if (p->filesz < 2 || p->filesz > ELF_INTERP_MAX || ck_add(&end, p->offset, p->filesz) ||
        end > file_size)
        return -ENOEXEC;
    if (img->interp_size == 0) { /* the first one counts, as on Linux */
        img->interp_offset = p->offset;
        img->interp_size = (uint32_t) p->filesz;
    }
    return 0;
}

static int phdr_add(struct elf_image *img, const struct elf64_phdr *p, uint64_t file_size)
{
    switch (p->type) {
    case ELF_PT_LOAD:
        return load_add(img, p, file_size);
    case ELF_PT_INTERP:
        return interp_add(img, p, file_size);
    case ELF_PT_GNU_STACK:
        img->exec_stack = (p->flags & ELF_PF_X) != 0;
        return 0;
    default:
        return 0; /* PT_TLS, PT_DYNAMIC ...: the program's own affair */
    }
}

/* Where the program headers come to lie in memory: in the load that covers their file offset. */
static uint64_t phdr_address(const struct elf_image *img, const struct elf_head *head)
{
    for (uint32_t i = 0; i < img->load_count; i++) {
        const struct elf_load *l = &img->loads[i];
        uint64_t size = l->file_end - l->map_start;
        if (size != 0 && head->phoff >= l->map_offset && head->phoff - l->map_offset < size)
            return l->map_start + (head->phoff - l->map_offset);
    }
    return 0;
}

int elf_image_parse(const struct elf_head *head, struct cspan phdrs, uint64_t file_size,
                    struct elf_image *ret)
{
    struct elf_image img = {.fixed = head->fixed, .align = PAGE_SIZE, .phnum = head->phnum};
    for (uint32_t i = 0; i < head->phnum; i++) {
        struct elf64_phdr p;
        if (!cspan_get(phdrs, i * sizeof p, &p, sizeof p))
            return -ENOEXEC;
        int r = phdr_add(&img, &p, file_size);
        if (r < 0)
            return r;
    }
    if (img.load_count == 0 || head->entry < img.low || head->entry >= img.high)
        return -ENOEXEC;
    img.entry = head->entry;
    img.phdr = phdr_address(&img, head);
    *ret = img;
    return 0;
}

int elf_interp_check(struct cspan path)
{
    if (path.n < 2 || path.n > ELF_INTERP_MAX || path.p[path.n - 1] != 0)
        return -ENOEXEC;
    size_t n = strnlen((const char *) path.p, path.n);
    return n > 0 ? (int) n : -ENOEXEC;
}
