/* SGX as the processor and Linux' driver define it: structures, bits, leaf numbers, error codes.
 *
 * Data only, for both sides of the enclave boundary (freestanding code includes it). Everything is
 * little-endian and without padding; sizes and offsets are asserted beside each structure. Names
 * follow the Intel SDM, volume 3D. Big integers in SIGSTRUCT are little-endian byte strings.
 */
#ifndef ABI_SGX_H
#define ABI_SGX_H

#include <stddef.h>
#include <stdint.h>

#define SGX_ASSERT_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), "SGX ABI")
#define SGX_ASSERT_AT(type, member, at)                                                            \
    _Static_assert(offsetof(struct type, member) == (at), "SGX ABI")

#define SGX_PAGE_SIZE 4096ul

/* leaves */
enum sgx_enclu {
    SGX_EREPORT = 0,
    SGX_EGETKEY = 1,
    SGX_EENTER = 2,
    SGX_ERESUME = 3,
    SGX_EEXIT = 4,
    SGX_EACCEPT = 5,
    SGX_EMODPE = 6,
    SGX_EACCEPTCOPY = 7,
    SGX_EDECCSSA = 9,
};

enum sgx_encls {
    SGX_ECREATE = 0x00,
    SGX_EADD = 0x01,
    SGX_EINIT = 0x02,
    SGX_EREMOVE = 0x03,
    SGX_EEXTEND = 0x06,
    SGX_EAUG = 0x0d,
    SGX_EMODPR = 0x0e,
    SGX_EMODT = 0x0f,
};

/* What a leaf leaves in RAX (with ZF set). Faults (#GP, #PF) are not codes. */
enum sgx_error {
    SGX_SUCCESS = 0,
    SGX_INVALID_SIG_STRUCT = 1,
    SGX_INVALID_ATTRIBUTE = 2,
    SGX_BLKSTATE = 3,
    SGX_INVALID_MEASUREMENT = 4,
    SGX_NOTBLOCKABLE = 5,
    SGX_PG_INVLD = 6,
    SGX_EPC_PAGE_CONFLICT = 7,
    SGX_INVALID_SIGNATURE = 8,
    SGX_MAC_COMPARE_FAIL = 9,
    SGX_PAGE_NOT_BLOCKED = 10,
    SGX_NOT_TRACKED = 11,
    SGX_VA_SLOT_OCCUPIED = 12,
    SGX_CHILD_PRESENT = 13,
    SGX_ENCLAVE_ACT = 14,
    SGX_ENTRYEPOCH_LOCKED = 15,
    SGX_INVALID_EINITTOKEN = 16,
    SGX_PREV_TRK_INCMPL = 17,
    SGX_PG_IS_SECS = 18,
    SGX_PAGE_ATTRIBUTES_MISMATCH = 19,
    SGX_PAGE_NOT_MODIFIABLE = 20,
    SGX_PAGE_NOT_DEBUGGABLE = 21,
    SGX_INVALID_CPUSVN = 32,
    SGX_INVALID_ISVSVN = 64,
    SGX_UNMASKED_EVENT = 128,
    SGX_INVALID_KEYNAME = 256,
};

/* attributes */
#define SGX_ATTR_INIT           (1ul << 0)
#define SGX_ATTR_DEBUG          (1ul << 1)
#define SGX_ATTR_MODE64BIT      (1ul << 2)
#define SGX_ATTR_PROVISIONKEY   (1ul << 4)
#define SGX_ATTR_EINITTOKEN_KEY (1ul << 5)
#define SGX_ATTR_CET            (1ul << 6)
#define SGX_ATTR_KSS            (1ul << 7)
#define SGX_ATTR_AEXNOTIFY      (1ul << 10)

#define SGX_XFRM_LEGACY 0x3ul /* x87 and SSE: must be set */
#define SGX_XFRM_AVX    0x4ul
#define SGX_XFRM_AVX512 0xe0ul

#define SGX_MISC_EXINFO (1u << 0)
#define SGX_MISC_CPINFO (1u << 1)

struct sgx_attributes {
    uint64_t flags, xfrm;
};
SGX_ASSERT_SIZE(sgx_attributes, 16);

