// sources: libos/exec/sites.c libos/exec/sites_elf.c libos/exec/elf.c libos/exec/insn.c libos/exec/stub.c libos/exec/sitefile.c
// libs: -lZydis
/* Code, ELF files and site tables from hostile files. A window must lie inside the code, have room for
 * the jump within one page, not overlap the one before; its stub must fit its slot. */
#include <stdlib.h>
#include "libos/exec/sites.h"
#include "libos/exec/sitefile.h"
#include "libos/exec/stub.h"
#include "libos/base/errno.h"
#include "libos/mm/heap.h"
#include "abi/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void *kzalloc(size_t size)
{
    return calloc(1, size ? size : 1);
}

void kfree(void *p)
{
    free(p);
}

void *krealloc(void *p, size_t size)
{
    return realloc(p, size);
}

static void require(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static int span_read(void *ctx, uint64_t offset, struct span dst)
{
    return cspan_get(*(const struct cspan *) ctx, offset, dst.p, dst.n) ? 0 : -EIO;
}

static void check_site(const struct site *s, struct cspan code, uint64_t *last)
{
    uint64_t start = s->offset - s->before;
    struct stub stub;
    require(s->offset >= s->before && s->offset + 2 <= code.n);
    if (s->form == SITE_TRAP)
        return;
    require(start >= *last && start + s->len <= code.n && s->len >= STUB_JUMP);
    require(start >> PAGE_SHIFT == (start + STUB_JUMP - 1) >> PAGE_SHIFT);
    require(site_checked(s) >= STUB_JUMP);
    *last = start + s->len;
    struct cspan window = {code.p + start, site_checked(s)};
    if (stub_make(s, window, 0x400000 + start, 0x10000000, &stub))
        require(stub.len <= STUB_SIZE && stub.point_count <= STUB_POINTS);
}

static void check_list(const struct site_list *l, struct cspan code)
{
    uint64_t last = 0;
    for (size_t i = 0; i < l->count; i++) {
        require(i == 0 || l->p[i].offset > l->p[i - 1].offset);
        check_site(&l->p[i], code, &last);
    }
}

/* Sites as a damaged table might give them. */
static void any_site(const uint8_t *data, size_t size)
{
    struct site s;
    struct stub stub;
    if (size < sizeof s)
        return;
    memcpy(&s, data, sizeof s);
    struct cspan code = {data + sizeof s, size - sizeof s};
    if (stub_make(&s, code, 0x400000, 0x10000000, &stub))
        require(stub.len <= STUB_SIZE && stub.point_count <= STUB_POINTS);
}

static void any_table(const uint8_t *data, size_t size)
{
    struct sites_db db;
    const struct site *s;
    size_t n;
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, data, size);
    if (sites_db_read((struct cspan){copy, size}, &db) == 0)
        for (size_t i = 0; i < db.file_count; i++)
            require(sites_db_find(&db, db.files[i].size, db.files[i].hash, &s, &n));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cspan code = {data, size};
    const struct code_source src = {.read = span_read, .ctx = &code};
    struct site_list l = {0};
    if (sites_scan(&src, 0, size, &l) == 0)
        check_list(&l, code);
    site_list_free(&l);
    if (sites_scan_file(&src, size, &l) == 0)
        check_list(&l, code);
    site_list_free(&l);
    any_site(data, size);
    any_table(data, size);
    return 0;
}
