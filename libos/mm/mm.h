/* Address spaces: sets of mappings in one shared address range.
 *
 * The enclave has one address space; a struct mm owns granules of it (256 MiB each) and keeps
 * mappings (vma) inside them. owner lookup is one table read, so every user address is checked
 * against the calling process's own granules. An enclave page has one address: there are no frames
 * and no aliases; mapping means committing, filling and protecting the pages at that address.
 * All functions below take the mm's lock (a mutex) themselves and may sleep.
 */
#ifndef MM_MM_H
#define MM_MM_H
#include "libos/base/ref.h"
#include "libos/base/span.h"
#include "libos/task/mutex.h"

struct file;
struct inode;

enum { PROT_R = 1, PROT_W = 2, PROT_X = 4 }; /* = PROT_READ, PROT_WRITE, PROT_EXEC */

struct mm_stats { /* pages */
    size_t total, resident, shared, text, data, stack, locked;
};

/* Boot: what all processes together may have resident. */
void mm_set_limit(uint64_t bytes);
struct mm *mm_new(void); /* without addresses; NULL: out of memory */
/* Gives it the addresses a program runs at; program: its file's identity (inode_unique). -ENOMEM. */
must_check int mm_settle_in(struct mm *mm, uint64_t program);
void mm_get(struct mm *mm);
uint32_t mm_users(const struct mm *mm); /* processes; the caller's own reference is not one */
void mm_put(struct mm *mm); /* the last one unmaps everything and keeps pages warm for the next */
DEFINE_AUTO(struct mm, mm_put)
struct mm *current_mm(void);

/* mmap(2) semantics with Linux' flags; returns the address or -errno. file may be NULL. The mm keeps
 * its own reference on file. len need not be page aligned. */
must_check long mm_map(struct mm *mm, uintptr_t addr, size_t len, int prot, int flags,
                       struct file *file, uint64_t offset);
must_check int mm_unmap(struct mm *mm, uintptr_t addr, size_t len);
must_check int mm_protect(struct mm *mm, uintptr_t addr, size_t len, int prot);
must_check long mm_remap(struct mm *mm, uintptr_t addr, size_t old_len, size_t new_len, int flags,
                         uintptr_t new_addr);
must_check int mm_advise(struct mm *mm, uintptr_t addr, size_t len, int advice);
must_check int mm_sync(struct mm *mm, uintptr_t addr, size_t len, int flags);
must_check int mm_mincore(struct mm *mm, uintptr_t addr, size_t len, uaddr_t vec);
must_check int mm_lock_range(struct mm *mm, uintptr_t addr, size_t len, bool lock);
/* The memory policy of a range, for mbind; a hole is -EFAULT. It is only kept: there is one node. */
must_check int mm_policy_set(struct mm *mm, uintptr_t addr, size_t len, uint16_t policy);
must_check int mm_policy_get(struct mm *mm, uintptr_t addr, uint16_t *ret);
/* Whether a page is there: 0, -ENOENT not yet, -EFAULT not mapped. */
must_check int mm_page_state(struct mm *mm, uintptr_t addr);
uintptr_t mm_brk(struct mm *mm, uintptr_t new_brk); /* the break after the call, as brk(2) */

/* Unmaps what there is of the object, each part once; -EINVAL: nothing is. */
must_check int mm_detach(struct mm *mm, struct file *f);
/* The object ends at size now: its private mappings show nothing behind. Only mm's; -ENOMEM. */
must_check int mm_forget_behind(struct mm *mm, const struct inode *object, uint64_t size);

/* For the loader. The base of the mm's own address range: deterministic offsets inside it give the
 * same addresses for each run of a program, so that kept pages fit again. */
struct mm_layout {
    uintptr_t stubs, stubs_end; /* patch-site stubs, within 2 GiB of everything below */
    uintptr_t exe, interp;      /* where to put PIE images and interpreters */
    uintptr_t mmap_base;        /* first fit from here upwards */
    uintptr_t stack_top;        /* the stack grows down from here */
};
void mm_layout(struct mm *mm, struct mm_layout *ret);
/* Addresses below 256 MiB, for programs linked to fixed addresses. The address spaces that use them take
 * turns (low.c). program: the inode_unique of the executable. Sleeps until the turn comes and keeps it
 * until mm_turn_settle. -EBUSY: MM_LOW_SLICES different programs use them already. */
#define MM_LOW_SLICES 8u
must_check int mm_claim_low(struct mm *mm, uint64_t program);
uint32_t mm_low_slice(const struct mm *mm); /* of its program; 0 if it has none */
/* A slice goes to another program: its stubs are free. Installed by exec. */
extern void (*mm_low_slice_hook)(uint32_t slice);

/* fork: a copy of parent, the calling thread's, which stays resident: one family from now on. NULL: no
 * memory. Sleeps. */
must_check struct mm *mm_fork(struct mm *parent);
/* Right after it, by the only thread that runs parent: the turn is child's, without any copy. True: the
 * calling thread must not touch user memory before it has given way (thread_give_way). False: the
 * turn stays, because others use parent or look at it, or its copy is not plain (madvise). */
bool mm_fork_turn(struct mm *parent, struct mm *child);

/* Turns, for the scheduler (family.c). May a thread of mm (or NULL) run on this vCPU now? If so its turn
 * is reserved. */
