/* Linux error numbers; the guest ABI does not depend on the headers of the build machine's libc. */
#ifndef BASE_ERRNO_H
#define BASE_ERRNO_H
#include <asm/errno.h>

/* Inside the kernel only: restart the system call after the signal (SA_RESTART decides). */
#define ERESTARTSYS           512
#define ERESTARTNOINTR        513 /* always restart, after the signals */
#define ERESTARTNOHAND        514 /* restart only if no handler ran */
#define ERESTART_RESTARTBLOCK 516 /* sleep calls: EINTR if a handler ran, else go on waiting */
#endif
