/* What processes need of files and exec, which lie above them. */
#include "libos/boot/load_init.h"
#include "libos/exec/core.h"
#include "libos/fs/tty/tty.h"
#include "libos/ipc/sem.h"
#include "libos/sys/dispatch.h"
#include "libos/task/process.h"
#include "libos/vfs/pidfd.h"
#include "libos/vfs/vfs.h"

static long syscall_again(struct user_frame *f)
{
    syscall_run(f);
    return (long) f->rax;
}

/* clone's CLONE_PIDFD: always close-on-exec. */
static int pidfd_open(struct process *p)
{
    struct file *f;
    int r = pidfd_new(p, 0, &f);
    if (r < 0)
        return r;
    r = fd_install(f, O_CLOEXEC);
    if (r < 0)
        file_put(f);
    return r;
}

const struct process_hooks process_hooks = {
    .files_new = fdtable_new,
    .files_dup = fdtable_dup,
    .files_get = fdtable_get,
    .files_put = fdtable_put,
    .files_close_on_exec = fdtable_close_on_exec,
    .fs_new = fs_ctx_new,
    .fs_dup = fs_ctx_dup,
    .fs_get = fs_ctx_get,
    .fs_put = fs_ctx_put,
    .file_get = file_get,
    .file_put = file_put,
    .load_init = boot_load_init,
    .syscall_again = syscall_again,
    .tty_leader_exit = tty_leader_exit,
    .sem_exit = sem_process_exit,
    .core_write = core_write,
    .pidfd_open = pidfd_open,
};