/* SECS */
struct sgx_secs {
    uint64_t size; /* power of two */
    uint64_t base;
    uint32_t ssa_frame_size; /* pages */
    uint32_t misc_select;
    uint64_t cet_leg_bitmap_offset;
    uint8_t cet_attributes;
    uint8_t reserved1[15];
    struct sgx_attributes attributes;
    uint8_t mr_enclave[32]; /* written by the processor */
    uint8_t reserved2[32];
    uint8_t mr_signer[32]; /* written by the processor */
    uint8_t reserved3[32];
    uint8_t config_id[64];
    uint16_t isv_prod_id; /* written by the processor */
    uint16_t isv_svn;     /* written by the processor */
    uint16_t config_svn;
    uint8_t reserved4[3834];
};
SGX_ASSERT_SIZE(sgx_secs, 4096);
SGX_ASSERT_AT(sgx_secs, ssa_frame_size, 16);
SGX_ASSERT_AT(sgx_secs, cet_leg_bitmap_offset, 24);
SGX_ASSERT_AT(sgx_secs, attributes, 48);
SGX_ASSERT_AT(sgx_secs, mr_enclave, 64);
SGX_ASSERT_AT(sgx_secs, mr_signer, 128);
SGX_ASSERT_AT(sgx_secs, config_id, 192);
SGX_ASSERT_AT(sgx_secs, isv_prod_id, 256);
SGX_ASSERT_AT(sgx_secs, reserved4, 262);

/* TCS */
#define SGX_TCS_DBGOPTIN  (1ul << 0)
#define SGX_TCS_AEXNOTIFY (1ul << 1)

struct sgx_tcs {
    uint64_t state; /* the processor's: 0 inactive */
    uint64_t flags;
    uint64_t ossa;
    uint32_t cssa; /* the processor's */
    uint32_t nssa;
    uint64_t oentry;
    uint64_t aep; /* the processor's */
    uint64_t ofs_base;
    uint64_t ogs_base;
    uint32_t fs_limit;
    uint32_t gs_limit;
    uint64_t ocet_ssa;
    uint64_t prev_ssp;
    uint8_t reserved[4008];
};
SGX_ASSERT_SIZE(sgx_tcs, 4096);
SGX_ASSERT_AT(sgx_tcs, ossa, 16);
SGX_ASSERT_AT(sgx_tcs, oentry, 32);
SGX_ASSERT_AT(sgx_tcs, ofs_base, 48);
SGX_ASSERT_AT(sgx_tcs, fs_limit, 64);
SGX_ASSERT_AT(sgx_tcs, ocet_ssa, 72);
SGX_ASSERT_AT(sgx_tcs, reserved, 88);

/* SECINFO, PAGEINFO */
#define SGX_SECINFO_R        (1ul << 0)
#define SGX_SECINFO_W        (1ul << 1)
#define SGX_SECINFO_X        (1ul << 2)
#define SGX_SECINFO_PENDING  (1ul << 3)
#define SGX_SECINFO_MODIFIED (1ul << 4)
#define SGX_SECINFO_PR       (1ul << 5)
#define SGX_SECINFO_RWX      0x7ul
#define SGX_SECINFO_PT_SHIFT 8
#define SGX_SECINFO_PT_MASK  0xff00ul

enum sgx_page_type {
    SGX_PT_SECS = 0,
    SGX_PT_TCS = 1,
    SGX_PT_REG = 2,
    SGX_PT_VA = 3,
    SGX_PT_TRIM = 4,
    SGX_PT_SS_FIRST = 5,
    SGX_PT_SS_REST = 6,
};

#define SGX_SECINFO_TCS  ((uint64_t) SGX_PT_TCS << SGX_SECINFO_PT_SHIFT)
#define SGX_SECINFO_REG  ((uint64_t) SGX_PT_REG << SGX_SECINFO_PT_SHIFT)
#define SGX_SECINFO_TRIM ((uint64_t) SGX_PT_TRIM << SGX_SECINFO_PT_SHIFT)

struct sgx_secinfo {
    uint64_t flags;
    uint8_t reserved[56];
} __attribute__((aligned(64)));
SGX_ASSERT_SIZE(sgx_secinfo, 64);

