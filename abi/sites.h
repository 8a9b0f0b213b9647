/* Patch-site tables: where programs make system calls and execute cpuid, found when the image is built
 * and kept in it, so that the kernel need not disassemble. libos/exec/sites.c finds sites,
 * libos/exec/sitefile.c reads and writes the file.
 *
 * File SITES_PATH: struct sites_header, then file_count struct sites_file sorted by (size, hash), then
 * site_count struct site. A file of the image is known by its size and the hash of its first page, not
 * by name: the table is part of the image it describes. A file that is there with no sites has none; a
 * file that is absent was not looked at. Every site is checked against the code before it is used, so
 * a wrong table costs speed at most. Little endian, no holes.
 */
#ifndef ABI_SITES_H
#define ABI_SITES_H

#include <stddef.h>
#include <stdint.h>

#define SITES_PATH     "/.occlum/sites"
#define SITES_MAGIC    0x5345544953434f1aull
#define SITES_VERSION  2
#define SITES_MAX_SIZE (64u << 20)

enum site_kind { SITE_SYSCALL = 0, SITE_CPUID = 1 };

/* How a site is patched: a 5-byte jump replaces the first bytes of a window of whole instructions,
 * which lie before or after the site and run in the stub instead. */
enum site_form {
    SITE_TRAP = 0,   /* not at all: the instruction traps and is emulated */
    SITE_BEFORE = 1, /* window: moved instructions, site */
    SITE_AFTER = 2,  /* window: site, moved instructions */
};

struct site {
    uint32_t offset; /* of the instruction in the file */
    uint32_t check;  /* hash of the window's bytes, as far as they lie in its first page */
    uint8_t kind, form;
    uint8_t before; /* bytes from the window's start to the site */
    uint8_t len;    /* of the window */
};

struct sites_file {
    uint64_t size, hash;
    uint32_t first, count; /* into the array of sites; ascending by offset */
};

struct sites_header {
    uint64_t magic;
    uint32_t version, file_count, site_count, reserved;
};

_Static_assert(sizeof(struct site) == 12, "sites file");
_Static_assert(sizeof(struct sites_file) == 24, "sites file");
_Static_assert(sizeof(struct sites_header) == 24, "sites file");
#endif
