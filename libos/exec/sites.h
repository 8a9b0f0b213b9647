/* Finding the instructions an enclave may not execute, and how each can be patched. Pure but for the
 * heap. */
#ifndef EXEC_SITES_H
#define EXEC_SITES_H
#include "abi/sites.h"
#include "libos/base/span.h"

/* Code to look through: bytes [start, end) of a file, read in pieces of any size. */
struct code_source {
    int (*read)(void *ctx, uint64_t offset, struct span dst); /* all of dst, or -errno */
    void *ctx;
};

struct site_list {
    struct site *p; /* heap; ascending by offset */
    size_t count, cap;
};

#define SITES_PER_RANGE_MAX 65536u

/* Adds the sites in [start, end) to list, which holds only smaller offsets. What is not found traps.
 * -ENOMEM, or what read returned; list is unchanged then. */
must_check int sites_scan(const struct code_source *src, uint64_t start, uint64_t end,
                          struct site_list *list);
/* The sites of a whole ELF file. -ENOEXEC: it is none. */
must_check int sites_scan_file(const struct code_source *src, uint64_t size,
                               struct site_list *list);
void site_list_free(struct site_list *list);

/* Could there be a site in these bytes? No decoding. */
bool sites_possible(struct cspan code);
/* How many bytes from the window's start struct site.check covers: to the end of their page. */
size_t site_checked(const struct site *s);
/* The hash in struct site and struct sites_file. */
uint32_t sites_check(struct cspan window);
uint64_t sites_hash(struct cspan first_page);
#endif
