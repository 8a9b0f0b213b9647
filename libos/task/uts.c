/* Names of the system. One for all processes. */
#include "libos/base/lock.h"
#include "libos/base/string.h"
#include "libos/task/uts.h"

static struct {
    struct spinlock lock;
    struct linux_utsname names;
} uts = {.names = {.sysname = "Linux",
                   .nodename = "occlum",
                   .release = "6.1.0-occlum",
                   .version = "#1 SMP PREEMPT Occlum",
                   .machine = "x86_64",
                   .domainname = "(none)"}};

void uts_get(struct linux_utsname *ret)
{
    SPIN_GUARD(&uts.lock);
    *ret = uts.names;
}

static void set(char field[65], const char *name, size_t n)
{
    SPIN_GUARD(&uts.lock);
    memset(field, 0, 65);
    memcpy(field, name, n < 64 ? n : 64);
}

void uts_set_hostname(const char *name, size_t n)
{
    set(uts.names.nodename, name, n);
}

void uts_set_domainname(const char *name, size_t n)
{
    set(uts.names.domainname, name, n);
}
