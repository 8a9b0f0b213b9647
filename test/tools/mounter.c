/* What test/tools/runtime_mount.sh runs inside: mounts TYPE with OPTIONS, counts in a file there, unmounts. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE "/tmp/place"

static int count(void)
{
    char text[16] = "";
    int fd = open(PLACE "/count", O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        return -1;
    if (read(fd, text, sizeof text - 1) < 0)
        return -1;
    int n = atoi(text) + 1;
    snprintf(text, sizeof text, "%d\n", n);
    if (pwrite(fd, text, strlen(text), 0) < 0 || fsync(fd) < 0 || close(fd) < 0)
        return -1;
    return n;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    unsigned long flags = argc > 4 ? MS_RDONLY : 0;
    (void) mkdir(PLACE, 0700);
    if (mount(argv[2], PLACE, argv[1], flags, argv[3]) < 0) {
        fprintf(stderr, "mount: %s\n", strerrorname_np(errno));
        return 1;
    }
    if (!flags) {
        int n = count();
        if (n < 0) {
            fprintf(stderr, "count: %s\n", strerrorname_np(errno));
            return 1;
        }
        printf("%d\n", n);
    }
    FILE *f = fopen("/proc/mounts", "r");
    for (char line[512]; f && fgets(line, sizeof line, f);)
        if (strstr(line, PLACE))
            fputs(line, stderr);
    if (umount(PLACE) < 0) {
        fprintf(stderr, "umount: %s\n", strerrorname_np(errno));
        return 1;
    }
    return 0;
}
