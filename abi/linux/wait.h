/* Linux' ABI of wait4 and waitid. */
#ifndef ABI_LINUX_WAIT_H
#define ABI_LINUX_WAIT_H

#ifndef WNOHANG
#define WNOHANG    0x00000001
#define WUNTRACED  0x00000002
#define WSTOPPED   WUNTRACED
#define WEXITED    0x00000004
#define WCONTINUED 0x00000008
#define WNOWAIT    0x01000000
#endif
#ifndef __WALL
#define __WNOTHREAD 0x20000000
#define __WALL      0x40000000
#define __WCLONE    0x80000000
#endif
#define LINUX_P_ALL   0
#define LINUX_P_PID   1
#define LINUX_P_PGID  2
#define LINUX_P_PIDFD 3

#define WAIT_STATUS_EXIT(code)   (((code) &0xff) << 8)
#define WAIT_STATUS_STOPPED(sig) (((sig) << 8) | 0x7f)
#define WAIT_STATUS_CONTINUED    0xffff
#define WAIT_STATUS_CORE         0x80
#endif
