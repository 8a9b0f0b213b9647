/* Occlum.json: every key, every kind of error with its line, and the round trip through the
 * kernel's reader, which must also survive whatever else it is given. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "abi/layout.h"
#include "libos/boot/config.h"
#include "test/unit/test.h"
#include "tools/lib/config.h"
#include "tools/lib/fsutil.h"

/* Occlum's own template, in its words. */
static const char occlum_template[] =
    "{\n"
    " \"resource_limits\": { \"kernel_space_heap_size\": \"32MB\",\n"
    "  \"kernel_space_heap_max_size\": \"2GB\", \"kernel_space_stack_size\": \"1MB\",\n"
    "  \"user_space_size\": \"300MB\", \"user_space_max_size\": \"1GB\",\n"
    "  \"init_num_of_threads\": 16, \"max_num_of_threads\": 32, \"marshal_buffer_size\": \"1MB\" "
    "},\n"
    " \"process\": { \"default_stack_size\": \"4MB\", \"default_heap_size\": \"32MB\",\n"
    "  \"default_mmap_size\": \"100MB\" },\n"
    " \"entry_points\": [ \"/bin\", \"/usr/lib/jvm/\" ],\n"
    " \"env\": { \"default\": [ \"OCCLUM=yes\" ], \"untrusted\": [ \"EXAMPLE\", \"LC_*\" ] },\n"
    " \"metadata\": { \"product_id\": 7, \"version_number\": 9, \"debuggable\": false,\n"
    "  \"disable_log\": false, \"enable_kss\": true,\n"
    "  \"family_id\": { \"high\": \"0x1\", \"low\": \"0xff\" },\n"
    "  \"ext_prod_id\": { \"high\": \"0x0\", \"low\": \"0x2\" } },\n"
    " \"feature\": { \"amx\": 2, \"pkru\": 1, \"io_uring\": 3, \"enable_edmm\": true,\n"
    "  \"enable_posix_shm\": false, \"sfi\": \"allowed\" },\n"
    " \"args\": [ [\"/bin/a\", \"-x\"], [\"/bin/b\", \"*\"] ],\n"
    " \"mount\": [\n"
    "  { \"target\": \"/host\", \"type\": \"hostfs\", \"source\": \".\", \"options\": {\"ro\": "
    "true} },\n"
    "  { \"target\": \"/\", \"type\": \"unionfs\", \"options\": { \"layers\": [\n"
    "   { \"target\": \"/\", \"type\": \"sefs\", \"source\": \"./build/mount/__ROOT\",\n"
    "     \"options\": { \"MAC\": \"\" } },\n"
    "   { \"target\": \"/\", \"type\": \"sefs\", \"source\": \"./run/mount/__ROOT\",\n"
    "     \"options\": { \"cache_size\": \"256KB\", \"temporary\": true } } ] } },\n"
    "  { \"target\": \"/data\", \"type\": \"ramfs\", \"options\": { \"size\": \"64MB\" } } ]\n"
    "}\n";

/* Parses, keeping messages; the caller frees *ret_messages. */
static struct config *parse(const char *text, char **ret_messages)
{
    size_t size;
    FILE *stream = open_memstream(ret_messages, &size);
    assert_non_null(stream);
    struct config *config = config_parse("f", text, stream);
    fclose(stream);
    return config;
}

static struct config *parse_good(const char *text)
{
    char *messages;
    struct config *config = parse(text, &messages);
    if (!config)
        fail_msg("refused: %s", messages);
    free(messages);
    return config;
}

/* The blob, 8-byte aligned, and what the kernel makes of it. */
static uint8_t *make_blob(const struct config *config, struct boot_config *ret_boot,
                          size_t *ret_size)
{
    uint8_t *blob;
    assert_int_equal(config_to_blob(config, &blob, ret_size), 0);
    enum boot_config_error e = boot_config_parse(blob, *ret_size, ret_boot);
    if (e)
        fail_msg("%s", boot_config_error_text(e));
    return blob;
}

