/* Invalid values of POSTGRES_URL, and their errors. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/postgres_url_fixture.h"

static void a_url_without_a_host_is_refused(void **state)
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
    /* the text before and after the name; the slash of a directory is part of the name */
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

static void a_long_list_that_is_refused_is_read_only_to_its_end(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_without_a_host_is_refused),
        cmocka_unit_test(a_name_has_at_most_255_bytes),
        cmocka_unit_test(a_long_list_that_is_refused_is_read_only_to_its_end),
        cmocka_unit_test(a_uri_that_libpq_does_not_understand_is_refused_without_the_password),
        cmocka_unit_test(an_unknown_parameter_is_named_with_its_remedy),
        cmocka_unit_test(a_password_that_looks_like_a_parameter_is_not_named),
        cmocka_unit_test(a_uri_with_an_impossible_port_is_refused_without_the_password),
        cmocka_unit_test(an_error_is_cut_to_the_room_it_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
