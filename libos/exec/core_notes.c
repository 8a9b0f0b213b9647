/* The notes of a core file: what a debugger has to know beside the memory. One PRSTATUS for each thread, the
 * one that took the signal first, each with its vector state; between the first and the rest what is
 * the process's: name and ids, the signal, the auxiliary vector, the mapped files.
 *
 * Everything is written twice, into a writer without and then with memory. The second time may need more: somebody
 * renames a mapped file meanwhile, or who shares the memory maps another one. What has no room then is left out. */
#include "abi/layout.h"
#include "abi/linux/core.h"
#include "libos/base/printf.h"
#include "libos/exec/core.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/task/auxv.h"
#include "libos/task/coredump.h"
#include "libos/task/cputime.h"
#include "libos/vfs/vfs.h"

#define USER_CS      0x33u
#define USER_SS      0x2bu
#define FXSAVE_SIZE  512u
#define XCR0_OFFSET  464u /* in the bytes of FXSAVE that are the software's */
#define FILES_MAX    4096u
#define PATH_ROOM    4096u
#define AUXV_MAX     1024u
#define SIGINFO_SIZE 128u

struct writer {
    uint8_t *p; /* NULL: only counts */
    size_t n, max;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
    if (w->p && w->n <= w->max && n <= w->max - w->n)
        memcpy(w->p + w->n, bytes, n);
    w->n += n;
}

static void put_padding(struct writer *w)
{
    static const uint8_t zero[4];
    put(w, zero, ROUND_UP(w->n, 4ul) - w->n);
}

static void note_head(struct writer *w, const char *owner, uint32_t type, size_t size)
{
    const uint32_t head[3] = {(uint32_t) strlen(owner) + 1, (uint32_t) size, type};
    put(w, head, sizeof head);
    put(w, owner, head[0]);
    put_padding(w);
}

static void note(struct writer *w, const char *owner, uint32_t type, struct cspan bytes)
{
    note_head(w, owner, type, bytes.n);
    put(w, bytes.p, bytes.n);
    put_padding(w);
}

/* ---- threads ---------------------------------------------------------------------------------- */
static void registers(const struct thread *t, struct linux_user_regs *ret)
{
    const struct user_frame *f = thread_frame(t);
    uint64_t rip = signal_rip_hook ? signal_rip_hook(f->rip) : f->rip;
    *ret = (struct linux_user_regs){
        .r15 = f->r15,
        .r14 = f->r14,
        .r13 = f->r13,
        .r12 = f->r12,
        .rbp = f->rbp,
        .rbx = f->rbx,
        .r11 = f->full ? f->r11 : f->rflags,
        .r10 = f->r10,
        .r9 = f->r9,
        .r8 = f->r8,
        .rax = f->rax,
        .rcx = f->full ? f->rcx : rip,
        .rdx = f->rdx,
        .rsi = f->rsi,
        .rdi = f->rdi,
        .orig_rax = f->orig_rax,
        .rip = rip,
        .cs = USER_CS,
        .rflags = f->rflags,
        .rsp = f->rsp,
        .ss = USER_SS,
        .fs_base = t == current() ? user_fs_base() : t->fs_base,
    };
}

static void split_time(int64_t ns, int64_t ret[2])
{
    ret[0] = ns / NSEC_PER_SEC;
    ret[1] = ns % NSEC_PER_SEC / 1000;
}

static void status_note(struct writer *w, const struct thread *t, const struct linux_siginfo *info)
{
    struct process *p = t->proc;
    struct cputime used = thread_cputime(t);
    struct linux_prstatus s = {
        .signo = info->signo,
        .cursig = (int16_t) info->signo,
        .pending = t->sig->pending.set,
        .blocked = t->sigmask,
        .tid = t->tid,
        .ppid = process_parent_pid(p),
        .pgid = p->pgid,
        .sid = p->sid,
        .fp_valid = coredump_xstate(t) != NULL,
    };
    split_time(used.user_ns, s.utime);
    split_time(used.system_ns, s.stime);
    split_time(p->child_utime_ns, s.cutime);
    split_time(p->child_stime_ns, s.cstime);
    registers(t, &s.regs);
    note(w, "CORE", LINUX_NT_PRSTATUS, CSPAN_OF(s));
}

static void xstate_notes(struct writer *w, const struct thread *t)
{
    const uint8_t *x = coredump_xstate(t);
    if (!x)
        return;
    note(w, "CORE", LINUX_NT_PRFPREG, (struct cspan){x, FXSAVE_SIZE});
    size_t at = w->n, size = xstate_size();
    note(w, "LINUX", LINUX_NT_X86_XSTATE, (struct cspan){x, size});
    uint64_t features = xstate_mask();
    if (w->p && w->n <= w->max) /* head and owner: 20 bytes */
        memcpy(w->p + at + 20 + XCR0_OFFSET, &features, sizeof features);
}

