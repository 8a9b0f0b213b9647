/* EGETKEY and EREPORT: each input changed once, the key changes or not as the table in the SDM
 * says. */
#include <stdlib.h>
#include <string.h>
#include "host/sgx_sim/platform.h"
#include "host/sgx_sim/sim.h"
#include "test/unit/probe.h"
#include "test/unit/test.h"

/* An enclave that exists only as an identity; KSS so that all of it can matter. */
static struct sgx_enclave identity(void)
{
    struct sgx_enclave e = {.state = SIM_INITIALIZED};
    e.secs.attributes.flags = SGX_ATTR_INIT | SGX_ATTR_MODE64BIT | SGX_ATTR_PROVISIONKEY |
                              SGX_ATTR_EINITTOKEN_KEY | SGX_ATTR_KSS;
    e.secs.attributes.xfrm = 7;
    e.secs.misc_select = 1;
    e.secs.isv_prod_id = 3;
    e.secs.isv_svn = 5;
    e.secs.config_svn = 4;
    memset(e.secs.mr_enclave, 0x11, 32);
    memset(e.secs.mr_signer, 0x22, 32);
    memset(e.secs.config_id, 0x33, 64);
    memset(e.isv_family_id, 0x44, 16);
    memset(e.isv_ext_prod_id, 0x55, 16);
    return e;
}

static struct sgx_keyrequest request_for(uint16_t name, uint16_t policy)
{
    struct sgx_keyrequest q = {
        .key_name = name, .key_policy = policy, .isv_svn = 2, .config_svn = 1};
    q.attribute_mask.flags = ~0ul;
    q.attribute_mask.xfrm = ~0ul;
    q.misc_mask = ~0u;
    q.key_id[0] = 9;
    return q;
}

enum input {
    IN_FAMILY,
    IN_EXT_PROD,
    IN_PROD,
    IN_SVN,
    IN_FLAGS,
    IN_FLAGS_MASK,
    IN_XFRM,
    IN_MRENCLAVE,
    IN_MRSIGNER,
    IN_KEYID,
    IN_CPUSVN,
    IN_MISC,
    IN_MISC_MASK,
    IN_CONFIGID,
    IN_CONFIGSVN,
    IN_SECS_SVN,
    INPUTS,
};

static void change(enum input input, struct sgx_enclave *e, struct sgx_keyrequest *q)
{
    switch (input) {
    case IN_FAMILY:
        e->isv_family_id[15] ^= 1;
        break;
    case IN_EXT_PROD:
        e->isv_ext_prod_id[0] ^= 1;
        break;
    case IN_PROD:
        e->secs.isv_prod_id ^= 1;
        break;
    case IN_SVN:
        q->isv_svn ^= 1;
        break;
    case IN_FLAGS:
        e->secs.attributes.flags ^= SGX_ATTR_DEBUG;
        break;
    case IN_FLAGS_MASK:
        q->attribute_mask.flags ^= 1ul << 40;
        break;
    case IN_XFRM:
        e->secs.attributes.xfrm ^= 4;
        break;
    case IN_MRENCLAVE:
        e->secs.mr_enclave[31] ^= 1;
        break;
    case IN_MRSIGNER:
        e->secs.mr_signer[0] ^= 0x80;
        break;
    case IN_KEYID:
        q->key_id[31] ^= 1;
        break;
    case IN_CPUSVN:
        q->cpu_svn[0] ^= 1;
        break;
    case IN_MISC:
        e->secs.misc_select ^= 1;
        break;
    case IN_MISC_MASK:
        q->misc_mask ^= 0x80;
        break;
    case IN_CONFIGID:
        e->secs.config_id[63] ^= 1;
        break;
    case IN_CONFIGSVN:
        q->config_svn ^= 2;
        break;
    case IN_SECS_SVN:
        e->secs.isv_svn ^= 1;
        break;
    case INPUTS:
        break;
    }
}

static void get_key(const struct sgx_enclave *e, const struct sgx_keyrequest *q, uint8_t key[16])
{
    struct sim_result result = keys_egetkey(e, q, key);
    assert_int_equal(result.vector, 0);
    assert_int_equal(result.code, 0);
}

#define BIT(input) (1u << (input))

