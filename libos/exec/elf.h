/* Reading ELF files: from hostile bytes to a checked description of what to map where. Pure. */
#ifndef EXEC_ELF_H
#define EXEC_ELF_H
#include "abi/elf.h"
#include "libos/base/span.h"

#define ELF_LOADS_MAX   32
#define ELF_PHDRS_BYTES 65536u /* as Linux: more program headers are refused */
#define ELF_INTERP_MAX  4096u
#define ELF_SPAN_MAX    0x10000000000ul
#define ELF_ALIGN_MAX   0x200000ul

struct elf_head {
    bool fixed; /* ET_EXEC: addresses are absolute */
    uint64_t entry, phoff;
    uint32_t phnum, phsize; /* phsize: bytes of all program headers */
};

/* One PT_LOAD. The file part is mapped in whole pages from map_start with file offset map_offset; the
 * bytes from file_end to mem_end are zero. Addresses are relative to the load bias. */
struct elf_load {
    uint64_t map_start, map_offset; /* page aligned */
    uint64_t file_end, mem_end;     /* file_end == map_start: no file part */
    uint32_t prot;                  /* PROT_R | PROT_W | PROT_X of mm/mm.h */
};

struct elf_image {
    bool fixed, exec_stack;
    uint64_t entry;
    uint64_t low, high; /* page-aligned span of all loads */
    uint64_t align;     /* of the load bias: PAGE_SIZE .. ELF_ALIGN_MAX */
    uint64_t phdr;      /* address of the program headers in memory, for AT_PHDR; 0: not mapped */
    uint32_t phnum;
    uint64_t interp_offset; /* the path in the file; interp_size 0: none, else with its NUL */
    uint32_t interp_size;
    uint32_t load_count;
    struct elf_load loads[ELF_LOADS_MAX];
};

/* The ELF header, from the first bytes of the file. -ENOEXEC: not a program for this machine. */
must_check int elf_head_parse(struct cspan file_start, struct elf_head *ret);
/* The program headers: phdrs are the head->phsize bytes at head->phoff. -ENOEXEC: malformed. */
must_check int elf_image_parse(const struct elf_head *head, struct cspan phdrs, uint64_t file_size,
                               struct elf_image *ret);
/* A PT_INTERP string as read from the file: printable length, or -ENOEXEC. */
must_check int elf_interp_check(struct cspan path);
#endif
