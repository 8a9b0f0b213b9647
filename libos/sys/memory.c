/* Memory: decode and check, then one call into mm. */
#include "abi/layout.h"
#include "abi/linux/resource.h"
#include "libos/base/ckmath.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/task/process.h"
#include "libos/vfs/vfs.h"

enum {
    MMAP_SHARED = 0x01,
    MMAP_PRIVATE = 0x02,
    MMAP_SHARED_VALIDATE = 0x03,
    MMAP_TYPE = 0x0f,
    MMAP_FIXED = 0x10,
    MMAP_ANONYMOUS = 0x20,
    MMAP_HUGETLB = 0x40000,
    MMAP_FIXED_NOREPLACE = 0x100000,
};
enum { MREMAP_MAYMOVE_ = 1, MREMAP_FIXED_ = 2, MREMAP_DONTUNMAP_ = 4 };
enum { MSYNC_ASYNC = 1, MSYNC_INVALIDATE = 2, MSYNC_SYNC = 4 };
enum { MLOCK_ONFAULT_ = 1, MLOCKALL_CURRENT = 1, MLOCKALL_FUTURE = 2, MLOCKALL_ONFAULT = 4 };
/* PROT_SEM is a hint that Linux accepts; PROT_GROWSDOWN is for mprotect: down to where the stack begins. */
#define PROT_BITS       (PROT_R | PROT_W | PROT_X)
#define PROT_SEM_       8
#define PROT_GROWSDOWN_ 0x01000000

static bool page_aligned(uint64_t v)
{
    return v % PAGE_SIZE == 0;
}

static int map_check(uint64_t addr, uint64_t len, int flags, uint64_t offset)
{
    int type = flags & MMAP_TYPE;
    if (!page_aligned(offset) || len == 0)
        return -EINVAL;
    if (type != MMAP_SHARED && type != MMAP_PRIVATE && type != MMAP_SHARED_VALIDATE)
        return -EINVAL;
    if ((flags & (MMAP_FIXED | MMAP_FIXED_NOREPLACE)) && !page_aligned(addr))
        return -EINVAL;
    if (len > ELRANGE_SIZE || (flags & MMAP_HUGETLB))
        return -ENOMEM;
    uint64_t end;
    return ck_add(&end, offset, len) ? -EOVERFLOW : 0;
}

/* partial: an object has one address; MAP_HUGETLB, MAP_GROWSDOWN, MAP_SYNC are not there */
SYSCALL(mmap, uint64_t, addr, uint64_t, len, int, prot, int, flags, int, fd, uint64_t, offset)
{
    int r = map_check(addr, len, flags, offset);
    if (r < 0)
        return r;
    struct mm *mm = current_mm();
    if (flags & MMAP_ANONYMOUS)
        return mm_map(mm, addr, len, prot & PROT_BITS, flags, NULL, 0);
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f)
        return -EBADF;
    return mm_map(mm, addr, len, prot & PROT_BITS, flags, f, offset);
}

/* full */
SYSCALL(munmap, uint64_t, addr, uint64_t, len)
{
    if (!page_aligned(addr) || len == 0 || len > ELRANGE_SIZE || addr > ELRANGE_SIZE - len)
        return -EINVAL;
    return mm_unmap(current_mm(), addr, len);
}

/* The range grows down to the start of the stack that addr is in. */
static int from_stack_start(uint64_t *addr, uint64_t *len)
{
    struct mm_area a;
    if (!mm_area_at(current_mm(), *addr, &a) || a.start >= *addr + *len)
        return -ENOMEM;
    if (a.file)
        file_put(a.file);
    if (!a.stack)
        return -EINVAL;
    *len += *addr - MIN(*addr, a.start);
    *addr = MIN(*addr, a.start);
    return 0;
}

static long protect(uint64_t addr, uint64_t len, int prot)
{
    if (!page_aligned(addr) || (prot & ~(PROT_BITS | PROT_SEM_ | PROT_GROWSDOWN_)))
        return -EINVAL;
    if (len == 0)
        return 0;
    if (len > ELRANGE_SIZE || addr > ELRANGE_SIZE - len)
        return -ENOMEM;
    if (prot & PROT_GROWSDOWN_) {
        int r = from_stack_start(&addr, &len);
        if (r < 0)
            return r;
    }
    return mm_protect(current_mm(), addr, len, prot & PROT_BITS);
}

/* full */
SYSCALL(mprotect, uint64_t, addr, uint64_t, len, int, prot)
{
    return protect(addr, len, prot);
}

