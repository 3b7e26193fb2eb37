/* Reads CSV (RFC 4180), one record at a time. Lines end with LF or CR LF. A field in quotes may
 * hold commas, line ends and doubled quotes. A byte-order mark at the beginning is skipped.
 * Blocking.
 */
#ifndef COUNTER_CHANGES_CSV_READ_H
#define COUNTER_CHANGES_CSV_READ_H

#include "base/buffer.h"

#include <stdio.h>

#define CSV_MAX_FIELDS      16
#define CSV_MAX_FIELD_BYTES 16384

/* A file that is being read. Before the first record, set `file` and zero the rest. */
struct csv_reader {
    FILE *file;
    int64_t line;      /* at which the record begins, from 1 */
    const char *error; /* after -1: one sentence */
    size_t n_fields;
    struct buffer fields[CSV_MAX_FIELDS]; /* valid until the next record */
    int64_t _next_line;
};

/* Reads the next record. Returns 1, 0 at the end of the file, or -1. An empty line is a record of
 * one empty field. */
int csv_read(struct csv_reader *reader) __attribute__((warn_unused_result));

/* Frees the fields; the file is the caller's. */
void csv_reader_free(struct csv_reader *reader);

#endif