TEST(config_defaults)
{
    struct config *c = parse_good("{}");
    assert_int_equal(c->limits.user_space_size, 4ull << 30);
    assert_int_equal(c->limits.kernel_heap_size, 1ull << 30);
    assert_int_equal(c->limits.vcpus, 4);
    assert_int_equal(c->identity.debuggable, 1);
    assert_int_equal(c->identity.disable_log, 0);
    assert_int_equal(c->mount_count, 4);
    assert_string_equal(c->mounts[0].target, "/");
    assert_int_equal(c->mounts[0].layer_count, 2);
    struct boot_config b;
    size_t size;
    free(make_blob(c, &b, &size));
    config_free(c);
}

TEST(config_template_of_ours)
{
    struct config *c = config_load("tools/template/Occlum.json", stderr);
    assert_non_null(c);
    assert_int_equal(c->limits.user_space_size, 4ull << 30);
    config_free(c);
}

TEST(config_template_of_occlum)
{
    struct config *c = parse_good(occlum_template);
    assert_int_equal(c->limits.user_space_size, 1ull << 30);
    assert_int_equal(c->limits.kernel_heap_size, 2ull << 30);
    assert_int_equal(c->limits.stack_size, 4ull << 20);
    assert_int_equal(c->limits.heap_size, 32ull << 20);
    assert_int_equal(c->limits.max_threads, 32);
    struct boot_config b;
    size_t size;
    uint8_t *blob = make_blob(c, &b, &size);
    const struct config_identity *id = &b.header->identity;
    assert_int_equal(id->product_id, 7);
    assert_int_equal(id->version_number, 9);
    assert_int_equal(id->debuggable, 0);
    assert_int_equal(id->enable_kss, 1);
    assert_int_equal(id->family_id[0], 0xff);
    assert_int_equal(id->family_id[8], 1);
    assert_int_equal(b.header->features.sfi, CONFIG_SFI_ALLOWED);
    assert_int_equal(b.header->features.io_uring, 3);
    assert_int_equal(b.entry_point_count, 2);
    free(blob);
    config_free(c);
}

