/* The state that session.c (the connection and its use) and session_setup.c (the steps of its
 * setup) share. No other file includes it. */
#ifndef COUNTER_LEDGER_SESSION_PRIVATE_H
#define COUNTER_LEDGER_SESSION_PRIVATE_H

#include "counter-svc/ledger/pooler.h"
#include "counter-svc/ledger/session.h"

/* See the diagram in session.h. */
enum session_state {
    SESSION_CONNECTING,
    SESSION_CHECKING,
    SESSION_SETTING_UP,
    SESSION_AWAITING_MIGRATION,
    SESSION_READY
};

/* The steps of SETTING UP, in their order. */
enum setup_step {
    SETUP_SETTINGS,
    SETUP_SCHEMA_EXISTS,
    SETUP_SCHEMA_VERSION,
    SETUP_SCHEMA_LOCK,
    SETUP_SCHEMA_MIGRATE,
    SETUP_PREPARE
};

struct session {
    struct worker *worker;
    struct counter_metrics *metrics;
    const struct session_settings *settings;
    struct session_owner owner;
    enum session_role role;
    struct pg *pg;
    struct pooler_check pooler_check;
    enum session_state state;
    enum setup_step step;
    enum statement preparing; /* in SETUP_PREPARE */
    bool may_migrate;         /* even if that excludes older programs */
    const char *problem;      /* NULL: none */
    const char *logged;       /* the last problem in the log, so that not every attempt is logged */
};

/* Changes the state. The diagram must allow it. */
void session_set_state(struct session *session, enum session_state state);

/* Runs the steps of the setup from this one on. */
void session_set_up(struct session *session, enum setup_step first);

#endif
