/* Paths inside an image directory: symbolic links are followed as a program in the image would. */
#ifndef TOOLS_LIB_ROOTPATH_H
#define TOOLS_LIB_ROOTPATH_H

/* Resolves path (absolute in the image) below root ("" is the host itself). Returns the path in the
 * image, free of links, "." and ".."; NULL if it does not exist or links go in circles. The caller
 * frees it. The file outside is root + result. */
char *rootpath_resolve(const char *root, const char *path);
#endif
