/* EGETKEY and EREPORT: which inputs a key depends on, and the derivation.
 *
 * A key is AES-128-CMAC under a platform key over struct key_record: every input that the SDM
 * lists for the kind of key, zero where it does not. The hardware's own derivation is secret;
 * what programs can observe is kept: keys differ between machines and users, survive restarts,
 * change with each identity input, and report keys end with the boot.
 */
#include <string.h>

#include "host/sgx_sim/platform.h"
#include "host/sgx_sim/sim.h"
#include "tools/lib/bytes.h"

#define SEALING_FLAGS (SGX_ATTR_INIT | SGX_ATTR_DEBUG) /* always part of a key */

struct key_record {
    uint16_t key_name, key_policy;
    uint16_t isv_prod_id, isv_svn, config_svn;
    uint8_t cet_attributes, cet_attributes_mask;
    uint32_t misc_select, misc_mask;
    uint8_t isv_family_id[16], isv_ext_prod_id[16];
    uint8_t owner_epoch[16], seal_fuses[16], cpu_svn[16];
    uint32_t zero; /* no byte may be padding: every one is hashed */
    struct sgx_attributes attributes, attribute_mask;
    uint8_t mr_enclave[32], mr_signer[32], key_id[32];
    uint8_t config_id[64];
    uint8_t unused[216];
};
SGX_ASSERT_SIZE(key_record, 512);
SGX_ASSERT_AT(key_record, attributes, 104);
SGX_ASSERT_AT(key_record, unused, 512 - 216);

static const uint8_t current_cpu_svn[16] = {2, 2, 1};

static bool cpu_svn_ok(const uint8_t svn[16])
{
    for (size_t i = 0; i < sizeof current_cpu_svn; i++)
        if (svn[i] > current_cpu_svn[i])
            return false;
    return true;
}

static struct sim_result derive(const struct key_record *record, uint8_t ret_key[16])
{
    return platform_cmac(PLATFORM_KEY, record, sizeof *record, ret_key) == 0 ? RESULT_OK
                                                                             : RESULT_GP;
}

static struct sgx_attributes masked(const struct sgx_secs *secs,
                                    const struct sgx_keyrequest *request)
{
    return (struct sgx_attributes){
        .flags = (request->attribute_mask.flags | SEALING_FLAGS) & secs->attributes.flags,
        .xfrm = request->attribute_mask.xfrm & secs->attributes.xfrm,
    };
}

/* What REPORT keys are bound to: the target's identity, given by itself or in a TARGETINFO. */
static void report_record(struct key_record *record, const uint8_t mr_enclave[32],
                          struct sgx_attributes attributes, uint32_t misc_select,
                          const uint8_t config_id[64], uint16_t config_svn,
                          const uint8_t key_id[32])
{
    *record = (struct key_record){.key_name = SGX_KEY_REPORT,
                                  .attributes = attributes,
                                  .misc_select = misc_select,
                                  .config_svn = config_svn};
    memcpy(record->mr_enclave, mr_enclave, sizeof record->mr_enclave);
    memcpy(record->config_id, config_id, sizeof record->config_id);
    memcpy(record->key_id, key_id, sizeof record->key_id);
    memcpy(record->cpu_svn, current_cpu_svn, sizeof record->cpu_svn);
    platform_secret(PLATFORM_OWNER_EPOCH, record->owner_epoch, sizeof record->owner_epoch);
    platform_secret(PLATFORM_SEAL_FUSES, record->seal_fuses, sizeof record->seal_fuses);
}

/* The inputs SEAL, PROVISION and PROVISION_SEAL take alike from the request. */
static void request_record(struct key_record *record, const struct sgx_secs *secs,
                           const struct sgx_keyrequest *request)
{
    *record = (struct key_record){.key_name = request->key_name, .isv_svn = request->isv_svn};
    record->attributes = masked(secs, request);
    record->misc_select = request->misc_mask & secs->misc_select;
    memcpy(record->cpu_svn, request->cpu_svn, sizeof record->cpu_svn);
}

static void add_masks(struct key_record *record, const struct sgx_keyrequest *request)
{
    record->attribute_mask = request->attribute_mask;
    record->misc_mask = ~request->misc_mask;
}

