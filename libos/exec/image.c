/* Reads the head of a program file and parses it. The result is immutable and shared. Files of the
 * root image never change, so theirs are kept in a small direct-mapped cache: a second start of a
 * program reads nothing. Two files that meet in a slot replace each other. The cache holds one
 * reference; its lock protects the slots only and is never held while reading.
 */
#include "libos/exec/image.h"
#include "libos/base/errno.h"
#include "libos/base/lock.h"
#include "libos/mm/heap.h"
#include "libos/vfs/vfs.h"

#define IMAGE_SLOTS 128u
#define HEAD_BYTES  1024u /* ELF header and the program headers of all but odd files */

static struct {
    struct spinlock lock;
    struct image *slots[IMAGE_SLOTS];
} image_cache;

static unsigned image_slot(uint64_t unique)
{
    return (unsigned) ((unique * 0x9e3779b97f4a7c15ull) >> 57);
}
_Static_assert(IMAGE_SLOTS == 1u << (64 - 57), "image_slot");

static struct image *cache_lookup_get(uint64_t unique)
{
    SPIN_GUARD(&image_cache.lock);
    struct image *img = image_cache.slots[image_slot(unique)];
    if (!img || img->unique != unique)
        return NULL;
    ref_get(&img->ref);
    return img;
}

static void cache_add(struct image *img, uint64_t unique)
{
    img->unique = unique;
    ref_get(&img->ref);
    spin_lock(&image_cache.lock);
    struct image *old = image_cache.slots[image_slot(unique)];
    image_cache.slots[image_slot(unique)] = img;
    spin_unlock(&image_cache.lock);
    if (old)
        image_put(old);
}

void image_put(struct image *img)
{
    if (ref_put_last(&img->ref))
        kfree(img);
}

static struct image *image_new(size_t interp_size)
{
    struct image *img = kzalloc(sizeof *img + interp_size);
    if (img)
        ref_init(&img->ref);
    return img;
}

/* Exactly dst.n bytes, or -ENOEXEC if the file ends before. */
static int read_exactly(struct file *f, struct span dst, uint64_t offset)
{
    size_t done = 0;
    while (done < dst.n) {
        struct span rest = {dst.p + done, dst.n - done};
        long n = file_pread(f, rest, offset + done);
        if (n <= 0)
            return n < 0 ? (int) n : -ENOEXEC;
        done += (size_t) n;
    }
    return 0;
}

static int script_open(struct cspan head, struct image **ret_image)
{
    AUTO(image_put) struct image *img = image_new(0);
    if (!img)
        return -ENOMEM;
    img->is_script = true;
    int r = script_parse(head, &img->script);
    if (r == 0)
        *ret_image = TAKE(img);
    return r;
}

/* phdrs lie in head, or are read into a block of their own. */
static int elf_read(struct file *f, struct cspan head, struct elf_image *ret)
{
    struct elf_head h;
    struct cspan phdrs;
    int r = elf_head_parse(head, &h);
    if (r < 0)
        return r;
    uint64_t size = inode_size(file_inode(f));
    if (cspan_sub(head, h.phoff, h.phsize, &phdrs))
        return elf_image_parse(&h, phdrs, size, ret);
    if (h.phoff > size || h.phsize > size - h.phoff)
        return -ENOEXEC;
    uint8_t *block = kzalloc(h.phsize);
    if (!block)
        return -ENOMEM;
    r = read_exactly(f, (struct span){block, h.phsize}, h.phoff);
    if (r == 0)
        r = elf_image_parse(&h, (struct cspan){block, h.phsize}, size, ret);
    kfree(block);
    return r;
}

static int elf_open(struct file *f, struct cspan head, struct image **ret_image)
{
    AUTO(image_put) struct image *img = image_new(0);
    if (!img)
        return -ENOMEM;
    int r = elf_read(f, head, &img->elf);
    if (r < 0)
        return r;
    if (img->elf.interp_size > 0) {
        struct image *bigger = image_new(img->elf.interp_size);
        if (!bigger)
            return -ENOMEM;
        bigger->elf = img->elf;
        image_put(img);
        img = bigger;
        struct span path = {(uint8_t *) img->interp, img->elf.interp_size};
        r = read_exactly(f, path, img->elf.interp_offset);
        if (r == 0)
            r = elf_interp_check(cspan(path));
        if (r < 0)
            return r;
    }
    *ret_image = TAKE(img);
    return 0;
}

int image_open(struct file *f, struct image **ret_image)
{
    struct inode *inode = file_inode(f);
    bool cached = inode_immutable(inode);
    uint64_t unique = inode_unique(inode);
    struct image *img = cached ? cache_lookup_get(unique) : NULL;
    if (img) {
        *ret_image = img;
        return 0;
    }
    uint8_t *block = kzalloc(HEAD_BYTES);
    if (!block)
        return -ENOMEM;
    int r = -ENOEXEC;
    long n = file_pread(f, (struct span){block, HEAD_BYTES}, 0);
    struct cspan head = {block, n > 0 ? (size_t) n : 0};
    if (n < 0)
        r = (int) n;
    else if (script_is(head))
        r = script_open(head, &img);
    else
        r = elf_open(f, head, &img);
    kfree(block);
    if (r < 0)
        return r;
    if (cached)
        cache_add(img, unique);
    *ret_image = img;
    return 0;
}
