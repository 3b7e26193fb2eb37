/* Tests of POSTGRES_URL: it is parsed, or refused with an error that contains no secret. */
#ifndef TESTS_UNIT_POSTGRES_URL_FIXTURE_H
#define TESTS_UNIT_POSTGRES_URL_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "counter-svc/ledger/postgres_url.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define EXPECTED_HOSTS                                                                             \
    "postgres_url: expected HOST[:PORT], up to 16 of them separated by commas, a directory or a "  \
    "postgresql:// URI"
#define EXPECTED_URI                                                                               \
    "postgres_url: expected a postgresql:// URI that libpq understands; percent-encode special "   \
    "characters in the password"
#define UNKNOWN(name, remedy) "postgres_url: the URI has an unknown parameter \"" name "\": " remedy
#define LISTED                "remove it; PostgreSQL's manual, section 34.1.2, lists the parameters"

static inline struct postgres_url parsed(const char *text, const char *user, const char *password,
                                         const char *database)
{
    struct postgres_url url;
    char error[256] = "";

    if (postgres_url_parse(text, user, password, database, &url, error, sizeof(error)) != 0)
        fail_msg("%s was refused: %s", text, error);
    return url;
}

static inline void assert_refused(const char *text, const char *expected)
{
    struct postgres_url url;
    char error[256] = "";

    if (postgres_url_parse(text, "ann", "hunter2", "db", &url, error, sizeof(error)) != -1)
        fail_msg("%s was taken", text);
    assert_string_equal(error, expected);
    assert_null(strstr(error, "hunter2"));
    assert_null(url.keywords);
    assert_null(url.values);
    assert_int_equal(url.n_hosts, 0);
    postgres_url_free(&url);
}

#endif
