/* The test enclave's C part: runs commands and notes exceptions. It trusts the host: it is a
 * probe for the SGX machine, not an example. */
#include "test/enclave/command.h"

#include "abi/enter.h"
#include "abi/layout.h"
#include "abi/sgx.h"

#pragma GCC visibility push(hidden) /* addresses without a GOT */
uint64_t command(struct command *c);
uint64_t exception(uint64_t reason, uint64_t vector, uint64_t cssa);
void call_leaf(uint64_t *regs);
void call_pages(uint64_t *regs);
uint64_t fault_read(uint64_t address);
uint64_t fault_write(uint64_t address);
uint64_t fault_jump(uint64_t address);
uint64_t fault_ud2(void);
uint64_t fault_int3(void);
uint64_t fault_div(void);
uint64_t fault_syscall(void);
uint64_t fault_int80(void);
uint64_t fault_in(void);
uint64_t fault_gp(void);
uint64_t fault_eenter(void);
uint64_t fault_simd(void);
uint64_t fault_fixup(void);
uint64_t pending_x87(void);
uint64_t exit_to(uint64_t target);
uint64_t leaf_keeps(uint64_t *regs, const void *patterns);
uint64_t spin(uint64_t rounds, const void *patterns, uint64_t wide);
#pragma GCC visibility pop

static uint8_t scratch[3 * PAGE_SIZE] __attribute__((aligned(4096)));

/* The command of each vCPU, for its exception handler: kept in the GS page. Between commands it is
 * nobody's: a tick may come before a command is known, when the memory of the last one is something
 * else again. */
#define COMMAND_AT 0x200
static struct command nobody;

static void set_current(struct command *c)
{
    __asm__ volatile("mov %0, %%gs:%c1" : : "r"(c), "i"(COMMAND_AT) : "memory");
}

static struct command *current(void)
{
    struct command *c;
    __asm__ volatile("mov %%gs:%c1, %0" : "=r"(c) : "i"(COMMAND_AT));
    return c ? c : &nobody;
}

static uint64_t gs_base(void)
{
    uint64_t base;
    __asm__ volatile("rdgsbase %0" : "=r"(base));
    return base;
}

static void copy(uint64_t to, uint64_t from, uint64_t n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static const uint8_t *patterns(void)
{
    static uint8_t bytes[32 * 64];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t) (i * 7 + i / 64 + 1);
    return bytes;
}

static uint64_t run_fault(uint64_t which)
{
    switch (which) {
    case FAULT_UD2:
        return fault_ud2();
    case FAULT_INT3:
        return fault_int3();
    case FAULT_DIV:
        return fault_div();
    case FAULT_SYSCALL:
        return fault_syscall();
    case FAULT_INT80:
        return fault_int80();
    case FAULT_IN:
        return fault_in();
    case FAULT_GP:
        return fault_gp();
    case FAULT_EENTER:
        return fault_eenter();
    case FAULT_SIMD:
        return fault_simd();
    default:
        return 0;
    }
}

/* A leaf while GS base is not this vCPU's: the simulator must find the thread another way. */
static void leaf_with_other_gs(struct command *c)
{
    uint64_t mine = gs_base(), other = mine + c->arg[0];
    __asm__ volatile("wrgsbase %0" : : "r"(other));
    call_leaf(c->arg + 1);
    __asm__ volatile("wrgsbase %0" : : "r"(mine));
}

static void run(struct command *c)
{
    switch (c->op) {
    case OP_ECHO:
        c->result = c->arg[0] + 1;
        break;
    case OP_LEAF:
        call_leaf(c->arg);
        break;
    case OP_PAGES:
        call_pages(c->arg);
        break;
    case OP_READ:
        c->result = fault_read(c->arg[0]);
        break;
    case OP_WRITE:
        c->result = fault_write(c->arg[0]);
        break;
    case OP_JUMP:
        c->result = fault_jump(c->arg[0]);
        break;
    case OP_FAULT:
        c->result = run_fault(c->arg[0]);
        break;
    case OP_SPIN:
        c->result = spin(c->arg[0], patterns(), c->arg[1]);
        break;
    case OP_COPY_IN:
        copy(c->arg[0], c->arg[1], c->arg[2]);
        break;
    case OP_COPY_OUT:
        copy(c->arg[1], c->arg[0], c->arg[2]);
        break;
    case OP_EXIT_TO:
        exit_to(c->arg[0]);
        break;
    case OP_X87:
        c->result = pending_x87();
        break;
    case OP_SCRATCH:
        c->result = (uint64_t) scratch;
        break;
    case OP_LEAF_KEEPS:
        c->result = leaf_keeps(c->arg, patterns());
        break;
    case OP_GS:
        leaf_with_other_gs(c);
        break;
    default:
        c->result = (uint64_t) -1;
        break;
    }
}

uint64_t command(struct command *c)
{
    set_current(c);
    run(c);
    set_current(&nobody);
    return c->result;
}

static struct sgx_ssa_gpr *frame_gpr(uint64_t n)
{
    return (struct sgx_ssa_gpr *) (gs_base() - VCPU_GS + VCPU_SSA + (n + 1) * PAGE_SIZE -
                                   sizeof(struct sgx_ssa_gpr));
}

uint64_t exception(uint64_t reason, uint64_t vector, uint64_t cssa)
{
    struct command *c = current();
    struct sgx_ssa_gpr *gpr = frame_gpr(cssa - 1);
    const struct sgx_exinfo *exinfo = (const struct sgx_exinfo *) gpr - 1;
    if (cssa > c->depth)
        c->depth = cssa;
    if (reason == ENTER_TICK) {
        c->ticks++;
        return EXIT_RESUME;
    }
    c->exceptions++;
    c->reason_vector = vector;
    c->exit_info = gpr->exit_info;
    c->maddr = exinfo->maddr;
    c->errcd = exinfo->errcd;
    c->rip = gpr->rip;
    c->rcx = gpr->rcx;
    c->rsi = gpr->rsi;
    if (cssa < c->fault_in_handler)
        (void) fault_ud2();
    if (c->die)
        return EXIT_DEAD;
    if (c->skip)
        gpr->rip += c->skip;
    else
        gpr->rip = (uint64_t) fault_fixup;
    return EXIT_RESUME;
}
