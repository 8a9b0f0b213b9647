/* Parser of Occlum.json.
 *
 * Sections and their scalar keys are tables: a key is a name, a kind, a range and where the value
 * goes. All keys of Occlum's own template are accepted; those that mean nothing here are of kind
 * IGNORED and only checked for shape. A value that is absent keeps its default. Parsing goes on
 * after an error so that one run reports them all; afterwards the limits are checked against each
 * other.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "abi/control.h"
#include "abi/layout.h"
#include "tools/lib/config_priv.h"
#include "tools/lib/fsutil.h"

#define KB (1ull << 10)
#define MB (1ull << 20)
#define GB (1ull << 30)

enum key_kind {
    KEY_SIZE,      /* uint64_t */
    KEY_SIZE_OPEN, /* uint64_t, "unlimited" allowed */
    KEY_UINT16,
    KEY_UINT32,
    KEY_BOOL8,  /* uint8_t */
    KEY_BOOL32, /* uint32_t */
    KEY_CHOICE, /* uint32_t: index of the word in choices */
    KEY_ID,     /* uint8_t[16] from { "high": "0x..", "low": "0x.." } */
    KEY_IGNORED_SIZE,
    KEY_IGNORED_UINT,
};

/* Values that need more thought than "store it" land here first. */
struct draft {
    struct config *config;
    uint64_t user_size, user_max, kernel_size, kernel_max;
    uint8_t enable_edmm;
    uint8_t disable_log; /* 2: absent */
    uint8_t exec;        /* the same */
    uint32_t inspect;    /* CONTROL_INSPECT_*, 3: absent */
};

struct key {
    const char *name;
    enum key_kind kind;
    size_t offset; /* in the target struct of the section */
    uint64_t min, max;
    const char *const *choices;
};

#define AT(member)    offsetof(struct config, member)
#define DRAFT(member) offsetof(struct draft, member)
#define KERNEL_MAX    (KERNEL_HEAP_END - KERNEL_HEAP)

static const struct key resource_size_keys[] = {
    {"kernel_space_heap_size", KEY_SIZE, DRAFT(kernel_size), 1 * MB, KERNEL_MAX, NULL},
    {"kernel_space_heap_max_size", KEY_SIZE, DRAFT(kernel_max), 16 * MB, KERNEL_MAX, NULL},
    {"kernel_space_stack_size", KEY_IGNORED_SIZE, 0, 0, GB, NULL},
    {"user_space_size", KEY_SIZE, DRAFT(user_size), 16 * MB, USER_END, NULL},
    {"user_space_max_size", KEY_SIZE, DRAFT(user_max), 16 * MB, USER_END, NULL},
    {"init_num_of_threads", KEY_IGNORED_UINT, 0, 0, 1u << 22, NULL},
    {"marshal_buffer_size", KEY_IGNORED_SIZE, 0, 0, GB, NULL},
    {0},
};
static const struct key resource_count_keys[] = {
    {"max_num_of_threads", KEY_UINT32, AT(limits.max_threads), 1, 1u << 22, NULL},
    {"max_num_of_processes", KEY_UINT32, AT(limits.max_processes), 1, 1u << 22, NULL},
    {"num_of_cpus", KEY_UINT32, AT(limits.vcpus), 1, VCPU_MAX, NULL},
    {0},
};
static const struct key process_keys[] = {
    {"default_stack_size", KEY_SIZE, AT(limits.stack_size), 64 * KB, GRANULE_SIZE / 2, NULL},
    {"default_heap_size", KEY_SIZE_OPEN, AT(limits.heap_size), 4 * KB, USER_END, NULL},
    {"default_mmap_size", KEY_SIZE_OPEN, AT(limits.mmap_size), 4 * KB, USER_END, NULL},
    {0},
};
static const struct key metadata_keys[] = {
    {"product_id", KEY_UINT16, AT(identity.product_id), 0, UINT16_MAX, NULL},
    {"version_number", KEY_UINT16, AT(identity.version_number), 0, UINT16_MAX, NULL},
    {"debuggable", KEY_BOOL8, AT(identity.debuggable), 0, 1, NULL},
    {"enable_kss", KEY_BOOL8, AT(identity.enable_kss), 0, 1, NULL},
    {"family_id", KEY_ID, AT(identity.family_id), 0, 0, NULL},
    {"ext_prod_id", KEY_ID, AT(identity.ext_prod_id), 0, 0, NULL},
    {0},
};
static const struct key metadata_draft_keys[] = {
    {"disable_log", KEY_BOOL8, DRAFT(disable_log), 0, 1, NULL},
    {0},
};
static const char *const sfi_words[] = {"off", "allowed", "required", NULL};
static const struct key feature_keys[] = {
    {"amx", KEY_UINT32, AT(features.amx), 0, 2, NULL},
    {"pkru", KEY_UINT32, AT(features.pkru), 0, 2, NULL},
    {"io_uring", KEY_UINT32, AT(features.io_uring), 0, 16, NULL},
    {"enable_posix_shm", KEY_BOOL32, AT(features.posix_shm), 0, 1, NULL},
    {"sfi", KEY_CHOICE, AT(features.sfi), 0, 0, sfi_words},
    {0},
};
static const struct key feature_draft_keys[] = {
    {"enable_edmm", KEY_BOOL8, DRAFT(enable_edmm), 0, 1, NULL},
    {0},
};

