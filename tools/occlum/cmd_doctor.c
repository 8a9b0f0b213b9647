/* occlum doctor: what this machine and this instance can do, and what to do about the rest. */
#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/occlum/command.h"
#include "tools/occlum/doctor.h"

COMMAND(doctor, "check this machine and this instance", cmd_doctor);

enum { OPTION_JSON = 256, OPTION_SGX_MODE };

struct arguments {
    struct doctor doctor;
    bool json;
};

static const struct argp_option options[] = {
    {"json", OPTION_JSON, NULL, 0, "print the findings as JSON", 0},
    {"sgx-mode", OPTION_SGX_MODE, "HW|SIM", 0,
     "mode to check for: with HW, lack of SGX is a failure", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case OPTION_JSON:
        a->json = true;
        break;
    case OPTION_SGX_MODE:
        a->doctor.want_hw = strcasecmp(arg, "HW") == 0;
        if (!a->doctor.want_hw && strcasecmp(arg, "SIM") != 0)
            argp_error(state, "--sgx-mode must be HW or SIM");
        break;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument \"%s\"", arg);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc =
        "Check what Occlum needs of this machine, of its installation and, inside an instance, of "
        "the instance. Nothing is changed."
        "\vExit status: 0 nothing failed (warnings do not count), 1 something did.",
};

static const char *const status_words[] = {"OK", "WARN", "FAIL"};

static void print_text(const struct doctor *d)
{
    for (size_t i = 0; i < d->count; i++) {
        const struct finding *f = &d->findings[i];
        printf("%-4s  %-17s %s\n", status_words[f->status], f->name, f->detail);
        if (f->next)
            printf("      %-17s try: %s\n", "", f->next);
    }
}

static void print_json(const struct doctor *d)
{
    json_t *list = json_array();
    for (size_t i = 0; i < d->count; i++) {
        const struct finding *f = &d->findings[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s*}", "name", f->name, "status",
                                              status_words[f->status], "detail", f->detail, "next",
                                              f->next));
    }
    json_dumpf(list, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(list);
}

int cmd_doctor(int argc, char **argv)
{
    struct arguments a = {0};
    const char *mode = getenv("SGX_MODE");
    a.doctor.want_hw = mode && strcasecmp(mode, "HW") == 0;
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return EXIT_USAGE;
    struct doctor *d = &a.doctor;
    doctor_check_sgx(d);
    doctor_check_host(d);
    doctor_check_installation(d);
    doctor_check_instance(d);
    if (a.json)
        print_json(d);
    else
        print_text(d);
    bool failed = false;
    for (size_t i = 0; i < d->count; i++)
        failed |= d->findings[i].status == FINDING_FAIL;
    doctor_fini(d);
    return failed ? 1 : 0;
}