TEST(config_mounts)
{
    struct config *c = parse_good(occlum_template);
    struct boot_config b;
    size_t size;
    uint8_t *blob = make_blob(c, &b, &size);
    static const char *const targets[] = {"/", "/host", "/data", "/proc", "/dev"};
    assert_int_equal(b.mount_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(boot_config_str(&b, b.mounts[i].target), targets[i]);
    const struct config_mount *layers = b.layers + b.mounts[0].layer_first;
    assert_int_equal(b.mounts[0].layer_count, 2);
    assert_string_equal(boot_config_str(&b, layers[0].type), "rootimg");
    assert_string_equal(boot_config_str(&b, layers[1].type), "cowfs");
    assert_int_equal(layers[1].options.count, 2);
    assert_string_equal(boot_config_option(&b, &b.mounts[1], "ro"), "");
    assert_null(boot_config_option(&b, &b.mounts[1], "r"));
    assert_string_equal(boot_config_option(&b, &b.mounts[2], "size"), "67108864");
    free(blob);
    config_free(c);
}

TEST(config_policies)
{
    struct config *c = parse_good(occlum_template);
    struct boot_config b;
    size_t size;
    uint8_t *blob = make_blob(c, &b, &size);
    assert_true(boot_config_entry_allowed(&b, "/bin/ls"));
    assert_true(boot_config_entry_allowed(&b, "/usr/lib/jvm/java"));
    assert_false(boot_config_entry_allowed(&b, "/binary"));
    assert_false(boot_config_entry_allowed(&b, "/bin/../etc/x"));
    assert_false(boot_config_entry_allowed(&b, "bin/ls"));
    assert_true(boot_config_env_allowed(&b, "EXAMPLE", 7));
    assert_false(boot_config_env_allowed(&b, "EXAMPLES", 8));
    assert_false(boot_config_env_allowed(&b, "EXAMPL", 6));
    assert_true(boot_config_env_allowed(&b, "LC_ALL", 6));
    assert_false(boot_config_env_allowed(&b, "LC", 2));
    const char *const a1[] = {"/bin/a", "-x"}, *const a2[] = {"/bin/a", "-x", "y"};
    const char *const b1[] = {"/bin/b"}, *const b2[] = {"/bin/b", "any", "thing"};
    assert_true(boot_config_args_allowed(&b, 2, a1));
    assert_false(boot_config_args_allowed(&b, 1, a1));
    assert_false(boot_config_args_allowed(&b, 3, a2));
    assert_true(boot_config_args_allowed(&b, 1, b1));
    assert_true(boot_config_args_allowed(&b, 3, b2));
    free(blob);
    config_free(c);
}

TEST(config_blob_is_deterministic)
{
    struct config *c1 = parse_good(occlum_template), *c2 = parse_good(occlum_template);
    uint8_t *blob1, *blob2;
    size_t size1, size2;
    assert_int_equal(config_to_blob(c1, &blob1, &size1), 0);
    assert_int_equal(config_to_blob(c2, &blob2, &size2), 0);
    assert_int_equal(size1, size2);
    assert_memory_equal(blob1, blob2, size1);
    free(blob1);
    free(blob2);
    config_free(c1);
    config_free(c2);
}

static const struct {
    const char *text;
    const char *message; /* part of what must be said */
} errors[] = {
    {"{", "f:1:"},
    {"", "f:1:"},
    {"[]", "f:1: is an array, must be an object"},
    {"{ \"a\": 1,\n \"a\": 2 }", "f:2"},
    {"{\n\n\"nonsense\": 1}", "f:3: nonsense: unknown key; allowed here: resource_limits"},
    {"{\"resource_limits\": 3}", "resource_limits: is a number, must be an object"},
    {"{\"resource_limits\":\n{\"user_size\": 3}}", "f:2: resource_limits.user_size: unknown key"},
    {"{\"resource_limits\":\n{\"user_space_size\":\n\"3 M\"}}",
     "f:2: resource_limits.user_space_size"},
    {"{\"resource_limits\": {\"user_space_size\": \"-1MB\"}}", "is not a size"},
    {"{\"resource_limits\": {\"user_space_size\": \"1.5GB\"}}", "units: B, KB, MB, GB, TB"},
    {"{\"resource_limits\": {\"user_space_size\": \"99999999999999TB\"}}", "too large"},
    {"{\"resource_limits\": {\"user_space_size\": \"1MB\"}}",
     "out of range; allowed: 16MB to 896GB"},
    {"{\"resource_limits\": {\"user_space_size\": true}}", "is true/false, must be a size"},
    {"{\"resource_limits\": {\"max_num_of_threads\": \"3\"}}",
     "is a string, must be a whole number"},
    {"{\"resource_limits\": {\"max_num_of_threads\": 0}}", "allowed: 1 to"},
    {"{\"resource_limits\": {\"num_of_cpus\": 17}}", "allowed: 1 to 16"},
    {"{\"process\": {\"default_stack_size\": \"1GB\"}}", "allowed: 64KB to 128MB"},
    {"{\"resource_limits\": {\"user_space_size\": \"16MB\"},\n"
     "\"process\": {\"default_stack_size\": \"32MB\"}}",
     "f:2: process.default_stack_size: 32MB is more than resource_limits.user_space_size"},
    {"{\"mount\": [{\"target\": \"/\", \"type\": \"rootimg\"},\n"
     "{\"target\": \"\", \"type\": \"devfs\"}]}",
     "f:2: mount[1].target: is empty"},
    {"{\"mount\": [{\"target\": \"/\", \"type\": \"\"}]}", "mount[0].type: is empty"},
    {"{\"mount\": [{\"target\": \"/\", \"type\": \"rootimg\"},\n"
     "{\"target\": \"/host\", \"type\": \"hostfs\", \"source\": \"\"}]}",
     "f:2: mount[1].source: is empty"},
    {"{\"entry_points\": \"/bin\"}", "entry_points: is a string, must be an array"},
    {"{\"entry_points\": [\"/a\",\n\"b\"]}", "f:2: entry_points[1]: \"b\" is not an absolute path"},
    {"{\"entry_points\": [\"/a/../b\"]}", "has a \"..\" in it"},
    {"{\"entry_points\": [7]}", "entry_points[0]: is a number, must be a string"},
    {"{\"env\": {\"default\": [\"A\"]}}", "env.default[0]: \"A\" must look like \"NAME=VALUE\""},
    {"{\"env\": {\"untrusted\": [\"A=1\"]}}", "must be the name of a variable"},
    {"{\"env\": {\"untrusted\": [\"*A\"]}}", "must be the name of a variable"},
    {"{\"env\": {\"trusted\": []}}", "env.trusted: unknown key; allowed here: default, untrusted"},
    {"{\"args\": \"some\"}", "args: must be \"any\" or an array"},
    {"{\"args\": [[]]}", "args[0]: is empty"},
    {"{\"metadata\": {\"product_id\": 65536}}", "metadata.product_id: 65536 is out of range"},
    {"{\"metadata\": {\"product_id\": -1}}", "-1 is out of range"},
    {"{\"metadata\": {\"debuggable\": 1}}", "must be true or false"},
    {"{\"metadata\": {\"family_id\": {\"high\": \"12\"}}}", "metadata.family_id.high"},
    {"{\"metadata\": {\"family_id\": {\"mid\": \"0x1\"}}}", "allowed here: high, low"},
    {"{\"feature\": {\"amx\": 3}}", "feature.amx: 3 is out of range; allowed: 0 to 2"},
    {"{\"feature\": {\"sfi\": \"yes\"}}", "allowed: \"off\", \"allowed\", \"required\""},
    {"{\"mount\": []}", "nothing is mounted at \"/\""},
    {"{\"mount\": [{\"target\": \"/\"}]}", "mount[0]: has no \"type\""},
    {"{\"mount\": [{\"type\": \"ramfs\"}]}", "mount[0]: has no \"target\""},
    {"{\"mount\": [{\"target\": \"/\", \"type\": \"zfs\"}]}",
     "mount[0].type: \"zfs\" is not a known"},
    {"{\"mount\": [{\"target\": \"/\", \"type\": \"ext2\"}]}", "\"ext2\" is not supported"},
    {"{\"mount\": [{\"target\": \"/\", \"type\": \"ramfs\", \"typo\": 1}]}",
     "mount[0].typo: unknown key; allowed here: target, type, source, options"},
    {"{\"mount\": [{\"target\": \"/\", \"type\": \"ramfs\"}, {\"target\": \"/\", \"type\": "
     "\"ramfs\"}]}",
     "mount[1]: \"/\" is mounted twice"},
    {"{\"mount\": [{\"target\": \"/\", \"type\": \"unionfs\"}]}", "has no \"layers\""},
    {"{\"mount\": [{\"target\": \"/\", \"type\": \"unionfs\", \"options\": {\"layers\": [1, 2]}}]}",
     "mount[0].options.layers[0]: is a number, must be an object"},
    {"{\"mount\": [{\"target\": \"/\", \"type\": \"unionfs\", \"options\": {\"layers\": [\n"
     "{\"target\": \"/\", \"type\": \"unionfs\"}, {\"target\": \"/\", \"type\": \"ramfs\"}]}}]}",
     "f:2: mount[0].options.layers[0].type: a layer cannot be"},
    {"{\"mount\": [{\"target\": \"/h\", \"type\": \"hostfs\"}]}", "mount[0]: has no \"source\""},
};

TEST(config_errors_name_line_and_key)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        char *messages;
        struct config *c = parse(errors[i].text, &messages);
        if (c || !strstr(messages, errors[i].message))
            fail_msg("%s\ngave \"%s\", not \"%s\"", errors[i].text, messages, errors[i].message);
        free(messages);
    }
}

