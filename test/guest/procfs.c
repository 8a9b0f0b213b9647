/* /proc: what programs really read there, for oneself, for others, and for the system. */
#include "guest_test.h"
#include <ctype.h>
#include <limits.h>
#include <sched.h>
#include <sys/mman.h>

static char text[262144];

static const char *content(const char *path)
{
    read_file(path, text, sizeof text);
    return text;
}

/* The rest of the line that begins with key, without blanks in front. */
static const char *field(const char *all, const char *key)
{
    static char line[512];
    for (const char *p = all; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        if (strncmp(p, key, strlen(key)) == 0) {
            p += strlen(key);
            p += strspn(p, " \t");
            snprintf(line, sizeof line, "%.*s", (int) strcspn(p, "\n"), p);
            return line;
        }
    }
    test_fail(__FILE__, __LINE__, "no line \"%s\"", key);
}

static const char *link_of(const char *path)
{
    static char target[PATH_MAX];
    ssize_t n = OK(readlink(path, target, sizeof target - 1));
    target[n] = '\0';
    return target;
}

TEST_CASE(self_links)
{
    char want[PATH_MAX];
    CHECK(realpath(test_program, want));
    CHECK_STR(link_of("/proc/self/exe"), want);
    CHECK(getcwd(want, sizeof want));
    CHECK_STR(link_of("/proc/self/cwd"), want);
    CHECK_STR(link_of("/proc/self/root"), "/");
    CHECK_STR(link_of("/proc/self"), num(getpid()));
    snprintf(want, sizeof want, "%d/task/%d", (int) getpid(), (int) getpid());
    CHECK_STR(link_of("/proc/thread-self"), want);
}

TEST_CASE(cwd_follows)
{
    char before[PATH_MAX], want[PATH_MAX];
    CHECK(getcwd(before, sizeof before));
    CHECK(realpath(test_dir, want));
    OK(chdir(test_dir));
    CHECK_STR(link_of("/proc/self/cwd"), want);
    write_file("/proc/self/cwd/through", "x", 1);
    CHECK(path_exists(test_path("through")));
    OK(chdir(before));
}

CHILD(shows_itself)
{
    size_t n = read_file("/proc/self/cmdline", text, sizeof text);
    write_file(test_path("cmdline"), text, n);
    n = read_file("/proc/self/environ", text, sizeof text);
    write_file(test_path("environ"), text, n);
    return 0;
}

TEST_CASE(command_line_and_environment)
{
    char *argv[] = {(char *) test_program, (char *) "--child", (char *) "shows_itself",
                    (char *) "",           (char *) "last",    NULL};
    char dir[400], *envp[] = {(char *) "A=1", dir, NULL};
    pid_t pid;
    snprintf(dir, sizeof dir, "GUEST_TEST_DIR=%s", test_dir);
    ZERO(posix_spawn(&pid, test_program, NULL, NULL, argv, envp));
    CHECK_EQ(child_wait(pid), 0);
    size_t n = read_file(test_path("cmdline"), text, sizeof text), p = strlen(test_program) + 1;
    CHECK_STR(text, test_program);
    CHECK_EQ(n, p + 8 + 13 + 1 + 5);
    CHECK(memcmp(text + p, "--child\0shows_itself\0\0last", 8 + 13 + 1 + 5) == 0);
    n = read_file(test_path("environ"), text, sizeof text);
    CHECK_EQ(n, 4 + strlen(dir) + 1);
    CHECK(memcmp(text, "A=1", 4) == 0);
}

TEST_CASE(comm)
{
    const char *base = strrchr(test_program, '/') + 1;
    char want[32];
    snprintf(want, sizeof want, "%.15s\n", base);
    CHECK_STR(content("/proc/self/comm"), want);
    write_file("/proc/self/comm", "renamed", 7);
    CHECK_STR(content("/proc/self/comm"), "renamed\n");
    write_file("/proc/self/comm", base, strlen(base));
}

