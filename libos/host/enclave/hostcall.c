/* Leaving the enclave: marshalling, the exit itself, and the checks on the answer.
 *
 * The vCPU's struct host_vcpu lies in host memory. Requests are written there, answers are read once
 * into locals and then judged by the row of abi/hostcalls.def. The user's vector state is saved and
 * scrubbed around every exit: outside they belong to the host. */
#include "abi/enter.h"
#include "abi/layout.h"
#include "libos/arch/fpu.h"
#include "libos/arch/vcpu.h"
#include "libos/base/ckmath.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/host/enclave/host_mem.h"
#include "libos/host/host.h"
#include "libos/host/validate.h"
#include "libos/task/thread.h"

/* EENTER loads FS from the TCS, so the user's comes back by hand. */
static void leave(uint64_t reason, uint64_t arg)
{
    uint64_t fs = user_fs_base();
    fpu_begin();
    fpu_scrub();
    host_leave(reason, arg);
    this_vcpu()->x87_live = true;  /* whatever the host did */
    this_vcpu()->tick_pending = 1; /* a tick outside is lost */
    user_fs_base_set(fs);
    fpu_end();
}

long hostcall_io(enum hostcall_nr nr, struct cspan in, struct span out, uint64_t a0, uint64_t a1,
                 uint64_t a2, uint64_t a3)
{
    check((unsigned) nr < HOSTCALL_COUNT && in.n <= HOST_DATA_MAX && out.n <= HOST_DATA_MAX);
    struct host_vcpu *h = this_vcpu()->host;
    host_store32(&h->nr, nr);
    host_store64(&h->args[0], a0);
    host_store64(&h->args[1], a1);
    host_store64(&h->args[2], a2);
    host_store64(&h->args[3], a3);
    host_store64(&h->in_size, in.n);
    host_store64(&h->out_size, out.n);
    if (in.n > 0 && host_copy_out(HADDR(h->data), in) < 0)
        return -EIO;
    leave(EXIT_HOSTCALL, 0);
    h = this_vcpu()->host;
    size_t copy;
    long r =
        hostcall_judge(nr, (int64_t) host_load64((const uint64_t *) &h->ret), in.n, out.n, &copy);
    if (copy > 0 && host_copy_in((struct span){out.p, copy}, HADDR(h->data)) < 0)
        return -EIO;
    return r;
}

void host_park(uint64_t max_ns)
{
    leave(EXIT_PARK, max_ns);
}

void host_kick(unsigned vcpu)
{
    (void) hostcall(HOSTCALL_kick, vcpu, 0,
                    0); /* a host that does not wake it only stalls itself */
}

void host_shutdown(int status)
{
    for (;;)
        leave(EXIT_SHUTDOWN, (uint8_t) status);
}

void host_dead(int status)
{
    fpu_scrub(); /* nobody comes back for them */
    for (;;)
        host_leave(EXIT_DEAD, (uint8_t) status);
}