TEST(keys_dependencies)
{
    const unsigned masked =
        BIT(IN_FLAGS) | BIT(IN_XFRM) | BIT(IN_MISC) | BIT(IN_SVN) | BIT(IN_CPUSVN);
    const unsigned masks = BIT(IN_FLAGS_MASK) | BIT(IN_MISC_MASK);
    const unsigned report = BIT(IN_FLAGS) | BIT(IN_XFRM) | BIT(IN_MRENCLAVE) | BIT(IN_KEYID) |
                            BIT(IN_MISC) | BIT(IN_CONFIGID);
    static const uint16_t all = 0x3b; /* every policy but NOISVPRODID */
    const struct {
        uint16_t name, policy;
        unsigned depends;
    } cases[] = {
        {SGX_KEY_SEAL, SGX_KEYPOLICY_MRSIGNER,
         masked | masks | BIT(IN_PROD) | BIT(IN_MRSIGNER) | BIT(IN_KEYID)},
        {SGX_KEY_SEAL, SGX_KEYPOLICY_MRENCLAVE,
         masked | masks | BIT(IN_PROD) | BIT(IN_MRENCLAVE) | BIT(IN_KEYID)},
        {SGX_KEY_SEAL, SGX_KEYPOLICY_MRSIGNER | SGX_KEYPOLICY_NOISVPRODID,
         masked | masks | BIT(IN_MRSIGNER) | BIT(IN_KEYID)},
        {SGX_KEY_SEAL, all, ((1u << INPUTS) - 1) & ~BIT(IN_SECS_SVN)},
        {SGX_KEY_REPORT, 0, report},
        {SGX_KEY_EINITTOKEN, 0, masked | BIT(IN_PROD) | BIT(IN_MRSIGNER) | BIT(IN_KEYID)},
        {SGX_KEY_PROVISION, 0, masked | masks | BIT(IN_PROD) | BIT(IN_MRSIGNER)},
        {SGX_KEY_PROVISION_SEAL, 0, masked | masks | BIT(IN_PROD) | BIT(IN_MRSIGNER)},
        {SGX_KEY_PROVISION_SEAL, SGX_KEYPOLICY_NOISVPRODID | SGX_KEYPOLICY_ISVFAMILYID,
         masked | masks | BIT(IN_MRSIGNER) | BIT(IN_FAMILY)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sgx_enclave base = identity();
        struct sgx_keyrequest request = request_for(cases[i].name, cases[i].policy);
        uint8_t key[16], other[16];
        get_key(&base, &request, key);
        for (enum input in = 0; in < INPUTS; in++) {
            struct sgx_enclave e = base;
            struct sgx_keyrequest q = request;
            change(in, &e, &q);
            get_key(&e, &q, other);
            if (cases[i].depends >> in & 1)
                assert_memory_not_equal(key, other, sizeof key);
            else
                assert_memory_equal(key, other, sizeof key);
        }
    }
}

TEST(keys_masked_attributes_do_not_matter)
{
    struct sgx_enclave e = identity(), other = identity();
    struct sgx_keyrequest q = request_for(SGX_KEY_SEAL, SGX_KEYPOLICY_MRSIGNER);
    uint8_t a[16], b[16];
    q.attribute_mask.flags = SGX_ATTR_INIT | SGX_ATTR_DEBUG;
    q.attribute_mask.xfrm = 0;
    q.misc_mask = 0;
    other.secs.attributes.xfrm = 3;
    other.secs.misc_select = 0;
    other.secs.attributes.flags &= ~SGX_ATTR_KSS;
    q.config_svn = 0;
    get_key(&e, &q, a);
    get_key(&other, &q, b);
    assert_memory_equal(a, b, 16);
    q.attribute_mask.flags = 0; /* INIT and DEBUG count even so */
    get_key(&e, &q, a);
    e.secs.attributes.flags |= SGX_ATTR_DEBUG;
    get_key(&e, &q, b);
    assert_memory_not_equal(a, b, 16);
}

TEST(keys_differ_by_name)
{
    struct sgx_enclave e = identity();
    uint8_t key[5][16];
    for (uint16_t name = 0; name < 5; name++) {
        struct sgx_keyrequest q = request_for(name, 0);
        get_key(&e, &q, key[name]);
        for (uint16_t before = 0; before < name; before++)
            assert_memory_not_equal(key[name], key[before], 16);
    }
}

static uint32_t code_of(const struct sgx_enclave *e, const struct sgx_keyrequest *q)
{
    uint8_t key[16];
    struct sim_result result = keys_egetkey(e, q, key);
    return result.vector ? PROBE_FAULT + (uint32_t) result.vector : result.code;
}

TEST(keys_errors)
{
    const uint32_t gp = PROBE_FAULT + VECTOR_GP;
    struct sgx_enclave e = identity();
    struct sgx_keyrequest q = request_for(5, 0);
    assert_int_equal(code_of(&e, &q), SGX_INVALID_KEYNAME);
    q = request_for(SGX_KEY_SEAL, 0);
    q.isv_svn = 6;
    assert_int_equal(code_of(&e, &q), SGX_INVALID_ISVSVN);
    q.key_name = SGX_KEY_REPORT; /* ignores SVNs */
    assert_int_equal(code_of(&e, &q), 0);
    q = request_for(SGX_KEY_SEAL, 0);
    q.config_svn = 5;
    assert_int_equal(code_of(&e, &q), SGX_INVALID_ISVSVN);
    q = request_for(SGX_KEY_SEAL, 0);
    q.cpu_svn[15] = 1;
    assert_int_equal(code_of(&e, &q), SGX_INVALID_CPUSVN);
    q = request_for(SGX_KEY_SEAL, 0x40);
    assert_int_equal(code_of(&e, &q), gp);
    q = request_for(SGX_KEY_SEAL, 0);
    q.reserved2[433] = 1;
    assert_int_equal(code_of(&e, &q), gp);
    e.secs.attributes.flags &= ~(SGX_ATTR_KSS | SGX_ATTR_PROVISIONKEY | SGX_ATTR_EINITTOKEN_KEY);
    q = request_for(SGX_KEY_SEAL, SGX_KEYPOLICY_NOISVPRODID);
    assert_int_equal(code_of(&e, &q), gp);
    q = request_for(SGX_KEY_SEAL, 0);
    assert_int_equal(code_of(&e, &q), gp); /* CONFIGSVN without KSS */
    q.config_svn = 0;
    assert_int_equal(code_of(&e, &q), 0);
    q.key_name = SGX_KEY_PROVISION;
    assert_int_equal(code_of(&e, &q), SGX_INVALID_ATTRIBUTE);
    q.key_name = SGX_KEY_PROVISION_SEAL;
    assert_int_equal(code_of(&e, &q), SGX_INVALID_ATTRIBUTE);
    q.key_name = SGX_KEY_EINITTOKEN;
    assert_int_equal(code_of(&e, &q), SGX_INVALID_ATTRIBUTE);
}

static void target_of(const struct sgx_enclave *e, struct sgx_targetinfo *t)
{
    *t = (struct sgx_targetinfo){.attributes = e->secs.attributes,
                                 .misc_select = e->secs.misc_select,
                                 .config_svn = e->secs.config_svn};
    memcpy(t->mr_enclave, e->secs.mr_enclave, 32);
    memcpy(t->config_id, e->secs.config_id, 64);
}

static bool verifies(const struct sgx_enclave *verifier, const struct sgx_report *report)
{
    struct sgx_keyrequest q = {.key_name = SGX_KEY_REPORT};
    uint8_t key[16], mac[16];
    memcpy(q.key_id, report->key_id, sizeof q.key_id);
    get_key(verifier, &q, key);
    assert_int_equal(platform_cmac_with(key, report, SGX_REPORT_MACED, mac), 0);
    return memcmp(mac, report->mac, sizeof mac) == 0;
}

TEST(report_verified_by_its_target_only)
{
    struct sgx_enclave from = identity(), to = identity();
    struct sgx_targetinfo target;
    struct sgx_report report;
    uint8_t data[64] = "hello";
    to.secs.mr_enclave[0] ^= 1;
    to.secs.attributes.flags &= ~SGX_ATTR_KSS;
    target_of(&to, &target);
    assert_int_equal(keys_ereport(&from, &target, data, &report).vector, 0);
    assert_memory_equal(report.mr_enclave, from.secs.mr_enclave, 32);
    assert_memory_equal(report.mr_signer, from.secs.mr_signer, 32);
    assert_memory_equal(report.report_data, data, 64);
    assert_int_equal(report.isv_svn, 5);
    assert_true(verifies(&to, &report));
    assert_false(verifies(&from, &report));
    report.report_data[0] ^= 1;
    assert_false(verifies(&to, &report));
    target.reserved3[383] = 1;
    assert_int_equal(keys_ereport(&from, &target, data, &report).vector, VECTOR_GP);
}

/* The same through ENCLU, with the operand rules. */
TEST(keys_leaves)
{
    const uint64_t gp = PROBE_FAULT + 13, pf = PROBE_FAULT + 14;
    struct probe p;
    probe_open(&p);
    uint64_t at = p.scratch;
    struct sgx_targetinfo target;
    struct sgx_reportdata data = {.bytes = "data"};
    struct sgx_report report;
    target_of(p.enclave, &target);
    probe_put(&p, 0, &target, sizeof target);
    probe_put(&p, 512, &data, sizeof data);
    assert_int_equal(probe_leaf(&p, SGX_EREPORT, at, at + 512, at + 1024), SGX_EREPORT);
    probe_get(&p, 1024, &report, sizeof report);
    assert_true(verifies(p.enclave, &report));
    assert_memory_equal(report.report_data, "data", 5);
    assert_memory_equal(report.mr_enclave, p.enclave->secs.mr_enclave, 32);
    assert_int_equal(report.isv_prod_id, 3);

    struct sgx_keyrequest q = {.key_name = SGX_KEY_SEAL, .key_policy = SGX_KEYPOLICY_MRSIGNER};
    uint8_t inside[16], outside[16];
    probe_put(&p, 2048, &q, sizeof q);
    assert_int_equal(probe_leaf(&p, SGX_EGETKEY, at + 2048, at + 3072, 0), 0);
    probe_get(&p, 3072, inside, sizeof inside);
    get_key(p.enclave, &q, outside);
    assert_memory_equal(inside, outside, 16);

    assert_int_equal(probe_leaf(&p, SGX_EGETKEY, at + 2048 + 64, at + 3072, 0), gp);
    assert_int_equal(probe_leaf(&p, SGX_EGETKEY, at + 2048, at + 3080, 0), gp);
    assert_int_equal(probe_leaf(&p, SGX_EGETKEY, at + 2048, KERNEL_STUB, 0), pf); /* read-only */
    assert_int_equal(probe_leaf(&p, SGX_EREPORT, at, at + 64, at + 1024), gp);
    assert_int_equal(probe_leaf(&p, SGX_EREPORT, at, at + 512, ELRANGE_END + 512), gp);
    assert_int_equal(probe_leaf(&p, SGX_EREPORT, KERNEL_VCPUS, at + 512, at + 1024),
                     pf); /* a TCS */
    q.isv_svn = 6;
    probe_put(&p, 2048, &q, sizeof q);
    struct command c = {.op = OP_LEAF, .arg = {SGX_EGETKEY, at + 2048, at + 3072}};
    probe_run(&p.thread, &c);
    assert_int_equal(c.arg[0], SGX_INVALID_ISVSVN);
    assert_int_equal(c.arg[4] & 0x8d5, 0x40); /* ZF alone */
    probe_close(&p);
}

/* RFC 4493, examples 1 to 4. */
TEST(keys_cmac_known_answers)
{
    static const uint8_t key[16] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                                    0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
    static const uint8_t message[64] = {
        0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73,
        0x93, 0x17, 0x2a, 0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03, 0xac, 0x9c, 0x9e, 0xb7,
        0x6f, 0xac, 0x45, 0xaf, 0x8e, 0x51, 0x30, 0xc8, 0x1c, 0x46, 0xa3, 0x5c, 0xe4,
        0x11, 0xe5, 0xfb, 0xc1, 0x19, 0x1a, 0x0a, 0x52, 0xef, 0xf6, 0x9f, 0x24, 0x45,
        0xdf, 0x4f, 0x9b, 0x17, 0xad, 0x2b, 0x41, 0x7b, 0xe6, 0x6c, 0x37, 0x10};
    static const struct {
        size_t size;
        uint8_t first, last;
    } known[] = {{0, 0xbb, 0x46}, {16, 0x07, 0x7c}, {40, 0xdf, 0x27}, {64, 0x51, 0xfe}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint8_t mac[16];
        assert_int_equal(platform_cmac_with(key, message, known[i].size, mac), 0);
        assert_int_equal(mac[0], known[i].first);
        assert_int_equal(mac[15], known[i].last);
    }
}
