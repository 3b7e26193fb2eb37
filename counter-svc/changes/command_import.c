/* `counter-svc change import`: sends CSV in parts; each part is imported completely or not at
 * all. */
#include "counter-svc/changes/change.h"
#include "counter-svc/changes/command_private.h"
#include "counter-svc/changes/csv_read.h"
#include "server/ops/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The most rows and bytes of a part. Hits wait for each part, so it has fewer rows than a change
 * may have. */
#define MAX_PART_ROWS  2500
#define MAX_PART_BYTES ((size_t)1 << 20)

#define MAX_TIME_BYTES 40

enum column { COLUMN_PATH, COLUMN_COUNT, COLUMN_FIRST, COLUMN_LAST, N_COLUMNS };

static const char *const COLUMNS[N_COLUMNS] = {"path", "count", "first", "last"};

/* A file that is imported. */
struct import {
    struct command_session *session; /* NULL: only check the file */
    const char *name;
    struct csv_reader reader;
    size_t columns[N_COLUMNS]; /* their places, from 1; 0: missing */
    struct buffer body;        /* of the part that is being made */
    size_t n_rows;             /* in it */
};

static int fail(const struct import *import, const char *error)
{
    fprintf(stderr, "counter-svc change: %s:%lld: %s\n", import->name,
            (long long)import->reader.line, error);
    return -1;
}

static bool field_is(const struct buffer *field, const char *text)
{
    return field->len == strlen(text) && memcmp(field->bytes, text, field->len) == 0;
}

/* Reads the first record. Returns 1 if it has the names of the columns, 0 if it is a row, or -1. */
static int read_head(struct import *import)
{
    const struct csv_reader *reader = &import->reader;

    if (!field_is(&reader->fields[0], COLUMNS[COLUMN_PATH])) {
        for (size_t i = 0; i < N_COLUMNS; ++i)
            import->columns[i] = i + 1;
        return 0;
    }
    for (size_t i = 0; i < reader->n_fields; ++i)
        for (size_t j = 0; j < N_COLUMNS; ++j)
            if (field_is(&reader->fields[i], COLUMNS[j]))
                import->columns[j] = i + 1;
    return import->columns[COLUMN_COUNT] != 0 ? 1 : fail(import, "There is no column \"count\".");
}

/* Returns a field of the record, empty if it is missing. */
static struct buffer field(const struct import *import, enum column column)
{
    size_t number = import->columns[column];

    return number >= 1 && number <= import->reader.n_fields ? import->reader.fields[number - 1]
                                                            : (struct buffer){0};
}

/* Returns whether it is a decimal number from 0 to the maximum of BIGINT, without leading zeros. */
static bool is_count(const struct buffer *text)
{
    static const char MOST[] = "9223372036854775807";

    for (size_t i = 0; i < text->len; ++i)
        if (text->bytes[i] < '0' || text->bytes[i] > '9')
            return false;
    if (text->len < 1 || text->len > sizeof(MOST) - 1 || (text->bytes[0] == '0' && text->len > 1))
        return false;
    return text->len < sizeof(MOST) - 1 || memcmp(text->bytes, MOST, text->len) <= 0;
}

static bool is_time(const struct buffer *text)
{
    for (size_t i = 0; i < text->len; ++i)
        if (strchr("0123456789-:.+TZ", text->bytes[i]) == NULL || text->bytes[i] == '\0')
            return false;
    return text->len <= MAX_TIME_BYTES;
}

static void add_time(struct buffer *body, const char *before, const struct buffer *time)
{
    if (time->len == 0)
        return;
    buffer_add_string(body, before);
    buffer_add_json(body, time->bytes, time->len);
}

/* Sends the part, if it has rows. Returns 0, or -1. */
static int send_part(struct import *import)
{
    json_t *result;

    if (import->n_rows == 0)
        return 0;
    buffer_add_literal(&import->body, "]}");
    result = command_send(import->session, &import->body);
    import->body.len = import->n_rows = 0;
    if (result == NULL)
        return -1;
    json_decref(result);
    return 0;
}

