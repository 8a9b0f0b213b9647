/* What a new program finds on its stack. Pure: builds the bytes, load.c copies them in. */
#ifndef EXEC_STACK_H
#define EXEC_STACK_H
#include "libos/exec/exec.h"

#define STACK_AUXV_MAX 24

struct stack_auxv {
    uint64_t type, value;
};

struct stack_spec {
    uintptr_t top;             /* first address above the stack, 16-aligned */
    struct exec_strings first; /* strings that come before argv (interpreters of scripts) */
    struct exec_strings argv, envp;
    const char *execfn;
    uint8_t random[16];
    /* The caller's entries; AT_PLATFORM, AT_RANDOM, AT_EXECFN and AT_NULL are added here. */
    struct stack_auxv auxv[STACK_AUXV_MAX];
    size_t auxv_count;
};

struct stack_image {
    char *p; /* heap: the bytes from sp to top */
    size_t n;
    uintptr_t sp, arg_start, arg_end, env_start, env_end;
};

/* -E2BIG: strings and pointers exceed limit; -ENOMEM. The image is freed with stack_free. */
must_check int stack_build(const struct stack_spec *spec, size_t limit, struct stack_image *ret);
void stack_free(struct stack_image *img);
#endif