TEST_CASE(stat_line)
{
    const char *s = content("/proc/self/stat");
    int pid, ppid, pgrp, session, n = 0;
    char state;
    CHECK_EQ(sscanf(s, "%d (", &pid), 1);
    CHECK_EQ(pid, getpid());
    const char *end = strrchr(s, ')');
    CHECK(end);
    CHECK_EQ(sscanf(end + 1, " %c %d %d %d", &state, &ppid, &pgrp, &session), 4);
    CHECK_EQ(state, 'R');
    CHECK_EQ(ppid, getppid());
    CHECK_EQ(pgrp, getpgrp());
    CHECK_EQ(session, getsid(0));
    for (const char *p = end; *p; p++)
        n += *p == ' ';
    CHECK_EQ(n, 50); /* 52 fields */
}

TEST_CASE(status_lines)
{
    const char *s = content("/proc/self/status");
    CHECK_EQ(atoi(field(s, "Pid:")), getpid());
    CHECK_EQ(atoi(field(s, "Tgid:")), getpid());
    CHECK_EQ(atoi(field(s, "PPid:")), getppid());
    CHECK_EQ(atoi(field(s, "Threads:")), 1);
    CHECK_EQ(atoi(field(s, "Uid:")), (int) getuid());
    CHECK(atoi(field(s, "VmSize:")) > 0);
    CHECK(atoi(field(s, "VmRSS:")) > 0);
    CHECK(strstr(field(s, "VmSize:"), " kB"));
    CHECK(field(s, "State:")[0] == 'R');
    (void) field(s, "SigBlk:");
    (void) field(s, "Name:");
    mode_t mask = umask(027);
    CHECK_EQ(strtol(field(content("/proc/self/status"), "Umask:"), NULL, 8), 027);
    umask(mask);
}

TEST_CASE(statm_numbers)
{
    unsigned long size, resident, shared, code, lib, data, dirty;
    CHECK_EQ(sscanf(content("/proc/self/statm"), "%lu %lu %lu %lu %lu %lu %lu", &size, &resident,
                    &shared, &code, &lib, &data, &dirty),
             7);
    CHECK(size > 0 && resident > 0 && resident <= size);
}

TEST_CASE(maps)
{
    unsigned long from, to, last = 0, offset, inode;
    char perms[8], dev[16], name[512];
    bool stack = false, code = false, mine = false;
    void *here = mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(here != MAP_FAILED);
    int (*fn)(int, char **) = main;
    const char *s = content("/proc/self/maps");
    for (const char *p = s; *p; p = strchr(p, '\n') + 1) {
        name[0] = '\0';
        CHECK(sscanf(p, "%lx-%lx %7s %lx %15s %lu%*[ ]%511[^\n]", &from, &to, perms, &offset, dev,
                     &inode, name) >= 6);
        CHECK(from >= last && to > from && from % PAGE == 0 && to % PAGE == 0);
        CHECK_EQ(strlen(perms), 4);
        last = to;
        stack |=
            strcmp(name, "[stack]") == 0 && (uintptr_t) &from >= from && (uintptr_t) &from < to;
        code |= (uintptr_t) fn >= from && (uintptr_t) fn < to && strcmp(perms, "r-xp") == 0;
        mine |= (uintptr_t) here >= from && (uintptr_t) here + 3 * PAGE <= to && perms[1] == '-' &&
                perms[0] == 'r';
    }
    CHECK(stack && code && mine);
    OK(munmap(here, 3 * PAGE));
}

