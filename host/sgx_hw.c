/* Real SGX: Linux' /dev/sgx_enclave and __vdso_sgx_enter_enclave().
 *
 * Untested on hardware: written from the driver's documented interface; what could be checked
 * here is that it compiles, and that open() refuses where the device is missing. The protocol
 * with the enclave is the same as in the simulator. An exception inside makes the vDSO function
 * return with the leaf it was in; the nested EENTER and the ERESUME are then calls of the same
 * function.
 *
 * Ticks: the signal's handler runs on the thread's stack, interrupting the vDSO at its ENCLU,
 * which resumes the enclave when the handler returns; so the handler makes the nested EENTER
 * itself.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "abi/enter.h"
#include "abi/layout.h"
#include "host/sgx.h"

#define DEVICE "/dev/sgx_enclave"

struct sgx_enclave {
    int fd;
    bool created, initialized;
    uint64_t base, size, view_start;
    int (*vdso)(unsigned long rdi, unsigned long rsi, unsigned long rdx, unsigned int function,
                unsigned long r8, unsigned long r9, struct sgx_vdso_run *run);
};

/* What the tick handler needs; initial-exec, so reading it in a handler is safe. */
static __thread struct {
    struct sgx_thread *thread;
    volatile int depth; /* nested entries */
} inside;

/* vDSO */

struct symbols {
    const Elf64_Sym *table;
    const char *names;
    const uint32_t *hash;
    uintptr_t bias;
};

static bool symbols_find(uintptr_t base, struct symbols *ret_symbols)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *) base;
    const Elf64_Phdr *segment = (const Elf64_Phdr *) (base + header->e_phoff);
    const Elf64_Dyn *dynamic = NULL;
    struct symbols s = {0};
    bool loaded = false;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (segment[i].p_type == PT_LOAD && !loaded) {
            s.bias = base + segment[i].p_offset - segment[i].p_vaddr;
            loaded = true;
        } else if (segment[i].p_type == PT_DYNAMIC) {
            dynamic = (const Elf64_Dyn *) (base + segment[i].p_offset);
        }
    }
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
        uintptr_t value = s.bias + dynamic->d_un.d_ptr;
        if (dynamic->d_tag == DT_SYMTAB)
            s.table = (const Elf64_Sym *) value;
        else if (dynamic->d_tag == DT_STRTAB)
            s.names = (const char *) value;
        else if (dynamic->d_tag == DT_HASH)
            s.hash = (const uint32_t *) value;
    }
    *ret_symbols = s;
    return s.table && s.names && s.hash;
}

static void *vdso_lookup(const char *name)
{
    uintptr_t base = getauxval(AT_SYSINFO_EHDR);
    struct symbols s;
    if (!base || !symbols_find(base, &s))
        return NULL;
    for (uint32_t i = 0; i < s.hash[1]; i++)
        if (s.table[i].st_shndx != SHN_UNDEF && strcmp(s.names + s.table[i].st_name, name) == 0)
            return (void *) (s.bias + s.table[i].st_value);
    return NULL;
}

/* driver */

/* Repeats a page call until all is done; the driver stops at signals and while pages are
 * reclaimed. */
static bool try_again(int error)
{
    return error == EINTR || error == EAGAIN || error == EBUSY;
}