static void add_signer(struct key_record *record, const struct sgx_secs *secs)
{
    memcpy(record->mr_signer, secs->mr_signer, sizeof record->mr_signer);
}

/* SEAL and PROVISION_SEAL: what KEYPOLICY selects. */
static void add_policy(struct key_record *record, const struct sgx_enclave *enclave,
                       const struct sgx_keyrequest *request)
{
    const struct sgx_secs *secs = &enclave->secs;
    uint16_t policy = request->key_policy;
    record->key_policy = policy;
    if (!(policy & SGX_KEYPOLICY_NOISVPRODID))
        record->isv_prod_id = secs->isv_prod_id;
    if (policy & SGX_KEYPOLICY_ISVFAMILYID)
        memcpy(record->isv_family_id, enclave->isv_family_id, sizeof record->isv_family_id);
    if (policy & SGX_KEYPOLICY_ISVEXTPRODID)
        memcpy(record->isv_ext_prod_id, enclave->isv_ext_prod_id, sizeof record->isv_ext_prod_id);
    if (policy & SGX_KEYPOLICY_CONFIGID) {
        memcpy(record->config_id, secs->config_id, sizeof record->config_id);
        record->config_svn = request->config_svn;
    }
    platform_secret(PLATFORM_SEAL_FUSES, record->seal_fuses, sizeof record->seal_fuses);
}

static void seal_record(struct key_record *record, const struct sgx_enclave *enclave,
                        const struct sgx_keyrequest *request)
{
    request_record(record, &enclave->secs, request);
    add_masks(record, request);
    add_policy(record, enclave, request);
    if (request->key_policy & SGX_KEYPOLICY_MRENCLAVE)
        memcpy(record->mr_enclave, enclave->secs.mr_enclave, sizeof record->mr_enclave);
    if (request->key_policy & SGX_KEYPOLICY_MRSIGNER)
        add_signer(record, &enclave->secs);
    memcpy(record->key_id, request->key_id, sizeof record->key_id);
    platform_secret(PLATFORM_OWNER_EPOCH, record->owner_epoch, sizeof record->owner_epoch);
}

static void provision_seal_record(struct key_record *record, const struct sgx_enclave *enclave,
                                  const struct sgx_keyrequest *request)
{
    request_record(record, &enclave->secs, request);
    add_masks(record, request);
    add_policy(record, enclave, request);
    add_signer(record, &enclave->secs);
}

static void provision_record(struct key_record *record, const struct sgx_enclave *enclave,
                             const struct sgx_keyrequest *request)
{
    request_record(record, &enclave->secs, request);
    add_masks(record, request);
    add_signer(record, &enclave->secs);
    record->isv_prod_id = enclave->secs.isv_prod_id;
}

static void einittoken_record(struct key_record *record, const struct sgx_enclave *enclave,
                              const struct sgx_keyrequest *request)
{
    request_record(record, &enclave->secs, request);
    add_signer(record, &enclave->secs);
    record->isv_prod_id = enclave->secs.isv_prod_id;
    memcpy(record->key_id, request->key_id, sizeof record->key_id);
    platform_secret(PLATFORM_OWNER_EPOCH, record->owner_epoch, sizeof record->owner_epoch);
    platform_secret(PLATFORM_SEAL_FUSES, record->seal_fuses, sizeof record->seal_fuses);
}

static bool request_well_formed(const struct sgx_enclave *enclave,
                                const struct sgx_keyrequest *request)
{
    const uint16_t known = SGX_KEYPOLICY_MRENCLAVE | SGX_KEYPOLICY_MRSIGNER | SGX_KEYPOLICY_KSS;
    bool kss = enclave->secs.attributes.flags & SGX_ATTR_KSS;
    if (request->reserved1 || !bytes_zero(request->reserved2, sizeof request->reserved2) ||
        request->cet_attributes_mask || (request->key_policy & ~known))
        return false;
    return kss || (!(request->key_policy & SGX_KEYPOLICY_KSS) && request->config_svn == 0);
}

