/* A core file: ELF header, program headers, notes, then the memory, page by page.
 *
 * Of the memory there is what no file has (the default of Linux' coredump_filter, 0x33): private pages
 * that were or could be written, shared memory without a name, and the first page of mapped ELF files, by which a
 * debugger knows them. Pages that were never touched are holes. The list of segments is made first and kept, so
 * that the headers are right whatever another process that shares the memory does meanwhile.
 */
#include "abi/layout.h"
#include "abi/linux/fs.h"
#include "abi/linux/resource.h"
#include "abi/linux/signal.h"
#include "libos/base/log.h"
#include "libos/exec/core.h"
#include "libos/exec/elf.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/task/process.h"
#include "libos/vfs/file.h"
#include "libos/vfs/fs_ctx.h"
#include "libos/vfs/namei.h"

#define CORE_NAME    "core"
#define SEGMENTS_MAX 0xfff0u /* program headers are counted in 16 bits */

bool core_to_host;

struct segment {
    uintptr_t start, end;
    uint64_t dumped; /* bytes, from start */
    int prot;
    bool fresh_zero; /* pages that are not there are zero */
};

struct core {
    struct mm *mm;
    struct file *file;
    uint64_t pos, limit; /* of the file */
    struct segment *segments;
    size_t count, room;
    struct span notes;
    uint8_t *page;
};

/* ---- what is written -------------------------------------------------------------------------- */
static uint64_t dumped_of(const struct mm_area *a)
{
    uint64_t size = a->end - a->start;
    if (!a->file || a->changed)
        return size;
    if (a->shared) { /* memory without a name: nobody else can look at it later */
        struct kstat st;
        inode_stat(file_inode(a->file), &st);
        return st.nlink == 0 ? size : 0;
    }
    return a->offset == 0 && (a->prot & PROT_R) ? PAGE_SIZE : 0;
}

static int add_segment(struct core *c, const struct mm_area *a)
{
    if (c->count == c->room) {
        if (c->room >= SEGMENTS_MAX)
            return -E2BIG;
        size_t room = MIN(MAX(64ul, c->room * 2), (size_t) SEGMENTS_MAX);
        struct segment *more = kzalloc(room * sizeof *more);
        if (!more)
            return -ENOMEM;
        if (c->count > 0)
            memcpy(more, c->segments, c->count * sizeof *more);
        kfree(c->segments);
        c->segments = more;
        c->room = room;
    }
    c->segments[c->count++] = (struct segment){
        .start = a->start,
        .end = a->end,
        .dumped = dumped_of(a),
        .prot = a->prot,
        .fresh_zero = !a->file,
    };
    return 0;
}

static int list_segments(struct core *c)
{
    struct mm_area a;
    int r = 0;
    for (uintptr_t at = 0; r == 0 && mm_area_at(c->mm, at, &a); at = a.end) {
        r = add_segment(c, &a);
        if (a.file)
            file_put(a.file);
    }
    return r;
}

/* ---- writing ---------------------------------------------------------------------------------- */
static int emit(struct core *c, struct cspan bytes)
{
    if (bytes.n > c->limit - c->pos)
        return -EFBIG;
    while (bytes.n > 0) {
        struct uio uio = uio_kernel_source(bytes);
        long n = file_write(c->file, &uio, &c->pos, false);
        if (n <= 0)
            return n < 0 ? (int) n : -EIO;
        bytes = (struct cspan){bytes.p + n, bytes.n - (size_t) n};
        c->pos += (uint64_t) n;
    }
    return 0;
}

static int skip(struct core *c, uint64_t n)
{
    if (n > c->limit - c->pos)
        return -EFBIG;
    c->pos += n;
    return 0;
}

static uint64_t headers_size(const struct core *c)
{
    return sizeof(struct elf64_ehdr) + (c->count + 1) * sizeof(struct elf64_phdr);
}

