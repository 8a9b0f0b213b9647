/* A reference of the freshness service (docs/anchor.md), for tests and to read: answers one question per connection on a
 * Unix socket and keeps its table in a file, which is replaced and synced before it answers.
 * usage: anchord SOCKET TABLE KEY-FILE */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "abi/anchor.h"

#define ROWS 1024

struct row {
    char name[64];
    uint8_t uuid[16], key[32], tag[16];
    uint64_t txg;
};
static struct row rows[ROWS];
static size_t count;
static uint8_t service_key[32];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void table_load(const char *path)
{
    FILE *f = fopen(path, "rb");
    count = f ? fread(rows, sizeof *rows, ROWS, f) : 0;
    if (f)
        fclose(f);
    else if (errno != ENOENT)
        die(path);
}

static void table_store(const char *path)
{
    char fresh[4096];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t size = (ssize_t) (count * sizeof *rows);
    if (fd < 0 || write(fd, rows, (size_t) size) != size || fsync(fd) < 0 || close(fd) < 0 ||
        rename(fresh, path) < 0)
        die(fresh);
}

static void mac_of(const uint8_t key[32], const struct anchor_message *m, uint8_t ret[32])
{
    unsigned size = 32;
    HMAC(EVP_sha256(), key, 32, (const uint8_t *) m, offsetof(struct anchor_message, mac), ret,
         &size);
}

static bool authentic(const uint8_t key[32], const struct anchor_message *m)
{
    uint8_t mac[32];
    mac_of(key, m, mac);
    return CRYPTO_memcmp(mac, m->mac, sizeof mac) == 0;
}

static void wrapping_key(const struct anchor_message *m, uint8_t ret[32])
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    size_t size = 32;
    if (EVP_PKEY_derive_init(c) <= 0 || EVP_PKEY_CTX_set_hkdf_md(c, EVP_sha256()) <= 0 ||
        EVP_PKEY_CTX_set1_hkdf_salt(c, m->nonce, sizeof m->nonce) <= 0 ||
        EVP_PKEY_CTX_set1_hkdf_key(c, service_key, sizeof service_key) <= 0 ||
        EVP_PKEY_CTX_add1_hkdf_info(c, (const uint8_t *) ANCHOR_REGISTER_INFO,
                                    sizeof ANCHOR_REGISTER_INFO - 1) <= 0 ||
        EVP_PKEY_derive(c, ret, &size) <= 0)
        die("hkdf");
    EVP_PKEY_CTX_free(c);
}

static bool unwrap(struct anchor_message *m, uint8_t ret[32])
{
    static const uint8_t nonce[12];
    uint8_t key[32];
    int n;
    wrapping_key(m, key);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool good = EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) > 0 &&
                EVP_DecryptUpdate(c, NULL, &n, (const uint8_t *) m,
                                  offsetof(struct anchor_message, key)) > 0 &&
                EVP_DecryptUpdate(c, ret, &n, m->key, sizeof m->key) > 0 &&
                EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, sizeof m->key_tag, m->key_tag) > 0 &&
                EVP_DecryptFinal_ex(c, ret + n, &n) > 0;
    EVP_CIPHER_CTX_free(c);
    return good;
}

static enum anchor_status enroll(const struct anchor_message *m, const uint8_t key[32])
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(rows[i].uuid, m->uuid, sizeof m->uuid) == 0 ||
            memcmp(rows[i].name, m->name, sizeof m->name) == 0)
            return ANCHOR_STALE;
    if (count == ROWS)
        return ANCHOR_STALE;
    struct row *r = &rows[count++];
    memcpy(r->name, m->name, sizeof r->name);
    memcpy(r->uuid, m->uuid, sizeof r->uuid);
    memcpy(r->key, key, sizeof r->key);
    memcpy(r->tag, m->tag, sizeof r->tag);
    r->txg = m->txg;
    return ANCHOR_OK;
}

static struct row *find(const struct anchor_message *m)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(rows[i].uuid, m->uuid, sizeof m->uuid) == 0 && authentic(rows[i].key, m))
            return &rows[i];
    return NULL;
}

/* Turns the question into its answer. */
static void serve(struct anchor_message *m, const char *table)
{
    uint8_t key[32];
    bool known = m->op == ANCHOR_REGISTER && unwrap(m, key) && authentic(key, m);
    struct row *r = m->op == ANCHOR_REGISTER ? NULL : find(m);
    m->status = known ? (uint32_t) enroll(m, key) : r ? ANCHOR_OK : ANCHOR_UNKNOWN;
    if (r && m->op == ANCHOR_ADVANCE && m->txg > r->txg) {
        r->txg = m->txg;
        memcpy(r->tag, m->tag, sizeof r->tag);
    } else if (r && m->op == ANCHOR_ADVANCE) {
        m->status = ANCHOR_STALE;
    }
    if (known || (r && m->op == ANCHOR_ADVANCE))
        table_store(table);
    if (r) {
        m->txg = r->txg;
        memcpy(m->tag, r->tag, sizeof m->tag);
        memcpy(key, r->key, sizeof key);
    }
    m->op |= ANCHOR_ANSWER;
    memset(m->mac, 0, sizeof m->mac);
    if (known || r)
        mac_of(key, m, m->mac);
}

static int listen_at(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    unlink(path);
    if (fd < 0 || bind(fd, (const struct sockaddr *) &a, sizeof a) < 0 || listen(fd, 16) < 0)
        die(path);
    return fd;
}

static void key_load(const char *path)
{
    FILE *f = fopen(path, "r");
    for (size_t i = 0; f && i < sizeof service_key; i++)
        if (fscanf(f, i ? "-%2hhx" : "%2hhx", &service_key[i]) != 1)
            die(path);
    if (!f)
        die(path);
    fclose(f);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 64;
    signal(SIGPIPE, SIG_IGN);
    table_load(argv[2]);
    key_load(argv[3]);
    int fd = listen_at(argv[1]);
    for (;;) {
        struct anchor_message m;
        int one = accept(fd, NULL, NULL);
        if (one >= 0 && recv(one, &m, sizeof m, MSG_WAITALL) == sizeof m &&
            m.magic == ANCHOR_MAGIC_MESSAGE) {
            serve(&m, argv[2]);
            (void) !send(one, &m, sizeof m, 0);
        }
        close(one);
    }
}
