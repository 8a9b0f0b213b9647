/* Checks of the machine: SGX, and what the runtime needs of CPU and kernel. Probes that change the
 * process (address space, system-call dispatch) run in a child.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include "abi/layout.h"
#include "tools/lib/fsutil.h"
#include "tools/lib/mode.h"
#include "tools/occlum/doctor.h"

#define DISPATCH_OPTION    59 /* PR_SET_SYSCALL_USER_DISPATCH */
#define DISPATCH_EXCLUSIVE 1
#define DISPATCH_INCLUSIVE 2
#define HWCAP2_FSGSBASE    2u

static enum finding_status lack_of_sgx(const struct doctor *d)
{
    return d->want_hw ? FINDING_FAIL : FINDING_WARN;
}

static void check_sgx_cpu(struct doctor *d)
{
    unsigned a, b = 0, c = 0, dx, leaf_a = 0;
    bool sgx = __get_cpuid_count(7, 0, &a, &b, &c, &dx) && (b & 1u << 2);
    bool flc = c & 1u << 30;
    if (sgx)
        __get_cpuid_count(0x12, 0, &leaf_a, &b, &c, &dx);
    if (!sgx)
        doctor_add(
            d, "sgx-cpu", lack_of_sgx(d),
            mem_strdup("the CPU offers no SGX: only simulation (SIM, no security) is possible"),
            mem_strdup("for HW mode use a machine with SGX2, with SGX enabled in its firmware"));
    else if (!(leaf_a & 2) || !flc)
        doctor_add(
            d, "sgx-cpu", lack_of_sgx(d),
            mem_printf("the CPU has SGX, but not %s",
                       flc ? "SGX2 (dynamic memory)" : "flexible launch control"),
            mem_strdup("HW mode needs SGX2 and FLC; look for both in the firmware's settings"));
    else
        doctor_add(d, "sgx-cpu", FINDING_OK, mem_strdup("SGX2 with flexible launch control"), NULL);
}

static void check_sgx_device(struct doctor *d)
{
    int fd = open("/dev/sgx_enclave", O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        doctor_add(d, "sgx-device", FINDING_OK, mem_strdup("/dev/sgx_enclave can be opened"), NULL);
    } else if (errno == ENOENT) {
        doctor_add(
            d, "sgx-device", lack_of_sgx(d), mem_strdup("there is no /dev/sgx_enclave"),
            mem_strdup("HW mode needs Linux 6.0 or later with CONFIG_X86_SGX=y; SIM does not"));
    } else {
        doctor_add(d, "sgx-device", FINDING_FAIL,
                   mem_printf("/dev/sgx_enclave cannot be opened: %s", strerror(errno)),
                   mem_strdup("join its group: sudo usermod -aG sgx $USER, then log in again"));
    }
}

/* The name is looked for in the vDSO's pages: its string table is among them. */
static void check_sgx_vdso(struct doctor *d)
{
    static const char name[] = "__vdso_sgx_enter_enclave";
    unsigned long start, end = 0;
    char line[256];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps)) {
        if (strstr(line, "[vdso]") && sscanf(line, "%lx-%lx", &start, &end) == 2)
            break;
        end = 0;
    }
    if (maps)
        fclose(maps);
    if (end && memmem((const void *) start, end - start, name, sizeof name))
        doctor_add(d, "sgx-vdso", FINDING_OK, mem_printf("the kernel offers %s", name), NULL);
    else
        doctor_add(d, "sgx-vdso", lack_of_sgx(d), mem_printf("the kernel does not offer %s", name),
                   mem_strdup("HW mode needs a kernel with CONFIG_X86_SGX=y"));
}

void doctor_check_sgx(struct doctor *d)
{
    check_sgx_cpu(d);
    check_sgx_device(d);
    check_sgx_vdso(d);
}

static void check_kernel(struct doctor *d)
{
    struct utsname u;
    int major = 0, minor = 0;
    if (uname(&u) < 0 || sscanf(u.release, "%d.%d", &major, &minor) != 2)
        doctor_add(d, "kernel", FINDING_WARN, mem_strdup("the kernel's version is unknown"), NULL);
    else if (major < 5 || (major == 5 && minor < 11))
        doctor_add(d, "kernel", FINDING_FAIL, mem_printf("Linux %s is too old", u.release),
                   mem_strdup("use Linux 5.11 or later (6.0 for HW mode)"));
    else
        doctor_add(d, "kernel", FINDING_OK, mem_printf("Linux %s", u.release), NULL);
}

static void check_fsgsbase(struct doctor *d)
{
    if (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)
        doctor_add(d, "fsgsbase", FINDING_OK, mem_strdup("FS and GS base can be set by programs"),
                   NULL);
    else
        doctor_add(d, "fsgsbase", FINDING_FAIL,
                   mem_strdup("the instructions RDFSBASE...WRGSBASE are not allowed"),
                   mem_strdup("boot Linux 5.9 or later without the parameter nofsgsbase"));
}

