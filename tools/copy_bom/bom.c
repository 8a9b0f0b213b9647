/* Parser of bom files.
 *
 * libyaml turns the text into a tree of nodes that know their lines; the functions here walk it,
 * one per kind of thing, and report everything that is not expected. After the first error the walk
 * goes on, so that one run shows them all; the result is then thrown away.
 */
#include "tools/copy_bom/bom.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "tools/lib/fsutil.h"

struct parse {
    const char *path;
    FILE *messages;
    int errors;
    yaml_document_t document;
};

typedef void member_fn(struct parse *p, const char *key, yaml_node_t *value, void *into);
typedef void item_fn(struct parse *p, yaml_node_t *value, void *into);

static void error_at(struct parse *p, const yaml_node_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void error_at(struct parse *p, const yaml_node_t *node, const char *format, ...)
{
    fprintf(p->messages, "%s:%zu: ", p->path, node ? node->start_mark.line + 1 : 1);
    va_list args;
    va_start(args, format);
    vfprintf(p->messages, format, args);
    va_end(args);
    fputc('\n', p->messages);
    p->errors++;
}

static const char *scalar(const yaml_node_t *node)
{
    return node && node->type == YAML_SCALAR_NODE ? (const char *) node->data.scalar.value : NULL;
}

static bool is_null(const yaml_node_t *node)
{
    const char *text = scalar(node);
    return text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static void each_member(struct parse *p, yaml_node_t *node, const char *what, member_fn *fn,
                        void *into)
{
    if (is_null(node))
        return;
    if (node->type != YAML_MAPPING_NODE) {
        error_at(p, node, "%s must be a mapping (\"key: value\" lines)", what);
        return;
    }
    for (yaml_node_pair_t *i = node->data.mapping.pairs.start; i < node->data.mapping.pairs.top;
         i++) {
        yaml_node_t *key = yaml_document_get_node(&p->document, i->key);
        yaml_node_t *value = yaml_document_get_node(&p->document, i->value);
        if (!scalar(key) || !value)
            error_at(p, key, "%s has a key that is no word", what);
        else
            fn(p, scalar(key), value, into);
    }
}

static void each_item(struct parse *p, yaml_node_t *node, const char *what, item_fn *fn, void *into)
{
    if (is_null(node))
        return;
    if (node->type != YAML_SEQUENCE_NODE) {
        error_at(p, node, "%s must be a list (lines beginning with \"- \")", what);
        return;
    }
    for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top;
         i++) {
        yaml_node_t *item = yaml_document_get_node(&p->document, *i);
        if (item)
            fn(p, item, into);
    }
}

/* Appends the value of the variable that begins at *at (behind the '$') and moves *at behind it. */
static bool expand_variable(struct parse *p, const yaml_node_t *node, const char **at,
                            char **result)
{
    bool braces = **at == '{';
    const char *name = *at + braces;
    size_t size = 0;
    while (isalnum((unsigned char) name[size]) || name[size] == '_')
        size++;
    if (size == 0 || (braces && name[size] != '}')) {
        error_at(p, node, "a \"$\" must begin the name of a variable, $NAME or ${NAME}");
        return false;
    }
    AUTO_FREE char *copy = mem_strndup(name, size);
    const char *value = getenv(copy);
    if (!value) {
        error_at(p, node, "the environment variable %s is not set", copy);
        return false;
    }
    char *longer = mem_printf("%s%s", *result, value);
    free(*result);
    *result = longer;
    *at = name + size + braces;
    return true;
}

static char *expand(struct parse *p, const yaml_node_t *node, const char *text)
{
    AUTO_FREE char *result = mem_strdup("");
    while (*text) {
        size_t plain = strcspn(text, "$");
        char *longer = mem_printf("%s%.*s", result, (int) plain, text);
        free(result);
        result = longer;
        text += plain;
        if (*text == '$') {
            text++;
            if (!expand_variable(p, node, &text, &result))
                return NULL;
        }
    }
    return MEM_TAKE(result);
}

/* A path or name; "" (and an error) if it is something else. */
static char *path_of(struct parse *p, yaml_node_t *node, const char *what)
{
    const char *text = scalar(node);
    if (!text || !*text || strlen(text) != node->data.scalar.length) {
        error_at(p, node, "%s must be a path", what);
        return mem_strdup("");
    }
    char *expanded = expand(p, node, text);
    return expanded ? expanded : mem_strdup("");
}

static void replace(char **text, char *by)
{
    free(*text);
    *text = by;
}

static void add_path(struct parse *p, yaml_node_t *value, void *into)
{
    strv_add(into, path_of(p, value, "an element of this list"));
}

static void unknown(struct parse *p, const yaml_node_t *node, const char *key, const char *allowed)
{
    error_at(p, node, "unknown key \"%s\"; allowed here: %s", key, allowed);
}

static void file_member(struct parse *p, const char *key, yaml_node_t *value, void *into)
{
    struct bom_file *file = into;
    uint8_t digest[SHA256_SIZE];
    const char *text = scalar(value);
    if (strcmp(key, "name") == 0) {
        replace(&file->name, path_of(p, value, "name"));
    } else if (strcmp(key, "rename") == 0) {
        replace(&file->rename, path_of(p, value, "rename"));
    } else if (strcmp(key, "hash") == 0) {
        if (text && fs_unhex(text, digest, sizeof digest))
            replace(&file->hash, mem_strdup(text));
        else
            error_at(p, value, "hash must be a SHA-256 digest, 64 hexadecimal digits");
    } else if (strcmp(key, "autodep") == 0) {
        if (text && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
            file->autodep = *text == 't';
        else
            error_at(p, value, "autodep must be true or false");
    } else {
        unknown(p, value, key, "name, hash, autodep, rename");
    }
}

static void add_file(struct parse *p, yaml_node_t *value, void *into)
{
    struct bom_copy *copy = into;
    copy->files = mem_grow(copy->files, copy->file_count + 1, sizeof *copy->files);
    struct bom_file *file = &copy->files[copy->file_count++];
    *file = (struct bom_file){.autodep = true, .line = (int) value->start_mark.line + 1};
    if (scalar(value))
        file->name = path_of(p, value, "a file");
    else
        each_member(p, value, "a file", file_member, file);
    if (!file->name)
        error_at(p, value, "a file has no \"name\"");
    if (file->rename && strchr(file->rename, '/'))
        error_at(p, value, "rename must be a plain name without \"/\"");
}

static void copy_member(struct parse *p, const char *key, yaml_node_t *value, void *into)
{
    struct bom_copy *copy = into;
    if (strcmp(key, "from") == 0)
        replace(&copy->from, path_of(p, value, "from"));
    else if (strcmp(key, "dirs") == 0)
        each_item(p, value, "dirs", add_path, &copy->dirs);
    else if (strcmp(key, "files") == 0)
        each_item(p, value, "files", add_file, copy);
    else
        unknown(p, value, key, "from, dirs, files");
}

static void add_copy(struct parse *p, yaml_node_t *value, void *into)
{
    struct bom_target *target = into;
    target->copies = mem_grow(target->copies, target->copy_count + 1, sizeof *target->copies);
    struct bom_copy *copy = &target->copies[target->copy_count++];
    *copy = (struct bom_copy){0};
    each_member(p, value, "an element of copy", copy_member, copy);
    if (!copy->from && copy->dirs.count == 0 && copy->file_count == 0)
        error_at(p, value, "this copy names nothing; it needs from, dirs or files");
}

static void link_member(struct parse *p, const char *key, yaml_node_t *value, void *into)
{
    struct bom_link *link = into;
    if (strcmp(key, "src") == 0)
        replace(&link->src, path_of(p, value, "src"));
    else if (strcmp(key, "linkname") == 0)
        replace(&link->linkname, path_of(p, value, "linkname"));
    else
        unknown(p, value, key, "src, linkname");
}

static void add_link(struct parse *p, yaml_node_t *value, void *into)
{
    struct bom_target *target = into;
    target->links = mem_grow(target->links, target->link_count + 1, sizeof *target->links);
    struct bom_link *link = &target->links[target->link_count++];
    *link = (struct bom_link){0};
    each_member(p, value, "an element of createlinks", link_member, link);
    if (!link->src || !link->linkname)
        error_at(p, value, "a link needs \"src\" and \"linkname\"");
}

static void target_member(struct parse *p, const char *key, yaml_node_t *value, void *into)
{
    struct bom_target *target = into;
    if (strcmp(key, "target") == 0)
        replace(&target->target, path_of(p, value, "target"));
    else if (strcmp(key, "mkdirs") == 0)
        each_item(p, value, "mkdirs", add_path, &target->mkdirs);
    else if (strcmp(key, "createlinks") == 0)
        each_item(p, value, "createlinks", add_link, target);
    else if (strcmp(key, "copy") == 0)
        each_item(p, value, "copy", add_copy, target);
    else
        unknown(p, value, key, "target, mkdirs, createlinks, copy");
}

static void add_target(struct parse *p, yaml_node_t *value, void *into)
{
    struct bom *bom = into;
    bom->targets = mem_grow(bom->targets, bom->target_count + 1, sizeof *bom->targets);
    struct bom_target *target = &bom->targets[bom->target_count++];
    *target = (struct bom_target){0};
    each_member(p, value, "an element of targets", target_member, target);
    if (!target->target)
        error_at(p, value, "an element of targets has no \"target\"");
}

static void bom_member(struct parse *p, const char *key, yaml_node_t *value, void *into)
{
    struct bom *bom = into;
    if (strcmp(key, "includes") == 0)
        each_item(p, value, "includes", add_path, &bom->includes);
    else if (strcmp(key, "excludes") == 0)
        each_item(p, value, "excludes", add_path, &bom->excludes);
    else if (strcmp(key, "targets") == 0)
        each_item(p, value, "targets", add_target, bom);
    else
        unknown(p, value, key, "includes, excludes, targets");
}

static bool load_document(struct parse *p, const char *text, size_t size)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        abort();
    yaml_parser_set_input_string(&parser, (const unsigned char *) text, size);
    bool good = yaml_parser_load(&parser, &p->document);
    if (!good)
        fprintf(p->messages, "%s:%zu: not valid YAML: %s\n", p->path, parser.problem_mark.line + 1,
                parser.problem ? parser.problem : "unreadable");
    yaml_parser_delete(&parser);
    return good;
}

struct bom *bom_parse(const char *path, const char *text, size_t size, FILE *messages)
{
    struct parse p = {.path = path, .messages = messages};
    if (!load_document(&p, text, size))
        return NULL;
    struct bom *bom = mem_zalloc(sizeof *bom);
    bom->path = mem_strdup(path);
    yaml_node_t *root = yaml_document_get_root_node(&p.document);
    if (root)
        each_member(&p, root, "a bom file", bom_member, bom);
    yaml_document_delete(&p.document);
    if (p.errors == 0)
        return bom;
    bom_free(bom);
    return NULL;
}

struct bom *bom_load(const char *path, FILE *messages)
{
    AUTO_FREE char *text = NULL;
    size_t size;
    int r = fs_read_file(path, 1u << 22, &text, &size);
    if (r < 0) {
        fprintf(messages, "%s: cannot be read: %s\n", path, strerror(-r));
        return NULL;
    }
    return bom_parse(path, text, size, messages);
}

static void copy_fini(struct bom_copy *copy)
{
    for (size_t i = 0; i < copy->file_count; i++) {
        free(copy->files[i].name);
        free(copy->files[i].hash);
        free(copy->files[i].rename);
    }
    free(copy->files);
    free(copy->from);
    strv_fini(&copy->dirs);
}

static void target_fini(struct bom_target *target)
{
    for (size_t i = 0; i < target->link_count; i++) {
        free(target->links[i].src);
        free(target->links[i].linkname);
    }
    for (size_t i = 0; i < target->copy_count; i++)
        copy_fini(&target->copies[i]);
    free(target->links);
    free(target->copies);
    free(target->target);
    strv_fini(&target->mkdirs);
}

void bom_free(struct bom *bom)
{
    if (!bom)
        return;
    for (size_t i = 0; i < bom->target_count; i++)
        target_fini(&bom->targets[i]);
    free(bom->targets);
    strv_fini(&bom->includes);
    strv_fini(&bom->excludes);
    free(bom->path);
    free(bom);
}
