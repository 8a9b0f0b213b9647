/* ELF-64 as programs have it on disk: the header, the program headers, the auxiliary vector. */
#ifndef ABI_ELF_H
#define ABI_ELF_H

#include <stddef.h>
#include <stdint.h>

struct elf64_ehdr {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf64_phdr {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf64_shdr {
    uint32_t name, type;
    uint64_t flags, addr, offset, size;
    uint32_t link, info;
    uint64_t addralign, entsize;
};

_Static_assert(sizeof(struct elf64_shdr) == 64, "ELF");
_Static_assert(sizeof(struct elf64_ehdr) == 64, "ELF");
_Static_assert(offsetof(struct elf64_ehdr, phoff) == 32, "ELF");
_Static_assert(sizeof(struct elf64_phdr) == 56, "ELF");

enum { ELF_ET_EXEC = 2, ELF_ET_DYN = 3, ELF_ET_CORE = 4, ELF_EM_X86_64 = 62 };
enum {
    ELF_PT_LOAD = 1,
    ELF_PT_INTERP = 3,
    ELF_PT_NOTE = 4,
    ELF_PT_PHDR = 6,
    ELF_PT_GNU_STACK = 0x6474e551,
};
enum { ELF_SHT_PROGBITS = 1, ELF_SHF_EXECINSTR = 4 };
enum { ELF_PF_X = 1, ELF_PF_W = 2, ELF_PF_R = 4 };

enum auxv_type {
    AUX_NULL = 0,
    AUX_PHDR = 3,
    AUX_PHENT = 4,
    AUX_PHNUM = 5,
    AUX_PAGESZ = 6,
    AUX_BASE = 7,
    AUX_FLAGS = 8,
    AUX_ENTRY = 9,
    AUX_UID = 11,
    AUX_EUID = 12,
    AUX_GID = 13,
    AUX_EGID = 14,
    AUX_PLATFORM = 15,
    AUX_HWCAP = 16,
    AUX_CLKTCK = 17,
    AUX_SECURE = 23,
    AUX_RANDOM = 25,
    AUX_HWCAP2 = 26,
    AUX_EXECFN = 31,
    AUX_SYSINFO_EHDR = 33,
    AUX_OCCLUM_ENTRY =
        48, /* code that makes a system call: ABI of syscall, return address in RCX */
    AUX_MINSIGSTKSZ = 51,
};
#endif
