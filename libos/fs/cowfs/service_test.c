/* The freshness service over a service in memory that keeps its rules: what a host gets that puts volumes back,
 * changes, repeats, invents or swallows messages. */
#include "libos/fs/cowfs/service.h"
#include "libos/crypto/hkdf.h"
#include "libos/crypto/sha256.h"
#include "test/unit/cowdev.h"

#define BLOCKS 512u
#define ROWS   4u

static const uint8_t service_key[32] = "what user and service share";

/* ---- the service (docs/anchor.md) ---- */

struct row {
    bool used;
    char name[64];
    uint8_t uuid[16], key[32];
    uint64_t txg;
    uint8_t tag[16];
};
static struct row rows[ROWS];

static void message_mac(const uint8_t key[32], const struct anchor_message *m, uint8_t ret[32])
{
    hmac_sha256((struct cspan){key, 32},
                (struct cspan){(const uint8_t *) m, offsetof(struct anchor_message, mac)}, ret);
}

static bool authentic(const uint8_t key[32], const struct anchor_message *m)
{
    uint8_t mac[32];
    message_mac(key, m, mac);
    return memcmp(mac, m->mac, sizeof mac) == 0;
}

static bool unwrap(const struct anchor_message *m, uint8_t ret[32])
{
    static const char use[] = ANCHOR_REGISTER_INFO;
    static const uint8_t nonce[GCM_NONCE_SIZE];
    struct gcm_key k;
    uint8_t key[GCM_KEY_SIZE];
    hkdf_sha256(CSPAN_OF(service_key), CSPAN_OF(m->nonce),
                (struct cspan){(const uint8_t *) use, sizeof use - 1}, SPAN_OF(key));
    gcm_key_init(&k, key);
    return gcm_open(&k, nonce,
                    (struct cspan){(const uint8_t *) m, offsetof(struct anchor_message, key)},
                    CSPAN_OF(m->key), ret, m->key_tag) == 0;
}

static enum anchor_status enroll(const struct anchor_message *m, const uint8_t key[32])
{
    struct row *free_row = NULL;
    for (unsigned i = 0; i < ROWS; i++) {
        if (rows[i].used && (memcmp(rows[i].uuid, m->uuid, 16) == 0 ||
                             memcmp(rows[i].name, m->name, sizeof m->name) == 0))
            return ANCHOR_STALE;
        if (!rows[i].used)
            free_row = &rows[i];
    }
    assert_non_null(free_row);
    *free_row = (struct row){.used = true, .txg = m->txg};
    memcpy(free_row->name, m->name, sizeof m->name);
    memcpy(free_row->uuid, m->uuid, sizeof m->uuid);
    memcpy(free_row->key, key, 32);
    memcpy(free_row->tag, m->tag, sizeof m->tag);
    return ANCHOR_OK;
}

static void serve(const struct anchor_message *in, struct anchor_message *out)
{
    struct row *r = NULL;
    uint8_t key[32];
    bool known = in->op == ANCHOR_REGISTER && unwrap(in, key) && authentic(key, in);
    *out = *in;
    out->op |= ANCHOR_ANSWER;
    if (known)
        out->status = (uint32_t) enroll(in, key);
    for (unsigned i = 0; i < ROWS && in->op != ANCHOR_REGISTER; i++)
        if (rows[i].used && memcmp(rows[i].uuid, in->uuid, 16) == 0 && authentic(rows[i].key, in))
            r = &rows[i];
    if (r && in->op == ANCHOR_ADVANCE && in->txg > r->txg) {
        r->txg = in->txg;
        memcpy(r->tag, in->tag, sizeof r->tag);
    } else if (r && in->op == ANCHOR_ADVANCE) {
        out->status = ANCHOR_STALE;
    }
    memset(out->mac, 0, sizeof out->mac);
    if (r) {
        out->txg = r->txg;
        memcpy(out->tag, r->tag, sizeof out->tag);
        memcpy(key, r->key, sizeof key);
    }
    if (r || known)
        message_mac(key, out, out->mac);
    else
        out->status = ANCHOR_UNKNOWN;
}

/* ---- the host between ---- */

static unsigned asked, flip_in, swallow_in, hide;
static size_t flip_at;
static const struct anchor_message *answer_instead;
static struct anchor_message last;

static int ask(struct service_anchor *s, const struct anchor_message *in,
               struct anchor_message *out)
{
    asked++;
    if (hide & 1u << in->op) {
        *out = *in;
        out->op |= ANCHOR_ANSWER;
        out->status = ANCHOR_UNKNOWN;
        return 0;
    }
    if (swallow_in && --swallow_in == 0)
        return -EIO;
    serve(in, out);
    last = *out;
    if (answer_instead)
        *out = *answer_instead;
    if (flip_in && --flip_in == 0)
        ((uint8_t *) out)[flip_at] ^= 1;
    return 0;
}

/* ---- a volume under it ---- */

static struct cowdev *dev;
static struct service_anchor anchor;
static struct cow_params params;

static void with_key(const uint8_t *key)
{
    service_anchor_init(&anchor, "root", key, ask);
}

static void start(void)
{
    memset(rows, 0, sizeof rows);
    asked = flip_in = swallow_in = hide = 0;
    answer_instead = NULL;
    dev = cowdev_new();
    with_key(service_key);
    params = cowdev_params(dev, BLOCKS);
    params.anchor = &anchor.anchor;
    assert_int_equal(cow_create(&params), 0);
    with_key(NULL); /* from here on without it */
    log_level = LOG_OFF;
}

static void done(void)
{
    log_level = LOG_ERROR;
    cowdev_free(dev);
}

