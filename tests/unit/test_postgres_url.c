/* POSTGRES_URL: every way to say where PostgreSQL is, and what is none. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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

static struct postgres_url parsed(const char *text, const char *user, const char *password,
                                  const char *database)
{
    struct postgres_url url;
    char error[256] = "";

    if (postgres_url_parse(text, user, password, database, &url, error, sizeof(error)) != 0)
        fail_msg("%s was refused: %s", text, error);
    return url;
}

static void assert_refused(const char *text, const char *expected)
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

/* The hosts as `NAME PORT` with a comma between them. */
static void assert_hosts(const char *text, const char *expected)
{
    struct postgres_url url = parsed(text, NULL, NULL, NULL);
    char found[8192] = "";

    for (size_t i = 0; i < url.n_hosts; i++) {
        size_t len = strlen(found);
        snprintf(found + len, sizeof(found) - len, "%s%s %s", i == 0 ? "" : ",", url.hosts[i].name,
                 url.hosts[i].port);
    }
    if (strcmp(found, expected) != 0)
        fail_msg("%s gave %s, not %s", text, found, expected);
    postgres_url_free(&url);
}

struct case_of {
    const char *text, *hosts;
};

static void assert_cases(const struct case_of *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_hosts(cases[i].text, cases[i].hosts);
}

/* The value that libpq would take: the last of its keyword. NULL: none. */
static const char *value_of(const struct postgres_url *url, const char *keyword)
{
    const char *value = NULL;

    for (size_t i = 0; url->keywords[i] != NULL; i++) {
        assert_non_null(url->values[i]);
        if (strcmp(url->keywords[i], keyword) == 0)
            value = url->values[i];
    }
    return value;
}

static void assert_value(const struct postgres_url *url, const char *keyword, const char *expected)
{
    const char *value = value_of(url, keyword);

    if (expected == NULL)
        assert_null(value);
    else if (value == NULL || strcmp(value, expected) != 0)
        fail_msg("%s is %s, not %s", keyword, value, expected);
}

static void a_host_has_the_default_port_or_its_own(void **state)
{
    static const struct case_of cases[] = {
        {"db", "db 5432"},
        {"db:5433", "db 5433"},
        {"db:1", "db 1"},
        {"db:65535", "db 65535"},
        {"db.example.org:5432", "db.example.org 5432"},
        {"127.0.0.1", "127.0.0.1 5432"},
        {"127.0.0.1:6000", "127.0.0.1 6000"},
        {"tasks.postgres", "tasks.postgres 5432"},
        {"postgresql", "postgresql 5432"},
        {"postgres", "postgres 5432"},
    };

    (void)state;
    assert_cases(cases, SIZE(cases));
}

static void an_ipv6_address_stands_in_brackets(void **state)
{
    static const struct case_of cases[] = {
        {"[::1]", "::1 5432"},
        {"[::1]:5433", "::1 5433"},
        {"[2001:db8::1]:6000,[::1]", "2001:db8::1 6000,::1 5432"},
        {"[fe80::1%eth0]:5432", "fe80::1%eth0 5432"},
    };

    (void)state;
    assert_cases(cases, SIZE(cases));
}

static void several_hosts_stand_in_their_order(void **state)
{
    static const struct case_of cases[] = {
        {"a,b", "a 5432,b 5432"},
        {"a:1,b:2,c:3", "a 1,b 2,c 3"},
        {"a,b:2,[::1]:3,/run/pg", "a 5432,b 2,::1 3,/run/pg 5432"},
        {"b,a,b", "b 5432,a 5432,b 5432"},
        {"a:1,b:2,c:3,d:4,e:5,f:6,g:7,h:8,i:9,j:10,k:11,l:12,m:13,n:14,o:15,p:16",
         "a 1,b 2,c 3,d 4,e 5,f 6,g 7,h 8,i 9,j 10,k 11,l 12,m 13,n 14,o 15,p 16"},
    };

    (void)state;
    assert_cases(cases, SIZE(cases));
}