static uint32_t svn_error(const struct sgx_secs *secs, const struct sgx_keyrequest *request)
{
    if (!cpu_svn_ok(request->cpu_svn))
        return SGX_INVALID_CPUSVN;
    if (request->isv_svn > secs->isv_svn || request->config_svn > secs->config_svn)
        return SGX_INVALID_ISVSVN;
    return SGX_SUCCESS;
}

struct sim_result keys_egetkey(const struct sgx_enclave *enclave,
                               const struct sgx_keyrequest *request, uint8_t ret_key[16])
{
    const struct sgx_secs *secs = &enclave->secs;
    uint16_t name = request->key_name;
    bool provisioning = name == SGX_KEY_PROVISION || name == SGX_KEY_PROVISION_SEAL;
    if (!request_well_formed(enclave, request))
        return RESULT_GP;
    if (name > SGX_KEY_SEAL)
        return RESULT_CODE(SGX_INVALID_KEYNAME);
    if ((provisioning && !(secs->attributes.flags & SGX_ATTR_PROVISIONKEY)) ||
        (name == SGX_KEY_EINITTOKEN && !(secs->attributes.flags & SGX_ATTR_EINITTOKEN_KEY)))
        return RESULT_CODE(SGX_INVALID_ATTRIBUTE);
    uint32_t code = name == SGX_KEY_REPORT ? SGX_SUCCESS : svn_error(secs, request);
    if (code)
        return RESULT_CODE(code);
    struct key_record record;
    if (name == SGX_KEY_REPORT)
        report_record(&record, secs->mr_enclave, secs->attributes, secs->misc_select,
                      secs->config_id, secs->config_svn, request->key_id);
    else if (name == SGX_KEY_SEAL)
        seal_record(&record, enclave, request);
    else if (name == SGX_KEY_PROVISION_SEAL)
        provision_seal_record(&record, enclave, request);
    else if (name == SGX_KEY_PROVISION)
        provision_record(&record, enclave, request);
    else
        einittoken_record(&record, enclave, request);
    return derive(&record, ret_key);
}

static void report_body(struct sgx_report *report, const struct sgx_enclave *enclave,
                        const uint8_t data[SGX_REPORTDATA_BYTES])
{
    const struct sgx_secs *secs = &enclave->secs;
    *report = (struct sgx_report){
        .misc_select = secs->misc_select,
        .attributes = secs->attributes,
        .isv_prod_id = secs->isv_prod_id,
        .isv_svn = secs->isv_svn,
        .config_svn = secs->config_svn,
    };
    memcpy(report->cpu_svn, current_cpu_svn, sizeof report->cpu_svn);
    memcpy(report->isv_ext_prod_id, enclave->isv_ext_prod_id, sizeof report->isv_ext_prod_id);
    memcpy(report->isv_family_id, enclave->isv_family_id, sizeof report->isv_family_id);
    memcpy(report->mr_enclave, secs->mr_enclave, sizeof report->mr_enclave);
    memcpy(report->mr_signer, secs->mr_signer, sizeof report->mr_signer);
    memcpy(report->config_id, secs->config_id, sizeof report->config_id);
    memcpy(report->report_data, data, sizeof report->report_data);
    platform_secret(PLATFORM_REPORT_KEYID, report->key_id, sizeof report->key_id);
}

struct sim_result keys_ereport(const struct sgx_enclave *enclave,
                               const struct sgx_targetinfo *target,
                               const uint8_t data[SGX_REPORTDATA_BYTES],
                               struct sgx_report *ret_report)
{
    struct key_record record;
    uint8_t key[16];
    if (target->reserved1 || !bytes_zero(target->reserved2, sizeof target->reserved2) ||
        !bytes_zero(target->reserved3, sizeof target->reserved3))
        return RESULT_GP;
    report_body(ret_report, enclave, data);
    report_record(&record, target->mr_enclave, target->attributes, target->misc_select,
                  target->config_id, target->config_svn, ret_report->key_id);
    struct sim_result result = derive(&record, key);
    if (!result.vector &&
        platform_cmac_with(key, ret_report, SGX_REPORT_MACED, ret_report->mac) < 0)
        result = RESULT_GP;
    explicit_bzero(key, sizeof key);
    return result;
}