static void other_threads(struct writer *w, const struct linux_siginfo *info)
{
    struct process *p = current_process();
    for (unsigned i = 0;; i++) {
        AUTO(thread_put) struct thread *t = process_thread_get(p, i);
        if (!t)
            return;
        if (t == current())
            continue;
        status_note(w, t, info);
        xstate_notes(w, t);
    }
}

/* ---- the process ------------------------------------------------------------------------------ */
/* The beginning of the command line, blanks between its words. */
static void arguments(const struct process *p, struct mm *mm, char *ret, size_t size)
{
    size_t n = MIN(p->arg_end.v - p->arg_start.v, size - 1);
    if (mm_copy_from(mm, (struct span){(uint8_t *) ret, n}, p->arg_start) < 0)
        n = 0;
    for (size_t i = 0; i < n; i++)
        if (ret[i] == 0)
            ret[i] = i + 1 < n ? ' ' : 0;
}

static void process_note(struct writer *w, struct mm *mm)
{
    struct process *p = current_process();
    const struct cred *c = current_cred();
    struct linux_prpsinfo s = {
        .state_letter = 'R',
        .nice = (int8_t) p->nice,
        .uid = c->uid,
        .gid = c->gid,
        .pid = p->pid,
        .ppid = process_parent_pid(p),
        .pgid = p->pgid,
        .sid = p->sid,
    };
    memcpy(s.name, p->comm, sizeof s.name);
    arguments(p, mm, s.args, sizeof s.args);
    note(w, "CORE", LINUX_NT_PRPSINFO, CSPAN_OF(s));
}

static void siginfo_note(struct writer *w, const struct linux_siginfo *info)
{
    uint8_t bytes[SIGINFO_SIZE] = {0};
    memcpy(bytes, info, sizeof *info);
    note(w, "CORE", LINUX_NT_SIGINFO, CSPAN_OF(bytes));
}

static void auxv_note(struct writer *w, struct mm *mm)
{
    uint8_t bytes[AUXV_MAX];
    uint64_t start, size;
    if (auxv_find(mm, current_process()->stack_start.v, &start, &size) < 0 || size > sizeof bytes ||
        mm_copy_from(mm, (struct span){bytes, size}, UADDR(start)) < 0)
        return;
    note(w, "CORE", LINUX_NT_AUXV, (struct cspan){bytes, size});
}

/* Calls fn for each mapping of a file, FILES_MAX at most; how many there are. */
static uint64_t each_file(struct mm *mm, struct writer *w, char *path,
                          void (*fn)(struct writer *w, const struct mm_area *a, char *path))
{
    uint64_t count = 0;
    struct mm_area a;
    for (uintptr_t at = 0; count < FILES_MAX && mm_area_at(mm, at, &a); at = a.end) {
        if (!a.file)
            continue;
        fn(w, &a, path);
        count++;
        file_put(a.file);
    }
    return count;
}

static void no_part(struct writer *w, const struct mm_area *a, char *path)
{
}

static void range_part(struct writer *w, const struct mm_area *a, char *path)
{
    const uint64_t words[3] = {a->start, a->end, a->offset / PAGE_SIZE};
    put(w, words, sizeof words);
}

static void name_part(struct writer *w, const struct mm_area *a, char *path)
{
    if (file_path(a->file, path, PATH_ROOM) <= 0)
        path[0] = 0;
    put(w, path, strnlen(path, PATH_ROOM - 1) + 1);
}

static void files_body(struct writer *w, struct mm *mm, char *path)
{
    const uint64_t head[2] = {each_file(mm, w, path, no_part), PAGE_SIZE};
    put(w, head, sizeof head);
    (void) each_file(mm, w, path, range_part);
    (void) each_file(mm, w, path, name_part);
}

static void files_note(struct writer *w, struct mm *mm, char *path)
{
    struct writer size = {0};
    files_body(&size, mm, path);
    note_head(w, "CORE", LINUX_NT_FILE, size.n);
    files_body(w, mm, path);
    put_padding(w);
}

static void all_notes(struct writer *w, struct mm *mm, const struct linux_siginfo *info, char *path)
{
    status_note(w, current(), info);
    process_note(w, mm);
    siginfo_note(w, info);
    auxv_note(w, mm);
    files_note(w, mm, path);
    xstate_notes(w, current());
    other_threads(w, info);
}

int core_notes(struct mm *mm, const struct linux_siginfo *info, struct span *ret)
{
    char *path = kzalloc(PATH_ROOM);
    if (!path)
        return -ENOMEM;
    struct writer w = {0};
    all_notes(&w, mm, info, path);
    w = (struct writer){.p = kzalloc(w.n), .max = w.n};
    if (w.p)
        all_notes(&w, mm, info, path);
    kfree(path);
    *ret = (struct span){w.p, MIN(w.n, w.max)};
    return w.p ? 0 : -ENOMEM;
}
