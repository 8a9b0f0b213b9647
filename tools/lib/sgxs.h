/* The measured stream of an enclave: what ECREATE, EADD and EEXTEND feed into MRENCLAVE, byte for
 * byte. Written to a file it is the ".sgxs" format; SHA-256 over the file is MRENCLAVE. */
#ifndef TOOLS_LIB_SGXS_H
#define TOOLS_LIB_SGXS_H

#include <openssl/sha.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "abi/sgx.h"

#define SGXS_BLOCK      64u
#define SGXS_CHUNK      256u
#define SGXS_HASH_BYTES 32u

struct sgxs_writer {
    FILE *file; /* NULL: only measure */
    SHA256_CTX digest;
};

/* file stays the caller's and may be NULL. The digest is OpenSSL's old interface: it needs no library
 * start, which would cost each run of an enclave 0.6 ms. */
void sgxs_writer_init(struct sgxs_writer *writer, FILE *file);

/* One measurement block each; -EIO when the file cannot be written. Nothing is validated here. */
int sgxs_ecreate(struct sgxs_writer *writer, uint32_t ssa_frame_size, uint64_t size);
int sgxs_eadd(struct sgxs_writer *writer, uint64_t offset, const struct sgx_secinfo *secinfo);
int sgxs_eextend(struct sgxs_writer *writer, uint64_t offset, const void *chunk);

/* EADD and, if measure, the sixteen EEXTENDs of one page, as Linux' driver executes them. */
int sgxs_page(struct sgxs_writer *writer, uint64_t offset, uint64_t secinfo_flags, const void *page,
              bool measure);

/* The measurement so far; the writer can go on. */
void sgxs_hash(const struct sgxs_writer *writer, uint8_t ret_hash[SGXS_HASH_BYTES]);

struct sgxs_reader {
    const uint8_t *data;
    size_t size, at;
    uint32_t ssa_frame_size; /* from ECREATE */
    uint64_t enclave_size;   /* from ECREATE; a power of two */
};

struct sgxs_page {
    uint64_t offset; /* page-aligned, below enclave_size */
    uint64_t secinfo_flags;
    bool measured; /* false: data is zero */
    uint8_t data[SGX_PAGE_SIZE] __attribute__((aligned(8)));
};

/* Takes ECREATE off a stream in memory, which the caller keeps alive. -EBADMSG: not such a
 * stream. */
int sgxs_reader_init(struct sgxs_reader *reader, const void *data, size_t size);

/* 1: a page; 0: the end; -EBADMSG: malformed, or a page that Linux' driver could not load (only
 * regular and TCS pages, all sixteen chunks in ascending order right after their EADD, or none). */
int sgxs_reader_next(struct sgxs_reader *reader, struct sgxs_page *ret_page);
#endif
