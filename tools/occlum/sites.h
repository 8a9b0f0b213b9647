/* The patch-site table of the image's programs, for the kernel's loader. */
#ifndef TOOLS_OCCLUM_SITES_H
#define TOOLS_OCCLUM_SITES_H

/* Writes <image>/.occlum/sites, deterministically. Prints its own errors; returns 0 or -errno. */
int sites_write(const char *image);
#endif
