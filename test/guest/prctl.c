/* prctl, arch_prctl, seccomp, personality: what a process may say and ask about itself. */
#include "guest_test.h"
#include <sys/personality.h>
#include <sys/prctl.h>

TEST_CASE(names)
{
    char name[20] = "";
    OK(prctl(PR_SET_NAME, "a-name-that-is-too-long"));
    OK(prctl(PR_GET_NAME, name));
    CHECK_STR(name, "a-name-that-is-");
    OK(prctl(PR_SET_NAME, ""));
    OK(prctl(PR_GET_NAME, name));
    CHECK_STR(name, "");
    OK(prctl(PR_SET_NAME, "prctl"));
    CHECK_ERR(prctl(PR_SET_NAME, 8L), EFAULT);
    CHECK_ERR(prctl(PR_GET_NAME, 8L), EFAULT);
}

TEST_CASE(name_is_padded)
{
    char name[16], zero[16] = "new";
    OK(prctl(PR_SET_NAME, "a longer name"));
    OK(prctl(PR_SET_NAME, "new"));
    memset(name, 1, sizeof name);
    OK(prctl(PR_GET_NAME, name));
    CHECK(memcmp(name, zero, sizeof name) == 0);
    OK(prctl(PR_SET_NAME, "prctl"));
}

TEST_CASE(death_signal)
{
    int sig = 99;
    OK(prctl(PR_GET_PDEATHSIG, &sig));
    CHECK_EQ(sig, 0);
    OK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    OK(prctl(PR_GET_PDEATHSIG, &sig));
    CHECK_EQ(sig, SIGUSR1);
    OK(prctl(PR_SET_PDEATHSIG, 64));
    CHECK_ERR(prctl(PR_SET_PDEATHSIG, 65), EINVAL);
    CHECK_ERR(prctl(PR_SET_PDEATHSIG, -1), EINVAL);
    CHECK_ERR(prctl(PR_GET_PDEATHSIG, 8L), EFAULT);
    OK(prctl(PR_SET_PDEATHSIG, 0));
}

TEST_CASE(dumpable)
{
    CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
    OK(prctl(PR_SET_DUMPABLE, 0));
    CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
    CHECK_ERR(prctl(PR_SET_DUMPABLE, 2), EINVAL);
    CHECK_ERR(prctl(PR_SET_DUMPABLE, -1), EINVAL);
    OK(prctl(PR_SET_DUMPABLE, 1));
}

TEST_CASE(timer_slack)
{
    OK(prctl(PR_SET_TIMERSLACK, 12345));
    CHECK_EQ(prctl(PR_GET_TIMERSLACK), 12345);
    OK(prctl(PR_SET_TIMERSLACK, 0)); /* the default again */
    CHECK_EQ(prctl(PR_GET_TIMERSLACK), 50000);
}

TEST_CASE(subreaper)
{
    int on = 9;
    OK(prctl(PR_GET_CHILD_SUBREAPER, &on));
    CHECK_EQ(on, 0);
    OK(prctl(PR_SET_CHILD_SUBREAPER, 5));
    OK(prctl(PR_GET_CHILD_SUBREAPER, &on));
    CHECK_EQ(on, 1);
    OK(prctl(PR_SET_CHILD_SUBREAPER, 0));
    CHECK_ERR(prctl(PR_GET_CHILD_SUBREAPER, 8L), EFAULT);
}

TEST_CASE(others)
{
    int tsc = 0;
    void *word = NULL;
    CHECK_ERR(prctl(99999), EINVAL);
    CHECK_ERR(prctl(-1), EINVAL);
    OK(prctl(PR_GET_TSC, &tsc));
    CHECK_EQ(tsc, PR_TSC_ENABLE);
    CHECK_ERR(prctl(PR_GET_TSC, 8L), EFAULT);
    CHECK_ERR(prctl(PR_SET_TSC, 99), EINVAL);
    OK(prctl(PR_SET_TSC, PR_TSC_ENABLE));
    CHECK_EQ(prctl(PR_GET_TIMING), PR_TIMING_STATISTICAL);
    OK(prctl(PR_SET_TIMING, PR_TIMING_STATISTICAL));
    CHECK_ERR(prctl(PR_SET_TIMING, PR_TIMING_TIMESTAMP), EINVAL);
    CHECK_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 0);
    OK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    CHECK_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
    OK(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
    CHECK_ERR(prctl(PR_SET_THP_DISABLE, 1, 1, 0, 0), EINVAL);
    CHECK_ERR(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0), EINVAL);
    CHECK_ERR(prctl(PR_MCE_KILL, 99, 0, 0, 0), EINVAL);
    if (prctl(PR_GET_TID_ADDRESS, &word) == 0) { /* CONFIG_CHECKPOINT_RESTORE */
        static int mine;
        syscall(SYS_set_tid_address, &mine);
        OK(prctl(PR_GET_TID_ADDRESS, &word));
        CHECK(word == &mine);
        syscall(SYS_set_tid_address, NULL);
    }
    CHECK_ERR(prctl(PR_GET_FPEMU, &tsc), EINVAL); /* of other processors */
    CHECK_ERR(prctl(PR_GET_ENDIAN, &tsc), EINVAL);
    CHECK_ERR(prctl(PR_GET_UNALIGN, &tsc), EINVAL);
}