struct sgx_pageinfo {
    uint64_t lin_addr, src_page, secinfo, secs;
} __attribute__((aligned(32)));
SGX_ASSERT_SIZE(sgx_pageinfo, 32);

/* SIGSTRUCT */
#define SGX_RSA_BYTES      384
#define SGX_SIG_EXPONENT   3u
#define SGX_VENDOR_INTEL   0x8086u
#define SGX_SIG_BODY_START 900u /* the signature covers [0, 128) and [900, 1028) */
#define SGX_SIG_BODY_END   1028u
#define SGX_SIG_HEAD_END   128u

/* HEADER and HEADER2 as bytes in memory order. */
#define SGX_SIG_HEADER                                                                             \
    {                                                                                              \
        6, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0                                          \
    }
#define SGX_SIG_HEADER2                                                                            \
    {                                                                                              \
        1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1, 0, 0, 0                                       \
    }

struct sgx_sigstruct {
    uint8_t header[16];
    uint32_t vendor;
    uint32_t date; /* BCD yyyymmdd */
    uint8_t header2[16];
    uint32_t sw_defined;
    uint8_t reserved1[84];
    uint8_t modulus[SGX_RSA_BYTES];
    uint32_t exponent;
    uint8_t signature[SGX_RSA_BYTES];
    uint32_t misc_select;
    uint32_t misc_mask;
    uint8_t cet_attributes;
    uint8_t cet_attributes_mask;
    uint8_t reserved2[2];
    uint8_t isv_family_id[16];
    struct sgx_attributes attributes;
    struct sgx_attributes attribute_mask;
    uint8_t enclave_hash[32];
    uint8_t reserved3[16];
    uint8_t isv_ext_prod_id[16];
    uint16_t isv_prod_id;
    uint16_t isv_svn;
    uint8_t reserved4[12];
    uint8_t q1[SGX_RSA_BYTES];
    uint8_t q2[SGX_RSA_BYTES];
} __attribute__((packed));
SGX_ASSERT_SIZE(sgx_sigstruct, 1808);
SGX_ASSERT_AT(sgx_sigstruct, header2, 24);
SGX_ASSERT_AT(sgx_sigstruct, sw_defined, 40);
SGX_ASSERT_AT(sgx_sigstruct, modulus, SGX_SIG_HEAD_END);
SGX_ASSERT_AT(sgx_sigstruct, exponent, 512);
SGX_ASSERT_AT(sgx_sigstruct, signature, 516);
SGX_ASSERT_AT(sgx_sigstruct, misc_select, SGX_SIG_BODY_START);
SGX_ASSERT_AT(sgx_sigstruct, cet_attributes, 908);
SGX_ASSERT_AT(sgx_sigstruct, isv_family_id, 912);
SGX_ASSERT_AT(sgx_sigstruct, attributes, 928);
SGX_ASSERT_AT(sgx_sigstruct, attribute_mask, 944);
SGX_ASSERT_AT(sgx_sigstruct, enclave_hash, 960);
SGX_ASSERT_AT(sgx_sigstruct, isv_ext_prod_id, 1008);
SGX_ASSERT_AT(sgx_sigstruct, isv_prod_id, 1024);
SGX_ASSERT_AT(sgx_sigstruct, reserved4, SGX_SIG_BODY_END);
SGX_ASSERT_AT(sgx_sigstruct, q1, 1040);
SGX_ASSERT_AT(sgx_sigstruct, q2, 1424);

/* SSA frame */
/* A frame holds the XSAVE area (standard format) at its start and GPRSGX in its last 184 bytes; the
 * EXINFO component of the MISC region lies right below GPRSGX. */
#define SGX_EXITINFO_VALID         (1u << 31)
#define SGX_EXITINFO_VECTOR(info)  ((info) &0xffu)
#define SGX_EXITINFO_TYPE(info)    (((info) >> 8) & 7u)
#define SGX_EXITINFO_TYPE_HARDWARE 3u
#define SGX_EXITINFO_TYPE_SOFTWARE 6u
#define SGX_SSA_AEXNOTIFY          1u

