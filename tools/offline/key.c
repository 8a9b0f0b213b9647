/* occlum key: changes what opens a volume. The data stay as they are: the header's slots wrap the volume's own key
 * (libos/fs/cowfs/slots.c). The recovery key is one for a safe: only these tools know of it, no enclave takes it. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "tools/lib/msg.h"
#include "abi/anchor.h"
#include "abi/config.h"
#include "tools/lib/keyfile.h"
#include "tools/offline/volume.h"

struct arguments {
    const char *key, *action, *fresh, *volume;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    const char **next = !a->action                                               ? &a->action
                        : !a->fresh && strcmp(a->action, "remove-recovery") != 0 ? &a->fresh
                                                                                 : &a->volume;
    switch (key) {
    case 'k':
        a->key = arg;
        break;
    case ARGP_KEY_ARG:
        if (*next)
            argp_error(state, "\"%s\" is too much", arg);
        *next = arg;
        break;
    case ARGP_KEY_END:
        if (next != &a->volume)
            argp_error(state, a->action
                                  ? "the file with the new key is missing"
                                  : "what to do? change, recovery, remove-recovery, service-key");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

struct fresh {
    enum cow_slot_kind kind;
    const uint8_t *secret;
};

static int put(const struct cow_params *p, void *arg)
{
    const struct fresh *f = arg;
    struct cow_params fresh = *p, other;
    uint32_t generation;
    fresh.kind = f->kind;
    fresh.user_key = f->secret;
    other = fresh;
    other.kind = f->kind == COW_SLOT_USER ? COW_SLOT_RECOVERY : COW_SLOT_USER;
    if (cow_slot_try(&other, &generation) == 0) {
        msg_error("user's key and recovery key have to be different keys");
        return -EINVAL;
    }
    return cow_slot_put(p, &fresh);
}

static int take_away(const struct cow_params *p, void *arg)
{
    if (p->kind == COW_SLOT_RECOVERY)
        msg_hint("--key with the user's key: the one that opens the volume cannot be removed");
    return cow_slot_remove(p, COW_SLOT_RECOVERY);
}

static int service_key(const struct arguments *a)
{
    uint8_t secret[32];
    int r = a->key ? volume_secret(a->key, ANCHOR_SERVICE_INFO, secret) : -EINVAL;
    if (!a->key)
        msg_error("--key with the user's key is missing");
    if (r == 0)
        r = keyfile_write(a->fresh, secret, sizeof secret);
    explicit_bzero(secret, sizeof secret);
    return r;
}

static int act(const struct arguments *a)
{
    if (strcmp(a->action, "service-key") == 0)
        return service_key(a);
    const char *volume = a->volume ? a->volume : "root";
    uint8_t secret[32];
    if (!a->fresh)
        return volume_change_keys(volume, a->key, take_away, NULL);
    struct fresh f = {strcmp(a->action, "change") == 0 ? COW_SLOT_USER : COW_SLOT_RECOVERY, secret};
    int r = volume_secret(a->fresh, VOLUME_KEY_INFO, secret);
    if (r == 0)
        r = volume_change_keys(volume, a->key, put, &f);
    explicit_bzero(secret, sizeof secret);
    return r;
}

int offline_key(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"key", 'k', "FILE", 0, "the key that opens the volume now: the user's or the recovery key",
         0},
        {"volume-key", 'k', NULL, OPTION_ALIAS, NULL, 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "change NEW-KEY-FILE [VOLUME]\nrecovery NEW-KEY-FILE [VOLUME]\n"
                    "remove-recovery [VOLUME]\nservice-key NEW-FILE",
        .doc = "Change the user's key of a volume (\"root\" if none is named), give it another or "
               "a first recovery "
               "key, or take that away. Only the header is written, no data.",
    };
    struct arguments a = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return 64;
    if (strcmp(a.action, "change") != 0 && strcmp(a.action, "recovery") != 0 &&
        strcmp(a.action, "remove-recovery") != 0 && strcmp(a.action, "service-key") != 0) {
        msg_error("\"%s\"? There is change, recovery, remove-recovery and service-key", a.action);
        return 64;
    }
    return act(&a) < 0;
}
