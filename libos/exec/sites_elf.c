/* Where the code of an ELF file is: the executable sections, as far as they lie in executable loads.
 * Old linkers put read-only data and code into one load, and data must not be taken for code. A file
 * without section headers is searched load by load. Everything read is hostile; nonsense in section
 * headers can only hide sites, which then trap. */
#include "libos/exec/sites.h"
#include "libos/exec/elf.h"
#include "libos/base/ckmath.h"
#include "libos/base/errno.h"
#include "libos/mm/heap.h"

#define SECTIONS_MAX 4096u
#define LOAD_EXEC    4u /* PROT_X */

static int read_block(const struct code_source *src, uint64_t off, size_t n, uint8_t **ret)
{
    uint8_t *p = kzalloc(n);
    if (!p)
        return -ENOMEM;
    int r = src->read(src->ctx, off, (struct span){p, n});
    if (r < 0)
        kfree(p);
    else
        *ret = p;
    return r;
}

static int image_read(const struct code_source *src, uint64_t size, struct elf64_ehdr *ret_head,
                      struct elf_image *ret)
{
    struct elf_head h;
    if (size < sizeof *ret_head)
        return -ENOEXEC;
    int r = src->read(src->ctx, 0, SPAN_OF(*ret_head));
    if (r == 0)
        r = elf_head_parse((struct cspan){(const uint8_t *) ret_head, sizeof *ret_head}, &h);
    if (r < 0)
        return r;
    if (h.phoff > size || h.phsize > size - h.phoff)
        return -ENOEXEC;
    uint8_t *phdrs = NULL;
    r = read_block(src, h.phoff, h.phsize, &phdrs);
    if (r == 0)
        r = elf_image_parse(&h, (struct cspan){phdrs, h.phsize}, size, ret);
    kfree(phdrs);
    return r;
}

/* The part of [start, end) that an executable load maps, not before *from; *from moves behind it. */
static int scan_part(const struct code_source *src, const struct elf_image *elf, uint64_t start,
                     uint64_t end, uint64_t *from, struct site_list *list)
{
    for (uint32_t i = 0; i < elf->load_count; i++) {
        const struct elf_load *l = &elf->loads[i];
        uint64_t low = MAX(start, l->map_offset), high;
        high = MIN(end, l->map_offset + (l->file_end - l->map_start));
        low = MAX(low, *from);
        if (!(l->prot & LOAD_EXEC) || low >= high)
            continue;
        int r = sites_scan(src, low, high, list);
        if (r < 0)
            return r;
        *from = high;
    }
    return 0;
}

static int scan_sections(const struct code_source *src, uint64_t size,
                         const struct elf64_ehdr *head, const struct elf_image *elf,
                         struct site_list *list, bool *ret_any)
{
    size_t bytes = (size_t) head->shnum * sizeof(struct elf64_shdr);
    if (head->shentsize != sizeof(struct elf64_shdr) || head->shnum == 0 ||
        head->shnum > SECTIONS_MAX || head->shoff > size || bytes > size - head->shoff)
        return 0;
    uint8_t *table = NULL;
    int r = read_block(src, head->shoff, bytes, &table);
    uint64_t from = 0;
    for (size_t i = 0; r == 0 && i < head->shnum; i++) {
        struct elf64_shdr s;
        uint64_t end;
        memcpy(&s, table + i * sizeof s, sizeof s);
        if (s.type != ELF_SHT_PROGBITS || !(s.flags & ELF_SHF_EXECINSTR) ||
            ck_add(&end, s.offset, s.size) || end > size)
            continue;
        *ret_any = true;
        r = scan_part(src, elf, s.offset, end, &from, list);
    }
    kfree(table);
    return r;
}

int sites_scan_file(const struct code_source *src, uint64_t size, struct site_list *list)
{
    struct elf64_ehdr head;
    struct elf_image *elf = new_zero(struct elf_image);
    if (!elf)
        return -ENOMEM;
    bool any = false;
    int r = image_read(src, size, &head, elf);
    if (r == 0)
        r = scan_sections(src, size, &head, elf, list, &any);
    uint64_t from = 0;
    if (r == 0 && !any)
        r = scan_part(src, elf, 0, size, &from, list);
    kfree(elf);
    return r;
}
