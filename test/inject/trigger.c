/* inject NAME: asks the test kernel to commit the bug. Ends with status 0 if the kernel survived. */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const names[] = {
#define BUG(name, must, why) #name,
#include "test/inject/bugs.def"
#undef BUG
};

int main(int argc, char **argv)
{
    for (unsigned i = 0; argc > 1 && i < sizeof names / sizeof *names; i++) {
        if (strcmp(argv[1], names[i]) == 0) {
            long r = syscall(SYS_afs_syscall, i);
            printf("survived %s: %ld\n", names[i], r);
            return r == 0 ? 0 : 3;
        }
    }
    fprintf(stderr, "usage: inject NAME (test/inject/bugs.def)\n");
    return 2;
}
