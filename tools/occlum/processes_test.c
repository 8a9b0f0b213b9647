/* Lists of processes as an enclave may tell them: wrong sizes are refused, text is made harmless. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "test/unit/test.h"
#include "tools/occlum/processes.h"

static struct control_process record(uint32_t text_size)
{
    return (struct control_process){.pid = 4, .state = 'S', .text_size = text_size, .name = "name"};
}

/* A status, one record and its text; parse takes the bytes over. */
static int parse(const struct control_process *r, const char *text, size_t size,
                 struct process_list *ret)
{
    struct control_status s = {.uptime_ns = 1};
    size_t total = sizeof s + sizeof *r + size;
    char *data = malloc(total);
    memcpy(data, &s, sizeof s);
    memcpy(data + sizeof s, r, sizeof *r);
    memcpy(data + sizeof s + sizeof *r, text, size);
    return processes_parse(data, total, ret);
}

static void shows(const struct control_process *r, const char *text, size_t size, const char *want)
{
    struct process_list l;
    assert_int_equal(parse(r, text, size, &l), 0);
    assert_int_equal(l.count, 1);
    char *command = process_command(&l.processes[0]);
    assert_string_equal(command, want);
    free(command);
    processes_free(&l);
}

TEST(processes_commands)
{
    struct control_process r = record(10);
    shows(&r, "/bin/a\0-x", 10, "/bin/a -x");
    r = record(0);
    shows(&r, "", 0, "[name]");
    r = record(8);
    shows(&r, "a\033[2J\n\r", 8, "a?[2J??"); /* a terminal must not obey it */
    r = record(3);
    shows(&r, "abc", 3, "abc"); /* without an end */
    r = record(4);
    r.tid = 5; /* a thread: its text is a stack */
    shows(&r, "abc", 4, "[name]");
    r = record(0);
    memset(r.name, 'n', sizeof r.name);
    shows(&r, "", 0, "[nnnnnnnnnnnnnnnn]");
}

TEST(processes_malformed)
{
    struct process_list l;
    struct control_process r = record(UINT32_MAX);
    assert_int_equal(parse(&r, "abc", 4, &l), -EPROTO);
    r = record(5);
    assert_int_equal(parse(&r, "abc", 4, &l), -EPROTO);
    r = record(3);
    assert_int_equal(parse(&r, "abc", 4, &l), -EPROTO);
    assert_int_equal(processes_parse(calloc(1, 10), 10, &l), -EPROTO);
    assert_int_equal(processes_parse(NULL, 0, &l), -EPROTO);
}

TEST(processes_texts)
{
    char b[32];
    assert_string_equal(processes_cpu_text(62340000000, b), "1:02.34");
    assert_string_equal(processes_cpu_text(-5, b), "0:00.00");
    assert_string_equal(processes_age_text(90061000000000, b), "1d 01:01:01");
    assert_string_equal(processes_size_text(999, b), "999B");
    assert_string_equal(processes_size_text(1536, b), "1.5K");
    assert_string_equal(processes_size_text(12ull << 20, b), "12M");
    (void) processes_cpu_text(INT64_MAX, b);
    (void) processes_age_text(INT64_MAX, b);
    (void) processes_size_text(UINT64_MAX, b);
}