struct sgx_ssa_gpr {
    uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rflags, rip;
    uint64_t ursp, urbp;
    uint32_t exit_info;
    uint8_t reserved[3];
    uint8_t aex_notify;
    uint64_t fs_base, gs_base;
};
SGX_ASSERT_SIZE(sgx_ssa_gpr, 184);
SGX_ASSERT_AT(sgx_ssa_gpr, r8, 64);
SGX_ASSERT_AT(sgx_ssa_gpr, rflags, 128);
SGX_ASSERT_AT(sgx_ssa_gpr, ursp, 144);
SGX_ASSERT_AT(sgx_ssa_gpr, exit_info, 160);
SGX_ASSERT_AT(sgx_ssa_gpr, aex_notify, 167);
SGX_ASSERT_AT(sgx_ssa_gpr, fs_base, 168);

#define SGX_PFEC_P   (1u << 0)
#define SGX_PFEC_W   (1u << 1)
#define SGX_PFEC_U   (1u << 2)
#define SGX_PFEC_I   (1u << 4)
#define SGX_PFEC_SGX (1u << 15)

struct sgx_exinfo {
    uint64_t maddr;
    uint32_t errcd;
    uint32_t reserved;
};
SGX_ASSERT_SIZE(sgx_exinfo, 16);

#define SGX_SSA_GPR_OFFSET(frame_bytes) ((frame_bytes) - sizeof(struct sgx_ssa_gpr))
#define SGX_SSA_EXINFO_OFFSET(frame_bytes)                                                         \
    (SGX_SSA_GPR_OFFSET(frame_bytes) - sizeof(struct sgx_exinfo))

/* keys and reports */
enum sgx_key_name {
    SGX_KEY_EINITTOKEN = 0,
    SGX_KEY_PROVISION = 1,
    SGX_KEY_PROVISION_SEAL = 2,
    SGX_KEY_REPORT = 3,
    SGX_KEY_SEAL = 4,
};

#define SGX_KEYPOLICY_MRENCLAVE    (1u << 0)
#define SGX_KEYPOLICY_MRSIGNER     (1u << 1)
#define SGX_KEYPOLICY_NOISVPRODID  (1u << 2)
#define SGX_KEYPOLICY_CONFIGID     (1u << 3)
#define SGX_KEYPOLICY_ISVFAMILYID  (1u << 4)
#define SGX_KEYPOLICY_ISVEXTPRODID (1u << 5)
#define SGX_KEYPOLICY_KSS          0x3cu /* the bits that need ATTRIBUTES.KSS */

struct sgx_keyrequest {
    uint16_t key_name;
    uint16_t key_policy;
    uint16_t isv_svn;
    uint8_t cet_attributes_mask;
    uint8_t reserved1;
    uint8_t cpu_svn[16];
    struct sgx_attributes attribute_mask;
    uint8_t key_id[32];
    uint32_t misc_mask;
    uint16_t config_svn;
    uint8_t reserved2[434];
} __attribute__((aligned(512)));
SGX_ASSERT_SIZE(sgx_keyrequest, 512);
SGX_ASSERT_AT(sgx_keyrequest, cpu_svn, 8);
SGX_ASSERT_AT(sgx_keyrequest, attribute_mask, 24);
SGX_ASSERT_AT(sgx_keyrequest, key_id, 40);
SGX_ASSERT_AT(sgx_keyrequest, misc_mask, 72);
SGX_ASSERT_AT(sgx_keyrequest, reserved2, 78);

struct sgx_targetinfo {
    uint8_t mr_enclave[32];
    struct sgx_attributes attributes;
    uint8_t cet_attributes;
    uint8_t reserved1;
    uint16_t config_svn;
    uint32_t misc_select;
    uint8_t reserved2[8];
    uint8_t config_id[64];
    uint8_t reserved3[384];
} __attribute__((aligned(512)));
SGX_ASSERT_SIZE(sgx_targetinfo, 512);
SGX_ASSERT_AT(sgx_targetinfo, config_svn, 50);
SGX_ASSERT_AT(sgx_targetinfo, config_id, 64);

