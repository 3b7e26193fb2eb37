/* The configuration of counter-svc, and the state of its worker. */
#ifndef COUNTER_COUNTER_H
#define COUNTER_COUNTER_H

#include "counter-svc/changes/changes.h"
#include "counter-svc/journal/journal.h"
#include "counter-svc/read/ranking.h"
#include "counter-svc/read/views.h"
#include "proto/path.h"
#include "server/service.h"

struct counter_config {
    struct service_config service; /* first: see service.h */
    char *counter_token;           /* of renderers */
    char *counter_token_previous;  /* accepted, too; NULL: none */
    char *admin_token;             /* for changes; NULL: changes are off */
    int64_t audit_days;            /* the retention of the audit trail; 0: unlimited */
    struct path_rules path_rules;  /* only for `change normalise` */
    char *postgres_user;
    char *postgres_pw;
    char *postgres_pw_previous; /* tried where postgres_pw is refused; NULL: none */
    char *postgres_db;
    char *postgres_url;
    struct session_settings session; /* the URL is made of the five keys above */
    struct journal_settings journal;
    struct view_settings views;
};

/* The state of the worker: worker->app. */
struct counter {
    const struct counter_config *config;
    struct worker *worker;
    struct journal *journal;
    struct views *views;
    struct changes *changes; /* NULL without admin_token */
    struct ranking *ranking; /* NULL until the ledger has this program's schema */
};

/* The names of the internal API's routes, for logs. */
extern const char *const counter_routes[];

/* Handles a request of the internal API. */
int counter_handle(h2o_handler_t *self, h2o_req_t *req);

#endif