static int emit_headers(struct core *c)
{
    const struct elf64_ehdr h = {
        .ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
        .type = ELF_ET_CORE,
        .machine = ELF_EM_X86_64,
        .version = 1,
        .phoff = sizeof h,
        .ehsize = sizeof h,
        .phentsize = sizeof(struct elf64_phdr),
        .phnum = (uint16_t) (c->count + 1),
    };
    const struct elf64_phdr note = {
        .type = ELF_PT_NOTE, .offset = headers_size(c), .filesz = c->notes.n, .align = 4};
    int r = emit(c, CSPAN_OF(h));
    if (r == 0)
        r = emit(c, CSPAN_OF(note));
    uint64_t at = ROUND_UP(note.offset + note.filesz, PAGE_SIZE);
    for (size_t i = 0; r == 0 && i < c->count; i++) {
        const struct segment *s = &c->segments[i];
        const struct elf64_phdr p = {
            .type = ELF_PT_LOAD,
            .flags = (s->prot & PROT_R ? ELF_PF_R : 0u) | (s->prot & PROT_W ? ELF_PF_W : 0u) |
                     (s->prot & PROT_X ? ELF_PF_X : 0u),
            .offset = at,
            .vaddr = s->start,
            .filesz = s->dumped,
            .memsz = s->end - s->start,
            .align = PAGE_SIZE,
        };
        r = emit(c, CSPAN_OF(p));
        at += s->dumped;
    }
    return r;
}

static int emit_page(struct core *c, const struct segment *s, uintptr_t addr)
{
    if (s->fresh_zero && mm_page_state(c->mm, addr) < 0)
        return skip(c, PAGE_SIZE);
    if (mm_read(c->mm, (struct span){c->page, PAGE_SIZE}, addr) < 0)
        return skip(c, PAGE_SIZE); /* behind the end of a file, or gone */
    return emit(c, (struct cspan){c->page, PAGE_SIZE});
}

static int emit_memory(struct core *c)
{
    int r = skip(c, ROUND_UP(c->pos, PAGE_SIZE) - c->pos);
    for (size_t i = 0; i < c->count; i++) {
        const struct segment *s = &c->segments[i];
        for (uint64_t done = 0; r == 0 && done < s->dumped; done += PAGE_SIZE)
            r = emit_page(c, s, s->start + done);
    }
    return r;
}

/* The last page may be a hole, too. */
static int settle_size(struct core *c)
{
    struct inode *i = file_inode(c->file);
    if (inode_size(i) >= c->pos)
        return 0;
    struct iattr attr = {.valid = ATTR_SIZE, .size = c->pos};
    return inode_change(i, &attr);
}

/* ---- the file --------------------------------------------------------------------------------- */
static bool place_is_safe(void)
{
    AUTO_PATH struct path cwd = fs_ctx_cwd(current_fs());
    return core_to_host || !(cwd.mnt->super->flags & SUPER_UNTRUSTED);
}

static int core_create(struct file **ret)
{
    if (!place_is_safe())
        return -EPERM;
    int r = vfs_unlink(FD_AT_FDCWD, CORE_NAME);
    if (r < 0 && r != -ENOENT)
        return r;
    return vfs_open(CORE_NAME, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0600, ret);
}

static int write_all(struct core *c, const struct linux_siginfo *info)
{
    c->page = kzalloc(PAGE_SIZE);
    int r = c->page ? list_segments(c) : -ENOMEM;
    if (r == 0)
        r = core_notes(c->mm, info, &c->notes);
    if (r == 0)
        r = core_create(&c->file);
    if (r == 0)
        r = emit_headers(c);
    if (r == 0)
        r = emit(c, cspan(c->notes));
    if (r == 0)
        r = emit_memory(c);
    if (r == 0)
        r = settle_size(c);
    return r;
}

bool core_write(const struct linux_siginfo *info)
{
    struct process *p = current_process();
    AUTO(mm_put) struct mm *mm = process_mm_get(p);
    if (!mm)
        return false;
    struct core c = {.mm = mm, .limit = p->rlimits[RLIMIT_CORE].cur};
    int r = write_all(&c, info);
    if (r < 0)
        log_info("[%d] %s: no core file, or only a part: error %d", p->pid, p->comm, -r);
    if (c.file)
        file_put(c.file);
    kfree(c.segments);
    kfree(c.notes.p);
    kfree(c.page);
    return r == 0;
}
