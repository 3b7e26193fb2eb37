/* The ledger's schema: numbered migrations, applied by whichever counter-svc comes first.
 *
 * Programs and schema versions are numbered alike: this program is number SCHEMA_VERSION and brings
 * the ledger up to that version, all missing migrations in one transaction, under an advisory lock
 * that makes others wait. Each migration records the oldest program that can still work with the
 * ledger after it: so during a roll-out, and after a roll-back, older programs go on with a newer
 * ledger, unless it says that they cannot.
 *
 * A migration that shuts older programs out waits until it is allowed: there may be renderers that
 * reach only those yet.
 */
#ifndef COUNTER_LEDGER_SCHEMA_H
#define COUNTER_LEDGER_SCHEMA_H

#include "counter-svc/ledger/pg.h"

#include <stdbool.h>

#define SCHEMA_VERSION 6

enum schema_outcome {
    SCHEMA_READY,
    SCHEMA_WAITS,   /* a migration would shut out programs that may be at work */
    SCHEMA_TOO_NEW, /* only a newer program can work with this ledger */
    SCHEMA_FAILED,  /* PostgreSQL refused, which has been logged; or the connection was lost */
};

/* `answer` is PostgreSQL's for SCHEMA_FAILED, good during the call; otherwise NULL. */
typedef void (*schema_callback)(void *data, enum schema_outcome outcome,
                                const struct pg_answer *answer);

/* A look at the schema; lives as long as its connection, zeroed before its first use. */
struct schema {
    struct pg *_pg;
    bool _may_shut_out;
    schema_callback _callback;
    void *_data;
};

/* Makes the ledger fit for this program, if it is not; `may_shut_out` also when older programs cannot
 * work with it any more. The connection must be idle. The callback runs exactly once unless the
 * connection is closed, from the loop. */
void schema_prepare(struct schema *schema, struct pg *pg, bool may_shut_out,
                    schema_callback callback, void *data);

#endif
