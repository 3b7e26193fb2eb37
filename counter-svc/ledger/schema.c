#include "counter-svc/ledger/schema.h"

#include "base/buffer.h"
#include "counter-svc/ledger/sql.h"
#include "server/ops/log.h"

#include <stdlib.h>
#include <string.h>

/* A question of this kind is answered at once, a migration may rewrite a large table. */
#define LOOK_MS    5000
#define MIGRATE_MS ((uint64_t)60 * 60 * 1000)

static const struct migration {
    int version;
    const char *name;
    int oldest_program;
    const char *sql;
} MIGRATIONS[] = {
    {1, "ledger", 1, sql_schema_001},  {2, "times", 1, sql_schema_002},
    {3, "tiers", 1, sql_schema_003},   {4, "journal", 4, sql_schema_004},
    {5, "changes", 4, sql_schema_005}, {6, "history", 4, sql_schema_006},
};

static void look(struct schema *schema);
static void on_exists(void *data, const struct pg_answer *answer);
static void on_version(void *data, const struct pg_answer *answer);
static void migrate(struct schema *schema);
static void on_locked(void *data, const struct pg_answer *answer);
static void on_migrated(void *data, const struct pg_answer *answer);

void schema_prepare(struct schema *schema, struct pg *pg, bool may_shut_out,
                    schema_callback callback, void *data)
{
    *schema = (struct schema){
        ._pg = pg, ._may_shut_out = may_shut_out, ._callback = callback, ._data = data};
    look(schema);
}

/* Logs what PostgreSQL said and ends. */
static void fail(struct schema *schema, const struct pg_answer *answer)
{
    if (answer->outcome == PG_FAILED)
        log_event(LOG_LEVEL_ERROR, "schema-failed", "sqlstate=%s error=%s", answer->sqlstate,
                  LOG_QUOTED(answer->message));
    schema->_callback(schema->_data, SCHEMA_FAILED, answer);
}

/* The value in the last result's first row, as a number; results of text queries are text. */
static int number(const struct pg_answer *answer, int column)
{
    return PQntuples(answer->result) == 1 ? atoi(PQgetvalue(answer->result, 0, column)) : 0;
}

static void look(struct schema *schema)
{
    pg_run_text(schema->_pg, "SELECT (to_regclass('pathcount_schema') IS NOT NULL)::int", LOOK_MS,
                on_exists, schema);
}

static void on_exists(void *data, const struct pg_answer *answer)
{
    struct schema *schema = data;

    if (answer->outcome != PG_DONE)
        fail(schema, answer);
    else if (number(answer, 0) == 0)
        migrate(schema);
    else
        pg_run_text(schema->_pg, "SELECT max(version), max(oldest_program) FROM pathcount_schema",
                    LOOK_MS, on_version, schema);
}

/* Whether what is to come shuts out programs that work with the ledger as it is. */
static bool shuts_out(int version)
{
    for (size_t i = 0; i < sizeof(MIGRATIONS) / sizeof(MIGRATIONS[0]); ++i)
        if (MIGRATIONS[i].version > version && MIGRATIONS[i].oldest_program > version)
            return version != 0;
    return false;
}

static void on_version(void *data, const struct pg_answer *answer)
{
    struct schema *schema = data;

    if (answer->outcome != PG_DONE) {
        fail(schema, answer);
    } else if (number(answer, 1) > SCHEMA_VERSION) {
        log_event(LOG_LEVEL_ERROR, "program-too-old",
                  "error=\"this program is number %d, the ledger (version %d) needs %d or later\"",
                  SCHEMA_VERSION, number(answer, 0), number(answer, 1));
        schema->_callback(schema->_data, SCHEMA_TOO_NEW, NULL);
    } else if (shuts_out(number(answer, 0)) && !schema->_may_shut_out) {
        schema->_callback(schema->_data, SCHEMA_WAITS, NULL);
    } else if (number(answer, 0) < SCHEMA_VERSION) {
        migrate(schema);
    } else {
        schema->_callback(schema->_data, SCHEMA_READY, NULL);
    }
}

/* Opens the transaction that the migrations run in. Whoever waited for the lock looks again. */
static void migrate(struct schema *schema)
{
    pg_run_text(
        schema->_pg,
        "BEGIN ISOLATION LEVEL READ COMMITTED;"
        "SET LOCAL statement_timeout = 0;"
        "SET LOCAL lock_timeout = 0;"
        "SELECT pg_advisory_xact_lock(7809632580312394867);" /* any number, always the same */
        "SET LOCAL client_min_messages = error;"
        "CREATE TABLE IF NOT EXISTS pathcount_schema ("
        "    version INT PRIMARY KEY,"
        "    name TEXT NOT NULL,"
        "    oldest_program INT NOT NULL,"
        "    applied_at TIMESTAMPTZ NOT NULL DEFAULT now());"
        "SELECT coalesce(max(version), 0) FROM pathcount_schema",
        MIGRATE_MS, on_locked, schema);
}

static void on_locked(void *data, const struct pg_answer *answer)
{
    struct schema *schema = data;
    struct buffer sql = {0};
    int version;

    if (answer->outcome != PG_DONE) {
        fail(schema, answer); /* the session is not used any more: that rolls back */
        return;
    }
    version = number(answer, 0);
    for (size_t i = 0; i < sizeof(MIGRATIONS) / sizeof(MIGRATIONS[0]); ++i) {
        const struct migration *migration = &MIGRATIONS[i];
        if (migration->version <= version)
            continue;
        log_event(LOG_LEVEL_INFO, "migrating", "version=%d name=%s", migration->version,
                  migration->name);
        buffer_add_string(&sql, migration->sql);
        buffer_add_literal(&sql, "\n;INSERT INTO pathcount_schema VALUES (");
        buffer_add_int(&sql, migration->version);
        buffer_add_literal(&sql, ", '");
        buffer_add_string(&sql, migration->name);
        buffer_add_literal(&sql, "', ");
        buffer_add_int(&sql, migration->oldest_program);
        buffer_add_literal(&sql, ");");
    }
    buffer_add_literal(&sql, "COMMIT\0");
    pg_run_text(schema->_pg, sql.bytes, MIGRATE_MS, on_migrated, schema);
    buffer_free(&sql);
}

static void on_migrated(void *data, const struct pg_answer *answer)
{
    struct schema *schema = data;

    if (answer->outcome != PG_DONE)
        fail(schema, answer);
    else
        look(schema);
}
