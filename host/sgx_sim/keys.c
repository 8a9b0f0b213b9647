#include "host/sgx_sim/sim.h"
struct sim_result keys_egetkey(const struct sgx_enclave *enclave, const struct sgx_keyrequest *request,
                               uint8_t ret_key[16]) { return RESULT_GP; }
struct sim_result keys_ereport(const struct sgx_enclave *enclave, const struct sgx_targetinfo *target,
                               const uint8_t data[SGX_REPORTDATA_BYTES], struct sgx_report *ret_report) { return RESULT_GP; }
