/* Loads a program into a fresh address space: resolves #! scripts to an ELF file, maps it and its ELF
 * interpreter, zeroes bss, makes the stack. Nothing here touches the calling process, so a failure at
 * any point only costs the new mm.
 *
 * Addresses come from mm_layout and the file alone: the same program gets the same addresses at each
 * start, which is what lets mm take over the pages a finished process left. File parts are mapped,
 * not read; the page with the end of the data segment is the only one filled here.
 *
 * No locks of its own; image.c has the cache. Callers: sys/exec.c, process start-up.
 */
#include <linux/mman.h>
#include "libos/exec/exec.h"
#include "libos/exec/cpuid.h"
#include "libos/exec/image.h"
#include "libos/exec/patch.h"
#include "libos/exec/stack.h"
#include "libos/exec/vdso.h"
#include "libos/base/ckmath.h"
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/task/thread.h"
#include "libos/vfs/vfs.h"
#include "abi/layout.h"

#define AT_FDCWD_       (-100)
#define STACK_SIZE_MIN  0x20000ul
#define STACK_SIZE_MAX  0x4000000ul
#define HWCAP2_FSGSBASE 2u
#define CLOCK_TICKS     100u
#define SIGFRAME_EXTRA  944u /* what Linux adds to the size of the vector state */

static const uint8_t zero_page[PAGE_SIZE];

/* One image placed at bias. */
struct placed {
    uintptr_t bias, end;
    const struct elf_image *elf;
};

/* A script, its interpreter if that is a script too, and so on to the ELF program. */
struct script_chain {
    size_t depth;
    struct image *levels[EXEC_NEST_MAX];
    struct file *file;   /* of the ELF program in the end; a reference */
    struct image *image; /* its */
};

static void chain_fini(struct script_chain *c)
{
    for (size_t i = 0; i < c->depth; i++)
        image_put(c->levels[i]);
    if (c->image)
        image_put(c->image);
    if (c->file)
        file_put(c->file);
}

static int chain_resolve(struct script_chain *c, struct file *file)
{
    file_get(file);
    c->file = file;
    for (;;) {
        int r = image_open(c->file, &c->image);
        if (r < 0 || !c->image->is_script)
            return r;
        if (c->depth == EXEC_NEST_MAX)
            return -ELOOP;
        struct image *script = TAKE(c->image);
        c->levels[c->depth++] = script;
        file_put(TAKE(c->file));
        r = vfs_open_exec(AT_FDCWD_, script->script.interp, 0, &c->file);
        if (r < 0)
            return r;
    }
}

/* The strings before argv[1]: for each interpreter, innermost first, its name and argument; then the
 * script. *ret_block is heap memory (NULL if there is no script). */
static int chain_strings(const struct script_chain *c, const char *path, char **ret_block,
                         struct exec_strings *ret)
{
    *ret = (struct exec_strings){0};
    *ret_block = NULL;
    if (c->depth == 0)
        return 0;
    size_t room = strlen(path) + 1 + c->depth * (SCRIPT_LINE_MAX + 2);
    struct span block = {kzalloc(room), room};
    if (!block.p)
        return -ENOMEM;
    size_t at = 0, count = 0;
    for (size_t i = c->depth + 1; i-- > 0;) {
        const struct script *s = i > 0 ? &c->levels[i - 1]->script : NULL;
        const char *words[2] = {s ? s->interp : path, s ? s->arg : NULL};
        for (size_t w = 0; w < 2 && words[w]; w++, count++) {
            size_t n = strlen(words[w]) + 1;
            memcpy(block.p + at, words[w], n);
            at += n;
        }
    }
    *ret_block = (char *) block.p;
    *ret = (struct exec_strings){(char *) block.p, at, count};
    return 0;
}

static int map_at(struct mm *mm, uintptr_t addr, size_t len, int prot, int flags, struct file *file,
                  uint64_t offset)
{
    long r = mm_map(mm, addr, len, prot, MAP_PRIVATE | MAP_FIXED | flags, file, offset);
    return r < 0 ? (int) r : 0;
}

static int load_map(struct mm *mm, const struct placed *at, const struct elf_load *l,
                    struct file *f)
{
    uintptr_t start = at->bias + l->map_start, file_end = at->bias + l->file_end;
    uintptr_t mem_end = at->bias + l->mem_end, page_end = ROUND_UP(file_end, PAGE_SIZE);
    int prot = (int) l->prot, r = 0;
    if (file_end > start)
        r = map_at(mm, start, file_end - start, prot, 0, f, l->map_offset);
    if (r == 0 && mem_end > page_end)
        r = map_at(mm, page_end, ROUND_UP(mem_end, PAGE_SIZE) - page_end, prot, MAP_ANONYMOUS, NULL,
                   0);
    if (r == 0 && mem_end > file_end && page_end > file_end && (prot & PROT_W))
        r = mm_write(mm, file_end, (struct cspan){zero_page, page_end - file_end});
    return r;
}

