/* What the tools need to know of an ELF file: which interpreter and which shared libraries it
 * wants. */
#ifndef TOOLS_LIB_ELF_H
#define TOOLS_LIB_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tools/lib/mem.h"

struct elf_info {
    uint16_t type;    /* ET_EXEC, ET_DYN, ... */
    uint16_t machine; /* EM_X86_64, ... */
    bool is_64;
    bool has_entry; /* e_entry != 0 */
    char *interpreter;
    char *soname;
    char *rpath; /* DT_RPATH, NULL if there is a DT_RUNPATH */
    char *runpath;
    struct strv needed;
};

/* -ENOEXEC: not an ELF file. -EINVAL: one, but damaged. Safe on any bytes. A 32-bit or foreign file
 * gives type, machine and is_64 only. On success the caller calls elf_info_fini(). */
int elf_read(const uint8_t *data, size_t size, struct elf_info *ret_info);
/* elf_read of a file; also -errno of opening it. */
int elf_read_file(const char *path, struct elf_info *ret_info);
void elf_info_fini(struct elf_info *info);
#define AUTO_ELF __attribute__((cleanup(elf_info_fini)))
#endif
