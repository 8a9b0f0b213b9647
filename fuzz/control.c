// sources: libos/boot/control_decode.c tools/occlum/processes.c tools/lib/mem.c tools/lib/msg.c
/* Control requests, from both ends: the bytes are read as a request of a hostile host, and what is accepted
 * must be what its operation allows, with strings that can be walked; and they are read as an enclave's
 * list of processes, of which everything that parses must be safe to print. */
#include <stdlib.h>
#include <string.h>
#include "abi/hostcall.h"
#include "libos/boot/control_decode.h"
#include "tools/occlum/processes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void walk(const struct control_request *r, const char *strings)
{
    const char *s = strings;
    for (uint64_t i = 0; i < (uint64_t) r->argc + r->envc; i++)
        s += strlen(s) + 1;
    require(s == strings + r->strings_size);
}

static void request(const uint8_t *data, size_t size)
{
    struct control_request r;
    const char *strings;
    if (control_decode((struct cspan){data, size}, &r, &strings) < 0)
        return;
    require(r.id && r.op >= CONTROL_EXEC && r.op <= CONTROL_KILL && r.session < HOST_SESSIONS);
    require((strings != NULL) == (r.op == CONTROL_EXEC));
    if (strings)
        walk(&r, strings);
    require(r.op != CONTROL_KILL || (r.a > 0 && r.b >= 0));
}

static void list(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    struct process_list l;
    if (processes_parse(copy, size, &l) < 0)
        return;
    char a[32];
    for (size_t i = 0; i < l.count; i++) {
        char *text = process_command(&l.processes[i]);
        for (const char *p = text; *p; p++)
            require((unsigned char) *p >= 0x20 && *p != 0x7f);
        free(text);
        (void) processes_cpu_text(l.processes[i].record.cpu_ns, a);
        (void) processes_age_text(l.processes[i].record.start_ns, a);
        (void) processes_size_text(l.processes[i].record.resident, a);
    }
    processes_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, data, size);
    request(exact, size);
    list(exact, size);
    free(exact);
    return 0;
}