static void a_directory_begins_with_a_slash(void **state)
{
    static const struct case_of cases[] = {
        {"/var/run/postgresql", "/var/run/postgresql 5432"},
        {"/", "/ 5432"},
        {"/a:5433", "/a:5433 5432"},
        {"postgresql:///db?host=/run/pg", "/run/pg 5432"},
        {"postgresql:///db?host=/run/pg&port=5433", "/run/pg 5433"},
        {"postgresql://%2Frun%2Fpg/db", "/run/pg 5432"},
        {"postgresql://%2Frun%2Fpg:5433/db", "/run/pg 5433"},
    };

    (void)state;
    assert_cases(cases, SIZE(cases));
}

static void a_uri_names_its_hosts_as_libpq_reads_them(void **state)
{
    static const struct case_of cases[] = {
        {"postgresql://db", "db 5432"},
        {"postgres://db", "db 5432"},
        {"postgresql://db/", "db 5432"},
        {"postgresql://db:5433/name", "db 5433"},
        {"postgresql://ann@db", "db 5432"},
        {"postgresql://ann:pw@db:6000/name", "db 6000"},
        {"postgresql://[::1]:5433/", "::1 5433"},
        {"postgresql://[2001:db8::1]", "2001:db8::1 5432"},
        {"postgresql://a,b,c/", "a 5432,b 5432,c 5432"},
        {"postgresql://a:1,b:2/", "a 1,b 2"},
        {"postgresql://a,b:2,c/", "a 5432,b 2,c 5432"},
        {"postgresql://a:1,[::1]:2,b/", "a 1,::1 2,b 5432"},
        {"postgresql:///name?host=a,b&port=7", "a 7,b 7"},
        {"postgresql:///name?host=a,b&port=7,8", "a 7,b 8"},
        {"postgresql://db/?hostaddr=10.0.0.1", "10.0.0.1 5432"},
        {"postgresql://db:7/?hostaddr=::1", "::1 7"},
        {"postgresql://", "localhost 5432"},
        {"postgresql:///name", "localhost 5432"},
        {"postgresql://%64b", "db 5432"},
    };

    (void)state;
    assert_cases(cases, SIZE(cases));
}

static void user_password_and_database_are_the_given_ones(void **state)
{
    struct postgres_url url = parsed("db", "ann", "pass word'\\", "counts");

    (void)state;
    assert_value(&url, "user", "ann");
    assert_value(&url, "password", "pass word'\\");
    assert_value(&url, "dbname", "counts");
    assert_null(url.values[3]);
    postgres_url_free(&url);
    url = parsed("postgresql://db", "ann", "pw", "counts");
    assert_value(&url, "user", "ann");
    assert_value(&url, "password", "pw");
    assert_value(&url, "dbname", "counts");
    postgres_url_free(&url);
}

static void what_is_not_given_is_left_to_libpq(void **state)
{
    static const char *const texts[] = {"db", "postgresql://db"};

    (void)state;
    for (size_t i = 0; i < SIZE(texts); i++) {
        struct postgres_url url = parsed(texts[i], NULL, NULL, NULL);
        assert_null(url.keywords[0]);
        assert_null(url.values[0]);
        postgres_url_free(&url);
        url = parsed(texts[i], "", "", "");
        assert_null(url.keywords[0]);
        postgres_url_free(&url);
    }
}

static void a_uris_own_user_password_and_database_go_before(void **state)
{
    struct postgres_url url = parsed("postgresql://bob:p%40ss@db/own", "ann", "pw", "counts");

    (void)state;
    assert_value(&url, "user", "bob");
    assert_value(&url, "password", "p@ss");
    assert_value(&url, "dbname", "own");
    postgres_url_free(&url);
    url = parsed("postgresql://bob@db", "ann", "pw", "counts");
    assert_value(&url, "user", "bob");
    assert_value(&url, "password", "pw");
    assert_value(&url, "dbname", "counts");
    postgres_url_free(&url);
    url = parsed("postgresql://db/?user=eve&password=x&dbname=y", "ann", "pw", "counts");
    assert_value(&url, "user", "eve");
    assert_value(&url, "password", "x");
    assert_value(&url, "dbname", "y");
    postgres_url_free(&url);
}

