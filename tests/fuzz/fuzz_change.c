/* Input from operators: the body of a change, the query of the audit trail, or a CSV file. The first
 * byte chooses. Accepted input is within its limits, and reading a change twice gives the same. */
#include "base/memory.h"
#include "counter-svc/changes/change.h"
#include "counter-svc/changes/csv_read.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_change(const char *body, size_t len)
{
    struct buffer once = {0}, twice = {0};
    const char *error = NULL;

    if (change_decode(body, len, &once, &error) != 0) {
        MUST(error != NULL && once.len == 0);
        return;
    }
    MUST(change_decode(once.bytes, once.len, &twice, &error) == 0);
    MUST(once.len == twice.len && memcmp(once.bytes, twice.bytes, once.len) == 0);
    buffer_free(&once);
    buffer_free(&twice);
}

static void check_audit_query(const char *query, size_t len)
{
    struct audit_query audit;
    const char *error = NULL;

    if (audit_query_parse(query, len, &audit, &error) != 0) {
        MUST(error != NULL);
        return;
    }
    MUST(audit.limit >= 1 && audit.limit <= AUDIT_MAX_CHANGES && audit.before >= 0);
    MUST(audit.path_len == 0 || path_is_valid(audit.path, audit.path_len));
}

static void check_csv(char *text, size_t len)
{
    FILE *file = fmemopen(text, len, "r");
    struct csv_reader reader = {.file = file};
    int more;

    MUST(file != NULL);
    while ((more = csv_read(&reader)) == 1) {
        MUST(reader.n_fields >= 1 && reader.n_fields <= CSV_MAX_FIELDS);
        for (size_t i = 0; i < reader.n_fields; ++i)
            MUST(reader.fields[i].len <= CSV_MAX_FIELD_BYTES);
    }
    MUST(more == 0 || reader.error != NULL);
    csv_reader_free(&reader);
    fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size < 2)
        return 0;
    text = memory_allocate(1, size - 1); /* a copy, so that ASan finds reads beyond its end */
    memcpy(text, data + 1, size - 1);
    if (data[0] == 'b')
        check_change(text, size - 1);
    else if (data[0] == 'q')
        check_audit_query(text, size - 1);
    else if (data[0] == 'c')
        check_csv(text, size - 1);
    free(text);
    return 0;
}
