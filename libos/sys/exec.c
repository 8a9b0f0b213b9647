/* execve and execveat. Arguments are copied and the whole program is loaded into a new address space
 * while the old one still runs; only then the point of no return: the other threads go, the process
 * takes the new image over, registers and vector state start afresh.
 */
#include <linux/fcntl.h>
#include "libos/exec/exec.h"
#include "libos/arch/random.h"
#include "libos/base/printf.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/exec.h"
#include "libos/sys/syscall.h"
#include "libos/task/process.h"
#include "libos/task/process_exec.h"
#include "libos/vfs/file.h"
#include "libos/vfs/vfs.h"
#include "abi/layout.h"

#define EXEC_PATH_MAX 4096u
#define RLIMIT_STACK_ 3
#define POINTER_BATCH 32u

/* Strings copied from the caller, back to back. */
struct string_block {
    char *p;
    size_t n, cap, count;
};

static void string_block_free(struct string_block *b)
{
    kfree(b->p);
}

static int block_grow(struct string_block *b)
{
    size_t cap = b->cap ? b->cap * 4 : 256;
    if (b->cap > EXEC_STRINGS_MAX)
        return -E2BIG;
    char *p = krealloc(b->p, cap);
    if (!p)
        return -ENOMEM;
    b->p = p;
    b->cap = cap;
    return 0;
}

static int block_add(struct string_block *b, uaddr_t src)
{
    for (;;) {
        size_t room = b->cap - b->n;
        size_t limit = MIN(room, EXEC_STRING_MAX);
        long n = limit > 0 ? str_from_user(b->p + b->n, limit, src) : -ENAMETOOLONG;
        if (n >= 0) {
            b->n += (size_t) n + 1;
            b->count++;
            return 0;
        }
        if (n != -ENAMETOOLONG)
            return (int) n;
        if (room >= EXEC_STRING_MAX)
            return -E2BIG;
        int r = block_grow(b);
        if (r < 0)
            return r;
    }
}

/* Copies some pointers of a NULL-terminated vector; never reads past the page the first one is in,
 * because the vector may end there. */
static int pointers_from_user(uaddr_t vec, uint64_t ptrs[POINTER_BATCH], size_t *ret_count)
{
    size_t in_page = (PAGE_SIZE - (vec.v & (PAGE_SIZE - 1))) / sizeof(uint64_t);
    size_t n = MIN(in_page, (size_t) POINTER_BATCH);
    n = MAX(n, (size_t) 1);
    *ret_count = n;
    return copy_from_user((struct span){(uint8_t *) ptrs, n * sizeof(uint64_t)}, vec);
}

static int block_from_user(struct string_block *b, uaddr_t vec)
{
    if (uaddr_null(vec))
        return 0;
    for (;;) {
        uint64_t ptrs[POINTER_BATCH];
        size_t n;
        int r = pointers_from_user(vec, ptrs, &n);
        for (size_t i = 0; r == 0 && i < n; i++) {
            if (ptrs[i] == 0)
                return 0;
            r = b->count < EXEC_STRINGS_MAX / sizeof(uint64_t) ? block_add(b, UADDR(ptrs[i]))
                                                               : -E2BIG;
        }
        if (r < 0)
            return r;
        vec = uaddr_add(vec, n * sizeof(uint64_t));
    }
}

static struct exec_strings block_strings(const struct string_block *b)
{
    return (struct exec_strings){b->p, b->n, b->count};
}

/* Set-user-ID and set-group-ID of the file; scripts have none, nor what a nosuid mount has. */
static void cred_of_file(struct cred *c, struct file *f)
{
    const struct inode *i = inode_real(f->inode);
    uint8_t magic[2] = {0};
    if (!(i->mode & (S_ISUID | S_ISGID)) || c->no_new_privs ||
        (f->path.mnt && (f->path.mnt->flags & MOUNT_NOSUID)))
        return;
    if (file_pread(f, SPAN_OF(magic), 0) != sizeof magic || memcmp(magic, "#!", 2) == 0)
        return;
    if (i->mode & S_ISUID)
        c->euid = i->uid;
    if ((i->mode & (S_ISGID | 0010)) == (S_ISGID | 0010))
        c->egid = i->gid;
    if (c->euid != c->uid || c->egid != c->gid)
        c->cap_ambient = 0;
}

/* Who the new program will be is decided before it is loaded: its first stack tells it. NULL: no memory. */
static const struct cred *params_from_process(struct exec_params *in)
{
    struct cred *c = cred_copy();
    if (!c)
        return NULL;
    cred_of_file(c, in->file);
    cred_exec(c);
    in->stack_limit = current_process()->rlimits[RLIMIT_STACK_].cur;
    in->uid = c->uid;
    in->euid = c->euid;
    in->gid = c->gid;
    in->egid = c->egid;
    in->secure = in->uid != in->euid || in->gid != in->egid;
    random_bytes((struct span){in->random, sizeof in->random});
    return c;
}

