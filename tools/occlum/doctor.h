/* What `occlum doctor` finds out. */
#ifndef TOOLS_OCCLUM_DOCTOR_H
#define TOOLS_OCCLUM_DOCTOR_H

#include <stdbool.h>
#include "tools/lib/mem.h"

enum finding_status { FINDING_OK, FINDING_WARN, FINDING_FAIL };

struct finding {
    const char *name; /* stable, for scripts: "sgx-cpu" */
    enum finding_status status;
    char *detail;
    char *next; /* what to do, or NULL */
};

struct doctor {
    bool want_hw; /* the lack of SGX is a failure, not a warning */
    struct finding *findings;
    size_t count;
};

/* Adds a finding; takes detail and next. */
void doctor_add(struct doctor *d, const char *name, enum finding_status status, char *detail,
                char *next);
void doctor_fini(struct doctor *d);

/* The groups of checks. None of them changes anything. */
void doctor_check_sgx(struct doctor *d);
void doctor_check_host(struct doctor *d);
void doctor_check_installation(struct doctor *d);
void doctor_check_instance(struct doctor *d);
#endif