TEST_CASE(descriptors)
{
    char path[64];
    int fd = (int) OK(open("/dev/null", O_RDONLY)), n = 0, found = 0;
    DIR *d = opendir("/proc/self/fd");
    struct dirent *e;
    CHECK(d);
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        CHECK(isdigit((unsigned char) e->d_name[0]));
        found += atoi(e->d_name) == fd;
        n++;
    }
    CHECK_EQ(found, 1);
    CHECK(n >= 4);
    closedir(d);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_STR(link_of(path), "/dev/null");
    close(fd);
    CHECK_ERR(readlink(path, text, 10), ENOENT);
    fd = (int) OK(open(test_path("info"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    OK(ftruncate(fd, 100));
    OK(lseek(fd, 42, SEEK_SET));
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    const char *s = content(path);
    CHECK_EQ(atoi(field(s, "pos:")), 42);
    CHECK_EQ(strtol(field(s, "flags:"), NULL, 8) & (O_ACCMODE | O_CLOEXEC), O_RDWR | O_CLOEXEC);
    close(fd);
}

static int ends[2];
static void *stay(void *arg)
{
    char c;
    CHECK_EQ(read(ends[0], &c, 1), 0);
    return arg;
}

/* As /dev/stdin, /dev/stdout and /dev/stderr do. */
TEST_CASE(standard_streams_again)
{
    char path[32], c;
    struct stat stream, again;
    for (int i = 0; i < 9; i++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", i % 3);
        int fd = open(path, (i / 3) | O_NONBLOCK);
        if (fd < 0) {
            CHECK(errno == ENXIO || errno == EACCES); /* a socket; what root alone may open */
            continue;
        }
        OK(fstat(i % 3, &stream));
        OK(fstat(fd, &again));
        CHECK(stream.st_dev == again.st_dev && stream.st_ino == again.st_ino);
        (void) read(fd, &c, 0); /* as it was opened */
        (void) write(fd, "", 0);
        close(fd);
    }
    OK(fcntl(1, F_GETFD));
    OK(write(1, "", 0));
}

TEST_CASE(tasks)
{
    pthread_t t[3];
    int n = 0;
    OK(pipe(ends));
    for (int i = 0; i < 3; i++)
        ZERO(pthread_create(&t[i], NULL, stay, NULL));
    DIR *d = opendir("/proc/self/task");
    struct dirent *e;
    CHECK(d);
    while ((e = readdir(d))) {
        char path[300];
        if (e->d_name[0] == '.')
            continue;
        n++;
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", e->d_name);
        CHECK(strlen(content(path)) > 1);
    }
    closedir(d);
    CHECK_EQ(n, 4);
    CHECK_EQ(atoi(field(content("/proc/self/status"), "Threads:")), 4);
    close(ends[1]);
    for (int i = 0; i < 3; i++)
        ZERO(pthread_join(t[i], NULL));
    close(ends[0]);
}

CHILD(stays)
{
    if (write(atoi(argv[0]), "r", 1) != 1)
        return 1;
    return park();
}

TEST_CASE(another_process)
{
    char path[64], want[PATH_MAX];
    char c;
    OK(pipe(ends));
    pid_t pid = child_start("stays", num(ends[1]), NULL);
    CHECK_EQ(read(ends[0], &c, 1), 1); /* the new program runs: its command line is in place */
    close(ends[0]);
    close(ends[1]);
    DIR *d = opendir("/proc");
    struct dirent *e;
    int found = 0, self = 0;
    CHECK(d);
    while ((e = readdir(d))) {
        found += atoi(e->d_name) == pid;
        self += atoi(e->d_name) == getpid();
    }
    closedir(d);
    CHECK(found == 1 && self == 1);
    snprintf(path, sizeof path, "/proc/%d/status", (int) pid);
    CHECK_EQ(atoi(field(content(path), "PPid:")), getpid());
    snprintf(path, sizeof path, "/proc/%d/exe", (int) pid);
    CHECK(realpath(test_program, want));
    CHECK_STR(link_of(path), want);
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int) pid);
    CHECK_STR(content(path), test_program);
    OK(kill(pid, SIGKILL));
    siginfo_t info;
    OK(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT));
    snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    CHECK_EQ(strrchr(content(path), ')')[2], 'Z');
    CHECK_EQ(child_wait(pid), 128 + SIGKILL);
    CHECK_ERR(open(path, O_RDONLY), ENOENT);
}

