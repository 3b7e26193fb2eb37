/* POSTGRES_URL: every way to name the hosts of PostgreSQL. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/postgres_url_fixture.h"

/* Compares the hosts, written as `NAME PORT` and separated by commas. */
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

/* Returns the value that libpq uses, the last one of the keyword, or NULL. */
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

static void missing_parameters_are_left_to_libpq(void **state)
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
        cmocka_unit_test(missing_parameters_are_left_to_libpq),
        cmocka_unit_test(a_uris_own_user_password_and_database_go_before),
        cmocka_unit_test(a_uris_options_are_kept_but_those_that_each_attempt_decides),
        cmocka_unit_test(a_freed_url_is_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