static int change(struct cow *c, char name)
{
    struct cow_inode *root, *i;
    const struct cow_new what = {.mode = S_IFREG | 0600};
    assert_int_equal(cow_get(c, COW_INO_ROOT, &root), 0);
    int r = cow_make(c, root, (struct cow_name){&name, 1}, &what, &i);
    if (r == 0)
        cow_put(c, i);
    cow_put(c, root);
    return r < 0 ? r : cow_sync(c);
}

static void commit(char name)
{
    struct cow *c;
    assert_int_equal(cow_mount(&params, &c), 0);
    assert_int_equal(change(c, name), 0);
    cow_abandon(c);
}

static int look(void)
{
    struct cow *c;
    int r = cow_mount(&params, &c);
    if (r == 0)
        cow_abandon(c);
    return r;
}

TEST(cowfs_service_refuses_older)
{
    start();
    struct cowdev_state old[4];
    for (unsigned n = 0; n < 4; n++) {
        commit((char) ('a' + n));
        old[n] = cowdev_state(dev);
    }
    for (unsigned n = 0; n < 4; n++) {
        cowdev_restore(dev, &old[n]);
        assert_int_equal(look(), n == 3 ? 0 : -ESTALE);
    }
    hide = 1u << ANCHOR_READ; /* "what volume?" */
    assert_int_equal(look(), -ENOKEY);
    cowdev_restore(dev, &old[1]);
    with_key(service_key);
    assert_int_equal(look(), -ESTALE); /* the service has it already, and says so with a MAC */
    hide = 1u << ANCHOR_READ | 1u << ANCHOR_REGISTER;
    assert_int_equal(look(), -EPROTO);
    hide = 0;
    cowdev_free(dev);
    dev = cowdev_new(); /* an empty one in its place */
    params.dev = &dev->dev;
    assert_int_equal(cow_create(&params), -ESTALE);
    assert_int_equal(look(), -ESTALE);
    done();
}

/* Every byte of every answer matters, at a start and at a commit; and so does its age. */
TEST(cowfs_service_lies)
{
    struct cow *c;
    start();
    commit('a');
    struct cowdev_state good = cowdev_state(dev);
    for (flip_at = 0; flip_at < sizeof(struct anchor_message); flip_at++) {
        flip_in = 1;
        assert_int_equal(look(), -EPROTO);
    }
    const struct anchor_message old = last;
    commit('b');
    struct cowdev_state newer = cowdev_state(dev);
    cowdev_restore(dev, &good);
    answer_instead = &old; /* of another question */
    assert_int_equal(look(), -EPROTO);
    answer_instead = NULL;
    assert_int_equal(look(), -ESTALE);
    cowdev_restore(dev, &newer);
    const struct row before = rows[ROWS - 1];
    for (flip_at = 0; flip_at < sizeof(struct anchor_message); flip_at += 23) {
        flip_in = 2;
        assert_int_equal(cow_mount(&params, &c), 0);
        assert_int_equal(change(c, 'c'), -EIO);
        assert_int_equal(cow_error(c), -EIO);
        cow_abandon(c);
        cowdev_restore(dev, &newer);
        rows[ROWS - 1] = before; /* it had advanced */
    }
    done();
}

TEST(cowfs_service_absent)
{
    struct cow *c;
    start();
    commit('a');
    swallow_in = 1;
    assert_int_equal(look(), -EHOSTUNREACH);
    assert_int_equal(cow_mount(&params, &c), 0);
    swallow_in = 1;
    assert_int_equal(change(c, 'b'), -EIO); /* not acknowledged */
    assert_int_equal(change(c, 'c'), -EIO);
    cow_abandon(c);
    assert_int_equal(cow_mount(&params, &c), 0); /* ahead of its anchor, and moves it on */
    uint64_t txg = cow_txg(c);
    cow_abandon(c);
    assert_int_equal(rows[ROWS - 1].txg, txg);
    done();
}

/* Two that go on from one state: the second to commit is found, and what it wrote is not taken for the first one's. */
TEST(cowfs_service_one_at_a_time)
{
    struct cow *a, *b;
    start();
    commit('x');
    struct cowdev_state both = cowdev_state(dev);
    const struct row then = rows[ROWS - 1];
    assert_int_equal(cow_mount(&params, &a), 0);
    assert_int_equal(change(a, 'a'), 0);
    struct cowdev_state first = cowdev_state(dev);
    cow_abandon(a);
    cowdev_restore(dev, &both);
    const struct row now = rows[ROWS - 1];
    rows[ROWS - 1] = then; /* the second one has started before the first one's commit */
    assert_int_equal(cow_mount(&params, &b), 0);
    rows[ROWS - 1] = now;
    assert_int_equal(change(b, 'b'), -ESTALE);
    cow_abandon(b);
    assert_int_equal(look(), -ESTALE); /* the same number, another state */
    cowdev_restore(dev, &first);
    assert_int_equal(look(), 0);
    done();
}

/* A volume from before: it is registered at the first start with the key. */
TEST(cowfs_service_comes_later)
{
    start();
    memset(rows, 0, sizeof rows);
    params.anchor = NULL;
    commit('a');
    params.anchor = &anchor.anchor;
    assert_int_equal(look(), -ENOKEY);
    with_key(cowdev_key);
    assert_int_equal(look(), -EPROTO); /* a key of another service */
    with_key(service_key);
    assert_int_equal(look(), 0);
    with_key(NULL);
    struct cowdev_state old = cowdev_state(dev);
    commit('b');
    cowdev_restore(dev, &old);
    assert_int_equal(look(), -ESTALE);
    done();
}
