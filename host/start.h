/* Linux begins to write what a file was given (sync_file_range), without the caller. */
#ifndef HOST_START_H
#define HOST_START_H
#include "host/files.h"

void start_writing(uint64_t token);
#endif