TEST_CASE(memory)
{
    const char *s = content("/proc/meminfo");
    long total = atol(field(s, "MemTotal:")), available = atol(field(s, "MemAvailable:"));
    CHECK(total > 1000 && available > 0 && available <= total);
    CHECK(atol(field(s, "MemFree:")) > 0);
    (void) field(s, "Cached:");
    (void) field(s, "SwapTotal:");
}

TEST_CASE(processors)
{
    cpu_set_t set;
    const char *s = content("/proc/cpuinfo");
    int n = 0;
    for (const char *p = s; (p = strstr(p, "processor\t:")); p++)
        n++;
    OK(sched_getaffinity(0, sizeof set, &set));
    CHECK(n >= CPU_COUNT(&set));
    CHECK(strstr(s, "flags\t\t:") && strstr(s, " sse2 "));
    (void) field(s, "model name");
    s = content("/proc/stat");
    CHECK(strncmp(s, "cpu ", 4) == 0);
    CHECK(atol(field(s, "btime ")) > 1600000000);
    (void) field(s, "cpu0 ");
    CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
    CHECK(sysconf(_SC_NPROCESSORS_CONF) >= 1);
}

/* user, nice, system, idle ... of all processors together */
static long cpu_time(int which)
{
    long v[4];
    if (sscanf(field(content("/proc/stat"), "cpu "), "%ld %ld %ld %ld", &v[0], &v[1], &v[2],
               &v[3]) != 4)
        test_fail(__FILE__, __LINE__, "four numbers");
    return v[which];
}

