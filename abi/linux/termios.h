/* Linux' terminal ABI on x86-64: settings, control characters, requests. */
#ifndef ABI_LINUX_TERMIOS_H
#define ABI_LINUX_TERMIOS_H
#include <stdint.h>
#include "abi/linux/fs.h"

struct linux_termios2 {
    struct linux_termios base;
    uint32_t ispeed, ospeed;
};
_Static_assert(sizeof(struct linux_termios2) == 44, "Linux ABI");

struct linux_termio { /* System V's */
    uint16_t iflag, oflag, cflag, lflag;
    uint8_t line, cc[8];
};
_Static_assert(sizeof(struct linux_termio) == 18, "Linux ABI");

enum { /* iflag */
       TTY_ISTRIP = 0000040,
       TTY_INLCR = 0000100,
       TTY_IGNCR = 0000200,
       TTY_ICRNL = 0000400,
       TTY_IUCLC = 0001000,
       TTY_IXON = 0002000,
       TTY_IXANY = 0004000,
       TTY_IUTF8 = 0040000,
};
enum { /* oflag */
       TTY_OPOST = 0000001,
       TTY_OLCUC = 0000002,
       TTY_ONLCR = 0000004,
       TTY_OCRNL = 0000010,
       TTY_ONOCR = 0000020,
       TTY_ONLRET = 0000040,
       TTY_XTABS = 0014000,
};
enum { /* cflag */
       TTY_CBAUD = 0010017,
       TTY_BOTHER = 0010000,
       TTY_B38400 = 0000017,
       TTY_CSIZE = 0000060,
       TTY_CS8 = 0000060,
       TTY_CREAD = 0000200,
       TTY_PARENB = 0000400,
       TTY_IBSHIFT = 16, /* CIBAUD is CBAUD, shifted */
};
enum { /* lflag */
       TTY_ISIG = 0000001,
       TTY_ICANON = 0000002,
       TTY_ECHO = 0000010,
       TTY_ECHOE = 0000020,
       TTY_ECHOK = 0000040,
       TTY_ECHONL = 0000100,
       TTY_NOFLSH = 0000200,
       TTY_TOSTOP = 0000400,
       TTY_ECHOCTL = 0001000,
       TTY_ECHOKE = 0004000,
       TTY_IEXTEN = 0100000,
       TTY_EXTPROC = 0200000,
};
enum { /* cc */
       TTY_VINTR = 0,
       TTY_VQUIT = 1,
       TTY_VERASE = 2,
       TTY_VKILL = 3,
       TTY_VEOF = 4,
       TTY_VTIME = 5,
       TTY_VMIN = 6,
       TTY_VSTART = 8,
       TTY_VSTOP = 9,
       TTY_VSUSP = 10,
       TTY_VEOL = 11,
       TTY_VREPRINT = 12,
       TTY_VDISCARD = 13,
       TTY_VWERASE = 14,
       TTY_VLNEXT = 15,
       TTY_VEOL2 = 16,
};

enum {
    TCGETS = 0x5401,
    TCSETS = 0x5402,
    TCSETSW = 0x5403,
    TCSETSF = 0x5404,
    TCGETA = 0x5405,
    TCSETA = 0x5406,
    TCSETAW = 0x5407,
    TCSETAF = 0x5408,
    TCSBRK = 0x5409,
    TCXONC = 0x540a,
    TCFLSH = 0x540b,
    TIOCEXCL = 0x540c,
    TIOCNXCL = 0x540d,
    TIOCSCTTY = 0x540e,
    TIOCGPGRP = 0x540f,
    TIOCSPGRP = 0x5410,
    TIOCOUTQ = 0x5411,
    TIOCSTI = 0x5412,
    TIOCGWINSZ = 0x5413,
    TIOCSWINSZ = 0x5414,
    FIONREAD = 0x541b,
    TIOCPKT = 0x5420,
    TIOCNOTTY = 0x5422,
    TIOCSETD = 0x5423,
    TIOCGETD = 0x5424,
    TCSBRKP = 0x5425,
    TIOCGSID = 0x5429,
    TCSETS2 = 0x402c542b,
    TCSETSW2 = 0x402c542c,
    TCSETSF2 = 0x402c542d,
    TIOCSPTLCK = 0x40045431,
    TIOCSIG = 0x40045436,
    TIOCGPTPEER = 0x5441,
    TIOCGLCKTRMIOS = 0x5456,
    TIOCSLCKTRMIOS = 0x5457,
};
#define TCGETS2    0x802c542au /* beyond int */
#define TIOCGPTN   0x80045430u
#define TIOCGDEV   0x80045432u
#define TIOCGPKT   0x80045438u
#define TIOCGPTLCK 0x80045439u
#define TIOCGEXCL  0x80045440u

enum { TCIFLUSH = 0, TCOFLUSH = 1, TCIOFLUSH = 2 };
enum { TCOOFF = 0, TCOON = 1, TCIOFF = 2, TCION = 3 };
#endif
