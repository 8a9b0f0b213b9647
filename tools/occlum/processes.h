/* Lists of an instance's processes, as `occlum ps` and `occlum top` show them. */
#ifndef TOOLS_OCCLUM_PROCESSES_H
#define TOOLS_OCCLUM_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "abi/control.h"

struct process_list {
    struct control_status status;
    struct process {
        struct control_process record;
        const char *text; /* record.text_size bytes and a NUL */
    } * processes;
    size_t count;
    char *data;
};

/* Asks the running instance (client.c); says what is wrong. 0 or -errno. */
int processes_get(bool stacks, struct process_list *ret);
/* Of what LIST answered; -EPROTO: it is malformed. data is taken over. */
int processes_parse(char *data, size_t size, struct process_list *ret);
void processes_free(struct process_list *list);

/* The name column: arguments if there are any, else the name in brackets; nothing a terminal would obey.
 * The caller frees it. */
char *process_command(const struct process *p);
/* "1:02.34" as ps prints it; "3d 04:05:06"; "12M". buffer is at least 32 bytes. */
const char *processes_cpu_text(int64_t ns, char *buffer);
const char *processes_age_text(int64_t ns, char *buffer);
const char *processes_size_text(uint64_t bytes, char *buffer);
#endif