static int64_t own_cpu_ns(clockid_t clock)
{
    struct timespec ts;
    OK(clock_gettime(clock, &ts));
    return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static void *burn(void *arg)
{
    int64_t end = own_cpu_ns(CLOCK_THREAD_CPUTIME_ID) + 200000000;
    while (own_cpu_ns(CLOCK_THREAD_CPUTIME_ID) < end)
        for (volatile int i = 0; i < 10000; i++)
            ;
    return arg;
}

TEST_CASE(processor_times)
{
    long user = cpu_time(0), idle = cpu_time(3);
    long switches = atol(field(content("/proc/stat"), "ctxt "));
    long ticks = atol(field(content("/proc/stat"), "intr "));
    burn(NULL);
    CHECK(cpu_time(0) + cpu_time(2) - user >= 15); /* hundredths */
    usleep(200000);
    CHECK(cpu_time(3) >= idle);
    CHECK(atol(field(content("/proc/stat"), "ctxt ")) > switches);
    CHECK(atol(field(content("/proc/stat"), "intr ")) > ticks);
    CHECK(atol(field(content("/proc/stat"), "procs_running ")) >= 1);
    CHECK(atol(field(content("/proc/stat"), "procs_blocked ")) >= 0);
    double up, waited;
    CHECK_EQ(sscanf(content("/proc/uptime"), "%lf %lf", &up, &waited), 2);
    CHECK(waited * 100 >= (double) idle);
}

static long stat_field(const char *path, int n) /* as proc(5) counts, from 3 */
{
    const char *p = strrchr(content(path), ')');
    for (; p && n > 2; n--)
        p = strchr(p + 1, ' ');
    if (!p)
        test_fail(__FILE__, __LINE__, "field %d", n);
    return atol(p);
}

static int busy_tid, busy_done[2];

static void *busy(void *arg)
{
    char c;
    burn(NULL);
    __atomic_store_n(&busy_tid, (int) syscall(SYS_gettid), __ATOMIC_SEQ_CST);
    CHECK_EQ(read(busy_done[0], &c, 1), 0);
    return arg;
}

TEST_CASE(times_of_a_thread)
{
    char path[64];
    pthread_t t;
    busy_tid = 0;
    OK(pipe(busy_done));
    ZERO(pthread_create(&t, NULL, busy, NULL));
    while (!__atomic_load_n(&busy_tid, __ATOMIC_SEQ_CST))
        usleep(1000);
    usleep(10000);
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", busy_tid);
    CHECK_EQ(strtol(content(path), NULL, 10), busy_tid);
    long thread = stat_field(path, 14) + stat_field(path, 15);
    long all = stat_field("/proc/self/stat", 14) + stat_field("/proc/self/stat", 15);
    CHECK(thread >= 15 && thread <= 60);
    CHECK(all >= thread);
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", getpid());
    CHECK(stat_field(path, 14) + stat_field(path, 15) <= all - thread + 5);
    close(busy_done[1]);
    ZERO(pthread_join(t, NULL));
    close(busy_done[0]);
}

/* 5 s samples: after one with something that runs, the average of the last minute is above zero. */
TEST_CASE(load_average)
{
    double one, five, fifteen;
    int running, threads, last;
    int64_t end = own_cpu_ns(CLOCK_MONOTONIC) + 5300000000ll;
    while (own_cpu_ns(CLOCK_MONOTONIC) < end)
        ;
    const char *s = content("/proc/loadavg");
    CHECK_EQ(sscanf(s, "%lf %lf %lf %d/%d %d", &one, &five, &fifteen, &running, &threads, &last),
             6);
    CHECK(one > 0);
    CHECK(running >= 1 && threads >= running && last >= getpid());
    double loads[3];
    CHECK_EQ(getloadavg(loads, 3), 3);
    CHECK(loads[0] > 0 && loads[0] < one + 1);
}

static void end_at_once(void)
{
}

TEST_CASE(counters)
{
    static const char *const keys[] = {"pgpgin ", "pgpgout ", "pswpin ", "pswpout "};
    long before = atol(field(content("/proc/stat"), "processes "));
    for (int i = 0; i < 3; i++)
        in_process(end_at_once);
    CHECK(atol(field(content("/proc/stat"), "processes ")) >= before + 3);
    const char *s = content("/proc/vmstat");
    CHECK(atol(field(s, "nr_free_pages ")) > 0);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        CHECK(atol(field(s, keys[i])) >= 0);
}

TEST_CASE(system_files)
{
    double a, b, c;
    CHECK_EQ(sscanf(content("/proc/uptime"), "%lf %lf", &a, &b), 2);
    CHECK(a > 0);
    CHECK_EQ(sscanf(content("/proc/loadavg"), "%lf %lf %lf", &a, &b, &c), 3);
    CHECK(strncmp(content("/proc/version"), "Linux version ", 14) == 0);
    CHECK(strstr(content("/proc/mounts"), " / "));
    CHECK(strstr(text, " /proc proc "));
    CHECK(strlen(content("/proc/self/mounts")) > 10);
    CHECK(strstr(content("/proc/filesystems"), "proc\n"));
}

TEST_CASE(kernel_settings)
{
    static const char *const names[] = {"pid_max", "threads-max", "osrelease", "ostype",
                                        "hostname"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/sys/kernel/%s", names[i]);
        const char *s = content(path);
        CHECK(strlen(s) > 1 && s[strlen(s) - 1] == '\n');
    }
    CHECK_STR(content("/proc/sys/kernel/ostype"), "Linux\n");
}

TEST_CASE(not_writable)
{
    CHECK(unlink("/proc/meminfo") == -1 && (errno == EPERM || errno == EACCES));
    CHECK_ERR(mkdir("/proc/new", 0755), ENOENT);
    CHECK_ERR(open("/proc/new", O_RDWR | O_CREAT, 0600), ENOENT);
    CHECK_ERR(open("/proc/self/fd/999", O_RDONLY), ENOENT);
}

TEST_CASE(small_reads)
{
    char whole[4096], piece[4096];
    size_t n = read_file("/proc/self/status", whole, 1000), have = 0;
    int fd = (int) OK(open("/proc/self/status", O_RDONLY));
    while (have < n && read(fd, piece + have, 1) == 1)
        have++;
    CHECK_EQ(have, n);
    CHECK(memcmp(whole, piece, 200) == 0);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(read(fd, piece, 5), 5);
    CHECK(memcmp(piece, "Name:", 5) == 0);
    close(fd);
}