/* partial: shared objects do not move */
SYSCALL(mremap, uint64_t, old_addr, uint64_t, old_len, uint64_t, new_len, int, flags, uint64_t,
        new_addr)
{
    if ((flags & ~(MREMAP_MAYMOVE_ | MREMAP_FIXED_ | MREMAP_DONTUNMAP_)) ||
        !page_aligned(old_addr) || new_len == 0)
        return -EINVAL;
    if ((flags & (MREMAP_FIXED_ | MREMAP_DONTUNMAP_)) && !(flags & MREMAP_MAYMOVE_))
        return -EINVAL;
    if ((flags & MREMAP_FIXED_) && !page_aligned(new_addr))
        return -EINVAL;
    if (old_len > ELRANGE_SIZE || new_len > ELRANGE_SIZE)
        return -ENOMEM;
    return mm_remap(current_mm(), old_addr, old_len, new_len, flags, new_addr);
}

/* partial: advice that only Linux' page reclaim could use has no effect */
SYSCALL(madvise, uint64_t, addr, uint64_t, len, int, advice)
{
    if (!page_aligned(addr) || len > ELRANGE_SIZE)
        return -EINVAL;
    return mm_advise(current_mm(), addr, len, advice);
}

/* full */
SYSCALL(brk, uint64_t, addr)
{
    return (long) mm_brk(current_mm(), addr);
}

/* full */
SYSCALL(msync, uint64_t, addr, uint64_t, len, int, flags)
{
    if ((flags & ~(MSYNC_ASYNC | MSYNC_INVALIDATE | MSYNC_SYNC)) || !page_aligned(addr) ||
        ((flags & MSYNC_ASYNC) && (flags & MSYNC_SYNC)))
        return -EINVAL;
    if (len > ELRANGE_SIZE)
        return -ENOMEM;
    return len == 0 ? 0 : mm_sync(current_mm(), addr, len, flags);
}

/* full */
SYSCALL(mincore, uint64_t, addr, uint64_t, len, uaddr_t, vec)
{
    if (!page_aligned(addr))
        return -EINVAL;
    if (len > ELRANGE_SIZE)
        return -ENOMEM;
    return len == 0 ? 0 : mm_mincore(current_mm(), addr, len, vec);
}

/* ---- locking ---------------------------------------------------------------------------------- */
/* Enclave pages may be paged out by the host, encrypted: locking only checks and counts. */
static long lock_range(uint64_t addr, uint64_t len, bool lock)
{
    uint64_t start = ROUND_DOWN(addr, PAGE_SIZE), end;
    len = ROUND_UP(len + addr % PAGE_SIZE, PAGE_SIZE); /* may wrap: Linux rounds first too */
    if (len == 0)
        return 0;
    if (ck_add(&end, start, len))
        return -EINVAL;
    if (end > ELRANGE_SIZE)
        return -ENOMEM;
    return mm_lock_range(current_mm(), start, len, lock);
}

/* partial: checked and counted, the host may still page out */
SYSCALL(mlock, uint64_t, addr, uint64_t, len)
{
    return lock_range(addr, len, true);
}

/* partial: checked and counted, the host may still page out */
SYSCALL(mlock2, uint64_t, addr, uint64_t, len, int, flags)
{
    return flags & ~MLOCK_ONFAULT_ ? -EINVAL : lock_range(addr, len, true);
}

/* full */
SYSCALL(munlock, uint64_t, addr, uint64_t, len)
{
    return lock_range(addr, len, false);
}

/* partial: checked, the host may still page out */
SYSCALL(mlockall, int, flags)
{
    bool bad = !flags || (flags & ~(MLOCKALL_CURRENT | MLOCKALL_FUTURE | MLOCKALL_ONFAULT)) ||
               flags == MLOCKALL_ONFAULT;
    return bad ? -EINVAL : 0;
}

/* full */
SYSCALL(munlockall)
{
    return 0;
}

/* ---- protection keys: as on a processor that has none ----------------------------------------- */
/* partial: no keys, so only -1, which makes it mprotect */
SYSCALL(pkey_mprotect, uint64_t, addr, uint64_t, len, int, prot, int, key)
{
    return key == -1 ? protect(addr, len, prot) : -EINVAL;
}

/* absent: ENOSPC, as on a processor without keys */
SYSCALL(pkey_alloc, uint64_t, flags, uint64_t, rights)
{
    return flags || (rights & ~3ull) ? -EINVAL : -ENOSPC;
}

/* absent: EINVAL, as on a processor without keys */
SYSCALL(pkey_free, int, key)
{
    return -EINVAL;
}