static int image_map(struct mm *mm, const struct placed *at, struct file *f)
{
    for (uint32_t i = 0; i < at->elf->load_count; i++) {
        int r = load_map(mm, at, &at->elf->loads[i], f);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A place for a position-independent image: from want on if it ends before limit, else wherever
 * there is room. */
static int image_place(struct mm *mm, const struct elf_image *elf, uintptr_t want, uintptr_t limit,
                       struct placed *ret)
{
    /* low is rounded to the alignment, so that the segments keep theirs */
    uintptr_t low = ROUND_DOWN(elf->low, elf->align), span = elf->high - low;
    uintptr_t start = ROUND_UP(want, elf->align), end;
    if (ck_add(&end, start, span) || end > limit) {
        size_t size;
        if (ck_add(&size, span, elf->align))
            return -ENOMEM;
        long r = mm_map(mm, 0, size, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, NULL, 0);
        if (r < 0)
            return (int) r;
        start = ROUND_UP((uintptr_t) r, elf->align);
        int u = mm_unmap(mm, (uintptr_t) r, size);
        if (u < 0)
            return u;
    }
    *ret = (struct placed){.bias = start - low, .end = start + span, .elf = elf};
    return 0;
}

/* ET_EXEC wants its own addresses; only the lowest granule can be lent out for that. */
static int fixed_place(struct mm *mm, const struct elf_image *elf, struct file *f,
                       struct placed *ret)
{
    if (elf->low < USER_MIN || elf->high > EXEC_LOW_STUBS) {
        log_warn("exec: a program linked for 0x%lx..0x%lx cannot run: fixed addresses must lie in "
                 "0x%lx..0x%lx (link it with -pie)",
                 (unsigned long) elf->low, (unsigned long) elf->high, USER_MIN, EXEC_LOW_STUBS);
        return -ENOEXEC;
    }
    int r = mm_claim_low(mm, inode_unique(file_inode(f)));
    if (r == -EBUSY)
        log_warn("exec: %u different programs linked for fixed addresses run already",
                 MM_LOW_SLICES);
    if (r < 0)
        return r;
    *ret = (struct placed){.end = elf->high, .elf = elf};
    return 0;
}

static int program_load(struct mm *mm, const struct mm_layout *lay, const struct script_chain *c,
                        struct placed *ret)
{
    const struct elf_image *elf = &c->image->elf;
    int r = elf->fixed ? fixed_place(mm, elf, c->file, ret)
                       : image_place(mm, elf, lay->exe, lay->interp, ret);
    if (r == 0)
        r = patch_prepare(mm, elf->fixed);
    if (r == 0)
        r = image_map(mm, ret, c->file);
    if (r < 0)
        return r;
    bool low = elf->fixed, near = ret->end <= lay->interp && ret->end > lay->exe;
    if (low || near)
        mm_set_brk(mm, ret->end, low ? EXEC_LOW_STUBS : lay->interp);
    return 0;
}

/* The ELF interpreter the program names, found before anything is mapped. What is wrong with it is
 * ELIBBAD, as on Linux. */
static int interp_open(const struct image *program, struct file **ret_file,
                       struct image **ret_image)
{
    AUTO(file_put) struct file *f = NULL;
    AUTO(image_put) struct image *img = NULL;
    int r = vfs_open_exec(AT_FDCWD_, program->interp, 0, &f);
    if (r == 0)
        r = image_open(f, &img);
    if (r == -ENOEXEC || (r == 0 && (img->is_script || img->elf.fixed)))
        return -ELIBBAD;
    if (r < 0) {
        log_info("exec: interpreter %s: error %d", program->interp, -r);
        return r;
    }
    file_allow_write(f); /* only the program itself is protected while it runs */
    *ret_file = TAKE(f);
    *ret_image = TAKE(img);
    return 0;
}

static int interp_load(struct mm *mm, const struct mm_layout *lay, const struct image *img,
                       struct file *f, struct placed *ret)
{
    int r = image_place(mm, &img->elf, lay->interp, lay->mmap_base, ret);
    return r == 0 ? image_map(mm, ret, f) : r;
}

static void auxv_add(struct stack_spec *s, uint64_t type, uint64_t value)
{
    check(s->auxv_count < STACK_AUXV_MAX);
    s->auxv[s->auxv_count++] = (struct stack_auxv){type, value};
}

static void auxv_fill(struct stack_spec *s, const struct exec_params *in, const struct placed *exe,
                      uintptr_t interp_base)
{
    struct cpuid_regs features;
    cpuid_lookup(1, 0, &features);
    if (vdso_base() != 0)
        auxv_add(s, AUX_SYSINFO_EHDR, vdso_base());
    auxv_add(s, AUX_MINSIGSTKSZ, xstate_size() + SIGFRAME_EXTRA);
    auxv_add(s, AUX_HWCAP, features.edx);
    auxv_add(s, AUX_PAGESZ, PAGE_SIZE);
    auxv_add(s, AUX_CLKTCK, CLOCK_TICKS);
    auxv_add(s, AUX_PHDR, exe->elf->phdr ? exe->bias + exe->elf->phdr : 0);
    auxv_add(s, AUX_PHENT, sizeof(struct elf64_phdr));
    auxv_add(s, AUX_PHNUM, exe->elf->phnum);
    auxv_add(s, AUX_BASE, interp_base);
    auxv_add(s, AUX_FLAGS, 0);
    auxv_add(s, AUX_ENTRY, exe->bias + exe->elf->entry);
    auxv_add(s, AUX_UID, in->uid);
    auxv_add(s, AUX_EUID, in->euid);
    auxv_add(s, AUX_GID, in->gid);
    auxv_add(s, AUX_EGID, in->egid);
    auxv_add(s, AUX_SECURE, in->secure);
    auxv_add(s, AUX_HWCAP2, HWCAP2_FSGSBASE);
    if (vdso_entry() != 0)
        auxv_add(s, AUX_OCCLUM_ENTRY, vdso_entry());
}

/* Without its first string: the name of a script takes that place. */
static struct exec_strings strings_tail(struct exec_strings s)
{
    if (s.count == 0)
        return s;
    size_t n = strnlen(s.p, s.n) + 1;
    return (struct exec_strings){s.p + n, s.n - n, s.count - 1};
}

static int stack_make(struct mm *mm, const struct mm_layout *lay, const struct exec_params *in,
                      struct stack_spec *spec, bool executable, struct exec_result *res)
{
    uint64_t size = MIN(in->stack_limit, STACK_SIZE_MAX);
    size = ROUND_UP(MAX(size, STACK_SIZE_MIN), PAGE_SIZE);
    int prot = PROT_R | PROT_W | (executable ? PROT_X : 0);
    int r = map_at(mm, lay->stack_top - size, size, prot, MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE,
                   NULL, 0);
    if (r < 0)
        return r;
    struct stack_image img;
    spec->top = lay->stack_top;
    spec->execfn = in->path;
    memcpy(spec->random, in->random, sizeof spec->random);
    r = stack_build(spec, MIN(size / 4, EXEC_STRINGS_MAX), &img);
    if (r < 0)
        return r;
    r = mm_write(mm, img.sp, (struct cspan){(uint8_t *) img.p, img.n});
    stack_free(&img);
    res->sp = res->stack_start = img.sp;
    res->arg_start = img.arg_start;
    res->arg_end = img.arg_end;
    res->env_start = img.env_start;
    res->env_end = img.env_end;
    return r;
}

/* Program and interpreter. *ret_entry: where the first instruction is. */
static int load_images(struct mm *mm, const struct mm_layout *lay, const struct script_chain *c,
                       struct placed *ret_exe, struct placed *ret_interp, uintptr_t *ret_entry)
{
    AUTO(file_put) struct file *f = NULL;
    AUTO(image_put) struct image *interp = NULL;
    int r = c->image->elf.interp_size > 0 ? interp_open(c->image, &f, &interp) : 0;
    if (r == 0)
        r = program_load(mm, lay, c, ret_exe);
    if (r == 0 && interp)
        r = interp_load(mm, lay, interp, f, ret_interp);
    if (r == 0)
        *ret_entry =
            interp ? ret_interp->bias + interp->elf.entry : ret_exe->bias + ret_exe->elf->entry;
    ret_interp->elf = NULL; /* goes with interp */
    return r;
}

static int load_all(struct mm *mm, const struct exec_params *in, const struct script_chain *c,
                    struct exec_result *res)
{
    struct mm_layout lay;
    struct placed exe, interp = {0};
    int r = mm_settle_in(mm, inode_unique(file_inode(c->file)));
    if (r < 0)
        return r;
    mm_layout(mm, &lay);
    r = load_images(mm, &lay, c, &exe, &interp, &res->entry);
    if (r < 0)
        return r;
    char *block;
    struct stack_spec spec = {.argv = in->argv, .envp = in->envp};
    r = chain_strings(c, in->path, &block, &spec.first);
    if (r < 0)
        return r;
    if (c->depth > 0)
        spec.argv = strings_tail(in->argv);
    auxv_fill(&spec, in, &exe, interp.bias);
    r = stack_make(mm, &lay, in, &spec, exe.elf->exec_stack, res);
    kfree(block);
    return r;
}

int exec_load(struct mm *mm, const struct exec_params *in, struct exec_result *ret)
{
    struct script_chain c = {0};
    struct exec_result res = {0};
    int r = chain_resolve(&c, in->file);
    if (r == 0)
        r = load_all(mm, in, &c, &res);
    if (r == 0) {
        const char *slash = strrchr(in->path, '/');
        str_copy(res.comm, slash ? slash + 1 : in->path, sizeof res.comm);
        res.exe = TAKE(c.file);
        *ret = res;
    }
    chain_fini(&c);
    return r;
}
