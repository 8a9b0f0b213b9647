/* Guest memory of the ordinary process: a window of 1 TiB of its address space, reserved at the first
 * use. A guest address is an offset into it. What is committed, and with which rights, only the real
 * page tables know: user copies go through process_vm_readv/writev on the process itself, which fail
 * where a plain access would fault.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include "abi/layout.h"
#include "libos/base/ckmath.h"
#include "libos/host/posix/unit.h"
#include "libos/mm/epc.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/task/process.h"

#define WEAK       __attribute__((weak))
#define ARENA      0x10000000ul /* unit_user_alloc hands out from here, one guard page each */
#define ARENA_SIZE 0x10000000ul

static uintptr_t arena_next = ARENA;

static char *window(void)
{
    static char *base;
    if (!base) {
        void *want = (void *) UNIT_GUEST_BASE;
        base = mmap(want, ELRANGE_SIZE, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (base != want)
            panic("the guest window cannot be reserved");
    }
    return base;
}

void *unit_guest(uaddr_t ua)
{
    return window() + ua.v;
}

static int to_host_prot(int prot)
{
    return (prot & PROT_R ? PROT_READ : 0) | (prot & PROT_W ? PROT_READ | PROT_WRITE : 0);
}

WEAK int epc_commit(uintptr_t addr, size_t pages)
{
    return mprotect(window() + addr, pages * PAGE_SIZE, PROT_READ | PROT_WRITE) ? -ENOMEM : 0;
}

WEAK int epc_commit_copies(uintptr_t addr, const void *source, size_t pages, int prot)
{
    if (epc_commit(addr, pages) < 0)
        return -ENOMEM;
    memcpy(window() + addr, source, pages * PAGE_SIZE);
    epc_protect(addr, pages, PROT_R | PROT_W, prot);
    return 0;
}

WEAK void epc_protect(uintptr_t addr, size_t pages, int old_prot, int new_prot)
{
    if (mprotect(window() + addr, pages * PAGE_SIZE, to_host_prot(new_prot)) != 0)
        panic("epc_protect");
}

/* ---- user access: copies that fail instead of faulting */

static bool in_window(uaddr_t ua, size_t n)
{
    uintptr_t end;
    return ua.v >= USER_MIN && !ck_add(&end, ua.v, n) && end <= SHARED_END;
}

/* Null where mm is not in the build. */
extern int mm_fault(struct mm *mm, uintptr_t addr, int access, int *ret_code) __attribute__((weak));

/* How many bytes could be moved. */
static size_t try_move(void *local, uaddr_t ua, size_t n, bool out)
{
    struct iovec a = {local, n}, b = {unit_guest(ua), n};
    ssize_t r = out ? process_vm_writev(getpid(), &a, 1, &b, 1, 0)
                    : process_vm_readv(getpid(), &a, 1, &b, 1, 0);
    return r > 0 ? (size_t) r : 0;
}

static int move(void *local, uaddr_t ua, size_t n, bool out)
{
    if (n > 0 && !in_window(ua, n))
        return -EFAULT;
    struct mm *mm = current()->proc ? current()->proc->mm : NULL;
    size_t done = 0;
    while (done < n) {
        size_t part = MIN(n - done, PAGE_SIZE - (ua.v + done) % PAGE_SIZE);
        if (try_move((char *) local + done, uaddr_add(ua, done), part, out) == part) {
            done += part;
            continue;
        }
        int code;
        if (!mm || !mm_fault || mm_fault(mm, ua.v + done, out ? PROT_W : PROT_R, &code) < 0)
            return -EFAULT;
    }
    return 0;
}

WEAK int copy_from_user(struct span dst, uaddr_t src)
{
    return move(dst.p, src, dst.n, false);
}

WEAK int copy_to_user(uaddr_t dst, struct cspan src)
{
    return move((void *) (uintptr_t) src.p, dst, src.n, true);
}

WEAK int clear_user(uaddr_t dst, size_t n)
{
    static const uint8_t zeros[4096];
    int r = 0;
    for (size_t done = 0; r == 0 && done < n; done += MIN(n - done, sizeof zeros))
        r = copy_to_user(uaddr_add(dst, done), (struct cspan){zeros, MIN(n - done, sizeof zeros)});
    return r;
}

WEAK long str_from_user(char *dst, size_t size, uaddr_t src)
{
    for (size_t i = 0; i + 1 < size; i++) {
        if (copy_from_user((struct span){(uint8_t *) dst + i, 1}, uaddr_add(src, i)) < 0)
            return -EFAULT;
        if (!dst[i])
            return (long) i;
    }
    return -ENAMETOOLONG;
}

WEAK int user_load_u32(uaddr_t ua, uint32_t *ret)
{
    return ua.v % 4 ? -EFAULT : get_user(ret, ua);
}

WEAK int user_cmpxchg_u32(uaddr_t ua, uint32_t expected, uint32_t desired, uint32_t *ret_found)
{
    uint32_t v;
    int r = user_load_u32(ua, &v);
    if (r < 0)
        return r;
    if (v == expected && (r = put_user(ua, desired)) < 0)
        return r;
    *ret_found = v;
    return 0;
}

WEAK int mm_copy_from(struct mm *mm, struct span dst, uaddr_t src)
{
    return copy_from_user(dst, src);
}

/* ---- for tests */

bool unit_guest_holds(uintptr_t addr, size_t n)
{
    static uint8_t buf[65536];
    check(n <= sizeof buf);
    return try_move(buf, UADDR(addr), n, false) == n;
}

uaddr_t unit_user_alloc(size_t size)
{
    size_t pages = (size + PAGE_SIZE - 1) / PAGE_SIZE;
    uintptr_t at = arena_next;
    arena_next += (pages + 1) * PAGE_SIZE;
    if (arena_next > ARENA + ARENA_SIZE || epc_commit(at, pages) != 0)
        panic("no guest memory: call unit_user_reset between tests");
    return UADDR(at + pages * PAGE_SIZE - size);
}

uaddr_t unit_user_bytes(const void *p, size_t n)
{
    uaddr_t ua = unit_user_alloc(n);
    if (n > 0)
        memcpy(unit_guest(ua), p, n);
    return ua;
}

uaddr_t unit_user_string(const char *s)
{
    return unit_user_bytes(s, strlen(s) + 1);
}

void unit_user_readonly(uaddr_t ua)
{
    epc_protect(ROUND_DOWN(ua.v, PAGE_SIZE), 1, PROT_R | PROT_W, PROT_R);
}

void unit_user_reset(void)
{
    void *base = unit_guest(UADDR(ARENA));
    madvise(base, ARENA_SIZE, MADV_DONTNEED);
    mprotect(base, ARENA_SIZE, PROT_NONE);
    arena_next = ARENA;
}
