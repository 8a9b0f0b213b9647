/* What the test enclave can be asked; the struct lies in host memory. */
#ifndef TEST_ENCLAVE_COMMAND_H
#define TEST_ENCLAVE_COMMAND_H

#include <stdint.h>

enum command_op {
    OP_ECHO,       /* result = arg[0] + 1 */
    OP_LEAF,       /* ENCLU: arg[0..3] = RAX RBX RCX RDX in and out, arg[4] flags out */
    OP_PAGES,      /* pages stub: arg[0..4] = RAX RBX RCX RSI RDX in; RAX and RSI out */
    OP_READ,       /* result = byte at arg[0], or -1 after a fault */
    OP_WRITE,      /* writes 1 to arg[0] */
    OP_JUMP,       /* calls arg[0] */
    OP_FAULT,      /* instruction number arg[0] of enum fault_op */
    OP_SPIN,       /* arg[0] rounds, arg[1] wide; result = registers damaged */
    OP_COPY_IN,    /* arg[0] enclave address, arg[1] host address, arg[2] bytes */
    OP_COPY_OUT,   /* arg[0] enclave address, arg[1] host address, arg[2] bytes */
    OP_EXIT_TO,    /* EEXIT to arg[0] */
    OP_X87,        /* leaves an x87 exception pending */
    OP_SCRATCH,    /* result = address of 3 pages the enclave keeps for tests */
    OP_LEAF_KEEPS, /* OP_LEAF; result = vector registers damaged */
    OP_GS,         /* calls the leaf of arg[1..] with GS base moved by arg[0] */
};

enum fault_op {
    FAULT_UD2,
    FAULT_INT3,
    FAULT_DIV,
    FAULT_SYSCALL,
    FAULT_INT80,
    FAULT_IN,
    FAULT_GP,
    FAULT_EENTER,
    FAULT_SIMD
};

struct command {
    uint64_t op;
    uint64_t arg[6];
    uint64_t result;
    /* filled in by the exception handler */
    volatile uint64_t exceptions, ticks;
    volatile uint64_t reason_vector; /* what the host said */
    volatile uint64_t exit_info, maddr, errcd;
    volatile uint64_t rip, rcx, rsi;
    volatile uint64_t depth; /* highest CSSA seen */
    /* what the handler shall do */
    uint64_t fault_in_handler; /* fault again as long as CSSA is below this */
    uint64_t die;              /* leave with EXIT_DEAD */
    uint64_t skip;             /* on a fault only skip so many bytes */
};
#endif
