/* The table of files that the enclave holds tokens of: generation << 16 | slot. A token means one file for
 * good; the generation makes a token that was closed differ from the slot's next one. */
#ifndef HOST_FILES_H
#define HOST_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include "abi/hostcall.h"

struct open_file {
    int path_fd;           /* O_PATH, or one that is open anyway */
    int read_fd, write_fd; /* -1: not opened; may be the same as each other and as path_fd */
    uint16_t generation;
    unsigned users; /* calls that work with it, and 1 while the token is valid; table lock */
    bool valid;     /* table lock */
    void *map;      /* of a volume, HOST_VOLUME_MAP bytes; NULL: none */
};

/* Takes over fd, also on failure; opened: it can be read and written. A token or -ENFILE. */
int64_t files_add(int fd, int opened);
/* The same for the file of a volume, mapped at map or (NULL) nowhere. */
int64_t files_add_mapped(int fd, void *map);
/* NULL: no such token. files_put ends the use. */
struct open_file *files_get(uint64_t token);
void files_put(struct open_file *f);
void files_close(uint64_t token);
/* A descriptor of f to read and (or) write, opened at the first need, or -errno. */
int files_readable(struct open_file *f);
int files_open(struct open_file *f, unsigned access);
/* The file by a path that follows no names: /proc/self/fd/N. */
struct fd_path {
    char text[32];
};
struct fd_path files_path(const struct open_file *f);
#endif
