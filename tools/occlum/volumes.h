/* The files that encrypted volumes live in, as far as the tools have to do with them. */
#ifndef TOOLS_OCCLUM_VOLUMES_H
#define TOOLS_OCCLUM_VOLUMES_H
#include "tools/lib/config.h"

/* For each volume of the configuration that this instance never had: the order to make it at the next
 * start. What exists is not touched. Prints its own error; 0 or -errno. */
int volumes_order(const struct config *config);
#endif