/* What a vfork child, sharing memory, inherits and what not. */
static void inherited(void)
{
    int sig = 9, on = 9;
    OK(prctl(PR_GET_PDEATHSIG, &sig));
    CHECK_EQ(sig, 0);
    OK(prctl(PR_GET_CHILD_SUBREAPER, &on));
    CHECK_EQ(on, 0);
    CHECK_EQ(prctl(PR_GET_TIMERSLACK), 7777);
    CHECK_EQ(prctl(PR_GET_KEEPCAPS), 1);
    CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
}
TEST_CASE(inheritance)
{
    OK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
    OK(prctl(PR_SET_TIMERSLACK, 7777));
    OK(prctl(PR_SET_KEEPCAPS, 1));
    in_process(inherited);
    OK(prctl(PR_SET_PDEATHSIG, 0));
    OK(prctl(PR_SET_CHILD_SUBREAPER, 0));
    OK(prctl(PR_SET_TIMERSLACK, 0));
    OK(prctl(PR_SET_KEEPCAPS, 0));
}

CHILD(after_exec)
{
    CHECK_EQ(prctl(PR_GET_KEEPCAPS), 0);
    CHECK_EQ(prctl(PR_GET_TIMERSLACK), 7777);
    CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
    CHECK_EQ(personality(0xffffffff), ADDR_NO_RANDOMIZE);
    return 0;
}
TEST_CASE(over_exec)
{
    int old = personality(0xffffffff);
    OK(prctl(PR_SET_KEEPCAPS, 1));
    OK(prctl(PR_SET_TIMERSLACK, 7777));
    personality(ADDR_NO_RANDOMIZE);
    CHECK_EQ(child_wait(child_start("after_exec", NULL)), 0);
    OK(prctl(PR_SET_KEEPCAPS, 0));
    OK(prctl(PR_SET_TIMERSLACK, 0));
    personality((unsigned long) old);
}

/* ---- seccomp ---------------------------------------------------------------------------------- */
TEST_CASE(seccomp_queries)
{
    uint32_t action = 0x7fff0000; /* SECCOMP_RET_ALLOW */
    CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
    CHECK_ERR(prctl(PR_SET_SECCOMP, 99, 0, 0, 0), EINVAL);
    CHECK_ERR(syscall(SYS_seccomp, 99, 0, NULL), EINVAL);
    CHECK_ERR(syscall(SYS_seccomp, 0, 1, NULL), EINVAL); /* strict mode takes no flags */
    CHECK_ERR(syscall(SYS_seccomp, 1, 0x100000, NULL), EINVAL);
    if (syscall(SYS_seccomp, 2, 0, &action) < 0) /* a kernel without filters knows no action */
        CHECK(errno == EOPNOTSUPP || errno == EINVAL);
    CHECK_ERR(syscall(SYS_seccomp, 2, 1, &action), EINVAL);
}

/* ---- arch_prctl, personality ------------------------------------------------------------------ */
TEST_CASE(thread_pointer)
{
    unsigned long fs = 0, gs = 9;
    OK(syscall(SYS_arch_prctl, 0x1003, &fs));
    OK(syscall(SYS_arch_prctl, 0x1002, fs)); /* to what it is */
    OK(syscall(SYS_arch_prctl, 0x1004, &gs));
    CHECK_EQ(gs, 0);
    CHECK_ERR(syscall(SYS_arch_prctl, 0x1002, -1L), EPERM); /* no user address */
    CHECK_ERR(syscall(SYS_arch_prctl, 0x1003, 8L), EFAULT);
    CHECK_ERR(syscall(SYS_arch_prctl, 0x1004, 8L), EFAULT);
    CHECK_ERR(syscall(SYS_arch_prctl, 0x9999, 0), EINVAL);
    CHECK_EQ(syscall(SYS_arch_prctl, 0x1011, 0), 1); /* ARCH_GET_CPUID */
}

TEST_CASE(personalities)
{
    int old = personality(0xffffffff);
    CHECK_EQ(old, 0);
    CHECK_EQ(personality(ADDR_NO_RANDOMIZE | STICKY_TIMEOUTS), 0);
    CHECK_EQ(personality(0xffffffff), ADDR_NO_RANDOMIZE | STICKY_TIMEOUTS);
    CHECK_EQ(personality(0), ADDR_NO_RANDOMIZE | STICKY_TIMEOUTS);
    CHECK_EQ(personality(0xffffffff), 0);
}
