#include "counter-svc/changes/change.h"

#include "base/json.h"
#include "proto/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ID_BYTES   64
#define MAX_TIME_BYTES 40

/* A body, and the JSON that it becomes. Each step returns false after it has set `error`. */
struct change_reader {
    json_t *from;
    json_t *to;
    const char **error;
};

static bool read_form(struct change_reader *reader);
static bool read_delete(struct change_reader *reader);
static bool read_delete_prefix(struct change_reader *reader);
static bool read_set(struct change_reader *reader);
static bool read_rename(struct change_reader *reader);
static bool read_merge(struct change_reader *reader);
static bool read_normalise(struct change_reader *reader);
static bool read_import(struct change_reader *reader);

static const struct change_kind {
    const char *name;
    bool (*read)(struct change_reader *reader);
} KINDS[] = {
    {"delete", read_delete}, {"delete-prefix", read_delete_prefix},
    {"set", read_set},       {"rename", read_rename},
    {"merge", read_merge},   {"normalise", read_normalise},
    {"import", read_import}, {"undo", read_delete}, /* a path, too */
};

int change_decode(const char *body, size_t len, struct buffer *to, const char **error)
{
    struct change_reader reader = {.error = error};
    bool is_right = false;
    char *text;

    reader.from = json_load_object(body, len, error);
    if (reader.from == NULL)
        return -1;
    reader.to = json_object();
    if (read_form(&reader)) {
        const char *kind = json_string_value(json_object_get(reader.from, "kind"));
        *error = "\"kind\" must be delete, delete-prefix, set, rename, merge, normalise, import or "
                 "undo.";
        for (size_t i = 0; kind != NULL && i < sizeof(KINDS) / sizeof(KINDS[0]); ++i) {
            if (strcmp(kind, KINDS[i].name) != 0)
                continue;
            json_object_set_new(reader.to, "kind", json_string(kind));
            is_right = KINDS[i].read(&reader);
        }
    }
    if (is_right) {
        text = json_dumps(reader.to, JSON_COMPACT);
        buffer_add_string(to, text);
        free(text);
    }
    json_decref(reader.from);
    json_decref(reader.to);
    return is_right ? 0 : -1;
}

static bool refuse(struct change_reader *reader, const char *error)
{
    *reader->error = error;
    return false;
}

/* Copies a member as it is. */
static void keep(struct change_reader *reader, const char *name)
{
    json_object_set(reader->to, name, json_object_get(reader->from, name));
}

/* --- the members of every change --- */

static bool is_id(const json_t *value)
{
    static const char ALLOWED[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);

    return text != NULL && len >= 1 && len <= MAX_ID_BYTES && strspn(text, ALLOWED) == len;
}

static bool read_form(struct change_reader *reader)
{
    const json_t *part = json_object_get(reader->from, "part");
    const json_t *why = json_object_get(reader->from, "why");
    const json_t *dry_run = json_object_get(reader->from, "dry_run");

    if (!is_id(json_object_get(reader->from, "id")))
        return refuse(reader, "\"id\" must be 1 to 64 letters, digits, hyphens or underscores.");
    if (part != NULL && (!json_is_integer(part) || json_integer_value(part) < 0))
        return refuse(reader, "\"part\" must be a whole number from 0.");
    if (why != NULL && (!json_is_string(why) || json_string_length(why) > CHANGE_MAX_WHY_BYTES))
        return refuse(reader, "\"why\" must be a text of at most 1,000 bytes.");
    if (dry_run != NULL && !json_is_boolean(dry_run))
        return refuse(reader, "\"dry_run\" must be true or false.");
    keep(reader, "id");
    json_object_set_new(reader->to, "part", json_integer(json_integer_value(part)));
    json_object_set_new(reader->to, "why", json_string(why != NULL ? json_string_value(why) : ""));
    json_object_set_new(reader->to, "dry_run", json_boolean(json_is_true(dry_run)));
    return true;
}

/* --- paths and counts --- */

bool change_path_is_valid(const char *text, size_t len)
{
    size_t canonical_len;
    struct buffer escaped = {0};
    char *canonical;
    bool is_same;

    if (!path_is_valid(text, len))
        return false;
    buffer_add_literal(&escaped, "/");
    buffer_add_percent(&escaped, text + 1, len - 1);
    canonical = malloc(escaped.len + 1);
    is_same = canonical != NULL &&
              path_canonicalize(escaped.bytes, escaped.len, canonical, &canonical_len) == PATH_OK &&
              canonical_len == len && memcmp(canonical, text, len) == 0;
    free(canonical);
    buffer_free(&escaped);
    return is_same;
}

