/* Lines of `occlum trace`, made from the system-call table: each row knows the types and names of its
 * arguments. Addresses whose name says that they are text (path, name ...) are followed; everything
 * else prints as a number. Errors print with their name. */
#include "libos/base/log.h"
#include "libos/base/printf.h"
#include "libos/base/string.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/trace.h"
#include "libos/task/thread.h"

static const char *const error_names[] = {
    [EPERM] = "EPERM",
    [ENOENT] = "ENOENT",
    [ESRCH] = "ESRCH",
    [EINTR] = "EINTR",
    [EIO] = "EIO",
    [ENXIO] = "ENXIO",
    [E2BIG] = "E2BIG",
    [ENOEXEC] = "ENOEXEC",
    [EBADF] = "EBADF",
    [ECHILD] = "ECHILD",
    [EAGAIN] = "EAGAIN",
    [ENOMEM] = "ENOMEM",
    [EACCES] = "EACCES",
    [EFAULT] = "EFAULT",
    [EBUSY] = "EBUSY",
    [EEXIST] = "EEXIST",
    [EXDEV] = "EXDEV",
    [ENODEV] = "ENODEV",
    [ENOTDIR] = "ENOTDIR",
    [EISDIR] = "EISDIR",
    [EINVAL] = "EINVAL",
    [ENFILE] = "ENFILE",
    [EMFILE] = "EMFILE",
    [ENOTTY] = "ENOTTY",
    [ETXTBSY] = "ETXTBSY",
    [EFBIG] = "EFBIG",
    [ENOSPC] = "ENOSPC",
    [ESPIPE] = "ESPIPE",
    [EROFS] = "EROFS",
    [EMLINK] = "EMLINK",
    [EPIPE] = "EPIPE",
    [ERANGE] = "ERANGE",
    [EDEADLK] = "EDEADLK",
    [ENAMETOOLONG] = "ENAMETOOLONG",
    [ENOSYS] = "ENOSYS",
    [ENOTEMPTY] = "ENOTEMPTY",
    [ELOOP] = "ELOOP",
    [ENODATA] = "ENODATA",
    [EOVERFLOW] = "EOVERFLOW",
    [ENOTSOCK] = "ENOTSOCK",
    [EOPNOTSUPP] = "EOPNOTSUPP",
    [EAFNOSUPPORT] = "EAFNOSUPPORT",
    [ETIMEDOUT] = "ETIMEDOUT",
    [ECONNREFUSED] = "ECONNREFUSED",
    [ENOTCONN] = "ENOTCONN",
};

/* One word of the row's "type, name, type, name ..."; advances *p behind the comma. */
static size_t next_word(const char **p, char *word, size_t size)
{
    size_t n = 0;
    while (**p == ' ')
        (*p)++;
    for (; **p && **p != ','; (*p)++)
        if (n + 1 < size)
            word[n++] = **p;
    if (**p == ',')
        (*p)++;
    word[n] = 0;
    return n;
}

static bool is_text(const char *type, const char *name)
{
    static const char *const names[] = {"path",    "pathname", "filename", "name",   "oldname",
                                        "newname", "oldpath",  "newpath",  "target", "linkpath"};
    if (!str_eq(type, "uaddr_t"))
        return false;
    size_t n = strlen(name);
    if (n > 3 && str_eq(name + n - 3, "_ua"))
        n -= 3;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strlen(names[i]) == n && strncmp(name, names[i], n) == 0)
            return true;
    return false;
}

static size_t add_text(char *line, size_t size, uint64_t addr)
{
    char text[96];
    long n = addr ? str_from_user(text, sizeof text, UADDR(addr)) : -EFAULT;
    if (n == -ENAMETOOLONG)
        text[sizeof text - 1] = 0;
    else if (n < 0)
        return addr ? fmt_str(line, size, "0x%lx", addr) : fmt_str(line, size, "NULL");
    return fmt_str(line, size, "\"%s\"%s", text, n < 0 ? "..." : "");
}

static size_t add_arg(char *line, size_t size, const char *type, const char *name, uint64_t v)
{
    if (is_text(type, name))
        return add_text(line, size, v);
    if (str_eq(type, "uaddr_t"))
        return v ? fmt_str(line, size, "0x%lx", v) : fmt_str(line, size, "NULL");
    if (str_starts(name, "flag") || str_starts(name, "mode") || str_starts(name, "prot") ||
        str_starts(name, "req") || str_starts(name, "cmd"))
        return fmt_str(line, size, "0x%lx", str_eq(type, "int") ? (uint32_t) v : v);
    if (str_eq(type, "int") || str_eq(type, "unsigned"))
        return fmt_str(line, size, "%d", (int) v);
    return fmt_str(line, size, "%ld", (long) v);
}

size_t trace_call(char *line, size_t size, uint64_t nr, const struct syscall_args *args)
{
    const struct syscall_entry *e =
        nr < SYSCALL_MAX && syscall_table[nr].fn ? &syscall_table[nr] : NULL;
    if (!e)
        return fmt_str(line, size, "syscall_%lu(0x%lx, 0x%lx, 0x%lx)", nr, args->a[0], args->a[1],
                       args->a[2]);
    size_t n = fmt_str(line, size, "%s(", e->name);
    const char *p = e->args;
    for (uint32_t i = 0; i < e->argc && n < size; i++) {
        char type[16], name[32];
        (void) next_word(&p, type, sizeof type);
        (void) next_word(&p, name, sizeof name);
        n += i > 0 ? fmt_str(line + n, size - n, ", ") : 0;
        n = MIN(n, size - 1);
        n += add_arg(line + n, size - n, type, name, args->a[i]);
        n = MIN(n, size - 1);
    }
    return n + fmt_str(line + n, size - n, ")");
}

void trace_result(const char *call, long r)
{
    const char *name = r < 0 && (size_t) -r < ARRAY_SIZE(error_names) ? error_names[-r] : NULL;
    if (name)
        log_emit(LOG_ERROR, "[%d] %s = -1 %s", current()->tid, call, name);
    else if (r < 0 && r > -4096)
        log_emit(LOG_ERROR, "[%d] %s = -1 errno %ld", current()->tid, call, -r);
    else if (r > 0xffff)
        log_emit(LOG_ERROR, "[%d] %s = 0x%lx", current()->tid, call, r);
    else
        log_emit(LOG_ERROR, "[%d] %s = %ld", current()->tid, call, r);
}
