/* ECREATE and EINIT against the tables: 27 SIGSTRUCTs with their error codes, foreign enclaves
 * loaded through the driver interface, and every rule about a SECS broken once. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include "host/sgx_sim/sim.h"
#include "test/unit/quiet.h"
#include "test/unit/vectors.h"
#include "tools/lib/sigstruct.h"

static struct sgx_secs basic_secs(uint64_t size)
{
    return (struct sgx_secs){
        .size = size,
        .ssa_frame_size = 1,
        .attributes = {.flags = SGX_ATTR_MODE64BIT, .xfrm = SGX_XFRM_LEGACY},
    };
}

static int add_stream(struct sgx_enclave *enclave, struct sgxs_reader *reader)
{
    static uint8_t source[SGX_PAGE_SIZE] __attribute__((aligned(4096)));
    struct sgxs_page page;
    int r;
    while ((r = sgxs_reader_next(reader, &page)) > 0) {
        struct sgx_secinfo secinfo = {.flags = page.secinfo_flags};
        memcpy(source, page.data, sizeof source);
        r = sgx_sim_ops.add_pages(enclave, source, page.offset, sizeof source, &secinfo,
                                  page.measured);
        if (r < 0)
            return r;
    }
    return r;
}

/* An enclave of the simulator with all pages of the stream, not yet initialised. */
static struct sgx_enclave *load_stream(const char *name, struct sgx_secs secs)
{
    size_t size;
    uint8_t *stream = vector_read(name, ".sgxs.gz", &size);
    struct sgxs_reader reader;
    struct sgx_enclave *enclave = NULL;
    assert_int_equal(sgxs_reader_init(&reader, stream, size), 0);
    secs.size = reader.enclave_size;
    secs.ssa_frame_size = reader.ssa_frame_size;
    assert_int_equal(sgx_sim_ops.open(&enclave), 0);
    assert_int_equal(sgx_sim_ops.create(enclave, &secs), 0);
    assert_int_equal(add_stream(enclave, &reader), 0);
    free(stream);
    return enclave;
}

static struct sgx_sigstruct read_sigstruct(const char *file)
{
    size_t size;
    struct sgx_sigstruct sig;
    uint8_t *bytes = vector_read(file, "", &size);
    assert_int_equal(size, sizeof sig);
    memcpy(&sig, bytes, sizeof sig);
    free(bytes);
    return sig;
}

static uint64_t number(json_t *object, const char *key, uint64_t otherwise)
{
    json_t *value = json_object_get(object, key);
    return value ? (uint64_t) json_integer_value(value) : otherwise;
}

static void run_case(json_t *test)
{
    static const uint8_t other_hash[32];
    json_t *changes = json_object_get(test, "secs");
    const char *file = strrchr(json_string_value(json_object_get(test, "file")), '/') + 1;
    struct sgx_secs secs = basic_secs(0);
    secs.base = 0x100000000000; /* tiny is smaller than the hole at address 0 */
    secs.attributes.flags = number(changes, "attr_flags", 4);
    secs.attributes.xfrm = number(changes, "attr_xfrm", 3);
    secs.misc_select = (uint32_t) number(changes, "miscselect", 0);
    struct sgx_enclave *enclave = load_stream("tiny", secs);
    struct sgx_sigstruct sig = read_sigstruct(file);
    struct sim_result result = secs_einit_locked(
        enclave, &sig, json_object_get(changes, "lepubkeyhash") ? other_hash : NULL);
    if (result.vector || result.code != number(test, "rax", 999))
        fail_msg("%s: vector %d, code %u", file, result.vector, result.code);
    sgx_sim_ops.close(enclave);
}

TEST(einit_cases)
{
    json_error_t error;
    json_t *root = json_load_file(VECTOR_DIR "einit_cases.json", 0, &error), *test;
    assert_non_null(root);
    json_t *cases = json_object_get(root, "cases");
    size_t i;
    assert_int_equal(json_array_size(cases), 27);
    json_array_foreach(cases, i, test) run_case(test);
    json_decref(root);
}

TEST(einit_foreign_enclaves)
{
    for (size_t i = 0; i < VECTOR_ENCLAVES; i++) {
        size_t size;
        uint8_t *bytes = vector_read(vector_enclaves[i], ".sigstruct", &size);
        struct sgx_sigstruct sig;
        memcpy(&sig, bytes, sizeof sig);
        free(bytes);
        struct sgx_secs secs = basic_secs(0);
        secs.base = strcmp(vector_enclaves[i], "intel_c4") == 0 ? 0 : 0x100000000000;
        secs.misc_select = sig.misc_select;
        struct sgx_enclave *enclave = load_stream(vector_enclaves[i], secs);
        assert_int_equal(sgx_sim_ops.init(enclave, &sig), 0);
        assert_memory_equal(enclave->secs.mr_enclave, sig.enclave_hash, 32);
        assert_int_equal(enclave->secs.isv_prod_id, sig.isv_prod_id);
        assert_int_equal(sgx_sim_ops.init(enclave, &sig), -EINVAL);
        sgx_sim_ops.close(enclave);
    }
}

TEST(einit_driver_errno)
{
    struct sgx_secs secs = basic_secs(0);
    struct sgx_sigstruct sig = read_sigstruct("tiny.sigstruct");
    secs.base = 0x100000000000;
    secs.attributes.flags |= SGX_ATTR_DEBUG;
    int quiet = quiet_begin();
    struct sgx_enclave *enclave = load_stream("tiny", secs);
    sig = read_sigstruct("einit_19_attr_debug_forbidden.sigstruct");
    assert_int_equal(sgx_sim_ops.init(enclave, &sig), -EPERM);
    sig.vendor = 1;
    assert_int_equal(sgx_sim_ops.init(enclave, &sig), -EINVAL);
    sgx_sim_ops.close(enclave);
    secs.attributes.flags = SGX_ATTR_MODE64BIT | SGX_ATTR_PROVISIONKEY;
    enclave = load_stream("tiny", secs);
    sig = read_sigstruct("tiny.sigstruct");
    assert_int_equal(sgx_sim_ops.init(enclave, &sig), -EACCES);
    sgx_sim_ops.close(enclave);
    quiet_end(quiet);
}

