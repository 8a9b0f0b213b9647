/* /proc/PID/smaps, smaps_rollup and pagemap: what of a process's memory is there. */
#include "guest_test.h"
#include <sys/mman.h>

/* The value of a field of the mapping that begins at p, in KB; -1: there is none. */
static long smaps_of(const void *p, const char *field)
{
    char line[512], start[32];
    bool mine = false;
    long kb = -1;
    FILE *f = fopen("/proc/self/smaps", "r");
    CHECK(f);
    int n = snprintf(start, sizeof start, "%08lx-", (unsigned long) p);
    while (kb < 0 && fgets(line, sizeof line, f)) {
        if (strchr(line, '-') && strtoul(line, NULL, 16) && line[0] >= '0' && line[0] != 'A' &&
            strchr(line, '-') - line >= 8)
            mine = strncmp(line, start, (size_t) n) == 0;
        size_t len = strlen(field);
        if (mine && strncmp(line, field, len) == 0 && line[len] == ':')
            kb = strtol(line + len + 1, NULL, 10);
    }
    fclose(f);
    return kb;
}

/* A mapping with others on neither side. */
static char *lone_map(size_t pages)
{
    char *p = mmap(NULL, (pages + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    OK(mprotect(p + PAGE, pages * PAGE, PROT_READ | PROT_WRITE));
    return p + PAGE;
}

TEST_CASE(smaps_counts_pages)
{
    char *p = lone_map(16);
    CHECK_EQ(smaps_of(p, "Size"), 64);
    CHECK_EQ(smaps_of(p, "Rss"), 0);
    CHECK_EQ(smaps_of(p, "KernelPageSize"), 4);
    for (int i = 0; i < 16; i++)
        p[i * (long) PAGE] = 'x';
    CHECK_EQ(smaps_of(p, "Rss"), 64);
    CHECK_EQ(smaps_of(p, "Pss"), 64);
    CHECK_EQ(smaps_of(p, "Anonymous"), 64);
    CHECK_EQ(smaps_of(p, "Private_Dirty"), 64);
    CHECK_EQ(smaps_of(p, "Swap"), 0);
    CHECK_EQ(smaps_of(p, "Locked"), 0);
}

TEST_CASE(the_rollup_is_the_sum)
{
    char text[4096];
    char *p = lone_map(64);
    memset(p, 1, 64 * PAGE);
    read_file("/proc/self/smaps_rollup", text, sizeof text);
    CHECK(strstr(text, "[rollup]\n"));
    const char *rss = strstr(text, "\nRss:");
    CHECK(rss && strtol(rss + 5, NULL, 10) >= 256);
    CHECK(strstr(text, "\nPrivate_Dirty:"));
    OK(munmap(p, 64 * PAGE));
}

static bool present(int fd, const char *p)
{
    uint64_t word;
    CHECK_EQ(pread(fd, &word, sizeof word, (off_t) ((uintptr_t) p / PAGE * sizeof word)),
             sizeof word);
    return word >> 63;
}

TEST_CASE(pagemap_says_which_pages_are_there)
{
    int fd = (int) OK(open("/proc/self/pagemap", O_RDONLY));
    uint64_t words[2];
    char *p = lone_map(512), *touched = p + 256 * PAGE; /* a kernel may bring neighbours in */
    *touched = 'x';
    CHECK(!present(fd, p));
    CHECK(present(fd, touched));
    CHECK(!present(fd, p - PAGE));
    CHECK_EQ(pread(fd, words, sizeof words, (off_t) ((uintptr_t) touched / PAGE * sizeof *words)),
             sizeof words);
    CHECK(words[0] >> 63);
    CHECK_ERR(pread(fd, words, 7, 0), EINVAL);
    CHECK_ERR(pread(fd, words, 8, 4), EINVAL);
    close(fd);
}

TEST_CASE(status_has_the_umask)
{
    char text[8192];
    mode_t old = umask(027);
    read_file("/proc/self/status", text, sizeof text);
    umask(old);
    CHECK(strstr(text, "\nUmask:\t0027\n"));
}

TEST_CASE(what_cannot_be_written)
{
    int fd = open("/proc/self/stat", O_WRONLY);
    SKIP_IF(fd < 0 && errno == EACCES, "not root");
    CHECK_ERR(write(OK(fd), "x", 1), EINVAL);
    close(fd);
}
