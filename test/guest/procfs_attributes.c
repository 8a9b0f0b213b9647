/* The small files of /proc/PID, and settings below /proc/sys and /sys that programs read. */
#include "guest_test.h"
#include <elf.h>
#include <sys/personality.h>
#include <sys/prctl.h>

static const char *text_of(const char *path)
{
    static char buf[4096];
    read_file(path, buf, sizeof buf);
    return buf;
}

static long put(const char *path, const char *text)
{
    int fd = (int) OK(open(path, O_WRONLY));
    long n = write(fd, text, strlen(text));
    int e = errno;
    close(fd);
    errno = e;
    return n;
}

TEST_CASE(auxiliary_vector)
{
    Elf64_auxv_t v[64];
    int fd = (int) OK(open("/proc/self/auxv", O_RDONLY));
    long n = OK(read(fd, v, sizeof v));
    CHECK(n > 0 && n % (long) sizeof v[0] == 0);
    int found = 0;
    for (long i = 0; i < n / (long) sizeof v[0]; i++) {
        found += v[i].a_type == AT_PAGESZ && v[i].a_un.a_val == PAGE;
        found += v[i].a_type == AT_PHDR && v[i].a_un.a_val == getauxval(AT_PHDR);
        found += v[i].a_type == AT_RANDOM && v[i].a_un.a_val == getauxval(AT_RANDOM);
    }
    CHECK_EQ(found, 3);
    CHECK_EQ(v[n / (long) sizeof v[0] - 1].a_type, AT_NULL);
    char half[8];
    CHECK_EQ(pread(fd, half, 8, 8), 8); /* any part of it */
    CHECK_EQ(memcmp(half, &v[0].a_un.a_val, 8), 0);
    close(fd);
}

TEST_CASE(out_of_memory_score)
{
    CHECK_EQ(atoi(text_of("/proc/self/oom_score_adj")), 0);
    OK(put("/proc/self/oom_score_adj", "300"));
    CHECK_EQ(atoi(text_of("/proc/self/oom_score_adj")), 300);
    CHECK(atoi(text_of("/proc/self/oom_score")) >= 0);
    CHECK_ERR(put("/proc/self/oom_score_adj", "1001"), EINVAL);
    CHECK_ERR(put("/proc/self/oom_score_adj", "-1001"), EINVAL);
    CHECK_ERR(put("/proc/self/oom_score_adj", "much"), EINVAL);
    CHECK_EQ(child_wait(child_start("inherits", NULL)), 0);
    CHECK(put("/proc/self/oom_score_adj", "0\n") == 2 || errno == EACCES);
}
CHILD(inherits)
{
    return atoi(text_of("/proc/self/oom_score_adj")) == 300 ? 0 : 1;
}

TEST_CASE(timer_slack)
{
    OK(prctl(PR_SET_TIMERSLACK, 4321));
    CHECK_EQ(atoi(text_of("/proc/self/timerslack_ns")), 4321);
    OK(put("/proc/self/timerslack_ns", "1234"));
    CHECK_EQ(prctl(PR_GET_TIMERSLACK), 1234);
    CHECK_ERR(put("/proc/self/timerslack_ns", "x"), EINVAL);
    OK(prctl(PR_SET_TIMERSLACK, 0));
}

TEST_CASE(one_liners)
{
    personality(ADDR_NO_RANDOMIZE);
    CHECK_STR(text_of("/proc/self/personality"), "00040000\n");
    personality(0);
    CHECK(strstr(text_of("/proc/self/uid_map"), "4294967295"));
    CHECK(strstr(text_of("/proc/self/gid_map"), "4294967295"));
    CHECK(strlen(text_of("/proc/self/loginuid")) > 0);
    CHECK(strlen(text_of("/proc/self/sessionid")) > 0);
    CHECK(strlen(text_of("/proc/self/wchan")) > 0);
    unsigned long run, wait, times;
    CHECK_EQ(sscanf(text_of("/proc/self/schedstat"), "%lu %lu %lu", &run, &wait, &times), 3);
}

