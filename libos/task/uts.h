/* Names of the system: uname, /proc/sys/kernel. */
#ifndef TASK_UTS_H
#define TASK_UTS_H
#include "abi/linux/resource.h"

void uts_get(struct linux_utsname *ret);
void uts_set_hostname(const char *name, size_t n); /* n <= 64 */
void uts_set_domainname(const char *name, size_t n);
#endif
