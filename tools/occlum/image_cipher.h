/* Enciphering the root image with the user's own key; libos/fs/rootimg/cipher.h has the scheme. */
#ifndef TOOLS_OCCLUM_IMAGE_CIPHER_H
#define TOOLS_OCCLUM_IMAGE_CIPHER_H

#include <stdbool.h>
#include "abi/config.h"
#include "tools/lib/keyfile.h"

/* Enciphers the file in place (whole blocks) and fills in cipher, key_salt and key_check. Prints its own
 * error; the file is then neither plain nor enciphered. */
int image_encipher(const char *path, const struct keyfile *key, struct config_image *image);
/* Names the key in the descriptor of a plain image, for volumes. 0 or -errno. */
int image_name_key(const struct keyfile *key, struct config_image *image);
bool image_names_key(const struct config_image *image);
/* Is it the key of that descriptor? */
bool image_key_fits(const struct config_image *image, const struct keyfile *key);
#endif
