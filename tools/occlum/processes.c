/* Reading and formatting what the kernel tells of processes. The bytes come from an enclave that runs
 * somebody's programs: records are checked, and text is cleaned before a terminal sees it. */
#include "tools/occlum/processes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/mem.h"

#define SECOND_NS 1000000000ll
#define TEXT_MAX  65536u

int processes_parse(char *data, size_t size, struct process_list *ret)
{
    struct process_list l = {.data = data};
    size_t at = sizeof l.status;
    if (size >= at)
        memcpy(&l.status, data, at);
    while (size > at && size - at >= sizeof(struct control_process)) {
        struct process p;
        memcpy(&p.record, data + at, sizeof p.record);
        at += sizeof p.record;
        if (p.record.text_size > TEXT_MAX || p.record.text_size > size - at)
            break;
        p.text = data + at;
        at += p.record.text_size;
        l.processes = mem_grow(l.processes, l.count + 1, sizeof *l.processes);
        l.processes[l.count++] = p;
    }
    if (at == size) {
        *ret = l;
        return 0;
    }
    processes_free(&l);
    return -EPROTO;
}

void processes_free(struct process_list *list)
{
    free(list->processes);
    free(list->data);
    *list = (struct process_list){0};
}

static void clean(char *text)
{
    for (unsigned char *p = (unsigned char *) text; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
}

char *process_command(const struct process *p)
{
    size_t n = p->record.tid ? 0 : p->record.text_size;
    if (n == 0) {
        char *name = mem_printf("[%.*s]", (int) sizeof p->record.name, p->record.name);
        clean(name);
        return name;
    }
    char *text = mem_strndup("", 0);
    text = mem_grow(text, n + 1, 1);
    memcpy(text, p->text, n);
    text[n] = 0;
    while (n > 0 && text[n - 1] == 0)
        n--;
    for (size_t i = 0; i < n; i++)
        if (text[i] == 0)
            text[i] = ' ';
    clean(text);
    return text;
}

const char *processes_cpu_text(int64_t ns, char *buffer)
{
    int64_t hundredths = (ns > 0 ? ns : 0) / (SECOND_NS / 100);
    snprintf(buffer, 32, "%" PRId64 ":%02d.%02d", hundredths / 6000, (int) (hundredths / 100 % 60),
             (int) (hundredths % 100));
    return buffer;
}

const char *processes_age_text(int64_t ns, char *buffer)
{
    int64_t s = (ns > 0 ? ns : 0) / SECOND_NS;
    int n = s >= 86400 ? snprintf(buffer, 32, "%" PRId64 "d ", s / 86400) : 0;
    snprintf(buffer + n, 32 - (size_t) n, "%02d:%02d:%02d", (int) (s / 3600 % 24),
             (int) (s / 60 % 60), (int) (s % 60));
    return buffer;
}

const char *processes_size_text(uint64_t bytes, char *buffer)
{
    static const char units[] = "BKMGT";
    int unit = 0;
    double value = (double) bytes;
    while (value >= 1000 && units[unit + 1]) {
        value /= 1024;
        unit++;
    }
    snprintf(buffer, 32, unit && value < 10 ? "%.1f%c" : "%.0f%c", value, units[unit]);
    return buffer;
}