TEST(config_reports_all_errors)
{
    char *messages;
    assert_null(parse("{\"a\":1,\n\"b\":2,\n\"c\":3}", &messages));
    assert_non_null(strstr(messages, "f:1: a:"));
    assert_non_null(strstr(messages, "f:2: b:"));
    assert_non_null(strstr(messages, "f:3: c:"));
    free(messages);
}

TEST(config_too_large)
{
    struct config *c = parse_good("{}");
    for (int i = 0; i < 300; i++) {
        char *text = mem_zalloc(CONFIG_STRING_MAX + 1);
        memset(text, 'a', CONFIG_STRING_MAX);
        strv_add(&c->env_default, text);
    }
    uint8_t *blob;
    size_t size;
    assert_int_equal(config_to_blob(c, &blob, &size), -E2BIG);
    config_free(c);
}

/* Reads everything that a parsed configuration refers to. */
static size_t touch(const struct boot_config *b)
{
    size_t sum = 0;
    const struct config_mount *tables[] = {b->mounts, b->layers};
    size_t counts[] = {b->mount_count, b->layer_count};
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < counts[t]; i++) {
            sum += strlen(boot_config_str(b, tables[t][i].target));
            sum += boot_config_option(b, &tables[t][i], "size") != NULL;
            for (uint32_t l = 0; l < tables[t][i].layer_count; l++)
                sum += b->layers[tables[t][i].layer_first + l].type.len;
        }
    }
    static const char *const argv[] = {"/bin/a", "-x"};
    sum += boot_config_entry_allowed(b, "/bin/x") + boot_config_env_allowed(b, "LC_X", 4) +
           boot_config_args_allowed(b, 2, argv);
    return sum;
}

