/* What test/tools/volume.sh runs inside: keeps counters in files of "/". */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int show(const char *path)
{
    char buf[200];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf);
    return n < 0 || fwrite(buf, 1, (size_t) n, stdout) != (size_t) n;
}

static int number_of(const char *path)
{
    char buf[32] = "";
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, buf, sizeof buf - 1);
    close(fd);
    return n > 0 ? atoi(buf) : 0;
}

static int put_number(const char *path, int n)
{
    char temporary[80];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || dprintf(fd, "%d\n", n) < 0 || close(fd) < 0)
        return -1;
    return rename(temporary, path);
}

static int count(void)
{
    int n = number_of("/root/count") + 1;
    int fd = open("/root/secret", O_WRONLY | O_CREAT, 0600);
    if (write(fd, "a text that the host must not see", 33) != 33 || put_number("/root/count", n))
        return 1;
    printf("%d\n", n);
    return 0;
}

/* A pair of files that change together, number by number; a line once both are on disk. */
static int keep_writing(void)
{
    static char page[8192];
    for (int n = number_of("/root/a") + 1;; n++) {
        char name[40];
        snprintf(name, sizeof name, "/root/junk%d", n % 50);
        memset(page, n, sizeof page);
        int fd = open(name, O_WRONLY | O_CREAT, 0600);
        if (fd < 0 || pwrite(fd, page, sizeof page, n % 7 * 4096) != sizeof page)
            return 1;
        if (n % 11 == 0)
            unlink(name);
        if (put_number("/root/a", n) || put_number("/root/b", n) || fsync(fd) < 0)
            return 1;
        close(fd);
        printf("synced %d.\n", n);
        fflush(stdout);
    }
}

static int verify(void)
{
    int a = number_of("/root/a"), b = number_of("/root/b");
    printf("%d\n", b);
    return a == b || a == b + 1 ? 0 : 1;
}

/* The file of the second volume, with a number in it. */
static int put_data(int n)
{
    if (put_number("/data/number", n))
        return 1;
    printf("%d\n", number_of("/data/number"));
    return 0;
}

/* Writes until there is no room: that must be what the calls say, and all but the file that was too much is there. */
static int fill(void)
{
    static char block[65536];
    if (put_number("/root/before", 7))
        return 1;
    int fd = open("/root/big", O_RDWR | O_CREAT, 0600), n = 0;
    memset(block, 'x', sizeof block);
    while (n < 100000 && write(fd, block, sizeof block) == sizeof block)
        n++;
    if (n == 100000 || errno != ENOSPC || fsync(fd) < 0 || number_of("/root/before") != 7)
        return perror("fill"), 1;
    for (int i = 0; i < n; i++)
        if (pread(fd, block, sizeof block, (off_t) i * (off_t) sizeof block) != sizeof block ||
            block[0] != 'x')
            return perror("read"), 1;
    if (unlink("/root/big") < 0 || close(fd) < 0)
        return perror("unlink"), 1;
    sync();
    return put_number("/root/after", n);
}

/* The numbers that stat and readdir have for what is in a directory: equal, and each once. */
static int numbers(const char *path, ino_t *all, int count)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        bool mounted = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return perror(e->d_name), -1;
        struct stat top;
        if (mounted || fstat(dirfd(d), &top) < 0 || st.st_dev != top.st_dev)
            continue; /* another file system's */
        if (st.st_ino != e->d_ino)
            return printf("%s/%s: %lu and %lu\n", path, e->d_name, st.st_ino, e->d_ino), -1;
        for (int i = 0; i < count && st.st_nlink == 1; i++)
            if (all[i] == st.st_ino)
                return printf("%s/%s: the number of another\n", path, e->d_name), -1;
        all[count++] = st.st_ino;
    }
    if (d)
        closedir(d);
    return d ? count : -1;
}

/* Number of the image's file, copied up if change; and all numbers of two directories must be right. */
static int number(bool change)
{
    static ino_t all[1000];
    struct stat st, dir;
    int fd = open("/etc/more", change ? O_WRONLY | O_APPEND : O_RDONLY);
    if (change && (write(fd, "+", 1) != 1 || fsync(fd) < 0))
        return 1;
    int count = numbers("/", all, 0);
    if (count < 0 || numbers("/etc", all, count) < 0 || fstat(fd, &st) < 0 ||
        stat("/etc", &dir) < 0)
        return 1;
    printf("%lu %lu\n", st.st_ino, dir.st_ino);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "count") == 0)
        return count();
    if (strcmp(what, "write") == 0)
        return keep_writing();
    if (strcmp(what, "verify") == 0)
        return verify();
    if (strcmp(what, "fill") == 0)
        return fill();
    if (strcmp(what, "data") == 0 && argc > 2)
        return put_data(atoi(argv[2]));
    if (strcmp(what, "show-data") == 0)
        return show("/data/number");
    if (strcmp(what, "number") == 0)
        return number(argc > 2);
    if (strcmp(what, "image") == 0)
        return show("/etc/more");
    if (strcmp(what, "hold") == 0 && put_number("/root/held", 1))
        return 1;
    puts("ready");
    fflush(stdout);
    sleep(60);
    return 0;
}
