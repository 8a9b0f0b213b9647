/* Parsed program files, remembered per inode where the content cannot change. */
#ifndef EXEC_IMAGE_H
#define EXEC_IMAGE_H
#include "libos/exec/elf.h"
#include "libos/exec/script.h"
#include "libos/base/ref.h"

struct file;

struct image {
    struct ref ref;
    uint64_t unique; /* inode_unique; 0: not in the cache */
    bool is_script;
    struct script script; /* is_script */
    struct elf_image elf; /* else; interp below has its path if interp_size > 0 */
    char interp[];
};

/* What f holds. -ENOEXEC: no program; read errors. Sleeps. */
must_check int image_open(struct file *f, struct image **ret_image);
void image_put(struct image *img);
DEFINE_AUTO(struct image, image_put)
#endif