static const char *const inspect_words[] = {"off", "numbers", "full", NULL};
static const struct key control_draft_keys[] = {
    {"exec", KEY_BOOL8, DRAFT(exec), 0, 1, NULL},
    {"inspect", KEY_CHOICE, DRAFT(inspect), 0, 0, inspect_words},
    {0},
};

struct scalar_section {
    const char *name;
    const struct key *config_keys;
    const struct key *draft_keys;
};
static const struct scalar_section scalar_sections[] = {
    {"resource_limits", resource_count_keys, resource_size_keys},
    {"process", process_keys, NULL},
    {"metadata", metadata_keys, metadata_draft_keys},
    {"feature", feature_keys, feature_draft_keys},
    {"control", NULL, control_draft_keys},
};

static bool parse_hex64(struct config_parser *p, const json_t *value, uint8_t *ret_bytes)
{
    const char *text = config_get_string(p, value);
    if (!text)
        return false;
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, 16);
    if (strncmp(text, "0x", 2) != 0 || end == text + 2 || *end || errno) {
        config_error(p, "\"%s\" is not a 64-bit number in hexadecimal, such as \"0x1f\"", text);
        return false;
    }
    memcpy(ret_bytes, &number, sizeof number);
    return true;
}

static void parse_id(struct config_parser *p, const json_t *value, uint8_t *ret_id)
{
    if (!config_is_object(p, value))
        return;
    const char *key;
    json_t *member;
    json_object_foreach((json_t *) value, key, member)
    {
        size_t mark = config_enter(p, key);
        if (strcmp(key, "high") == 0)
            parse_hex64(p, member, ret_id + 8);
        else if (strcmp(key, "low") == 0)
            parse_hex64(p, member, ret_id);
        else
            config_error(p, "unknown key; allowed here: high, low");
        config_leave(p, mark);
    }
}

static void parse_choice(struct config_parser *p, const json_t *value, const char *const *words,
                         uint32_t *ret_index)
{
    const char *text = config_get_string(p, value);
    if (!text)
        return;
    AUTO_FREE char *allowed = mem_strdup("");
    for (uint32_t i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            *ret_index = i;
            return;
        }
        char *longer = mem_printf("%s%s\"%s\"", allowed, i ? ", " : "", words[i]);
        free(allowed);
        allowed = longer;
    }
    config_error(p, "\"%s\" is not known; allowed: %s", text, allowed);
}

static void parse_key(struct config_parser *p, const struct key *key, const json_t *value,
                      void *target)
{
    uint64_t number;
    bool flag;
    void *at = (char *) target + key->offset;
    switch (key->kind) {
    case KEY_SIZE:
        config_get_size(p, value, key->min, key->max, false, at);
        break;
    case KEY_SIZE_OPEN:
        config_get_size(p, value, key->min, key->max, true, at);
        break;
    case KEY_UINT16:
        if (config_get_uint(p, value, key->min, key->max, &number))
            *(uint16_t *) at = (uint16_t) number;
        break;
    case KEY_UINT32:
        if (config_get_uint(p, value, key->min, key->max, &number))
            *(uint32_t *) at = (uint32_t) number;
        break;
    case KEY_BOOL8:
        if (config_get_bool(p, value, &flag))
            *(uint8_t *) at = flag;
        break;
    case KEY_BOOL32:
        if (config_get_bool(p, value, &flag))
            *(uint32_t *) at = flag;
        break;
    case KEY_CHOICE:
        parse_choice(p, value, key->choices, at);
        break;
    case KEY_ID:
        parse_id(p, value, at);
        break;
    case KEY_IGNORED_SIZE:
        config_get_size(p, value, key->min, key->max, false, &number);
        break;
    case KEY_IGNORED_UINT:
        config_get_uint(p, value, key->min, key->max, &number);
        break;
    }
}

static const struct key *find_key(const struct key *keys, const char *name)
{
    for (; keys && keys->name; keys++) {
        if (strcmp(keys->name, name) == 0)
            return keys;
    }
    return NULL;
}

