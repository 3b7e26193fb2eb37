#include "counter-svc/journal/entry.h"

#include "counter-svc/ledger/pg_array.h"

/* Reads a BIGINT that must not be NULL. */
static bool get_int8(const PGresult *result, int row, int column, int64_t *value)
{
    if (PQgetisnull(result, row, column) || PQgetlength(result, row, column) != 8)
        return false;
    *value = pg_int8(PQgetvalue(result, row, column));
    return true;
}

static bool get_int8_array(const PGresult *result, int row, int column, int64_t *values,
                           size_t most, size_t *count)
{
    int found = PQgetisnull(result, row, column)
                    ? -1
                    : pg_int8_array(PQgetvalue(result, row, column),
                                    PQgetlength(result, row, column), values, most, 0);

    *count = (size_t)found;
    return found >= 0;
}

/* Reads the hits by bots; NULL: there are none. */
static bool get_bot_hits(const PGresult *result, int row, struct journal_entry *entry)
{
    int64_t bot_hits[ENTRY_MAX_PATHS];
    bool is_null = PQgetisnull(result, row, ENTRY_BOT_HITS);
    size_t count;

    if (!is_null &&
        (!get_int8_array(result, row, ENTRY_BOT_HITS, bot_hits, ENTRY_MAX_PATHS, &count) ||
         count != entry->n_paths))
        return false;
    for (size_t i = 0; i < entry->n_paths; ++i) {
        entry->paths[i].bot_hits = is_null ? 0 : bot_hits[i];
        if (entry->paths[i].bot_hits < 0 || entry->paths[i].bot_hits > entry->paths[i].hits)
            return false;
    }
    return true;
}

static bool get_paths(const PGresult *result, int row, struct journal_entry *entry)
{
    int64_t hits[ENTRY_MAX_PATHS];
    struct pg_array paths;
    size_t n_hits;

    if (PQgetisnull(result, row, ENTRY_PATHS) ||
        !pg_text_array_open(&paths, PQgetvalue(result, row, ENTRY_PATHS),
                            PQgetlength(result, row, ENTRY_PATHS)) ||
        paths.count > ENTRY_MAX_PATHS ||
        !get_int8_array(result, row, ENTRY_HITS, hits, ENTRY_MAX_PATHS, &n_hits) ||
        n_hits != paths.count)
        return false;
    entry->n_paths = n_hits;
    for (size_t i = 0; i < entry->n_paths; ++i) {
        struct entry_path *path = &entry->paths[i];
        path->slot = NULL;
        path->hits = hits[i];
        if (!pg_array_next(&paths, &path->path, &path->path_len) || path->path == NULL ||
            path->hits < 1)
            return false;
    }
    return true;
}

/* Reads the counts of the paths in the tables; -1 and 0 for a path without a row. An entry without
 * paths, and the known entry, have no arrays. */
static bool get_table_counts(const PGresult *result, int row, struct journal_entry *entry)
{
    int64_t counts[ENTRY_MAX_PATHS], bots[ENTRY_MAX_PATHS];
    int n_counts, n_bots;
    bool is_null = PQgetisnull(result, row, ENTRY_TABLE_COUNTS);

    if (!is_null) {
        n_counts = pg_int8_array(PQgetvalue(result, row, ENTRY_TABLE_COUNTS),
                                 PQgetlength(result, row, ENTRY_TABLE_COUNTS), counts,
                                 ENTRY_MAX_PATHS, -1);
        n_bots =
            pg_int8_array(PQgetvalue(result, row, ENTRY_TABLE_BOTS),
                          PQgetlength(result, row, ENTRY_TABLE_BOTS), bots, ENTRY_MAX_PATHS, 0);
        if (n_counts < 0 || (size_t)n_counts != entry->n_paths || n_bots != n_counts)
            return false;
    }
    for (size_t i = 0; i < entry->n_paths; ++i) {
        entry->paths[i].table_count = is_null ? -1 : counts[i];
        entry->paths[i].table_bots = is_null ? 0 : bots[i];
    }
    return true;
}

int entry_decode(const PGresult *result, int row, struct journal_entry *entry, const char **error)
{
    size_t n_sequences;

    if (!get_int8(result, row, ENTRY_POSITION, &entry->position) ||
        !get_int8(result, row, ENTRY_ID, &entry->id) ||
        !get_int8(result, row, ENTRY_KIND_COLUMN, &entry->kind)) {
        *error = "An entry of the journal has no position, id or kind. Restore a backup.";
        return -1;
    }
    if (entry->kind != ENTRY_KIND) {
        *error = "The journal has an entry of a kind that this program does not know. Upgrade "
                 "counter-svc.";
        return -1;
    }
    if (!get_int8(result, row, ENTRY_WRITER, &entry->writer) ||
        !get_int8(result, row, ENTRY_AT, &entry->at_ms) ||
        !get_int8(result, row, ENTRY_NEW_PATHS, &entry->new_paths) ||
        !get_int8_array(result, row, ENTRY_LANES, entry->lanes, ENTRY_MAX_BATCHES,
                        &entry->n_batches) ||
        !get_int8_array(result, row, ENTRY_SEQUENCES, entry->sequences, ENTRY_MAX_BATCHES,
                        &n_sequences) ||
        n_sequences != entry->n_batches ||
        !get_int8_array(result, row, ENTRY_OPENED, entry->opened, ENTRY_MAX_LANES,
                        &entry->n_opened) ||
        !get_int8_array(result, row, ENTRY_ENDED, entry->ended, ENTRY_MAX_LANES, &entry->n_ended) ||
        !get_paths(result, row, entry) || !get_bot_hits(result, row, entry) ||
        !get_table_counts(result, row, entry)) {
        *error = "An entry of the journal is not of the form that this program writes. Upgrade "
                 "counter-svc, or restore a backup.";
        return -1;
    }
    return 0;
}
