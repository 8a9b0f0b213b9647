/* User memory. The range must lie in granules of the calling process (or be a shared mapping of it);
 * then the copy is tried right away with the user's own permissions, which the hardware checks. A
 * fault inside the copy is resolved like the user's own fault, in ordinary context, and the copy goes
 * on. Nothing else in the kernel touches user memory (mm's page code works on pages it owns). */
#include "abi/layout.h"
#include "libos/arch/vcpu.h"
#include "libos/base/ckmath.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/mm/vma.h"
#include "libos/mm/window.h"

long user_copy(void *dst, const void *src, size_t n);
long user_zero(void *dst, size_t n);
int user_cmpxchg(uint32_t *p, uint32_t expected, uint32_t desired, uint32_t *ret_found);
int user_load(const uint32_t *p, uint32_t *ret);

static bool shared_ok(struct mm *mm, uintptr_t start, uintptr_t end)
{
    if (window_is_global(start, end))
        return true;
    MUTEX_GUARD(&mm->lock);
    while (start < end) {
        const struct vma *v = vma_find(&mm->vmas, start);
        if (!v)
            return false;
        start = v->end;
    }
    return true;
}

static bool range_ok(struct mm *mm, uintptr_t addr, size_t n)
{
    uintptr_t end;
    if (!mm || addr < USER_MIN || ck_add(&end, addr, n) || end > SHARED_END)
        return false;
    if (addr >= SHARED_BASE)
        return shared_ok(mm, addr, end);
    if (end > USER_END)
        return false;
    if (likely(granule_owner(addr) == mm && (end - 1) >> GRANULE_SHIFT == addr >> GRANULE_SHIFT))
        return true;
    for (uintptr_t a = ROUND_DOWN(addr, GRANULE_SIZE); a < end; a += GRANULE_SIZE)
        if (granule_owner(a) != mm)
            return false;
    return true;
}

/* After a fault in a copy: 0 to go on, -EFAULT. */
static int resolve(struct mm *mm, uintptr_t start, size_t n, int access)
{
    uintptr_t addr = this_vcpu()->fault.addr;
    int code;
    if (addr < start || addr - start >= n)
        return -EFAULT;
    return mm_fault(mm, addr, access, &code) == 0 ? 0 : -EFAULT;
}

int copy_from_user(struct span dst, uaddr_t src)
{
    struct mm *mm = current_mm();
    if (dst.n == 0)
        return 0;
    if (!range_ok(mm, src.v, dst.n))
        return -EFAULT;
    size_t done = 0;
    for (int tries = 0; done < dst.n;) {
        size_t left = (size_t) user_copy(dst.p + done, (const void *) (src.v + done), dst.n - done);
        tries = left < dst.n - done ? 0 : tries + 1;
        done = dst.n - left;
        if (left && (tries > 8 || resolve(mm, src.v, dst.n, PROT_R) < 0))
            return -EFAULT;
    }
    return 0;
}

int copy_to_user(uaddr_t dst, struct cspan src)
{
    struct mm *mm = current_mm();
    if (src.n == 0)
        return 0;
    if (!range_ok(mm, dst.v, src.n))
        return -EFAULT;
    size_t done = 0;
    for (int tries = 0; done < src.n;) {
        size_t left = (size_t) user_copy((void *) (dst.v + done), src.p + done, src.n - done);
        tries = left < src.n - done ? 0 : tries + 1;
        done = src.n - left;
        if (left && (tries > 8 || resolve(mm, dst.v, src.n, PROT_W) < 0))
            return -EFAULT;
    }
    return 0;
}

int clear_user(uaddr_t dst, size_t n)
{
    struct mm *mm = current_mm();
    if (n == 0)
        return 0;
    if (!range_ok(mm, dst.v, n))
        return -EFAULT;
    size_t done = 0;
    for (int tries = 0; done < n;) {
        size_t left = (size_t) user_zero((void *) (dst.v + done), n - done);
        tries = left < n - done ? 0 : tries + 1;
        done = n - left;
        if (left && (tries > 8 || resolve(mm, dst.v, n, PROT_W) < 0))
            return -EFAULT;
    }
    return 0;
}

long str_from_user(char *dst, size_t size, uaddr_t src)
{
    size_t n = 0;
    while (n < size) {
        /* up to the end of the page, so that a string at the end of memory is fine */
        size_t part = PAGE_SIZE - (src.v + n) % PAGE_SIZE;
        part = MIN(MIN(part, size - n), (size_t) 64);
        int r = copy_from_user((struct span){(uint8_t *) dst + n, part}, uaddr_add(src, n));
        if (r < 0)
            return r;
        const char *end = memchr(dst + n, 0, part);
        if (end)
            return end - dst;
        n += part;
    }
    return -ENAMETOOLONG;
}

int user_cmpxchg_u32(uaddr_t ua, uint32_t expected, uint32_t desired, uint32_t *ret_found)
{
    struct mm *mm = current_mm();
    if (!IS_ALIGNED(ua.v, 4ul) || !range_ok(mm, ua.v, 4))
        return -EFAULT;
    for (int tries = 0; tries < 8; tries++) {
        if (user_cmpxchg((uint32_t *) ua.v, expected, desired, ret_found) == 0)
            return 0;
        if (resolve(mm, ua.v, 4, PROT_W) < 0)
            return -EFAULT;
    }
    return -EFAULT;
}

int user_load_u32(uaddr_t ua, uint32_t *ret)
{
    struct mm *mm = current_mm();
    if (!IS_ALIGNED(ua.v, 4ul) || !range_ok(mm, ua.v, 4))
        return -EFAULT;
    for (int tries = 0; tries < 8; tries++) {
        if (user_load((const uint32_t *) ua.v, ret) == 0)
            return 0;
        if (resolve(mm, ua.v, 4, PROT_R) < 0)
            return -EFAULT;
    }
    return -EFAULT;
}

int mm_copy_from(struct mm *mm, struct span dst, uaddr_t src)
{
    return mm_read(mm, dst, src.v);
}