static void a_uris_options_are_kept_but_those_that_each_attempt_decides(void **state)
{
    struct postgres_url url = parsed(
        "postgresql://a:1,b:2/?sslmode=verify-full&sslrootcert=/ca.pem&application_name=x%20y"
        "&options=-c%20geqo%3Doff&connect_timeout=9&target_session_attrs=read-only"
        "&client_encoding=LATIN1&keepalives_idle=5",
        NULL, NULL, NULL);

    (void)state;
    assert_value(&url, "sslmode", "verify-full");
    assert_value(&url, "sslrootcert", "/ca.pem");
    assert_value(&url, "application_name", "x y");
    assert_value(&url, "options", "-c geqo=off");
    assert_value(&url, "keepalives_idle", "5");
    assert_value(&url, "connect_timeout", NULL);
    assert_value(&url, "target_session_attrs", NULL);
    assert_value(&url, "client_encoding", NULL);
    assert_value(&url, "host", NULL);
    assert_value(&url, "hostaddr", NULL);
    assert_value(&url, "port", NULL);
    postgres_url_free(&url);
}

static void what_names_no_host_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        ",",
        "a,",
        ",a",
        "a,,b",
        ":5432",
        "a:",
        "a:0",
        "a:65536",
        "a:99999",
        "a:123456",
        "a:-1",
        "a:+1",
        "a: 1",
        "a:1 ",
        "a:x",
        "a:1x",
        "a:5432/db",
        "a:1:2",
        "::1",
        "fe80::1",
        "[::1",
        "[]",
        "[]:5432",
        "[::1]:",
        "[::1]5432",
        "[::1]x",
        "[::1]:x",
        "[::1]:0",
        "[::1]]",
        "a:1,b:x",
        "a,b:0",
        "http://a",
        "mysql://a:1",
        "postgresql:/a",
        "POSTGRESQL://a",
        "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(texts); i++)
        assert_refused(texts[i], EXPECTED_HOSTS);
}

static void a_name_has_at_most_255_bytes(void **state)
{
    /* what stands before the name and behind it; a directory's own slash counts */
    static const char *const around[][2] = {{"", ""},
                                            {"", ":5433"},
                                            {"[", "]:5433"},
                                            {"/", ""},
                                            {"postgresql://", "/db"},
                                            {"postgresql:///db?host=/", ""}};
    static const size_t lengths[] = {255, 256, 511, 512, 513, 1000};

    (void)state;
    for (size_t i = 0; i < SIZE(around) * SIZE(lengths); i++) {
        const char *const *parts = around[i / SIZE(lengths)];
        size_t len = lengths[i % SIZE(lengths)];
        bool is_directory = strcmp(parts[0], "/") == 0 || strstr(parts[0], "=/") != NULL;
        char name[1024], text[2048];
        struct postgres_url url;

        memset(name, 'a', sizeof(name));
        name[len - is_directory] = '\0';
        snprintf(text, sizeof(text), "%s%s%s", parts[0], name, parts[1]);
        if (len > 255) {
            assert_refused(text, EXPECTED_HOSTS);
            continue;
        }
        url = parsed(text, NULL, NULL, NULL);
        assert_int_equal(strlen(url.hosts[0].name), len);
        postgres_url_free(&url);
    }
}

static void a_long_list_of_what_is_refused_is_read_to_its_end_only(void **state)
{
    char text[4096];
    size_t len = 0;

    (void)state;
    while (len < sizeof(text) - 3) {
        text[len++] = 'a';
        text[len++] = ',';
    }
    text[len] = '\0';
    assert_refused(text, EXPECTED_HOSTS);
}

static void a_uri_that_libpq_does_not_understand_is_refused_without_the_password(void **state)
{
    static const char *const texts[] = {
        "postgresql://ann:hunter2@db/%zz",
        "postgresql://ann:hunter2@[::1/db",
        "postgresql://ann:hunter2@db/?sslmode",
        "postgresql://ann:hunter2%00@db/",
        "postgresql://ann:hunter2@db/?password=hunter2=x",
        "postgresql://[::1]x/",
        "postgresql://[]/",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(texts); i++)
        assert_refused(texts[i], EXPECTED_URI);
}