/* An exact-size copy on the heap, so that ASan sees any access beyond it. */
static void read_copy(const uint8_t *blob, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, blob, size);
    struct boot_config b;
    if (boot_config_parse(copy, size, &b) == BOOT_CONFIG_OK)
        (void) touch(&b);
    free(copy);
}

TEST(config_reader_survives_damage)
{
    struct config *c = parse_good(occlum_template);
    struct boot_config b;
    size_t size;
    uint8_t *blob = make_blob(c, &b, &size);
    for (size_t cut = 0; cut < size; cut++) {
        struct boot_config none;
        assert_int_not_equal(boot_config_parse(blob, cut, &none), BOOT_CONFIG_OK);
        read_copy(blob, cut);
    }
    for (size_t bit = 0; bit < size * 8; bit++) {
        blob[bit / 8] ^= (uint8_t) (1 << bit % 8);
        read_copy(blob, size);
        blob[bit / 8] ^= (uint8_t) (1 << bit % 8);
    }
    srandom(1);
    for (int round = 0; round < 20000; round++) {
        uint8_t *damaged = malloc(size);
        memcpy(damaged, blob, size);
        for (int i = 0; i < 4; i++)
            damaged[(size_t) random() % size] = (uint8_t) random();
        read_copy(damaged, size);
        free(damaged);
    }
    free(blob);
    config_free(c);
}

TEST(config_parser_survives_damage)
{
    FILE *nowhere = fopen("/dev/null", "w");
    size_t size = strlen(occlum_template);
    srandom(2);
    for (int round = 0; round < 3000; round++) {
        char *text = strdup(occlum_template);
        for (int i = 0; i < 3; i++)
            text[(size_t) random() % size] = (char) (random() % 96 + 32);
        if (round % 3 == 0)
            text[(size_t) random() % size] = 0;
        config_free(config_parse("f", text, nowhere));
        free(text);
    }
    fclose(nowhere);
}
