/* Scheduling parameters, affinity, priorities, prctl, limits, system information, names. */
#include "guest_test.h"
#include <ctype.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

TEST_CASE(affinity)
{
    cpu_set_t set, again;
    CPU_ZERO(&set);
    OK(sched_getaffinity(0, sizeof set, &set));
    CHECK(CPU_COUNT(&set) >= 1);
    OK(sched_setaffinity(0, sizeof set, &set));
    OK(sched_getaffinity(getpid(), sizeof again, &again));
    CHECK(CPU_EQUAL(&set, &again));
    CHECK_ERR(syscall(SYS_sched_getaffinity, 0, 1L, &set), EINVAL);
    CHECK_ERR(syscall(SYS_sched_getaffinity, 0, sizeof set, 8L), EFAULT);
    CHECK_ERR(syscall(SYS_sched_getaffinity, 999999, sizeof set, &set), ESRCH);
    CPU_ZERO(&again);
    CHECK_ERR(sched_setaffinity(0, sizeof again, &again), EINVAL);
    CHECK_EQ(syscall(SYS_sched_getaffinity, 0, sizeof set, &set) % 8, 0);
}

TEST_CASE(affinity_to_one)
{
    cpu_set_t all, one, got;
    int cpu = 0;
    OK(sched_getaffinity(0, sizeof all, &all));
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    OK(sched_setaffinity(0, sizeof one, &one));
    OK(sched_getaffinity(0, sizeof got, &got));
    CHECK(CPU_EQUAL(&one, &got));
    CHECK_EQ(child_wait(child_start("count_cpus", NULL)), 1); /* inherited */
    OK(sched_setaffinity(0, sizeof all, &all));
}

CHILD(count_cpus)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) < 0 ? 99 : CPU_COUNT(&set);
}

TEST_CASE(policies)
{
    struct sched_param p = {.sched_priority = 99};
    CHECK_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
    OK(syscall(SYS_sched_getparam, 0, &p));
    CHECK_EQ(p.sched_priority, 0);
    OK(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &p));
    p.sched_priority = 5;
    CHECK_ERR(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &p), EINVAL);
    CHECK_EQ(sched_get_priority_max(SCHED_FIFO), 99);
    CHECK_EQ(sched_get_priority_min(SCHED_FIFO), 1);
    CHECK_EQ(sched_get_priority_max(SCHED_OTHER), 0);
    CHECK_ERR(sched_get_priority_max(77), EINVAL);
    OK(sched_yield());
}

TEST_CASE(nice_values)
{
    errno = 0;
    int now = getpriority(PRIO_PROCESS, 0);
    CHECK_EQ(errno, 0);
    OK(setpriority(PRIO_PROCESS, 0, now + 1));
    CHECK_EQ(getpriority(PRIO_PROCESS, getpid()), now + 1);
    CHECK_ERR(getpriority(77, 0), EINVAL);
    CHECK_ERR(setpriority(PRIO_PROCESS, 999999, 1), ESRCH);
}

TEST_CASE(thread_names)
{
    char name[17] = {0};
    const char *base = strrchr(test_program, '/') + 1;
    OK(prctl(PR_GET_NAME, name));
    CHECK(strncmp(name, base, 15) == 0);
    OK(prctl(PR_SET_NAME, "a name that is too long"));
    OK(prctl(PR_GET_NAME, name));
    CHECK_STR(name, "a name that is ");
    OK(prctl(PR_SET_NAME, base));
    CHECK_ERR(prctl(PR_SET_NAME, 8L), EFAULT);
}

TEST_CASE(prctl_settings)
{
    int v = -1;
    CHECK(prctl(PR_GET_TIMERSLACK) > 0);
    CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
    OK(prctl(PR_SET_DUMPABLE, 0));
    CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
    OK(prctl(PR_SET_DUMPABLE, 1));
    OK(prctl(PR_SET_PDEATHSIG, SIGTERM));
    OK(prctl(PR_GET_PDEATHSIG, &v));
    CHECK_EQ(v, SIGTERM);
    OK(prctl(PR_SET_PDEATHSIG, 0));
    CHECK_ERR(prctl(PR_SET_PDEATHSIG, 99), EINVAL);
    CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
    CHECK_ERR(prctl(123456), EINVAL);
}

