/* The test enclave, built, signed, loaded in the simulator, with one thread to enter it. */
#ifndef TEST_UNIT_PROBE_H
#define TEST_UNIT_PROBE_H

#include "abi/enter.h"
#include "abi/layout.h"
#include "host/sgx.h"
#include "test/enclave/command.h"

#define PROBE_VCPUS 4

struct probe {
    struct sgx_enclave *enclave;
    struct sgx_thread thread;
    uint64_t scratch; /* three writable pages in the enclave */
};

/* Paths of the image, built on first use. */
const char *probe_sgxs(void);
const char *probe_sig(void);

/* Fails the test if anything goes wrong. The calling thread runs vCPU 0. */
void probe_open(struct probe *probe);
void probe_close(struct probe *probe);

/* Runs a command and expects it to end with EXIT_HOSTCALL. */
void probe_run(struct sgx_thread *thread, struct command *command);

/* Copies bytes to scratch + offset and returns the enclave's address of them. */
uint64_t probe_put(struct probe *probe, uint64_t offset, const void *bytes, uint64_t size);
void probe_get(struct probe *probe, uint64_t offset, void *ret_bytes, uint64_t size);

/* One ENCLU leaf inside; returns RAX, or PROBE_FAULT + vector. */
#define PROBE_FAULT 0x10000
uint64_t probe_leaf(struct probe *probe, uint64_t rax, uint64_t rbx, uint64_t rcx, uint64_t rdx);
uint64_t probe_accept(struct probe *probe, uint64_t flags, uint64_t page);
uint64_t probe_extend(struct probe *probe, uint64_t flags, uint64_t page);
/* EACCEPT or EMODPE through the pages stub; ret_left: pages not done. */
uint64_t probe_pages(struct probe *probe, uint64_t leaf, uint64_t flags, uint64_t first,
                     uint64_t count, uint64_t *ret_left);

/* EACCEPTCOPY through the pages stub. */
uint64_t probe_copies(struct probe *probe, uint64_t flags, uint64_t first, uint64_t source,
                      uint64_t count, uint64_t *ret_left);

/* 1 if the enclave can read, write, run (a RET at) the address; 0 if that faults. */
int probe_reads(struct probe *probe, uint64_t address);
int probe_writes(struct probe *probe, uint64_t address);
#endif
