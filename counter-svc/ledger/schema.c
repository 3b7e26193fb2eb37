#include "counter-svc/ledger/schema.h"

#include "counter-svc/ledger/sql.h"
#include "server/ops/log.h"

#include <stdbool.h>

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
#define N_MIGRATIONS (sizeof(MIGRATIONS) / sizeof(MIGRATIONS[0]))

const char schema_lock_sql[] =
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
    "SELECT coalesce(max(version), 0) FROM pathcount_schema";

/* Returns whether a migration after `version` excludes programs that work with the ledger now. */
static bool excludes(int version)
{
    for (size_t i = 0; i < N_MIGRATIONS; ++i)
        if (MIGRATIONS[i].version > version && MIGRATIONS[i].oldest_program > version)
            return version != 0;
    return false;
}

enum schema_state schema_state(int version, int oldest_program)
{
    if (oldest_program > SCHEMA_VERSION)
        return SCHEMA_TOO_NEW;
    if (excludes(version))
        return SCHEMA_EXCLUDES;
    return version < SCHEMA_VERSION ? SCHEMA_OLD : SCHEMA_READY;
}

void schema_add_migrations(struct buffer *to, int version)
{
    for (size_t i = 0; i < N_MIGRATIONS; ++i) {
        const struct migration *migration = &MIGRATIONS[i];
        if (migration->version <= version)
            continue;
        log_event(LOG_LEVEL_INFO, "migrating", "version=%d name=%s", migration->version,
                  migration->name);
        buffer_add_string(to, migration->sql);
        buffer_add_literal(to, "\n;INSERT INTO pathcount_schema VALUES (");
        buffer_add_int(to, migration->version);
        buffer_add_literal(to, ", '");
        buffer_add_string(to, migration->name);
        buffer_add_literal(to, "', ");
        buffer_add_int(to, migration->oldest_program);
        buffer_add_literal(to, ");");
    }
    buffer_add_literal(to, "COMMIT\0");
}