CHILD(waits_for_parent_death)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (write(atoi(argv[0]), "r", 1) != 1)
        return 1;
    return park();
}
CHILD(dies_after_starting)
{
    int ends[2];
    char c;
    if (pipe(ends))
        return 1;
    child_start("waits_for_parent_death", num(ends[1]), NULL);
    return read(ends[0], &c, 1) == 1 ? 0 : 2;
}

TEST_CASE(parent_death_signal)
{
    int ends[2];
    char c;
    OK(pipe(ends));
    CHECK_EQ(child_wait(child_start("dies_after_starting", NULL)), 0);
    close(ends[1]);
    CHECK_EQ(read(ends[0], &c, 1), 0); /* the grandchild held the other end and is gone */
    close(ends[0]);
}

TEST_CASE(subreaper)
{
    int v = -1, status;
    OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
    OK(prctl(PR_GET_CHILD_SUBREAPER, &v));
    CHECK_EQ(v, 1);
    CHECK_EQ(child_wait(child_start("leaves_a_child", NULL)), 0);
    OK(waitpid(-1, &status, 0)); /* the orphan is ours now */
    CHECK_EQ(WEXITSTATUS(status), 42);
    OK(prctl(PR_SET_CHILD_SUBREAPER, 0));
}
CHILD(leaves_a_child)
{
    child_start("status_42", NULL);
    return 0;
}
CHILD(status_42)
{
    sleep_ms(50);
    return 42;
}

TEST_CASE(limits)
{
    struct rlimit r, got;
    for (int i = 0; i < 16; i++) {
        OK(getrlimit(i, &r));
        CHECK(r.rlim_cur <= r.rlim_max);
    }
    CHECK_ERR(getrlimit(77, &r), EINVAL);
    OK(getrlimit(RLIMIT_CORE, &r));
    r.rlim_cur = 0;
    OK(setrlimit(RLIMIT_CORE, &r));
    OK(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, &got));
    CHECK_EQ(got.rlim_cur, 0);
    r.rlim_cur = 10;
    r.rlim_max = 5;
    CHECK_ERR(setrlimit(RLIMIT_CORE, &r), EINVAL);
    CHECK_ERR(syscall(SYS_prlimit64, 999999, RLIMIT_CORE, NULL, &got), ESRCH);
}

CHILD(writes_too_much)
{
    struct rlimit r = {1000, 1000};
    char b[2000] = {0};
    int fd = open(test_path("fsize"), O_RDWR | O_CREAT, 0600);
    if (setrlimit(RLIMIT_FSIZE, &r) || write(fd, b, sizeof b) != 1000)
        return 1;
    signal(SIGXFSZ, SIG_IGN);
    if (write(fd, b, 1) != -1 || errno != EFBIG)
        return 2;
    signal(SIGXFSZ, SIG_DFL);
    (void) !write(fd, b, 1);
    return 3;
}

TEST_CASE(file_size_limit)
{
    CHECK_EQ(child_wait(child_start("writes_too_much", NULL)), 128 + SIGXFSZ);
}

TEST_CASE(system_information)
{
    struct sysinfo s;
    OK(sysinfo(&s));
    CHECK(s.uptime > 0 && s.mem_unit > 0 && s.procs > 0);
    CHECK(s.totalram > 0 && s.freeram <= s.totalram);
    CHECK_ERR(syscall(SYS_sysinfo, 8L), EFAULT);
    CHECK(sysconf(_SC_PHYS_PAGES) > 0);
}

TEST_CASE(names)
{
    struct utsname u;
    int major, minor;
    OK(uname(&u));
    CHECK_STR(u.sysname, "Linux");
    CHECK_STR(u.machine, "x86_64");
    CHECK(u.nodename[0] && u.version[0]);
    CHECK_EQ(sscanf(u.release, "%d.%d", &major, &minor), 2);
    CHECK(major >= 6);
    char host[128];
    OK(gethostname(host, sizeof host));
    CHECK_STR(host, u.nodename);
    CHECK_ERR(syscall(SYS_uname, 8L), EFAULT);
}

TEST_CASE(personality_and_more)
{
    CHECK_EQ(syscall(SYS_personality, 0xffffffffL) & 0xff, 0);
    CHECK_EQ(syscall(SYS_alarm, 0), 0);
    CHECK(syscall(SYS_getpgrp) >= 0);
    CHECK_ERR(syscall(SYS_membarrier, 0x7fff, 0, 0), EINVAL);
}
