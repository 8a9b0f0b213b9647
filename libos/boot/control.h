/* The idle pid 1 of a running instance. */
#ifndef BOOT_CONTROL_H
#define BOOT_CONTROL_H
#include "abi/control.h"
#include "libos/base/span.h"

/* What pid 1 does in an instance that `occlum start` made: waits for requests of the host, starts
 * programs, reaps them, reports. Ends with the enclave. */
noreturn_fn void control_main(void);

/* An answer for the host to hand on. It may lose it. */
void control_answer(uint32_t id, enum control_answer_kind kind, int64_t value, struct cspan data);
void control_refuse(uint32_t id, int error, const char *why);

/* control_list.c */
void control_status(uint32_t id);
void control_list(uint32_t id, bool stacks);
#endif
