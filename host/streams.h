/* Descriptors that the enclave reads and writes as streams: three per session. */
#ifndef HOST_STREAMS_H
#define HOST_STREAMS_H

#include <stdbool.h>
#include <stdint.h>
#include "abi/hostcall.h"

/* A session on fds, which are taken over; its number (1 .. HOST_SESSIONS - 1), or -EBUSY: all are in use. */
int streams_open(const int fds[3]);
void streams_close(unsigned session);
/* The session's terminal is in the hands of another job outside: there is no input from it. */
void streams_gate(unsigned session, bool closed);
/* The terminal gets back the settings it had before the enclave changed them. */
void streams_restore(unsigned session);
void streams_restore_all(void);
#endif