/* Adds a row to the part, which is begun when it has none and sent when it is full. */
static int add_row(struct import *import, const struct buffer *path, const struct buffer *count,
                   const struct buffer *first, const struct buffer *last)
{
    struct buffer *body = &import->body;

    if (import->n_rows == 0) {
        command_begin_body(import->session, body, "import");
        buffer_add_literal(body, ",\"mode\":\"");
        buffer_add_string(body, import->session->command->mode);
        buffer_add_literal(body, "\",\"rows\":[");
    } else {
        buffer_add_literal(body, ",");
    }
    buffer_add_literal(body, "{\"path\":");
    buffer_add_json(body, path->bytes, path->len);
    buffer_add_literal(body, ",\"count\":");
    buffer_add(body, count->bytes, count->len);
    add_time(body, ",\"first\":", first);
    add_time(body, ",\"last\":", last);
    buffer_add_literal(body, "}");
    if (++import->n_rows < MAX_PART_ROWS && body->len < MAX_PART_BYTES)
        return 0;
    return send_part(import);
}

/* Checks a record, and adds it to the part unless the file is only checked. */
static int take_record(struct import *import)
{
    struct buffer path = field(import, COLUMN_PATH), count = field(import, COLUMN_COUNT);
    struct buffer first = field(import, COLUMN_FIRST), last = field(import, COLUMN_LAST);

    if (path.len == 0 && import->reader.n_fields == 1)
        return 0; /* an empty line */
    if (path_is_overflow(path.bytes, path.len)) {
        if (import->session != NULL)
            fail(import, "\"(other paths)\" is not the row of a path: it is skipped.");
        return 0;
    }
    if (!change_path_is_valid(path.bytes, path.len))
        return fail(import, "The path is not canonical: it must begin with a slash, have no dot "
                            "segments, and at most 2,048 bytes.");
    if (!is_count(&count))
        return fail(import, "The count is not a whole number from 0 to 9223372036854775807.");
    if (!is_time(&first) || !is_time(&last))
        return fail(import, "A time does not have the form 2026-01-31T12:00:00Z.");
    return import->session != NULL ? add_row(import, &path, &count, &first, &last) : 0;
}

/* Reads the file to its end. Returns 0, or -1 after a line on standard error. */
static int read_file(struct import *import)
{
    int more, is_head = 1;

    while ((more = csv_read(&import->reader)) == 1) {
        if (is_head == 1 && (is_head = read_head(import)) == -1)
            return -1;
        if (is_head == 0 && take_record(import) != 0)
            return -1;
        is_head = 0;
    }
    if (more == -1)
        return fail(import, import->reader.error);
    return import->session != NULL ? send_part(import) : 0;
}

/* Reads a file, and sends it if there is a session. */
static int run(FILE *file, const char *name, struct command_session *session)
{
    struct import import = {.session = session, .name = name, .reader.file = file};
    int status = read_file(&import);

    csv_reader_free(&import.reader);
    buffer_free(&import.body);
    return status;
}

int command_import(struct command_session *session)
{
    const char *name = session->command->words[0];
    bool is_input = strcmp(name, "-") == 0;
    FILE *file = is_input ? stdin : fopen(name, "re");
    int status;

    if (file == NULL) {
        fprintf(stderr, "counter-svc change: %s: %s\n", LOG_QUOTED(name), strerror(errno));
        return 1;
    }
    if (!session->command->dry_run)
        fprintf(stderr, "counter-svc change: id=%s\n", session->id);
    /* check the whole file before sending anything, unless it can be read only once */
    status = fseek(file, 0, SEEK_SET) == 0 ? run(file, name, NULL) : 0;
    if (status == 0) {
        rewind(file);
        clearerr(file);
        status = run(file, name, session);
    }
    if (!is_input)
        fclose(file);
    return status == 0 ? command_sum_up(session) : 1;
}
