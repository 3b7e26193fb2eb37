#include "server/ops/config_private.h"

#include <stdarg.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    const char *text;
    struct config_problem *problem;
    int (*take)(void *context, const struct config_pair *pair);
    void *context;
};

/* The steps, in the order of the file. */
static int read_stream(struct reader *r);
static int read_root(struct reader *r, const yaml_event_t *root);
static int read_pairs(struct reader *r);
static int read_value(struct reader *r, const yaml_event_t *key);
static int take_pair(struct reader *r, const yaml_event_t *key, const yaml_event_t *value);
static int next_event(struct reader *r, yaml_event_t *event);
static void finish_event(yaml_event_t *event);
static int expect_plain(struct reader *r, const yaml_event_t *event, const char *what);
static bool is_null(const yaml_event_t *event);
static int invalid(struct reader *r);
static size_t line_of_byte(const char *text, size_t offset);
static int fail(struct reader *r, size_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void wipe_parser(yaml_parser_t *parser);

int config_yaml_read(const char *text, size_t length,
                     int (*take)(void *context, const struct config_pair *pair), void *context,
                     struct config_problem *problem)
{
    struct reader r = {.text = text, .problem = problem, .take = take, .context = context};
    int result;

    *problem = (struct config_problem){0};
    if (!yaml_parser_initialize(&r.parser))
        return fail(&r, 0, "out of memory");
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
    result = read_stream(&r);
    wipe_parser(&r.parser);
    yaml_parser_delete(&r.parser);
    return result;
}

static int read_stream(struct reader *r)
{
    int seen_document = 0;

    for (;;) {
        yaml_event_t event;
        yaml_event_type_t type;
        int result = 0;

        if (next_event(r, &event) != 0)
            return -1;
        type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && seen_document++)
            result = fail(r, event.start_mark.line + 1, "expected one document, found a second");
        else if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT &&
                 type != YAML_DOCUMENT_END_EVENT && type != YAML_STREAM_END_EVENT)
            result = read_root(r, &event);
        finish_event(&event);
        if (result != 0 || type == YAML_STREAM_END_EVENT)
            return result;
    }
}

static int read_root(struct reader *r, const yaml_event_t *root)
{
    if (root->type == YAML_MAPPING_START_EVENT) {
        if (root->data.mapping_start.anchor != NULL || root->data.mapping_start.tag != NULL)
            return fail(r, root->start_mark.line + 1, "expected a mapping without anchor or tag");
        return read_pairs(r);
    }
    if (root->type == YAML_SCALAR_EVENT && is_null(root))
        return 0;
    return fail(r, root->start_mark.line + 1, "expected a mapping of keys to values, found a %s",
                root->type == YAML_SEQUENCE_START_EVENT ? "list" : "single value");
}

static int read_pairs(struct reader *r)
{
    for (;;) {
        yaml_event_t key;
        int result = 0, done;

        if (next_event(r, &key) != 0)
            return -1;
        done = key.type == YAML_MAPPING_END_EVENT;
        if (!done) {
            result = expect_plain(r, &key, "as a key");
            if (result == 0)
                result = read_value(r, &key);
        }
        finish_event(&key);
        if (done || result != 0)
            return result;
    }
}

static int read_value(struct reader *r, const yaml_event_t *key)
{
    yaml_event_t value;
    int result;

    if (strlen((const char *)key->data.scalar.value) != key->data.scalar.length)
        return fail(r, key->start_mark.line + 1, "expected a key without NUL");
    if (next_event(r, &value) != 0)
        return -1;
    result = expect_plain(r, &value, "as a value");
    if (result == 0)
        result = take_pair(r, key, &value);
    finish_event(&value);
    return result;
}

static int take_pair(struct reader *r, const yaml_event_t *key, const yaml_event_t *value)
{
    const struct config_pair pair = {
        .key = (const char *)key->data.scalar.value,
        .line = key->start_mark.line + 1,
        .value = (const char *)value->data.scalar.value,
        .value_length = value->data.scalar.length,
        /* An empty value has no line of its own: libyaml gives it the line of the next token. */
        .value_line = (value->data.scalar.length > 0 ? value : key)->start_mark.line + 1,
        .value_is_null = is_null(value),
    };

    return r->take(r->context, &pair);
}

static int next_event(struct reader *r, yaml_event_t *event)
{
    return yaml_parser_parse(&r->parser, event) ? 0 : invalid(r);
}

/* Wipes and frees an event: any scalar may be a secret. */
static void finish_event(yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT)
        explicit_bzero(event->data.scalar.value, event->data.scalar.length);
    yaml_event_delete(event);
}

static int expect_plain(struct reader *r, const yaml_event_t *event, const char *what)
{
    size_t line = event->start_mark.line + 1;

    switch (event->type) {
    case YAML_SCALAR_EVENT:
        if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL)
            return fail(r, line, "expected a plain word %s, without anchor or tag", what);
        return 0;
    case YAML_SEQUENCE_START_EVENT:
        return fail(r, line, "expected a plain word %s, found a list (\"[\" needs quotes)", what);
    case YAML_MAPPING_START_EVENT:
        return fail(r, line, "expected a plain word %s, found a mapping", what);
    default:
        return fail(r, line, "expected a plain word %s, found an alias (\"*\" needs quotes)", what);
    }
}

static bool is_null(const yaml_event_t *event)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    const char *text = (const char *)event->data.scalar.value;

    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++) {
        if (strcmp(text, nulls[i]) == 0)
            return true;
    }
    return false;
}

/* Reports an error of libyaml. Its messages never contain text of the file. */
static int invalid(struct reader *r)
{
    const yaml_parser_t *parser = &r->parser;
    size_t line, begin;

    if (parser->error == YAML_MEMORY_ERROR)
        return fail(r, 0, "out of memory");
    if (parser->error == YAML_READER_ERROR)
        return fail(r, line_of_byte(r->text, parser->problem_offset),
                    "expected valid YAML in UTF-8: %s", parser->problem);
    line = parser->problem_mark.line + 1;
    begin = parser->context_mark.line + 1;
    if (parser->context != NULL && begin != line)
        return fail(r, line, "expected valid YAML: %s for what begins in line %zu", parser->problem,
                    begin);
    return fail(r, line, "expected valid YAML: %s", parser->problem);
}

static size_t line_of_byte(const char *text, size_t offset)
{
    size_t line = 1;

    for (size_t i = 0; i < offset; i++)
        line += text[i] == '\n';
    return line;
}

static int fail(struct reader *r, size_t line, const char *format, ...)
{
    va_list arguments;

    r->problem->line = line;
    va_start(arguments, format);
    vsnprintf(r->problem->text, sizeof(r->problem->text), format, arguments);
    va_end(arguments);
    return -1;
}

/* Wipes the rest of the file in libyaml: its two buffers, and the scalars that it has read
 * ahead. */
static void wipe_parser(yaml_parser_t *parser)
{
    explicit_bzero(parser->raw_buffer.start,
                   (size_t)(parser->raw_buffer.end - parser->raw_buffer.start));
    explicit_bzero(parser->buffer.start, (size_t)(parser->buffer.end - parser->buffer.start));
    for (yaml_token_t *token = parser->tokens.head; token != parser->tokens.tail; token++) {
        if (token->type == YAML_SCALAR_TOKEN)
            explicit_bzero(token->data.scalar.value, token->data.scalar.length);
    }
}