static char *allowed_keys(const struct scalar_section *section)
{
    char *list = mem_strdup("");
    const struct key *tables[] = {section->config_keys, section->draft_keys};
    for (size_t t = 0; t < 2; t++) {
        for (const struct key *k = tables[t]; k && k->name; k++) {
            char *longer = mem_printf("%s%s%s", list, *list ? ", " : "", k->name);
            free(list);
            list = longer;
        }
    }
    return list;
}

static void parse_scalars(struct config_parser *p, const struct scalar_section *section,
                          const json_t *object, struct draft *draft)
{
    size_t outer = config_enter(p, section->name);
    const char *name;
    json_t *value;
    if (config_is_object(p, object)) {
        json_object_foreach((json_t *) object, name, value)
        {
            const struct key *in_config = find_key(section->config_keys, name);
            const struct key *in_draft = find_key(section->draft_keys, name);
            if (!in_config && !in_draft) {
                AUTO_FREE char *allowed = allowed_keys(section);
                config_unknown_key(p, name, allowed);
                continue;
            }
            size_t mark = config_enter(p, name);
            parse_key(p, in_config ? in_config : in_draft, value,
                      in_config ? (void *) draft->config : (void *) draft);
            config_leave(p, mark);
        }
    }
    config_leave(p, outer);
}

typedef bool string_check_fn(struct config_parser *p, const char *text);

static bool check_env_default(struct config_parser *p, const char *text)
{
    bool good = text[0] != '=' && strchr(text, '=');
    if (!good)
        config_error(p, "\"%s\" must look like \"NAME=VALUE\"", text);
    return good;
}

static bool check_env_name(struct config_parser *p, const char *text)
{
    const char *star = strchr(text, '*');
    bool good = *text && !strchr(text, '=') && (!star || star[1] == 0);
    if (!good)
        config_error(
            p, "\"%s\" must be the name of a variable; only its last character may be \"*\"", text);
    return good;
}

static void parse_strings(struct config_parser *p, const json_t *value, string_check_fn *check,
                          struct strv *ret_list)
{
    strv_fini(ret_list);
    if (!config_is_array(p, value))
        return;
    for (size_t i = 0; i < json_array_size(value); i++) {
        size_t mark = config_enter_index(p, i);
        const char *text = config_get_string(p, json_array_get(value, i));
        if (text && check(p, text))
            strv_add(ret_list, mem_strdup(text));
        config_leave(p, mark);
    }
}

static void parse_env(struct config_parser *p, const json_t *value, struct draft *draft)
{
    if (!config_is_object(p, value))
        return;
    const char *key;
    json_t *member;
    json_object_foreach((json_t *) value, key, member)
    {
        size_t mark = config_enter(p, key);
        if (strcmp(key, "default") == 0)
            parse_strings(p, member, check_env_default, &draft->config->env_default);
        else if (strcmp(key, "untrusted") == 0)
            parse_strings(p, member, check_env_name, &draft->config->env_untrusted);
        else
            config_error(p, "unknown key; allowed here: default, untrusted");
        config_leave(p, mark);
    }
}

/* One allowed command line, an array of words, becomes one string. */
static char *join_words(struct config_parser *p, const json_t *words)
{
    if (!config_is_array(p, words))
        return NULL;
    if (json_array_size(words) == 0)
        config_error(p, "is empty, must be an array of words such as [\"/bin/app\", \"*\"]");
    char *rule = mem_strdup("");
    for (size_t i = 0; i < json_array_size(words); i++) {
        size_t mark = config_enter_index(p, i);
        const char *word = config_get_string(p, json_array_get(words, i));
        if (word && strchr(word, CONFIG_ARG_SEPARATOR))
            config_error(p, "has the control character 0x1f in it");
        char *longer = mem_printf("%s%.*s%s", rule, i ? 1 : 0, "\x1f", word ? word : "");
        free(rule);
        rule = longer;
        config_leave(p, mark);
    }
    if (strlen(rule) > CONFIG_STRING_MAX)
        config_error(p, "is longer than %d bytes", CONFIG_STRING_MAX);
    return rule;
}

static void parse_args(struct config_parser *p, const json_t *value, struct draft *draft)
{
    struct config *config = draft->config;
    if (json_is_string(value) && strcmp(json_string_value(value), "any") == 0)
        return;
    if (!json_is_array(value)) {
        config_error(p, "must be \"any\" or an array of command lines, each an array of words");
        return;
    }
    config->features.args = CONFIG_ARGS_LISTED;
    if (!config_is_array(p, value))
        return;
    for (size_t i = 0; i < json_array_size(value); i++) {
        size_t mark = config_enter_index(p, i);
        char *rule = join_words(p, json_array_get(value, i));
        if (rule)
            strv_add(&config->arg_rules, rule);
        config_leave(p, mark);
    }
}