TEST(ecreate_rules)
{
    static const struct {
        size_t offset;
        uint64_t value;
        size_t bytes;
        bool ok;
    } cases[] = {
        {offsetof(struct sgx_secs, size), 8192, 8, true},
        {offsetof(struct sgx_secs, size), 4096, 8, false},
        {offsetof(struct sgx_secs, size), 3 << 20, 8, false},
        {offsetof(struct sgx_secs, size), 1ul << 48, 8, false},
        {offsetof(struct sgx_secs, size), 0, 8, false},
        {offsetof(struct sgx_secs, base), 1ul << 20, 8, true},
        {offsetof(struct sgx_secs, base), 1ul << 19, 8, false},
        {offsetof(struct sgx_secs, base), 1ul << 47, 8, false},
        {offsetof(struct sgx_secs, ssa_frame_size), 0, 4, false},
        {offsetof(struct sgx_secs, ssa_frame_size), 2, 4, true},
        {offsetof(struct sgx_secs, misc_select), SGX_MISC_EXINFO, 4, true},
        {offsetof(struct sgx_secs, misc_select), SGX_MISC_CPINFO, 4, false},
        {offsetof(struct sgx_secs, cet_leg_bitmap_offset), 4096, 8, false},
        {offsetof(struct sgx_secs, cet_attributes), 1, 1, false},
        {offsetof(struct sgx_secs, reserved1), 1, 1, false},
        {offsetof(struct sgx_secs, reserved2), 1, 1, false},
        {offsetof(struct sgx_secs, reserved3), 1, 1, false},
        {offsetof(struct sgx_secs, reserved4), 1, 1, false},
        {4095, 1, 1, false},
        {offsetof(struct sgx_secs, config_id), 1, 1, false},
        {offsetof(struct sgx_secs, config_svn), 1, 2, false},
        {offsetof(struct sgx_secs, attributes), SGX_ATTR_MODE64BIT | SGX_ATTR_DEBUG, 8, true},
        {offsetof(struct sgx_secs, attributes), SGX_ATTR_MODE64BIT | SGX_ATTR_KSS, 8, true},
        {offsetof(struct sgx_secs, attributes), SGX_ATTR_MODE64BIT | SGX_ATTR_INIT, 8, false},
        {offsetof(struct sgx_secs, attributes), SGX_ATTR_MODE64BIT | 8, 8, false},
        {offsetof(struct sgx_secs, attributes), 0, 8, false},
        {offsetof(struct sgx_secs, attributes) + 8, 1, 8, false},
        {offsetof(struct sgx_secs, attributes) + 8, 2, 8, false},
        {offsetof(struct sgx_secs, attributes) + 8, 3 | 1ul << 62, 8, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sgx_secs secs = basic_secs(1 << 20);
        memcpy((uint8_t *) &secs + cases[i].offset, &cases[i].value, cases[i].bytes);
        if ((secs_ecreate(&secs).vector == 0) != cases[i].ok)
            fail_msg("case %zu", i);
    }
    struct sgx_secs kss = basic_secs(1 << 20);
    kss.attributes.flags |= SGX_ATTR_KSS;
    kss.config_id[5] = 1;
    kss.config_svn = 1;
    assert_int_equal(secs_ecreate(&kss).vector, 0);
}

TEST(ecreate_frame_must_hold_xsave)
{
    struct sgx_secs secs = basic_secs(1 << 20);
    secs.attributes.xfrm = secs_supported_xfrm();
    bool fits = secs_xsave_size(secs.attributes.xfrm) + sizeof(struct sgx_ssa_gpr) <= SGX_PAGE_SIZE;
    assert_int_equal(secs_ecreate(&secs).vector == 0, fits);
    assert_int_equal(secs_xsave_size(SGX_XFRM_LEGACY), 576);
}

TEST(enclave_call_order)
{
    static uint8_t source[SGX_PAGE_SIZE] __attribute__((aligned(4096)));
    struct sgx_secs secs = basic_secs(1 << 20);
    struct sgx_secinfo secinfo = {.flags = SGX_SECINFO_REG | SGX_SECINFO_R};
    struct sgx_enclave *enclave;
    uint64_t count;
    assert_int_equal(sgx_sim_ops.open(&enclave), 0);
    assert_int_equal(sgx_sim_ops.add_pages(enclave, source, 0x10000, 4096, &secinfo, true),
                     -EINVAL);
    assert_int_equal(sgx_sim_ops.restrict_perms(enclave, 0x10000, 4096, 1, &count), -EINVAL);
    struct sgx_sigstruct sig = read_sigstruct("tiny.sigstruct");
    assert_int_equal(sgx_sim_ops.init(enclave, &sig), -EINVAL);
    int quiet = quiet_begin();
    secs.attributes.xfrm = 1;
    assert_int_equal(sgx_sim_ops.create(enclave, &secs), -EIO);
    quiet_end(quiet);
    secs.attributes.xfrm = 3;
    assert_int_equal(sgx_sim_ops.create(enclave, &secs), 0);
    assert_int_equal(sgx_sim_ops.create(enclave, &secs), -EINVAL);
    struct sgx_thread thread = {.enclave = enclave};
    assert_int_equal(sgx_sim_ops.thread_init(&thread), -EINVAL);
    sgx_sim_ops.close(enclave);
}