static void image_from_result(struct process_image *img, struct mm *mm, const struct cred *cred,
                              const struct exec_result *r)
{
    *img = (struct process_image){
        .mm = mm,
        .cred = cred,
        .exe = r->exe,
        .arg_start = r->arg_start,
        .arg_end = r->arg_end,
        .env_start = r->env_start,
        .env_end = r->env_end,
        .stack_start = r->stack_start,
    };
    memcpy(img->comm, r->comm, sizeof img->comm);
}

/* Registers as a new program finds them: all zero but RIP and RSP. */
static void start_program(const struct exec_result *res)
{
    struct thread *t = current();
    *thread_frame(t) = (struct user_frame){
        .rip = res->entry,
        .rsp = res->sp,
        .rflags = 0x202,
        .orig_rax = UINT64_MAX,
        .full = 1,
    };
    user_fs_base_set(0);
    xstate_reset();
}

/* From complete parameters to the new program. */
static int replace(struct exec_params *in, struct exec_result *res)
{
    AUTO(mm_put) struct mm *mm = mm_new();
    if (!mm)
        return -ENOMEM;
    AUTO(cred_put) const struct cred *cred = params_from_process(in);
    if (!cred)
        return -ENOMEM;
    int r = exec_load(mm, in, res);
    if (r < 0)
        return r;
    mm_settle(mm);
    r = process_exec_begin();
    if (r < 0) {
        file_put(res->exe);
        return r;
    }
    struct process_image img;
    image_from_result(&img, TAKE(mm), TAKE(cred), res);
    process_exec_commit(&img);
    return 0;
}

long exec_replace(struct exec_params *in)
{
    struct exec_result res;
    int r = replace(in, &res);
    mm_turn_settle();
    if (r == 0)
        start_program(&res);
    return r;
}

/* The path as given, and the name for AT_EXECFN: execveat on a descriptor gives /dev/fd/N[/path] as on
 * Linux. Most paths are short, and the room for a long one is not zeroed for nothing. */
struct exec_path {
    char small[128];
    char *large, *name; /* heap memory, or NULL */
};

static void exec_path_free(struct exec_path *p)
{
    kfree(p->large);
    kfree(p->name);
}

static int exec_path_read(struct exec_path *p, uaddr_t ua, const char **ret)
{
    long n = str_from_user(p->small, sizeof p->small, ua);
    *ret = p->small;
    if (n != -ENAMETOOLONG)
        return (int) n;
    *ret = p->large = kzalloc(EXEC_PATH_MAX);
    return p->large ? (int) str_from_user(p->large, EXEC_PATH_MAX, ua) : -ENOMEM;
}

static const char *exec_path_name(struct exec_path *p, int dirfd, const char *path)
{
    if (path[0] == '/' || dirfd == AT_FDCWD)
        return path;
    size_t size = strlen(path) + 32;
    p->name = kzalloc(size);
    if (p->name && path[0] == 0)
        fmt_str(p->name, size, "/dev/fd/%d", dirfd);
    else if (p->name)
        fmt_str(p->name, size, "/dev/fd/%d/%s", dirfd, path);
    return p->name;
}

static long exec_strings_and_go(struct exec_params *in, uaddr_t argv, uaddr_t envp)
{
    static const char empty[1] = "";
    __attribute__((cleanup(string_block_free))) struct string_block args = {0}, env = {0};
    int r = block_from_user(&args, argv);
    if (r == 0)
        r = block_from_user(&env, envp);
    if (r < 0)
        return r;
    in->argv = args.count > 0 ? block_strings(&args) : (struct exec_strings){empty, 1, 1};
    in->envp = block_strings(&env);
    return exec_replace(in);
}

static long exec_at(int dirfd, uaddr_t path_ua, uaddr_t argv, uaddr_t envp, int flags)
{
    __attribute__((cleanup(exec_path_free))) struct exec_path buffer = {0};
    const char *path;
    int n = exec_path_read(&buffer, path_ua, &path);
    if (n < 0)
        return n;
    if (n == 0 && !(flags & AT_EMPTY_PATH))
        return -ENOENT;
    AUTO(file_put) struct file *file = NULL;
    int r = vfs_open_exec(dirfd, path, flags, &file);
    if (r < 0)
        return r;
    struct exec_params in = {.file = file, .path = exec_path_name(&buffer, dirfd, path)};
    return in.path ? exec_strings_and_go(&in, argv, envp) : -ENOMEM;
}

/* full */
SYSCALL(execve, uaddr_t, path, uaddr_t, argv, uaddr_t, envp)
{
    return exec_at(AT_FDCWD, path, argv, envp, 0);
}

/* full */
SYSCALL(execveat, int, dirfd, uaddr_t, path, uaddr_t, argv, uaddr_t, envp, int, flags)
{
    if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
        return -EINVAL;
    return exec_at(dirfd, path, argv, envp, flags);
}