static int hw_open(struct sgx_enclave **ret_enclave)
{
    int fd = open(DEVICE, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct sgx_enclave *enclave = calloc(1, sizeof *enclave);
    if (!enclave) {
        (void) close(fd); /* nothing was done with it */
        return -ENOMEM;
    }
    enclave->fd = fd;
    enclave->vdso = (__typeof__(enclave->vdso)) vdso_lookup("__vdso_sgx_enter_enclave");
    if (!enclave->vdso) {
        (void) close(fd); /* nothing was done with it */
        free(enclave);
        return -ENODEV;
    }
    *ret_enclave = enclave;
    return 0;
}

static void hw_close(struct sgx_enclave *enclave)
{
    if (enclave->created) /* ours alone: cannot fail */
        (void) munmap((void *) enclave->view_start,
                      enclave->base + enclave->size - enclave->view_start);
    (void) close(enclave->fd); /* the driver drops the enclave */
    free(enclave);
}

static int hw_create(struct sgx_enclave *enclave, const struct sgx_secs *secs)
{
    if (enclave->created)
        return -EINVAL;
    enclave->base = secs->base;
    enclave->size = secs->size;
    enclave->view_start = secs->base ? secs->base : USER_MIN;
    uint64_t length = enclave->base + enclave->size - enclave->view_start;
    /* All-permissive while no page is there; from EADD on the EPCM decides. */
    void *view = mmap((void *) enclave->view_start, length, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_SHARED | MAP_FIXED_NOREPLACE, enclave->fd, 0);
    if (view == MAP_FAILED)
        return -errno;
    enclave->created = true;
    struct sgx_ioc_create call = {.src = (uint64_t) secs};
    return ioctl(enclave->fd, SGX_IOC_ENCLAVE_CREATE, &call) < 0 ? -errno : 0;
}

static int hw_add_pages(struct sgx_enclave *enclave, const void *src, uint64_t offset,
                        uint64_t length, const struct sgx_secinfo *secinfo, bool measure)
{
    uint64_t done = 0;
    while (done < length) {
        struct sgx_ioc_add_pages call = {
            .src = (uint64_t) src + done,
            .offset = offset + done,
            .length = length - done,
            .secinfo = (uint64_t) secinfo,
            .flags = measure ? SGX_PAGE_MEASURE : 0,
        };
        if (ioctl(enclave->fd, SGX_IOC_ENCLAVE_ADD_PAGES, &call) < 0 && !try_again(errno))
            return -errno;
        done += call.count;
    }
    return 0;
}

static int hw_init(struct sgx_enclave *enclave, const struct sgx_sigstruct *sigstruct)
{
    struct sgx_sigstruct *page = aligned_alloc(SGX_PAGE_SIZE, SGX_PAGE_SIZE);
    if (!page)
        return -ENOMEM;
    memcpy(page, sigstruct, sizeof *sigstruct);
    struct sgx_ioc_init call = {.sigstruct = (uint64_t) page};
    int r;
    do
        r = ioctl(enclave->fd, SGX_IOC_ENCLAVE_INIT, &call) < 0 ? -errno : 0;
    while (r < 0 && try_again(-r));
    free(page);
    enclave->initialized = r == 0;
    if (r == -EPERM)
        fprintf(stderr, "HW: EINIT refused the enclave (the kernel does not say why)\n");
    return r;
}

/* SGX2 */

static int hw_restrict_perms(struct sgx_enclave *enclave, uint64_t offset, uint64_t length,
                             uint64_t secinfo_perms, uint64_t *ret_count)
{
    for (*ret_count = 0; *ret_count < length;) {
        struct sgx_ioc_restrict_perms call = {.offset = offset + *ret_count,
                                              .length = length - *ret_count,
                                              .permissions = secinfo_perms};
        int r = ioctl(enclave->fd, SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, &call) < 0 ? -errno : 0;
        *ret_count += call.count;
        if (r < 0 && !try_again(-r))
            return r;
    }
    return 0;
}

static int hw_modify_types(struct sgx_enclave *enclave, uint64_t offset, uint64_t length,
                           unsigned type, uint64_t *ret_count)
{
    for (*ret_count = 0; *ret_count < length;) {
        struct sgx_ioc_modify_types call = {
            .offset = offset + *ret_count, .length = length - *ret_count, .page_type = type};
        int r = ioctl(enclave->fd, SGX_IOC_ENCLAVE_MODIFY_TYPES, &call) < 0 ? -errno : 0;
        *ret_count += call.count;
        if (r < 0 && !try_again(-r))
            return r;
    }
    return 0;
}

static int hw_remove_pages(struct sgx_enclave *enclave, uint64_t offset, uint64_t length,
                           uint64_t *ret_count)
{
    for (*ret_count = 0; *ret_count < length;) {
        struct sgx_ioc_remove_pages call = {.offset = offset + *ret_count,
                                            .length = length - *ret_count};
        int r = ioctl(enclave->fd, SGX_IOC_ENCLAVE_REMOVE_PAGES, &call) < 0 ? -errno : 0;
        *ret_count += call.count;
        if (r < 0 && !try_again(-r))
            return r;
    }
    return 0;
}

/* threads */

struct vdso_exit {
    struct sgx_vdso_run run;
    uint64_t rdi, rsi;
};

/* Called by the vDSO function at every exit, with the enclave's RDI and RSI; <= 0 makes it
 * return. */
static int note_exit(long rdi, long rsi, long rdx, long rsp, long r8, long r9,
                     struct sgx_vdso_run *run)
{
    struct vdso_exit *exit = (struct vdso_exit *) run->user_data;
    exit->rdi = (uint64_t) rdi;
    exit->rsi = (uint64_t) rsi;
    return 0;
}

/* One leaf (EENTER or ERESUME); returns at EEXIT or with an exception in exit->run. The vDSO
 * function preserves RBX, RBP, RSP; everything else may be the enclave's afterwards. */
static void call_vdso(struct sgx_thread *thread, unsigned leaf, uint64_t rdi, uint64_t rsi,
                      struct vdso_exit *ret_exit)
{
    uint32_t mxcsr;
    uint16_t fcw;
    *ret_exit = (struct vdso_exit){.run = {.tcs = thread->tcs,
                                           .user_handler = (uint64_t) note_exit,
                                           .user_data = (uint64_t) ret_exit}};
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(fcw));
    (void) thread->enclave->vdso(rdi, rsi, 0, leaf, 0, 0, &ret_exit->run); /* run.function tells */
    __asm__ volatile("cld; fnclex; fldcw %1; ldmxcsr %0"
                     :
                     : "m"(mxcsr), "m"(fcw)
                     : "rbx", "r12", "r13", "r14", "r15", "memory", "cc");
}

