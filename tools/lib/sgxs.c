/* Writer and reader of the measured enclave stream.
 *
 * A stream is a row of 64-byte blocks, each starting with an 8-byte tag; an EEXTEND block is
 * followed by its 256 data bytes. The writer hashes and stores at the same time. The reader
 * trusts nothing: every block is bounds-checked, reserved bytes must be zero, and what it
 * accepts it would also write the same way again.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tools/lib/sgxs.h"

#include <errno.h>
#include <string.h>

#include "tools/lib/bytes.h"

#define CHUNKS_PER_PAGE (SGX_PAGE_SIZE / SGXS_CHUNK)
#define PAGE_STREAM     (SGXS_BLOCK + CHUNKS_PER_PAGE * (SGXS_BLOCK + SGXS_CHUNK))

static const char tag_ecreate[8] = "ECREATE";
static const char tag_eadd[8] = "EADD";
static const char tag_eextend[8] = "EEXTEND";

void sgxs_writer_init(struct sgxs_writer *writer, FILE *file)
{
    writer->file = file;
    SHA256_Init(&writer->digest);
}

static int emit(struct sgxs_writer *writer, const void *bytes, size_t size)
{
    SHA256_Update(&writer->digest, bytes, size);
    if (writer->file && fwrite(bytes, 1, size, writer->file) != size)
        return -EIO;
    return 0;
}

int sgxs_ecreate(struct sgxs_writer *writer, uint32_t ssa_frame_size, uint64_t size)
{
    uint8_t block[SGXS_BLOCK] = {0};
    memcpy(block, tag_ecreate, sizeof tag_ecreate);
    memcpy(block + 8, &ssa_frame_size, sizeof ssa_frame_size);
    memcpy(block + 12, &size, sizeof size);
    return emit(writer, block, sizeof block);
}

static void eadd_block(uint8_t *block, uint64_t offset, const void *secinfo, size_t secinfo_size)
{
    memset(block, 0, SGXS_BLOCK);
    memcpy(block, tag_eadd, sizeof tag_eadd);
    memcpy(block + 8, &offset, sizeof offset);
    memcpy(block + 16, secinfo, secinfo_size);
}

int sgxs_eadd(struct sgxs_writer *writer, uint64_t offset, const struct sgx_secinfo *secinfo)
{
    uint8_t block[SGXS_BLOCK];
    eadd_block(block, offset, secinfo, SGXS_BLOCK - 16);
    return emit(writer, block, sizeof block);
}

static void eextend_block(uint8_t *block, uint64_t offset, const void *chunk)
{
    memset(block, 0, SGXS_BLOCK);
    memcpy(block, tag_eextend, sizeof tag_eextend);
    memcpy(block + 8, &offset, sizeof offset);
    memcpy(block + SGXS_BLOCK, chunk, SGXS_CHUNK);
}

int sgxs_eextend(struct sgxs_writer *writer, uint64_t offset, const void *chunk)
{
    uint8_t block[SGXS_BLOCK + SGXS_CHUNK];
    eextend_block(block, offset, chunk);
    return emit(writer, block, sizeof block);
}

int sgxs_page(struct sgxs_writer *writer, uint64_t offset, uint64_t secinfo_flags, const void *page,
              bool measure)
{
    uint8_t stream[PAGE_STREAM];
    eadd_block(stream, offset, &secinfo_flags, sizeof secinfo_flags);
    if (!measure)
        return emit(writer, stream, SGXS_BLOCK);
    for (size_t i = 0; i < CHUNKS_PER_PAGE; i++)
        eextend_block(stream + SGXS_BLOCK + i * (SGXS_BLOCK + SGXS_CHUNK), offset + i * SGXS_CHUNK,
                      (const uint8_t *) page + i * SGXS_CHUNK);
    return emit(writer, stream, sizeof stream);
}

void sgxs_hash(const struct sgxs_writer *writer, uint8_t ret_hash[SGXS_HASH_BYTES])
{
    SHA256_CTX copy = writer->digest;
    SHA256_Final(ret_hash, &copy);
}

/* The next size bytes, or NULL when fewer are left. */
static const uint8_t *take(struct sgxs_reader *reader, size_t size)
{
    if (size > reader->size - reader->at)
        return NULL;
    const uint8_t *bytes = reader->data + reader->at;
    reader->at += size;
    return bytes;
}

static bool next_is(const struct sgxs_reader *reader, const char tag[8])
{
    return reader->size - reader->at >= 8 && memcmp(reader->data + reader->at, tag, 8) == 0;
}

int sgxs_reader_init(struct sgxs_reader *reader, const void *data, size_t size)
{
    *reader = (struct sgxs_reader){.data = data, .size = size};
    if (!next_is(reader, tag_ecreate))
        return -EBADMSG;
    const uint8_t *block = take(reader, SGXS_BLOCK);
    if (!block || !bytes_zero(block + 20, SGXS_BLOCK - 20))
        return -EBADMSG;
    memcpy(&reader->ssa_frame_size, block + 8, sizeof reader->ssa_frame_size);
    memcpy(&reader->enclave_size, block + 12, sizeof reader->enclave_size);
    uint64_t n = reader->enclave_size;
    if (n < 2 * SGX_PAGE_SIZE || (n & (n - 1)) != 0 || reader->ssa_frame_size == 0)
        return -EBADMSG;
    return 0;
}

static bool loadable_flags(uint64_t flags)
{
    uint64_t rwx = flags & SGX_SECINFO_RWX;
    if ((flags & ~rwx) == SGX_SECINFO_TCS)
        return rwx == 0;
    return (flags & ~rwx) == SGX_SECINFO_REG &&
           ((rwx & SGX_SECINFO_W) == 0 || (rwx & SGX_SECINFO_R));
}

static int read_chunks(struct sgxs_reader *reader, struct sgxs_page *page)
{
    for (size_t i = 0; i < CHUNKS_PER_PAGE; i++) {
        if (!next_is(reader, tag_eextend))
            return -EBADMSG;
        const uint8_t *block = take(reader, SGXS_BLOCK + SGXS_CHUNK);
        uint64_t offset;
        if (!block || !bytes_zero(block + 16, SGXS_BLOCK - 16))
            return -EBADMSG;
        memcpy(&offset, block + 8, sizeof offset);
        if (offset != page->offset + i * SGXS_CHUNK)
            return -EBADMSG;
        memcpy(page->data + i * SGXS_CHUNK, block + SGXS_BLOCK, SGXS_CHUNK);
    }
    return 0;
}

int sgxs_reader_next(struct sgxs_reader *reader, struct sgxs_page *ret_page)
{
    if (reader->at == reader->size)
        return 0;
    if (!next_is(reader, tag_eadd))
        return -EBADMSG;
    const uint8_t *block = take(reader, SGXS_BLOCK);
    if (!block || !bytes_zero(block + 24, SGXS_BLOCK - 24))
        return -EBADMSG;
    memcpy(&ret_page->offset, block + 8, sizeof ret_page->offset);
    memcpy(&ret_page->secinfo_flags, block + 16, sizeof ret_page->secinfo_flags);
    if (ret_page->offset % SGX_PAGE_SIZE != 0 || ret_page->offset >= reader->enclave_size ||
        !loadable_flags(ret_page->secinfo_flags))
        return -EBADMSG;
    ret_page->measured = next_is(reader, tag_eextend);
    if (!ret_page->measured) {
        memset(ret_page->data, 0, sizeof ret_page->data);
        return 1;
    }
    int r = read_chunks(reader, ret_page);
    return r < 0 ? r : 1;
}
