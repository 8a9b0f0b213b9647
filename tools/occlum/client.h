/* Talking to a running instance: the client's end of host/control.c. */
#ifndef TOOLS_OCCLUM_CLIENT_H
#define TOOLS_OCCLUM_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "abi/control.h"

struct client {
    int fd;
    pid_t pid; /* of the runtime */
};

/* Is this an instance, and does it run? 0; -ENOENT: no instance (said unless quiet); -ECONNREFUSED: it
 * does not run (said unless quiet); other errors are always said. */
int client_connect(struct client *ret, bool quiet);
void client_close(struct client *c);

/* fds: three descriptors to pass along, or NULL. Prints its own error; 0 or -errno. */
int client_send(struct client *c, const struct control_request *request, const void *strings,
                const int *fds);
/* The next answer; the caller frees *ret_data (NUL-terminated). 0, or -ECONNRESET: the instance ended. */
int client_receive(struct client *c, struct control_answer *ret, char **ret_data);

/* One request and all its data, put together; the caller frees it. Says why when it fails; 0 or -errno. */
int client_ask(uint32_t op, int64_t a, int64_t b, char **ret_data, size_t *ret_size);
/* The kernel's refusal, for people. */
void client_say_refusal(const struct control_answer *answer, const char *why);
#endif