static bool is_path(const json_t *value)
{
    return json_is_string(value) &&
           change_path_is_valid(json_string_value(value), json_string_length(value));
}

static bool read_path(struct change_reader *reader, const char *name)
{
    static _Thread_local char error[120];

    if (!is_path(json_object_get(reader->from, name))) {
        snprintf(error, sizeof(error),
                 "\"%s\" must be a canonical path: it begins with a slash, has no dot segments and "
                 "at most 2,048 bytes.",
                 name);
        return refuse(reader, error);
    }
    keep(reader, name);
    return true;
}

static bool is_count(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

/* --- each kind --- */

static bool read_delete(struct change_reader *reader)
{
    return read_path(reader, "path");
}

static bool read_delete_prefix(struct change_reader *reader)
{
    const json_t *prefix = json_object_get(reader->from, "prefix");
    const json_t *after = json_object_get(reader->from, "after");
    const json_t *limit = json_object_get(reader->from, "limit");
    char above[PATH_MAX_BYTES + 1];
    size_t len = 0;

    if (!json_is_string(prefix) ||
        !path_is_valid(json_string_value(prefix), json_string_length(prefix)))
        return refuse(reader, "\"prefix\" must begin with a slash and have at most 2,048 bytes.");
    if (after != NULL && !json_is_null(after) && !read_path(reader, "after"))
        return false;
    keep(reader, "prefix");
    if (prefix_upper_bound(json_string_value(prefix), json_string_length(prefix), above, &len))
        json_object_set_new(reader->to, "above", json_stringn(above, len));
    else
        json_object_set_new(reader->to, "above", json_string(PATH_ABOVE_ALL));
    if (limit != NULL && (!json_is_integer(limit) || json_integer_value(limit) < 1 ||
                          json_integer_value(limit) > CHANGE_MAX_ROWS))
        return refuse(reader, "\"limit\" must be a whole number from 1 to 10,000.");
    json_object_set_new(reader->to, "limit",
                        json_integer(limit != NULL ? json_integer_value(limit) : CHANGE_MAX_ROWS));
    return true;
}

static bool read_set(struct change_reader *reader)
{
    if (!is_count(json_object_get(reader->from, "count")))
        return refuse(reader, "\"count\" must be a whole number from 0 to 9223372036854775807.");
    keep(reader, "count");
    return read_path(reader, "path");
}

/* Reads the paths that are renamed or merged; no path may be repeated. */
static bool read_sources(struct change_reader *reader, size_t most, const char *error)
{
    json_t *from = json_object_get(reader->from, "from"), *seen = json_object(), *source;
    size_t size = json_array_size(from), i;
    bool is_right = size >= 1 && size <= most;

    json_array_foreach(from, i, source)
    {
        is_right =
            is_right && is_path(source) && json_object_get(seen, json_string_value(source)) == NULL;
        if (is_right)
            json_object_set_new(seen, json_string_value(source), json_true());
    }
    json_decref(seen);
    if (!is_right)
        return refuse(reader, error);
    keep(reader, "from");
    return true;
}

static bool read_rename(struct change_reader *reader)
{
    return read_sources(reader, 1, "\"from\" must be an array of one canonical path.") &&
           read_path(reader, "to");
}

static bool read_merge(struct change_reader *reader)
{
    return read_sources(reader, CHANGE_MAX_SOURCES,
                        "\"from\" must be an array of 1 to 100 canonical paths, each once.") &&
           read_path(reader, "to");
}

/* Reads the moves. No path moves twice, so their order does not matter. */
static bool read_normalise(struct change_reader *reader)
{
    json_t *moves = json_object_get(reader->from, "moves"), *sources = json_object(), *move;
    json_t *kept = json_array();
    size_t size = json_array_size(moves), i;
    bool is_right = size >= 1 && size <= CHANGE_MAX_MOVES;

    json_object_set_new(reader->to, "moves", kept);
    json_array_foreach(moves, i, move)
    {
        json_t *source = json_object_get(move, "source"), *target = json_object_get(move, "target");
        is_right = is_right && is_path(source) && is_path(target) &&
                   json_object_get(sources, json_string_value(source)) == NULL;
        if (!is_right)
            break;
        json_object_set_new(sources, json_string_value(source), json_true());
        json_array_append_new(kept, json_pack("{sOsO}", "source", source, "target", target));
    }
    json_array_foreach(kept, i, move)
    {
        const char *target = json_string_value(json_object_get(move, "target"));
        is_right = is_right && json_object_get(sources, target) == NULL;
    }
    json_decref(sources);
    if (!is_right)
        return refuse(reader, "\"moves\" must be an array of 1 to 5,000 moves, each with a "
                              "canonical path as \"source\" and another one as \"target\". Each "
                              "source may be there only once, and no target may be a source.");
    return true;
}

/* Copies one row of an import. */
static bool read_row(const json_t *row, json_t *rows)
{
    static const char *const TIMES[] = {"first", "last"};
    json_t *copy, *time;

    if (!is_path(json_object_get(row, "path")) || !is_count(json_object_get(row, "count")))
        return false;
    copy = json_object();
    json_array_append_new(rows, copy);
    json_object_set(copy, "path", json_object_get(row, "path"));
    json_object_set(copy, "count", json_object_get(row, "count"));
    for (size_t i = 0; i < 2; ++i) {
        time = json_object_get(row, TIMES[i]);
        if (time == NULL || json_is_null(time))
            continue;
        if (!json_is_string(time) || json_string_length(time) > MAX_TIME_BYTES)
            return false;
        json_object_set(copy, TIMES[i], time);
    }
    return true;
}

/* Copies the rows; of a path that stands there twice only a sum makes sense. */
static bool read_rows(struct change_reader *reader, json_t *rows, bool may_repeat)
{
    json_t *from = json_object_get(reader->from, "rows"), *seen = json_object(), *row;
    const char *error = NULL, *path;
    size_t i;

    json_array_foreach(from, i, row)
    {
        if (!read_row(row, rows)) {
            error = "Each of \"rows\" must have a canonical \"path\" and a \"count\" from 0 to "
                    "9223372036854775807; \"first\" and \"last\" are times or absent.";
            break;
        }
        path = json_string_value(json_object_get(row, "path"));
        if (!may_repeat && json_object_get(seen, path) != NULL)
            error = "With \"mode\" replace each path may be in \"rows\" only once.";
        if (error != NULL)
            break;
        json_object_set_new(seen, path, json_true());
    }
    json_decref(seen);
    return error == NULL || refuse(reader, error);
}

static bool read_import(struct change_reader *reader)
{
    const char *mode = json_string_value(json_object_get(reader->from, "mode"));
    size_t size = json_array_size(json_object_get(reader->from, "rows"));
    json_t *rows = json_array();

    json_object_set_new(reader->to, "rows", rows);
    if (mode == NULL || (strcmp(mode, "add") != 0 && strcmp(mode, "replace") != 0))
        return refuse(reader, "\"mode\" must be add or replace.");
    keep(reader, "mode");
    if (size < 1 || size > CHANGE_MAX_ROWS)
        return refuse(reader, "\"rows\" must be an array of 1 to 10,000 rows.");
    return read_rows(reader, rows, strcmp(mode, "add") == 0);
}

/* --- the audit trail --- */

/* Reads a whole number of at most 18 digits. */
static bool read_number(const char *text, size_t len, int64_t *number)
{
    if (len < 1 || len > 18)
        return false;
    *number = 0;
    for (size_t i = 0; i < len; ++i) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *number = *number * 10 + (text[i] - '0');
    }
    return true;
}

