#include "counter-svc/changes/csv_read.h"

#include <stdbool.h>

static int fail(struct csv_reader *reader, const char *error)
{
    reader->error = error;
    return -1;
}

static int next_byte(struct csv_reader *reader)
{
    int byte = getc_unlocked(reader->file);

    if (byte == '\n')
        ++reader->_next_line;
    return byte;
}

/* Skips the byte-order mark; no path begins with its first byte. */
static int skip_mark(struct csv_reader *reader)
{
    int byte = next_byte(reader);

    if (byte != 0xEF)
        return byte;
    if (next_byte(reader) != 0xBB || next_byte(reader) != 0xBF)
        return -2;
    return next_byte(reader);
}

static bool add(struct buffer *field, int byte)
{
    char one = (char)byte;

    if (field->len >= CSV_MAX_FIELD_BYTES)
        return false;
    buffer_add(field, &one, 1);
    return true;
}

/* Reads the rest of a field in quotes. Returns the byte after it, or -2 after an error. */
static int read_quoted(struct csv_reader *reader, struct buffer *field)
{
    int byte;

    for (;;) {
        byte = next_byte(reader);
        if (byte == EOF) {
            fail(reader, "A field in quotes has no end.");
            return -2;
        }
        if (byte == '"') {
            byte = next_byte(reader);
            if (byte != '"')
                break;
        }
        if (!add(field, byte)) {
            fail(reader, "A field is too long.");
            return -2;
        }
    }
    if (byte != ',' && byte != '\r' && byte != '\n' && byte != EOF) {
        fail(reader, "There is text after a field in quotes.");
        return -2;
    }
    return byte;
}

/* Reads a field that begins with `byte`. Returns the byte after it, or -2 after an error. */
static int read_field(struct csv_reader *reader, struct buffer *field, int byte)
{
    if (byte == '"')
        return read_quoted(reader, field);
    while (byte != ',' && byte != '\r' && byte != '\n' && byte != EOF) {
        if (!add(field, byte)) {
            fail(reader, "A field is too long.");
            return -2;
        }
        byte = next_byte(reader);
    }
    return byte;
}

int csv_read(struct csv_reader *reader)
{
    int byte;

    if (reader->_next_line == 0) {
        reader->_next_line = reader->line = 1;
        byte = skip_mark(reader);
        if (byte == -2)
            return fail(reader, "The file is not UTF-8 text.");
    } else {
        reader->line = reader->_next_line;
        byte = next_byte(reader);
    }
    if (byte == EOF)
        return ferror(reader->file) ? fail(reader, "The file cannot be read.") : 0;
    for (reader->n_fields = 0;;) {
        struct buffer *field = &reader->fields[reader->n_fields];
        if (reader->n_fields == CSV_MAX_FIELDS)
            return fail(reader, "There are more than 16 fields.");
        field->len = 0;
        ++reader->n_fields;
        byte = read_field(reader, field, byte);
        if (byte == -2)
            return -1;
        if (byte != ',')
            break;
        byte = next_byte(reader);
    }
    if (byte == '\r' && next_byte(reader) != '\n')
        return fail(reader, "A line ends with CR alone.");
    return ferror(reader->file) ? fail(reader, "The file cannot be read.") : 1;
}

void csv_reader_free(struct csv_reader *reader)
{
    for (size_t i = 0; i < CSV_MAX_FIELDS; ++i)
        buffer_free(&reader->fields[i]);
}
