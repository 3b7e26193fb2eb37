/* The ledger's schema: numbered migrations. The first counter-svc that needs them applies them.
 *
 * A program is identified by the schema version to which it upgrades the ledger: SCHEMA_VERSION. It
 * applies all missing migrations in one transaction, under an advisory lock. Each migration records
 * the oldest program that can work with the ledger afterwards. So during a roll-out, and after a
 * rollback, older programs work with a newer ledger unless a migration has excluded them.
 *
 * A migration that excludes older programs waits until the session's owner allows it, because some
 * renderers may reach only older programs.
 *
 * SQL only; session_setup.c runs it. Any thread.
 */
#ifndef COUNTER_LEDGER_SCHEMA_H
#define COUNTER_LEDGER_SCHEMA_H

#include "base/buffer.h"

#include <stdint.h>

#define SCHEMA_VERSION 6

/* Deadlines in milliseconds: of a query of the schema, and of migrations, which may rewrite a large
 * table. */
#define SCHEMA_QUERY_MS   ((uint64_t)5000)
#define SCHEMA_MIGRATE_MS ((uint64_t)60 * 60 * 1000)

/* Whether the ledger has a schema: 1 or 0. */
#define SCHEMA_EXISTS_SQL "SELECT (to_regclass('pathcount_schema') IS NOT NULL)::int"

/* The ledger's version, and the oldest program that can work with it. */
#define SCHEMA_VERSION_SQL "SELECT max(version), max(oldest_program) FROM pathcount_schema"

/* Begins the transaction of the migrations and waits for the lock. Returns the ledger's version, 0
 * if it has no schema. */
extern const char schema_lock_sql[];

enum schema_state {
    SCHEMA_READY,
    SCHEMA_OLD,      /* it needs migrations that exclude no program that works with it now */
    SCHEMA_EXCLUDES, /* it needs a migration that excludes programs that may be running */
    SCHEMA_TOO_NEW   /* only a newer program can work with this ledger */
};

/* Returns the state that the answer to SCHEMA_VERSION_SQL means. */
enum schema_state schema_state(int version, int oldest_program);

/* Appends the migrations that a ledger of this version needs, and the commit, with a NUL. Logs each
 * migration. */
void schema_add_migrations(struct buffer *to, int version);

#endif
