// sources: libos/exec/elf.c libos/exec/script.c
/* ELF headers, program headers, interpreter names and script lines from hostile files: whatever is
 * accepted must be safe to map. */
#include "libos/exec/elf.h"
#include "libos/exec/script.h"
#include "abi/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static void check_image(const struct elf_image *img, uint64_t file_size)
{
    uint64_t last = 0;
    require(img->load_count > 0 && img->load_count <= ELF_LOADS_MAX);
    require(img->low < img->high && img->high <= ELF_SPAN_MAX);
    require(img->entry >= img->low && img->entry < img->high);
    require(img->align >= PAGE_SIZE && img->align <= ELF_ALIGN_MAX);
    require((img->align & (img->align - 1)) == 0);
    for (uint32_t i = 0; i < img->load_count; i++) {
        const struct elf_load *l = &img->loads[i];
        require(l->map_start % PAGE_SIZE == 0 && l->map_offset % PAGE_SIZE == 0);
        require(i == 0 || l->map_start >= last);
        require(l->map_start <= l->file_end && l->file_end <= l->mem_end);
        require(l->map_start >= img->low && l->mem_end <= img->high && l->mem_end > l->map_start);
        require(l->file_end == l->map_start ||
                l->map_offset + (l->file_end - l->map_start) <= file_size);
        last = ROUND_UP(l->mem_end, PAGE_SIZE);
    }
    require(img->interp_size == 0 || (img->interp_size <= ELF_INTERP_MAX &&
                                      img->interp_offset + img->interp_size <= file_size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cspan file = {data, size}, phdrs, interp;
    struct elf_head head;
    struct elf_image img;
    struct script script;
    if (script_parse(file, &script) == 0) {
        require(script.interp[0] != 0 && strlen(script.interp) < SCRIPT_LINE_MAX);
        require(!script.arg || script.arg[0] != 0);
    }
    if (elf_head_parse(file, &head) != 0 || !cspan_sub(file, head.phoff, head.phsize, &phdrs) ||
        elf_image_parse(&head, phdrs, size, &img) != 0)
        return 0;
    check_image(&img, size);
    if (img.interp_size > 0 && cspan_sub(file, img.interp_offset, img.interp_size, &interp))
        (void) elf_interp_check(interp);
    return 0;
}
