/* Writes the table of system-call and cpuid sites into the image. Empty so far: the kernel's loader
 * then looks for the sites itself when it maps code.
 */
#include "tools/occlum/sites.h"

#include <string.h>
#include "tools/lib/fsutil.h"
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"

int sites_write(const char *image)
{
    AUTO_FREE char *directory = mem_printf("%s/.occlum", image);
    AUTO_FREE char *path = mem_printf("%s/sites", directory);
    int r = fs_mkdirs(directory, 0755);
    if (r == 0)
        r = fs_write_file(path, "", 0, 0444);
    if (r < 0)
        msg_error("cannot write %s: %s", path, strerror(-r));
    return r;
}
