/* The state that pg_connect.c (the attempts to connect) and pg.c (queries, and the loss of a
 * connection) share. No other file includes it. */
#ifndef COUNTER_LEDGER_PG_PRIVATE_H
#define COUNTER_LEDGER_PG_PRIVATE_H

#include "counter-svc/ledger/pg.h"
#include "counter-svc/ledger/refusal.h"

struct pg {
    struct worker *worker;
    const struct postgres_url *url;
    struct pg_owner owner;
    uint64_t connect_timeout_ms;

    /* the round of attempts (pg_connect.c) */
    struct resolver resolver;
    size_t host;                /* the index of the URL's host */
    size_t first_host;          /* the next round begins with this one */
    size_t hosts_tried;         /* in this round */
    bool follows;               /* only first_host is tried */
    struct addresses addresses; /* of the host */
    size_t address;             /* the index of the present one */
    bool with_previous;         /* offer the previous password */
    bool both_tried;            /* both passwords, at this address */
    uint64_t pause_ms;
    struct timer pause;
    char reason[REASON_BYTES]; /* why the last attempt failed */

    /* the connection */
    PGconn *conn;         /* NULL: none */
    h2o_socket_t *socket; /* over a duplicate of its descriptor; NULL: none */
    bool connected;
    bool is_set_up;
    struct timer deadline; /* of an attempt, or of the query */

    /* the query in flight; NULL callback: none */
    pg_callback callback;
    void *data;
    PGresult *result; /* its first error, or its last result */
    bool warned;
};

/* --- pg_connect.c --- */

/* Begins a round of attempts. It ends with pg_attach, or with pg_lose. */
void pg_connect(struct pg *pg);

/* --- pg.c --- */

/* Takes over the connection that was made. Its socket is read from now on. */
void pg_attach(struct pg *pg);
void pg_on_readable(h2o_socket_t *socket, const char *error);

/* Ends the connection, if there is one. Calls no callback. */
void pg_disconnect(struct pg *pg);

/* Ends the connection or the attempt. Answers the query in flight with PG_LOST, then calls on_lost.
 * The next round of attempts begins after a pause. */
void pg_lose(struct pg *pg, const char *reason);

#endif
