/* Shared libraries of a program, found as its loader (glibc's or musl's) would find them. */
#ifndef TOOLS_LIB_LIBDEPS_H
#define TOOLS_LIB_LIBDEPS_H

struct libdep {
    const char *needed_by; /* path (in the root) of the file that names it */
    const char *name;      /* as named: "libm.so.6", or the interpreter's path */
    const char *found;     /* path as the loader would open it; NULL: not found */
    const char *real;      /* the same with links followed; NULL: not found */
};

/* Called once for every file the program needs, directly or not. Other than 0 stops. */
typedef int libdeps_fn(void *context, const struct libdep *dep);

/* Visits the interpreter and all libraries of program, an absolute path below root ("" is the host,
 * whose ld.so.conf is then honoured). A file that is no 64-bit x86 ELF has none. -ENOENT: no such
 * program; -EINVAL: damaged. */
int libdeps_visit(const char *root, const char *program, libdeps_fn *visit, void *context);

/* Where this host keeps a library, or NULL. The caller frees it. */
char *libdeps_on_host(const char *name);
#endif