TEST_CASE(children)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int) getpid());
    SKIP_IF(!path_exists(path), "a kernel without it");
    pid_t child = child_start("parked", NULL);
    CHECK_EQ(atoi(text_of(path)), child);
    kill(child, SIGKILL);
    child_wait(child);
    CHECK_STR(text_of(path), "");
}
CHILD(parked)
{
    return park();
}

TEST_CASE(namespaces)
{
    char buf[64] = "";
    CHECK(readlink("/proc/self/ns/mnt", buf, sizeof buf - 1) > 6);
    CHECK_EQ(strncmp(buf, "mnt:[", 5), 0);
    CHECK(readlink("/proc/self/ns/pid", buf, sizeof buf - 1) > 6);
}

TEST_CASE(settings)
{
    static const char *const numbers[] = {
        "kernel/overflowuid", "kernel/overflowgid",  "kernel/tainted",    "kernel/pid_max",
        "kernel/panic",       "vm/overcommit_ratio", "vm/max_map_count",  "vm/overcommit_memory",
        "vm/swappiness",      "fs/nr_open",          "fs/file-max",       "fs/aio-max-nr",
        "fs/pipe-max-size",   "net/core/somaxconn",  "net/core/rmem_max", "kernel/printk",
    };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        char path[128];
        snprintf(path, sizeof path, "/proc/sys/%s", numbers[i]);
        const char *t = text_of(path);
        if (*t < '0' || *t > '9')
            test_fail(__FILE__, __LINE__, "%s: \"%s\"", path, t);
    }
    CHECK(atoi(text_of("/proc/sys/fs/nr_open")) >= 1048576);
}

TEST_CASE(sys_files)
{
    CHECK(text_of("/sys/devices/system/cpu/online")[0] == '0');
    CHECK(text_of("/sys/devices/system/cpu/possible")[0] == '0');
    CHECK(text_of("/sys/devices/system/cpu/present")[0] == '0');
    CHECK(atoi(text_of("/sys/devices/system/cpu/kernel_max")) > 0);
    if (path_exists("/sys/devices/system/node"))
        CHECK(text_of("/sys/devices/system/node/online")[0] == '0');
    if (path_exists("/sys/kernel/mm/transparent_hugepage"))
        CHECK(strchr(text_of("/sys/kernel/mm/transparent_hugepage/enabled"), '['));
    CHECK(path_exists("/sys/class") && path_exists("/sys/fs/cgroup"));
}

/* What pam_loginuid does: root sets it once more or less at will, others once, children inherit it. */
static long read_id(const char *name)
{
    char path[64], text[32] = "";
    snprintf(path, sizeof path, "/proc/self/%s", name);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return -1;
    OK(read(fd, text, sizeof text - 1));
    close(fd);
    return strtol(text, NULL, 10);
}
TEST_CASE(login_uid)
{
    SKIP_IF(read_id("loginuid") < 0, "a kernel without audit");
    SKIP_IF(geteuid() != 0, "needs root");
    pid_t pid = (pid_t) OK(fork());
    if (pid == 0) {
        int fd = (int) OK(open("/proc/self/loginuid", O_WRONLY));
        CHECK_EQ(write(fd, "1234", 4), 4);
        CHECK_EQ(read_id("loginuid"), 1234);
        CHECK(read_id("sessionid") != UINT32_MAX);
        CHECK_ERR(pwrite(fd, "x", 1, 0), EINVAL);
        pid_t child = (pid_t) OK(fork());
        if (child == 0)
            _exit(read_id("loginuid") != 1234);
        int status;
        OK(waitpid(child, &status, 0));
        CHECK_EQ(status, 0);
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/loginuid", getppid());
        CHECK_ERR(write((int) OK(open(path, O_WRONLY)), "1", 1), EPERM);
        _exit(0);
    }
    int status;
    OK(waitpid(pid, &status, 0));
    CHECK_EQ(status, 0);
}