bool mm_turn_enter(struct mm *mm);
void mm_turn_arrive(struct mm *mm); /* before it runs: brings its pages in if they are away */
void mm_turn_leave(void);           /* this vCPU runs nobody's thread now */
/* At a tick: does another mm wait for the turn of this one? Then it comes next, and the caller yields. */
bool mm_turn_wanted(struct mm *mm);
void mm_turn_preempted(struct mm *mm); /* its thread loses the vCPU to somebody of another family */
/* At the end of every exec, failed or not: the calling process's memory is in place, turns go on. */
void mm_turn_settle(void);
/* A hint: mm is away and cannot come now, because the resident runs on another vCPU. */
bool mm_turn_held(const struct mm *mm);
bool mm_is_doomed(const struct mm *mm); /* lost pages for lack of memory: kill its processes */
void mm_set_brk(struct mm *mm, uintptr_t start, uintptr_t limit);

/* The patch-stub area: read-execute; its pages outlive the process like the code that jumps to them. */
must_check int mm_map_stubs(struct mm *mm, uintptr_t start, size_t len);
/* Writes into it. Only from mm_exec_page_hook, which runs under the mm's lock. */
must_check int mm_write_stub(struct mm *mm, uintptr_t addr, struct cspan src);
/* After a program was loaded into a new mm: what earlier processes left and nobody mapped loses its
 * access. */
void mm_settle(struct mm *mm);

/* Kernel access to pages of mm regardless of their user protection (loader, patching, vDSO, stack
 * set-up); commits and fills the pages first. -EFAULT where nothing is mapped. */
must_check int mm_write(struct mm *mm, uintptr_t addr, struct cspan src);
must_check int mm_read(struct mm *mm, struct span dst, uintptr_t addr);

/* A page fault of user code or uaccess at addr; access is PROT_R/W/X. 0: try again. -EFAULT: SEGV with
 * *ret_code = SEGV_MAPERR / SEGV_ACCERR; -ENXIO: SIGBUS (BUS_ADRERR); -ENOMEM: kill the process. */
must_check int mm_fault(struct mm *mm, uintptr_t addr, int access, int *ret_code);

void mm_stats(struct mm *mm, struct mm_stats *ret);
/* One mapping at or after addr, for /proc/PID/maps; false at the end. Takes a file reference. */
struct mm_area {
    uintptr_t start, end;
    int prot;
    bool shared, stack, heap, vdso, locked;
    bool changed; /* of a private mapping of a file pages may differ from the file's */
    uint64_t offset;
    struct file *file; /* a reference, or NULL */
};
bool mm_area_at(struct mm *mm, uintptr_t addr, struct mm_area *ret);
size_t mm_resident_in(struct mm *mm, uintptr_t start, uintptr_t end); /* pages in memory */

/* What mm needs of files, installed by vfs at boot (mm may not call up). */
struct mm_file_ops {
    /* A mapping's reference; shared ones are counted. hold: any other one, dropped by file_put. */
    void (*get)(struct file *f, bool shared);
    void (*put)(struct file *f, bool shared);
    void (*hold)(struct file *f);
    struct inode *(*inode)(struct file *f); /* borrowed from f */
    /* May this file be mapped so? 0, -EACCES, -ENODEV (no mmap), -EPERM (noexec). */
    int (*check)(struct file *f, int prot, bool shared);
    uint64_t (*size)(struct inode *i);
    uint64_t (*unique)(const struct inode *i); /* key of kept pages */
    bool (*immutable)(const struct inode *i);
    int (*read_page)(struct inode *i, uint64_t index, void *dst); /* -ENXIO: beyond the end */
    /* The same for the kernel's own zeroed memory, undefined on failure: not kept if this is the first time. */
    int (*pass_page)(struct inode *i, uint64_t index, void *dst);
    bool (*at_hand)(struct inode *i, uint64_t index); /* read_page would only copy it */
    /* MAP_SHARED: the inode's page cache moves into the shared window for good (its home); the
     * address where page `first` .. first + count lives. -ENOMEM: no window space. What has content is there, other
     * pages are zeros that the first touch opens (window_open). */
    int (*shared_home)(struct inode *i, uint64_t first, uint64_t count, uintptr_t *ret_addr);
    int (*sync)(struct inode *i, uint64_t first, uint64_t count); /* write back */
    int (*punch)(struct file *f, uint64_t offset, uint64_t len);  /* -EACCES: not writable */
};
extern const struct mm_file_ops *mm_file_ops;

/* The shared window: page ranges for the page caches of shared objects, zeros that have to be opened before they are
 * touched; processes that map them are recorded by mm. */
must_check int window_alloc(uint64_t pages, uintptr_t *ret_addr);
bool window_closed(uintptr_t addr);               /* not open: zeros */
void window_free(uintptr_t addr, uint64_t pages); /* nobody maps it any more */
/* Pages that somebody touches now; cheap when they are open already. -ENOMEM: the host has no memory for pages that
 * were never open; one that was can always be opened again. */
must_check int window_open(uintptr_t start, uintptr_t end);
/* Pages behind the end of a file: closed, so that touching them faults (SIGBUS), until the file grows over them. */
void window_close(uintptr_t start, uintptr_t end);
/* Anonymous shared memory (MAP_SHARED|MAP_ANONYMOUS) is a memfd-like inode made by vfs. */
extern struct file *(*mm_anon_shared_file)(uint64_t size); /* NULL: out of memory */

/* Called with the content of a page of an executable private mapping of a file: patches its system-call
 * and cpuid sites. Installed by exec/ (a hook, because mm may not call up). index: page number in the
 * file; bytes: the page, which is or will be at addr. */
extern void (*mm_exec_page_hook)(struct mm *mm, struct inode *inode, uint64_t index, uintptr_t addr,
                                 void *bytes);
/* Has the page at addr, of mm, jumps to stubs? Installed with the other. */
extern bool (*mm_exec_patched_hook)(struct mm *mm, uintptr_t addr);
#endif