static void parse_member(struct config_parser *p, const char *name, const json_t *value,
                         struct draft *draft)
{
    for (size_t i = 0; i < sizeof scalar_sections / sizeof *scalar_sections; i++) {
        if (strcmp(scalar_sections[i].name, name) == 0) {
            parse_scalars(p, &scalar_sections[i], value, draft);
            return;
        }
    }
    size_t mark = config_enter(p, name);
    if (strcmp(name, "entry_points") == 0)
        parse_strings(p, value, config_check_path, &draft->config->entry_points);
    else if (strcmp(name, "env") == 0)
        parse_env(p, value, draft);
    else if (strcmp(name, "args") == 0)
        parse_args(p, value, draft);
    else if (strcmp(name, "mount") != 0)
        config_error(p, "unknown key; allowed here: resource_limits, process, entry_points, env, "
                        "args, metadata, feature, control, mount");
    config_leave(p, mark);
}

/* In production the host adds no programs and learns nothing of processes, unless it is said. */
static void settle_control(const struct draft *draft)
{
    bool debuggable = draft->config->identity.debuggable;
    struct config_features *f = &draft->config->features;
    f->exec = draft->exec == 2 ? debuggable : draft->exec;
    f->inspect = draft->inspect != 3 ? draft->inspect
                 : debuggable        ? CONTROL_INSPECT_FULL
                                     : CONTROL_INSPECT_OFF;
}

/* Occlum separates a start size from a maximum; here memory is committed on demand and only the
 * maximum means anything. An Occlum kernel heap below 1 GB therefore does not limit. */
static void settle_limits(struct config_parser *p, struct draft *draft)
{
    struct config_limits *l = &draft->config->limits;
    l->user_space_size = draft->user_max ? draft->user_max : draft->user_size;
    l->kernel_heap_size = draft->kernel_size > GB ? draft->kernel_size : GB;
    if (draft->kernel_max)
        l->kernel_heap_size = draft->kernel_max;
    struct config_identity *id = &draft->config->identity;
    id->disable_log = draft->disable_log == 2 ? !id->debuggable : draft->disable_log;

    char a[32], b[32];
    size_t mark = config_enter(p, "process");
    if (l->stack_size > l->user_space_size) {
        config_enter(p, "default_stack_size");
        config_error(p, "%s is more than resource_limits.user_space_size (%s)",
                     config_size_text(l->stack_size, a), config_size_text(l->user_space_size, b));
    }
    config_leave(p, mark);
}

static struct config *new_config(void)
{
    struct config *config = mem_zalloc(sizeof *config);
    config->limits = (struct config_limits){
        .stack_size = 8 * MB,
        .heap_size = CONFIG_UNLIMITED,
        .mmap_size = CONFIG_UNLIMITED,
        .max_threads = 4096,
        .max_processes = 1024,
        .vcpus = 4,
    };
    config->identity.debuggable = 1;
    config->features.posix_shm = 1;
    strv_add(&config->entry_points, mem_strdup("/bin"));
    strv_add(&config->env_default, mem_strdup("OCCLUM=yes"));
    return config;
}

static void parse_document(struct config_parser *p, const json_t *root, struct draft *draft)
{
    const char *name;
    json_t *value;
    if (!config_is_object(p, root))
        return;
    json_object_foreach((json_t *) root, name, value) parse_member(p, name, value, draft);
    config_parse_mounts(p, json_object_get(root, "mount"), draft->config);
    settle_limits(p, draft);
    settle_control(draft);
}

struct config *config_parse(const char *name, const char *text, FILE *messages)
{
    struct config_parser p = {.name = name, .text = text, .messages = messages};
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        fprintf(messages, "%s:%d:%d: not valid JSON: %s\n", name, error.line, error.column,
                error.text);
        return NULL;
    }
    struct draft draft = {
        .config = new_config(), .user_size = 4 * GB, .disable_log = 2, .exec = 2, .inspect = 3};
    parse_document(&p, root, &draft);
    json_decref(root);
    if (p.errors == 0)
        return draft.config;
    config_free(draft.config);
    return NULL;
}

struct config *config_load(const char *path, FILE *messages)
{
    AUTO_FREE char *text = NULL;
    size_t size;
    int r = fs_read_file(path, 1 * MB, &text, &size);
    if (r < 0) {
        fprintf(messages, "%s: cannot be read: %s\n", path, strerror(-r));
        return NULL;
    }
    if (strlen(text) != size) {
        fprintf(messages, "%s: not valid JSON: it has a NUL byte at offset %zu\n", path,
                strlen(text));
        return NULL;
    }
    return config_parse(path, text, messages);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    strv_fini(&config->entry_points);
    strv_fini(&config->env_default);
    strv_fini(&config->env_untrusted);
    strv_fini(&config->arg_rules);
    for (size_t i = 0; i < config->mount_count; i++)
        config_mount_fini(&config->mounts[i]);
    free(config->mounts);
    free(config);
}