static void an_unknown_parameter_is_named_with_its_remedy(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"postgresql://ann:hunter2@db:1/?nosuch=1", UNKNOWN("nosuch", LISTED)},
        {"postgresql://ann:hunter2@db/name?nosuch=hunter2", UNKNOWN("nosuch", LISTED)},
        {"postgres://db?prepareThreshold=0", UNKNOWN("prepareThreshold", LISTED)},
        {"postgresql://ann:hunter2@db/name?sslmode=require&ssl=true&no-such.1_=&password=hunter2",
         UNKNOWN("no-such.1_", LISTED)},
        {"postgresql://ann:hunt?er2@db/name?nosuch=1", UNKNOWN("nosuch", LISTED)},
        {"postgresql://ann:hunter2@db/name?pgbouncer=true",
         UNKNOWN("pgbouncer", "remove it; PostgreSQL may be behind PgBouncer if that has pool_mode "
                              "= session")},
        {"postgresql://ann:hunter2@db/name?connect_timeout=1&schema=public",
         UNKNOWN("schema", "write options=-csearch_path%3DSCHEMA instead, or set search_path for "
                           "the role")},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++)
        assert_refused(cases[i].text, cases[i].expected);
}

static void a_password_that_looks_like_a_parameter_is_not_named(void **state)
{
    static const char *const texts[] = {
        "postgresql://ann:pw/x?hunter2=y@db/name",
        "postgresql://ann:pw/x?y&hunter2=z@db/name?sslmode=require",
        "postgresql://ann:pw/?hunter2=@db",
        "postgresql://db/name?hunter2",
        "postgresql://db/name?%68unter2=1",
        "postgresql://db/name?hunter2/=1",
        "postgresql://db/name?hunter2hunter2hunter2hunter2hunter2hunter2=1",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(texts); i++)
        assert_refused(texts[i], EXPECTED_URI);
}

static void a_uri_with_an_impossible_port_is_refused_without_the_password(void **state)
{
    static const char *const texts[] = {
        "postgresql://ann:hunter2@db:0/",
        "postgresql://ann:hunter2@db:65536/",
        "postgresql://ann:hunter2@db:1234567/",
        "postgresql://ann:hunter2@db:x/",
        "postgresql://ann:hunter2@db:-1/",
        "postgresql://ann:hunter2@a:1,b:x/",
        "postgresql:///?password=hunter2&host=a&port=5432x",
        "postgresql://a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q/?password=hunter2",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(texts); i++)
        assert_refused(texts[i], EXPECTED_HOSTS);
}

static void an_error_is_cut_to_the_room_it_has(void **state)
{
    struct postgres_url url;
    char error[16];

    (void)state;
    memset(error, 'x', sizeof(error));
    assert_int_equal(postgres_url_parse("", NULL, NULL, NULL, &url, error, 8), -1);
    assert_string_equal(error, "postgre");
    assert_int_equal(error[8], 'x');
}

static void a_freed_url_is_empty(void **state)
{
    struct postgres_url url = parsed("postgresql://a,b/?sslmode=disable", "ann", "pw", "db");

    (void)state;
    postgres_url_free(&url);
    assert_null(url.keywords);
    assert_null(url.values);
    assert_int_equal(url.n_hosts, 0);
    postgres_url_free(&url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_has_the_default_port_or_its_own),
        cmocka_unit_test(an_ipv6_address_stands_in_brackets),
        cmocka_unit_test(several_hosts_stand_in_their_order),
        cmocka_unit_test(a_directory_begins_with_a_slash),
        cmocka_unit_test(a_uri_names_its_hosts_as_libpq_reads_them),
        cmocka_unit_test(user_password_and_database_are_the_given_ones),
        cmocka_unit_test(what_is_not_given_is_left_to_libpq),
        cmocka_unit_test(a_uris_own_user_password_and_database_go_before),
        cmocka_unit_test(a_uris_options_are_kept_but_those_that_each_attempt_decides),
        cmocka_unit_test(what_names_no_host_is_refused),
        cmocka_unit_test(a_name_has_at_most_255_bytes),
        cmocka_unit_test(a_long_list_of_what_is_refused_is_read_to_its_end_only),
        cmocka_unit_test(a_uri_that_libpq_does_not_understand_is_refused_without_the_password),
        cmocka_unit_test(an_unknown_parameter_is_named_with_its_remedy),
        cmocka_unit_test(a_password_that_looks_like_a_parameter_is_not_named),
        cmocka_unit_test(a_uri_with_an_impossible_port_is_refused_without_the_password),
        cmocka_unit_test(an_error_is_cut_to_the_room_it_has),
        cmocka_unit_test(a_freed_url_is_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
