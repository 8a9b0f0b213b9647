/* What belongs to the administrator: names of the machine, its clock, its log, its modules. Callers
 * without the capability get EPERM, and arguments are checked in Linux' order. */
#include "guest_test.h"
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/utsname.h>

static void names_unprivileged(void)
{
    become(1000, 1000);
    CHECK_ERR(sethostname("x", 1), EPERM);
    CHECK_ERR(setdomainname("x", 1), EPERM);
}
TEST_CASE(names_of_the_machine)
{
    struct utsname before, now;
    OK(uname(&before));
    CHECK_ERR(sethostname("x", (size_t) -1), EINVAL);
    CHECK_ERR(sethostname("x", 65), EINVAL);
    CHECK_ERR(syscall(SYS_sethostname, 8L, 4), EFAULT);
    CHECK_ERR(setdomainname("x", 65), EINVAL);
    CHECK_ERR(syscall(SYS_setdomainname, 8L, 4), EFAULT);
    CHECK_ERR(syscall(SYS_setdomainname, "x", -1), EINVAL);
    in_process(names_unprivileged);
    if (!in_libos())
        return; /* the rest would rename the machine under others' feet */
    OK(sethostname("some-name", 9));
    OK(setdomainname("some.domain", 11));
    OK(uname(&now));
    CHECK_STR(now.nodename, "some-name");
    CHECK_STR(now.domainname, "some.domain");
    OK(sethostname(before.nodename, strlen(before.nodename)));
    OK(setdomainname(before.domainname, strlen(before.domainname)));
    CHECK_ERR(syscall(SYS_uname, 8L), EFAULT);
}

/* ---- clock ------------------------------------------------------------------------------------ */
TEST_CASE(adjtimex_reads)
{
    struct timex t;
    memset(&t, 0, sizeof t);
    int r = adjtimex(&t);
    CHECK(r >= TIME_OK && r <= TIME_ERROR);
    CHECK(t.time.tv_sec > 1000000000);
    CHECK(t.tick >= 9000 && t.tick <= 11000);
    memset(&t, 0, sizeof t);
    r = (int) syscall(SYS_clock_adjtime, CLOCK_REALTIME, &t);
    CHECK(r >= TIME_OK && r <= TIME_ERROR);
    CHECK_ERR(syscall(SYS_adjtimex, 8L), EFAULT);
    CHECK_ERR(syscall(SYS_clock_adjtime, CLOCK_REALTIME, 8L), EFAULT);
    CHECK_ERR(syscall(SYS_clock_adjtime, 99, &t), EINVAL);
    CHECK_ERR(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &t), EOPNOTSUPP);
}

static void clock_unprivileged(void)
{
    struct timeval tv = {1000000000, 0};
    struct timespec ts = {1000000000, 0};
    struct timex t = {.modes = ADJ_TICK, .tick = 10000};
    become(1000, 1000);
    CHECK_ERR(syscall(SYS_settimeofday, &tv, NULL), EPERM);
    CHECK_ERR(clock_settime(CLOCK_REALTIME, &ts), EPERM);
    CHECK_ERR(adjtimex(&t), EPERM);
    CHECK_ERR(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &t), EPERM);
    t.modes = 0;
    CHECK(adjtimex(&t) >= 0);
}
TEST_CASE(setting_the_clock)
{
    struct timespec ts = {1000000000, 1000000000};
    struct timeval tv = {1000000000, 1000000};
    CHECK_ERR(clock_settime(CLOCK_REALTIME, &ts), EINVAL);
    ts.tv_nsec = -1;
    CHECK_ERR(clock_settime(CLOCK_REALTIME, &ts), EINVAL);
    ts.tv_nsec = 0;
    CHECK_ERR(clock_settime(CLOCK_MONOTONIC, &ts), EINVAL);
    CHECK_ERR(clock_settime(CLOCK_PROCESS_CPUTIME_ID, &ts), EINVAL);
    CHECK_ERR(clock_settime(99, &ts), EINVAL);
    CHECK_ERR(syscall(SYS_clock_settime, CLOCK_REALTIME, 8L), EFAULT);
    CHECK_ERR(syscall(SYS_settimeofday, &tv, NULL), EINVAL);
    CHECK_ERR(syscall(SYS_settimeofday, 8L, NULL), EFAULT);
    CHECK_ERR(syscall(SYS_settimeofday, NULL, 8L), EFAULT);
    in_process(clock_unprivileged);
}