/* Runs probe in a child; its return value (0..100) or -1. */
static int in_child(int (*probe)(void))
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(probe());
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static int probe_dispatch(void)
{
    static volatile char selector; /* 0: allow */
    if (prctl(DISPATCH_OPTION, DISPATCH_INCLUSIVE, USER_MIN, ELRANGE_END - USER_MIN, &selector) ==
        0)
        return DISPATCH_INCLUSIVE;
    if (prctl(DISPATCH_OPTION, DISPATCH_EXCLUSIVE, ELRANGE_END, (1ul << 47) - ELRANGE_END,
              &selector) == 0)
        return DISPATCH_EXCLUSIVE;
    return 0;
}

static void check_dispatch(struct doctor *d)
{
    int kind = in_child(probe_dispatch);
    if (kind == DISPATCH_INCLUSIVE || kind == DISPATCH_EXCLUSIVE)
        doctor_add(d, "syscall-dispatch", FINDING_OK,
                   mem_printf("syscall user dispatch works (%s form)",
                              kind == DISPATCH_INCLUSIVE ? "inclusive" : "exclusive"),
                   NULL);
    else
        doctor_add(
            d, "syscall-dispatch", FINDING_FAIL,
            mem_strdup("the kernel does not offer syscall user dispatch, which SIM mode needs "
                       "for system calls that cannot be patched"),
            mem_strdup("use Linux 5.11 or later; in a container, allow prctl in its seccomp "
                       "profile"));
}

static int probe_reservation(void)
{
    void *want = (char *) NULL + USER_MIN;
    void *got = mmap(want, ELRANGE_END - USER_MIN, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    return got == want ? 0 : errno < 100 && errno > 0 ? errno : 99;
}

static void check_reservation(struct doctor *d)
{
    int r = in_child(probe_reservation);
    if (r == 0) {
        doctor_add(d, "address-space", FINDING_OK,
                   mem_strdup("the enclave's 1 TiB from address 0x10000 can be reserved"), NULL);
        return;
    }
    const char *next = r == EEXIST  ? "something is mapped low: run without `setarch -R` or -L"
                       : r == EPERM ? "sudo sysctl vm.mmap_min_addr=65536"
                                    : "ulimit -v unlimited; sudo sysctl vm.overcommit_memory=0";
    doctor_add(d, "address-space", FINDING_FAIL,
               mem_printf("the enclave's 1 TiB from address 0x10000 cannot be reserved: %s",
                          r > 0 ? strerror(r) : "the probe died"),
               mem_strdup(next));
}

static long read_number(const char *path)
{
    AUTO_FREE char *text = NULL;
    size_t size;
    return fs_read_file(path, 64, &text, &size) == 0 ? strtol(text, NULL, 10) : -1;
}

static void check_sysctls(struct doctor *d)
{
    long lowest = read_number("/proc/sys/vm/mmap_min_addr");
    if (lowest <= (long) USER_MIN)
        doctor_add(d, "mmap_min_addr", FINDING_OK, mem_printf("vm.mmap_min_addr is %ld", lowest),
                   NULL);
    else
        doctor_add(d, "mmap_min_addr", FINDING_FAIL,
                   mem_printf("vm.mmap_min_addr is %ld, must be at most %lu", lowest, USER_MIN),
                   mem_printf("sudo sysctl vm.mmap_min_addr=%lu", USER_MIN));
    long overcommit = read_number("/proc/sys/vm/overcommit_memory");
    if (overcommit != 2)
        doctor_add(d, "overcommit", FINDING_OK,
                   mem_printf("vm.overcommit_memory is %ld", overcommit), NULL);
    else
        doctor_add(d, "overcommit", FINDING_WARN,
                   mem_strdup("vm.overcommit_memory is 2: large enclaves may be refused"),
                   mem_strdup("sudo sysctl vm.overcommit_memory=0"));
}

static void check_memfd(struct doctor *d)
{
    int fd = memfd_create("occlum-doctor", MFD_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, 4096) == 0)
        doctor_add(d, "memfd", FINDING_OK, mem_strdup("memory files work"), NULL);
    else
        doctor_add(d, "memfd", FINDING_FAIL,
                   mem_printf("memory files do not work: %s", strerror(errno)),
                   mem_strdup("allow memfd_create in the container's seccomp profile"));
    if (fd >= 0)
        close(fd);
}

static void check_rlimits(struct doctor *d)
{
    struct rlimit as, files;
    if (getrlimit(RLIMIT_AS, &as) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
        return;
    if (as.rlim_cur != RLIM_INFINITY && as.rlim_cur < 2 * ELRANGE_SIZE)
        doctor_add(
            d, "limit-as", FINDING_FAIL,
            mem_printf("the address space is limited to %lu MB", (unsigned long) as.rlim_cur >> 20),
            mem_strdup("ulimit -v unlimited"));
    else
        doctor_add(d, "limit-as", FINDING_OK, mem_strdup("the address space is not limited"), NULL);
    if (files.rlim_cur < 1024)
        doctor_add(d, "limit-files", FINDING_WARN,
                   mem_printf("only %lu files may be open", (unsigned long) files.rlim_cur),
                   mem_strdup("ulimit -n 1024"));
    else
        doctor_add(d, "limit-files", FINDING_OK,
                   mem_printf("%lu files may be open", (unsigned long) files.rlim_cur), NULL);
}

void doctor_check_host(struct doctor *d)
{
    check_kernel(d);
    check_fsgsbase(d);
    check_dispatch(d);
    check_reservation(d);
    check_sysctls(d);
    check_memfd(d);
    check_rlimits(d);
}
