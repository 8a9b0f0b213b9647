/* See probe.h. The image's files have no names any more when it is used, so that a test that is killed leaves none. */
#include "test/unit/probe.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "host/loader.h"
#include "test/unit/test.h"
#include "tools/lib/enclave_image.h"
#include "tools/lib/signkey.h"

static char directory[] = "/tmp/occlum-probe-XXXXXX", sgxs[64], sig[64];
static sigset_t old_mask;

/* The path is from now on one of an open descriptor. */
static void take_name(char path[64])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
}

static void build(void)
{
    const struct enclave_image image = {
        .kernel_path = "build/unit/enclave.elf",
        .config = "probe",
        .config_size = 5,
        .vcpu_count = PROBE_VCPUS,
        .isv_prod_id = 3,
        .isv_svn = 5,
        .date = 0x20231114,
    };
    uint8_t mrenclave[32];
    EVP_PKEY *key = NULL;
    assert_non_null(mkdtemp(directory));
    snprintf(sgxs, sizeof sgxs, "%s/enclave.sgxs", directory);
    snprintf(sig, sizeof sig, "%s/enclave.sig", directory);
    assert_int_equal(enclave_image_build(&image, sgxs, mrenclave), 0);
    assert_int_equal(signkey_load("test/vectors/test_key.pem", &key), 0);
    assert_int_equal(enclave_image_sign(&image, mrenclave, key, sig), 0);
    EVP_PKEY_free(key);
    take_name(sgxs);
    take_name(sig);
    assert_int_equal(rmdir(directory), 0);
}

const char *probe_sgxs(void)
{
    if (!sgxs[0])
        build();
    return sgxs;
}

const char *probe_sig(void)
{
    (void) probe_sgxs();
    return sig;
}

/* What vCPU 0 of a kernel does for the others (libos/boot/start.c). */
static void accept_slot(struct probe *probe, uint64_t slot)
{
    static const struct {
        uint64_t at, count;
    } parts[] = {
        {VCPU_GS, VCPU_GS_PAGES},
        {VCPU_FS, 1},
        {VCPU_TRAP_STACK, VCPU_TRAP_PAGES},
        {VCPU_IDLE_STACK, VCPU_IDLE_PAGES},
        {VCPU_SSA, VCPU_NSSA * VCPU_SSAFRAMESIZE},
    };
    uint64_t left, flags = SGX_SECINFO_REG | SGX_SECINFO_R | SGX_SECINFO_W | SGX_SECINFO_PENDING;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        assert_int_equal(
            probe_pages(probe, SGX_EACCEPT, flags, slot + parts[i].at, parts[i].count, &left), 0);
}

void probe_open(struct probe *probe)
{
    *probe = (struct probe){0};
    pthread_sigmask(SIG_SETMASK, NULL, &old_mask);
    assert_int_equal(enclave_load(&sgx_sim_ops, probe_sgxs(), probe_sig(), &probe->enclave), 0);
    assert_int_equal(sgx_sim_ops.tick_signal(SIGRTMIN), 0);
    probe->thread = (struct sgx_thread){.enclave = probe->enclave, .tcs = KERNEL_VCPUS};
    assert_int_equal(sgx_sim_ops.thread_init(&probe->thread), 0);
    struct command c = {.op = OP_SCRATCH};
    probe_run(&probe->thread, &c);
    probe->scratch = c.result;
    for (uint64_t i = 1; i < PROBE_VCPUS; i++)
        accept_slot(probe, KERNEL_VCPUS + i * VCPU_SLOT_SIZE);
}

void probe_close(struct probe *probe)
{
    sgx_sim_ops.thread_fini(&probe->thread);
    sgx_sim_ops.close(probe->enclave);
    pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
}

void probe_run(struct sgx_thread *thread, struct command *command)
{
    struct sgx_exit exit;
    sgx_sim_ops.enter(thread, ENTER_RUN, (uint64_t) command, &exit);
    assert_int_equal(exit.status, 0);
    assert_int_equal(exit.rdi, EXIT_HOSTCALL);
}

uint64_t probe_put(struct probe *probe, uint64_t offset, const void *bytes, uint64_t size)
{
    struct command c = {.op = OP_COPY_IN, .arg = {probe->scratch + offset, (uint64_t) bytes, size}};
    probe_run(&probe->thread, &c);
    return probe->scratch + offset;
}

void probe_get(struct probe *probe, uint64_t offset, void *ret_bytes, uint64_t size)
{
    struct command c = {.op = OP_COPY_OUT,
                        .arg = {probe->scratch + offset, (uint64_t) ret_bytes, size}};
    probe_run(&probe->thread, &c);
}

uint64_t probe_leaf(struct probe *probe, uint64_t rax, uint64_t rbx, uint64_t rcx, uint64_t rdx)
{
    struct command c = {.op = OP_LEAF, .arg = {rax, rbx, rcx, rdx}};
    probe_run(&probe->thread, &c);
    if (c.exceptions)
        return PROBE_FAULT + c.reason_vector;
    return c.arg[0];
}

static uint64_t put_secinfo(struct probe *probe, uint64_t flags)
{
    struct sgx_secinfo secinfo = {.flags = flags};
    return probe_put(probe, 0, &secinfo, sizeof secinfo);
}

uint64_t probe_accept(struct probe *probe, uint64_t flags, uint64_t page)
{
    return probe_leaf(probe, SGX_EACCEPT, put_secinfo(probe, flags), page, 0);
}

uint64_t probe_extend(struct probe *probe, uint64_t flags, uint64_t page)
{
    uint64_t r = probe_leaf(probe, SGX_EMODPE, put_secinfo(probe, flags), page, 0);
    return r == SGX_EMODPE ? 0 : r; /* RAX is not changed on success */
}

uint64_t probe_pages(struct probe *probe, uint64_t leaf, uint64_t flags, uint64_t first,
                     uint64_t count, uint64_t *ret_left)
{
    struct command c = {.op = OP_PAGES, .arg = {leaf, put_secinfo(probe, flags), first, count}};
    probe_run(&probe->thread, &c);
    *ret_left = c.arg[3];
    return c.exceptions ? PROBE_FAULT + c.reason_vector : c.arg[0];
}

uint64_t probe_copies(struct probe *probe, uint64_t flags, uint64_t first, uint64_t source,
                      uint64_t count, uint64_t *ret_left)
{
    struct command c = {.op = OP_PAGES,
                        .arg = {SGX_EACCEPTCOPY, put_secinfo(probe, flags), first, count, source}};
    probe_run(&probe->thread, &c);
    *ret_left = c.arg[3];
    return c.exceptions ? PROBE_FAULT + c.reason_vector : c.arg[0];
}

int probe_reads(struct probe *probe, uint64_t address)
{
    struct command c = {.op = OP_READ, .arg = {address}};
    probe_run(&probe->thread, &c);
    return c.exceptions == 0;
}

int probe_writes(struct probe *probe, uint64_t address)
{
    struct command c = {.op = OP_WRITE, .arg = {address}};
    probe_run(&probe->thread, &c);
    return c.exceptions == 0;
}