/* Reads one parameter. Returns NULL, or an error. */
static const char *read_parameter(struct audit_query *audit, const char *text, size_t len)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals != NULL ? (size_t)(equals - text) : len;
    const char *value = text + name_len + 1;
    size_t value_len = equals != NULL ? len - name_len - 1 : 0;
    char path[3 * PATH_MAX_BYTES];

    if (name_len == 4 && memcmp(text, "path", 4) == 0) {
        if (value_len > sizeof(path) || !percent_decode(value, value_len, path, &audit->path_len) ||
            !path_is_valid(path, audit->path_len))
            return "path must be a canonical path, percent-encoded.";
        memcpy(audit->path, path, audit->path_len);
    } else if (name_len == 6 && memcmp(text, "before", 6) == 0) {
        if (!read_number(value, value_len, &audit->before))
            return "before must be the number of a change.";
    } else if (name_len == 5 && memcmp(text, "limit", 5) == 0) {
        if (!read_number(value, value_len, &audit->limit) || audit->limit < 1 ||
            audit->limit > AUDIT_MAX_CHANGES)
            return "limit must be a whole number from 1 to 20.";
    } else {
        return "The parameters are path, before and limit.";
    }
    return NULL;
}

int audit_query_parse(const char *query, size_t len, struct audit_query *audit, const char **error)
{
    const char *end = query + len, *next;

    *audit = (struct audit_query){.before = INT64_MAX, .limit = AUDIT_MAX_CHANGES};
    for (const char *at = query; at < end; at = next + 1) {
        next = memchr(at, '&', (size_t)(end - at));
        if (next == NULL)
            next = end;
        *error = read_parameter(audit, at, (size_t)(next - at));
        if (*error != NULL)
            return -1;
    }
    return 0;
}
