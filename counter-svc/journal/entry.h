/* An entry of the journal, in memory: the changes of one commit.
 *
 * schema/004-journal.sql describes the columns. counter-svc makes entries within the limits below.
 * It reads no entry beyond them, or of an unknown kind.
 */
#ifndef COUNTER_JOURNAL_ENTRY_H
#define COUNTER_JOURNAL_ENTRY_H

#include "counter-svc/ledger/pg.h"
#include "proto/api.h"

/* An entry may have one path more than a batch: the overflow row. An entry fits into the socket's
 * buffer. PostgreSQL therefore never holds a position while it waits for the rest of an entry. */
#define ENTRY_MAX_BATCHES    64
#define ENTRY_MAX_LANES      64
#define ENTRY_MAX_PATHS      (BATCH_MAX_PATHS + 1)
#define ENTRY_MAX_PATH_BYTES BATCH_MAX_PATH_BYTES

#define ENTRY_KIND 1

struct slot;

struct entry_path {
    struct slot
        *slot; /* of an entry of our own; its table_… are not set. NULL: the entry was read */
    const char *path; /* the slot's, or in the row that was read */
    size_t path_len;
    int64_t hits;
    int64_t bot_hits;    /* of the hits */
    int64_t table_count; /* in the tables; -1: no row */
    int64_t table_bots;  /* of table_count, hits by bots */
};

struct journal_entry {
    int64_t position, id;
    int64_t kind, writer;
    int64_t at_ms; /* PostgreSQL's time, since 1970 */
    size_t n_batches;
    int64_t lanes[ENTRY_MAX_BATCHES], sequences[ENTRY_MAX_BATCHES];
    size_t n_opened, n_ended;
    int64_t opened[ENTRY_MAX_LANES], ended[ENTRY_MAX_LANES];
    size_t n_paths;
    struct entry_path paths[ENTRY_MAX_PATHS];
    int64_t new_paths; /* the number of paths that had no row before */
};

/* Columns of catch_up.sql. */
enum entry_column {
    ENTRY_CHECKPOINT,
    ENTRY_GENERATION,
    ENTRY_NOW,
    ENTRY_POSITION,
    ENTRY_ID,
    ENTRY_KIND_COLUMN,
    ENTRY_WRITER,
    ENTRY_AT,
    ENTRY_LANES,
    ENTRY_SEQUENCES,
    ENTRY_OPENED,
    ENTRY_ENDED,
    ENTRY_PATHS,
    ENTRY_HITS,
    ENTRY_BOT_HITS,
    ENTRY_NEW_PATHS,
    ENTRY_TABLE_COUNTS,
    ENTRY_TABLE_BOTS,
    N_ENTRY_COLUMNS
};

/* Reads an entry from a row of catch_up.sql; the paths point into the row. Returns 0, or -1 with a
 * sentence in `error` if the row has another form. */
int entry_decode(const PGresult *result, int row, struct journal_entry *entry, const char **error)
    __attribute__((warn_unused_result));

#endif
