/* One file, random operations, and a model of its bytes: what read, mapped, or asked for must be what the model says.
 * In the spirit of fsx. FSX_OPS operations (20000), FSX_SEED, in the directory FSX_DIR. */
#include "guest_model.h"
#include <sys/mman.h>

#define ROOM      (384 * 1024)
#define PIECE_MAX (96 * 1024)
#define HISTORY   24
#ifndef FALLOC_FL_ZERO_RANGE
#define FALLOC_FL_ZERO_RANGE 0x10 /* musl has no name for it */
#endif

static unsigned char model[ROOM], piece[ROOM];
static size_t size; /* of the file */
static int fd;
static char path[300];
static unsigned long done_ops;
static char history[HISTORY][80];

__attribute__((format(printf, 1, 2))) static void note(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(history[done_ops % HISTORY], sizeof *history, fmt, ap);
    va_end(ap);
}

static void show_history(void)
{
    for (unsigned long n = done_ops < HISTORY ? 0 : done_ops - HISTORY + 1; n <= done_ops; n++)
        printf("# %lu: %s\n", n, history[n % HISTORY]);
}

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            int e_ = errno;                                                                        \
            show_history();                                                                        \
            printf("# errno %d (%s)\n", e_, strerror(e_));                                         \
            CHECK(cond);                                                                           \
        }                                                                                          \
    } while (0)

static void same(const unsigned char *got, size_t at, size_t n)
{
    if (memcmp(got, model + at, n) == 0)
        return;
    for (size_t i = 0; i < n; i++)
        if (got[i] != model[at + i]) {
            printf("# byte %zu is %#x, not %#x\n", at + i, got[i], model[at + i]);
            break;
        }
    MUST(!"the file differs from the model");
}

static void fill_piece(size_t n)
{
    for (size_t i = 0; i < n; i++)
        piece[i] = (unsigned char) (done_ops + i * 7 + (i >> 9));
}

static void grown_to(size_t end)
{
    if (end > size)
        size = end; /* what lies between is zero in the model already */
}

static void do_write(size_t at, size_t n)
{
    note("write %zu+%zu", at, n);
    fill_piece(n);
    MUST(pwrite(fd, piece, n, (off_t) at) == (ssize_t) n);
    memcpy(model + at, piece, n);
    grown_to(at + n);
}

static void do_read(size_t at, size_t n)
{
    note("read %zu+%zu", at, n);
    size_t there = at >= size ? 0 : n < size - at ? n : size - at;
    MUST(pread(fd, piece, n, (off_t) at) == (ssize_t) there);
    same(piece, at, there);
}

static void do_truncate(size_t to)
{
    note("truncate %zu (from %zu)", to, size);
    MUST(ftruncate(fd, (off_t) to) == 0);
    if (to < size)
        memset(model + to, 0, size - to);
    size = to;
}

static void do_map(size_t at, size_t n, bool write_it)
{
    note("map %s %zu+%zu of %zu", write_it ? "write" : "read", at, n, size);
    if (at >= size)
        return;
    n = n < size - at ? n : size - at;
    size_t lead = at % PAGE;
    unsigned char *p = mmap(NULL, n + lead, write_it ? PROT_READ | PROT_WRITE : PROT_READ,
                            MAP_SHARED, fd, (off_t) (at - lead));
    if (p == MAP_FAILED && errno == ENODEV)
        return; /* a file of the host */
    MUST(p != MAP_FAILED);
    same(p + lead, at, n);
    if (write_it) {
        fill_piece(n);
        memcpy(p + lead, piece, n);
        memcpy(model + at, piece, n);
        if (rnd(2))
            MUST(msync(p, n + lead, MS_SYNC) == 0);
    }
    MUST(munmap(p, n + lead) == 0);
}

static void do_fallocate(size_t at, size_t n, int mode)
{
    note("fallocate %#x %zu+%zu", mode, at, n);
    if (fallocate(fd, mode, (off_t) at, (off_t) n) < 0) {
        MUST(errno == EOPNOTSUPP);
        return;
    }
    bool keep = mode & FALLOC_FL_KEEP_SIZE;
    if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
        size_t end = at + n < size ? at + n : size;
        if (at < end)
            memset(model + at, 0, end - at);
    }
    if (!keep)
        grown_to(at + n);
}

static void do_copy(size_t from, size_t to, size_t n)
{
    note("copy %zu+%zu to %zu", from, n, to);
    if (from >= size || (from < to + n && to < from + n))
        return; /* nothing, or overlapping */
    n = n < size - from ? n : size - from;
    for (size_t done = 0; done < n;) {
        off_t in = (off_t) (from + done), out = (off_t) (to + done);
        ssize_t r = copy_file_range(fd, &in, fd, &out, n - done, 0);
        if (r < 0 && done == 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EXDEV))
            return;
        MUST(r > 0);
        done += (size_t) r;
    }
    memcpy(model + to, model + from, n);
    grown_to(to + n);
}

static void do_reopen(void)
{
    note("close and open");
    MUST(close(fd) == 0);
    fd = open(path, O_RDWR);
    MUST(fd >= 0);
}

/* What SEEK_DATA calls a hole must be zeros. */
static void do_seek(size_t at)
{
    note("seek %zu", at);
    off_t data = lseek(fd, (off_t) at, SEEK_DATA);
    size_t end = data < 0 ? size : (size_t) data;
    if (data < 0)
        MUST(errno == ENXIO || errno == EINVAL);
    if (data < 0 && errno == EINVAL)
        return;
    for (size_t i = at; i < end; i++)
        if (model[i])
            MUST(!"a hole has data");
}

static void do_stat(void)
{
    struct stat st;
    note("stat");
    MUST(fstat(fd, &st) == 0);
    if ((size_t) st.st_size != size)
        printf("# the size is %zu, not %zu\n", (size_t) st.st_size, size);
    MUST((size_t) st.st_size == size);
}

static void operate(void)
{
    size_t at = rnd(4) ? rnd(ROOM - 1) : rnd(ROOM / PAGE) * PAGE;
    size_t n = 1 + rnd(rnd(3) ? 9000 : PIECE_MAX), to = rnd(ROOM - 1);
    n = n < ROOM - at ? n : ROOM - at;
    switch (rnd(20)) {
    case 0 ... 4:
        do_write(at, n);
        break;
    case 5 ... 8:
        do_read(at, n);
        break;
    case 9:
        do_truncate(at);
        break;
    case 10 ... 11:
        do_map(at, n, false);
        break;
    case 12 ... 13:
        do_map(at, n, true);
        break;
    case 14:
        do_fallocate(at, n, rnd(2) ? FALLOC_FL_KEEP_SIZE : 0);
        break;
    case 15:
        do_fallocate(at, n, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
        break;
    case 16:
        do_fallocate(at, n, FALLOC_FL_ZERO_RANGE | (rnd(2) ? FALLOC_FL_KEEP_SIZE : 0));
        break;
    case 17:
        do_copy(at, to, n < ROOM - to ? n : ROOM - to);
        break;
    case 18:
        rnd(8) ? do_seek(at) : do_reopen();
        break;
    default:
        do_stat();
        if (rnd(16) == 0)
            MUST(fsync(fd) == 0);
    }
}

TEST_CASE(random_operations)
{
    unsigned long count = number_from("FSX_OPS", 20000);
    seed = number_from("FSX_SEED", 1);
    place_of("fsx-file", path, sizeof path);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    for (done_ops = 0; done_ops < count; done_ops++)
        operate();
    do_read(0, ROOM);
    OK(close(fd));
    OK(unlink(path));
}