static bool exception_inside(const struct vdso_exit *exit)
{
    return exit->run.function == SGX_ERESUME; /* EENTER (2) means: the entry itself faulted */
}

static void fail(const struct vdso_exit *exit, struct sgx_exit *ret_exit)
{
    *ret_exit = (struct sgx_exit){.status = -EFAULT,
                                  .vector = exit->run.exception_vector,
                                  .fault_addr = exit->run.exception_addr};
}

/* EENTER, then whatever follows until the enclave leaves at the depth it was entered at. */
static void run(struct sgx_thread *thread, uint64_t rdi, uint64_t rsi, struct sgx_exit *ret_exit)
{
    struct vdso_exit exit;
    int depth = 0;
    call_vdso(thread, SGX_EENTER, rdi, rsi, &exit);
    for (;;) {
        if (exit.run.function != SGX_EEXIT) {
            if (!exception_inside(&exit)) {
                fail(&exit, ret_exit);
                return;
            }
            depth++;
            inside.depth++;
            call_vdso(thread, SGX_EENTER, ENTER_EXCEPTION, exit.run.exception_vector, &exit);
        } else if (depth > 0 && exit.rdi == EXIT_RESUME) {
            depth--;
            inside.depth--;
            call_vdso(thread, SGX_ERESUME, 0, 0, &exit);
        } else {
            *ret_exit = (struct sgx_exit){.rdi = exit.rdi, .rsi = exit.rsi};
            return;
        }
    }
}

static void hw_enter(struct sgx_thread *thread, uint64_t rdi, uint64_t rsi,
                     struct sgx_exit *ret_exit)
{
    inside.depth = 0;
    inside.thread = thread;
    run(thread, rdi, rsi, ret_exit);
    inside.thread = NULL;
}

/* At ENCLU with RAX = ERESUME: the thread was inside and goes on there when the handler returns. */
static void on_tick(int signo, siginfo_t *info, void *ucontext)
{
    static const uint8_t enclu[3] = {0x0f, 0x01, 0xd7};
    const greg_t *gregs = ((ucontext_t *) ucontext)->uc_mcontext.gregs;
    struct sgx_thread *thread = inside.thread;
    struct sgx_exit exit;
    int saved_errno = errno;
    if (!thread || inside.depth > 0 || gregs[REG_RAX] != SGX_ERESUME ||
        memcmp((const void *) gregs[REG_RIP], enclu, sizeof enclu) != 0)
        return;
    inside.depth = 1;
    run(thread, ENTER_TICK, 0, &exit);
    inside.depth = 0;
    if (exit.status < 0 || exit.rdi != EXIT_RESUME)
        _exit(PANIC_STATUS); /* it has said what there was to say */
    errno = saved_errno;
}

static int hw_tick_signal(int signo)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART};
    action.sa_sigaction = on_tick;
    (void) sigfillset(&action.sa_mask); /* cannot fail */
    return sigaction(signo, &action, NULL) < 0 ? -errno : 0;
}

static int hw_thread_init(struct sgx_thread *thread)
{
    return thread->enclave->initialized ? 0 : -EINVAL;
}

static void hw_thread_fini(struct sgx_thread *thread)
{
    thread->priv = NULL;
}

const struct sgx_ops sgx_hw_ops = {
    .name = "HW",
    .open = hw_open,
    .close = hw_close,
    .create = hw_create,
    .add_pages = hw_add_pages,
    .init = hw_init,
    .restrict_perms = hw_restrict_perms,
    .modify_types = hw_modify_types,
    .remove_pages = hw_remove_pages,
    .thread_init = hw_thread_init,
    .thread_fini = hw_thread_fini,
    .enter = hw_enter,
    .tick_signal = hw_tick_signal,
};