/* ---- the log ---------------------------------------------------------------------------------- */
static void log_unprivileged(void)
{
    char buf[64];
    become(1000, 1000);
    CHECK_ERR(klogctl(5, NULL, 0), EPERM);
    CHECK_ERR(klogctl(2, buf, sizeof buf), EPERM);
}
TEST_CASE(kernel_log)
{
    char buf[64];
    OK(klogctl(0, NULL, 0));
    OK(klogctl(1, NULL, 0));
    CHECK_ERR(klogctl(11, NULL, 0), EINVAL);
    CHECK_ERR(klogctl(-1, NULL, 0), EINVAL);
    CHECK_ERR(klogctl(3, NULL, 10), EINVAL);
    CHECK_ERR(klogctl(3, buf, -1), EINVAL);
    CHECK_ERR(klogctl(2, NULL, 10), EINVAL);
    CHECK_EQ(klogctl(3, buf, 0), 0);
    OK(klogctl(3, buf, sizeof buf));
    CHECK(klogctl(9, NULL, 0) >= 0);
    CHECK(klogctl(10, NULL, 0) >= 0);
    CHECK_ERR(klogctl(8, NULL, 0), EINVAL); /* levels are 1 to 8 */
    CHECK_ERR(klogctl(8, NULL, 9), EINVAL);
    in_process(log_unprivileged);
}

/* ---- everything else that only an administrator may ------------------------------------------- */
static void unprivileged(void)
{
    static const struct {
        const char *name;
        long nr, a, b, c;
        int error, or_error;
    } t[] = {
        {"reboot", SYS_reboot, (long) 0xfee1dead, 672274793, 0x01234567, EPERM, 0},
        {"init_module", SYS_init_module, 0, 0, 0, EPERM, ENOSYS},
        {"finit_module", SYS_finit_module, -1, 0, 0, EPERM, ENOSYS},
        {"delete_module", SYS_delete_module, 0, 0, 0, EPERM, ENOSYS},
        {"kexec_load", SYS_kexec_load, 0, 0, 0, EPERM, ENOSYS},
        {"iopl", SYS_iopl, 3, 0, 0, EPERM, ENOSYS},
        {"ioperm", SYS_ioperm, 0x80, 1, 1, EPERM, ENOSYS},
        {"swapon", SYS_swapon, 0, 0, 0, EPERM, ENOSYS},
        {"swapoff", SYS_swapoff, 0, 0, 0, EPERM, ENOSYS},
        {"acct", SYS_acct, 0, 0, 0, EPERM, ENOSYS},
        {"vhangup", SYS_vhangup, 0, 0, 0, EPERM, 0},
        {"chroot", SYS_chroot, (long) "/", 0, 0, EPERM, 0},
        {"pivot_root", SYS_pivot_root, (long) "/", (long) "/", 0, EPERM, ENOSYS},
        {"umount2", SYS_umount2, (long) "/proc", 0, 0, EPERM, 0},
        {"unshare", SYS_unshare, 0x04000000 /* CLONE_NEWUTS */, 0, 0, EPERM, 0},
        {"mount", SYS_mount, (long) "none", (long) "/tmp", (long) "tmpfs", EPERM, 0},
    };
    become(1000, 1000);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        long r = syscall(t[i].nr, t[i].a, t[i].b, t[i].c, 0L, 0L);
        if (r != -1 || (errno != t[i].error && errno != t[i].or_error))
            test_fail(__FILE__, __LINE__, "%s: %ld, %s", t[i].name, r, strerror(errno));
    }
}
TEST_CASE(only_for_administrators)
{
    in_process(unprivileged);
}

TEST_CASE(reboot_wants_its_magic)
{
    CHECK_ERR(syscall(SYS_reboot, 1, 2, 0x01234567, NULL), EINVAL);
    CHECK_ERR(syscall(SYS_reboot, 0xfee1dead, 3, 0x01234567, NULL), EINVAL);
}