struct sgx_reportdata {
    uint8_t bytes[64];
    uint8_t reserved[64]; /* not read: fills up to the alignment */
} __attribute__((aligned(128)));
SGX_ASSERT_SIZE(sgx_reportdata, 128);

#define SGX_REPORTDATA_BYTES 64u
#define SGX_REPORT_MACED     384u /* bytes of a report under its MAC */
#define SGX_REPORT_BYTES     432u

struct sgx_report {
    uint8_t cpu_svn[16];
    uint32_t misc_select;
    uint8_t cet_attributes;
    uint8_t reserved1[11];
    uint8_t isv_ext_prod_id[16];
    struct sgx_attributes attributes;
    uint8_t mr_enclave[32];
    uint8_t reserved2[32];
    uint8_t mr_signer[32];
    uint8_t reserved3[32];
    uint8_t config_id[64];
    uint16_t isv_prod_id;
    uint16_t isv_svn;
    uint16_t config_svn;
    uint8_t reserved4[42];
    uint8_t isv_family_id[16];
    uint8_t report_data[SGX_REPORTDATA_BYTES];
    uint8_t key_id[32];
    uint8_t mac[16];
};
SGX_ASSERT_SIZE(sgx_report, SGX_REPORT_BYTES);
SGX_ASSERT_AT(sgx_report, isv_ext_prod_id, 32);
SGX_ASSERT_AT(sgx_report, attributes, 48);
SGX_ASSERT_AT(sgx_report, mr_enclave, 64);
SGX_ASSERT_AT(sgx_report, mr_signer, 128);
SGX_ASSERT_AT(sgx_report, config_id, 192);
SGX_ASSERT_AT(sgx_report, isv_prod_id, 256);
SGX_ASSERT_AT(sgx_report, isv_family_id, 304);
SGX_ASSERT_AT(sgx_report, report_data, 320);
SGX_ASSERT_AT(sgx_report, key_id, SGX_REPORT_MACED);

/* Linux' driver, /dev/sgx_enclave */
#define SGX_IOC_ENCLAVE_CREATE               0x4008a400ul
#define SGX_IOC_ENCLAVE_ADD_PAGES            0xc030a401ul
#define SGX_IOC_ENCLAVE_INIT                 0x4008a402ul
#define SGX_IOC_ENCLAVE_PROVISION            0x4008a403ul
#define SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS 0xc028a405ul
#define SGX_IOC_ENCLAVE_MODIFY_TYPES         0xc028a406ul
#define SGX_IOC_ENCLAVE_REMOVE_PAGES         0xc018a407ul

#define SGX_PAGE_MEASURE 1ul

struct sgx_ioc_create {
    uint64_t src; /* address of the SECS */
};
struct sgx_ioc_add_pages {
    uint64_t src, offset, length, secinfo, flags, count;
};
struct sgx_ioc_init {
    uint64_t sigstruct;
};
struct sgx_ioc_restrict_perms {
    uint64_t offset, length, permissions, result, count;
};
struct sgx_ioc_modify_types {
    uint64_t offset, length, page_type, result, count;
};
struct sgx_ioc_remove_pages {
    uint64_t offset, length, count;
};
SGX_ASSERT_SIZE(sgx_ioc_create, 8);
SGX_ASSERT_SIZE(sgx_ioc_add_pages, 48);
SGX_ASSERT_SIZE(sgx_ioc_init, 8);
SGX_ASSERT_SIZE(sgx_ioc_restrict_perms, 40);
SGX_ASSERT_SIZE(sgx_ioc_modify_types, 40);
SGX_ASSERT_SIZE(sgx_ioc_remove_pages, 24);

/* What __vdso_sgx_enter_enclave() reads and writes. */
struct sgx_vdso_run {
    uint64_t tcs;
    uint32_t function; /* out: the leaf that ended it */
    uint16_t exception_vector;
    uint16_t exception_error_code;
    uint64_t exception_addr;
    uint64_t user_handler;
    uint64_t user_data;
    uint8_t reserved[216];
};
SGX_ASSERT_SIZE(sgx_vdso_run, 256);
SGX_ASSERT_AT(sgx_vdso_run, exception_addr, 16);
SGX_ASSERT_AT(sgx_vdso_run, user_data, 32);

#endif
