/* exit, exit_group */
#include "abi/linux/wait.h"
#include "libos/sys/syscall.h"
#include "libos/task/process.h"

/* full */
SYSCALL(exit, int, code)
{
    process_exit_thread(code & 0xff);
}

/* full */
SYSCALL(exit_group, int, code)
{
    process_exit_group(WAIT_STATUS_EXIT(code));
}
