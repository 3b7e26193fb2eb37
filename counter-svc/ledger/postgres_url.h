/* POSTGRES_URL: where PostgreSQL is.
 *
 * It is one of
 *   HOST or HOST:PORT (IPv6 addresses in brackets)
 *   several of these, separated by commas: the host that accepts writes is used
 *   a directory, which begins with a slash: the Unix socket in it
 *   a whole postgresql:// URI, as libpq understands it (which may name several hosts, too)
 * A URI's user, password and database override POSTGRES_USER, POSTGRES_PW and POSTGRES_DB.
 */
#ifndef COUNTER_LEDGER_POSTGRES_URL_H
#define COUNTER_LEDGER_POSTGRES_URL_H

#include <stddef.h>

#define POSTGRES_MAX_HOSTS 16

/* One server to try. */
struct postgres_host {
    char name[256]; /* a name, an address without brackets, or a directory */
    char port[6];
};

struct postgres_url {
    size_t n_hosts;
    struct postgres_host hosts[POSTGRES_MAX_HOSTS];
    /* The other parameters, for PQconnectStartParams. Both lists end with NULL and are owned. */
    char **keywords;
    char **values;
    /* A second password to try, or NULL. Not owned, and not set by postgres_url_parse. */
    const char *previous_password;
};

/* Reads `text`; user, password and database may be NULL. Returns 0, or -1 with a sentence without
 * the password in `error`. Free the result with postgres_url_free. */
int postgres_url_parse(const char *text, const char *user, const char *password,
                       const char *database, struct postgres_url *url, char *error,
                       size_t error_size) __attribute__((warn_unused_result));

/* Returns the password, from the URI or POSTGRES_PW, or NULL. */
const char *postgres_url_password(const struct postgres_url *url);

void postgres_url_free(struct postgres_url *url);

#endif
