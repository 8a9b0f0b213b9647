/* Finds programs in the image that could not start. */
#ifndef TOOLS_OCCLUM_LIBCHECK_H
#define TOOLS_OCCLUM_LIBCHECK_H

/* Warns about every ELF file below image whose interpreter or a needed library is not in the image, and
 * every script whose interpreter is not, with the file to copy. Never fails: the program may never be run. */
void libcheck_image(const char *image);
#endif
