/* The sources of values, the values that each type accepts, and the errors about others. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "server/ops/log.h"
#include "tests/unit/config_fixture.h"

#define DRAIN_EXPECTED "expected an integer from 0 to 60000 ms, found "
#define WIDE_EXPECTED                                                                              \
    "expected an integer from -9223372036854775808 to "                                            \
    "9223372036854775807, found "
#define BOOLEAN_EXPECTED "expected true or false, found "
#define CHOICE_EXPECTED  "expected one of error, warning, info, debug, found "
#define ADDRESS_EXPECTED                                                                           \
    "expected a numeric address and port such as 127.0.0.1:8080 or [::1]:8080, found "
#define TEXT_EXPECTED   "expected a text of 1 to 4096 bytes without control characters, found "
#define SECRET_EXPECTED "expected a secret of 1 to 4096 bytes without control characters"

static const struct settings nothing;

static void without_file_and_environment_the_defaults_hold(void **state)
{
    (void)state;
    assert_loads(NULL);
    assert_string_equal(settings.listen.host, "127.0.0.1");
    assert_int_equal(settings.listen.port, 8080);
    assert_int_equal(settings.drain_ms, 5);
    assert_int_equal(settings.wide, 0);
    assert_false(settings.log_requests);
    assert_int_equal(settings.log_level, LOG_LEVEL_INFO);
    assert_null(settings.db_user);
    assert_null(settings.token);
}

static void the_file_wins_over_the_default(void **state)
{
    (void)state;
    assert_loads("listen: 0.0.0.0:0\ndrain_ms: 6\nwide: -7\nlog_requests: true\n"
                 "log_level: error\ndb_user: ann\ntoken: t1\n");
    assert_string_equal(settings.listen.host, "0.0.0.0");
    assert_int_equal(settings.listen.port, 0);
    assert_int_equal(settings.drain_ms, 6);
    assert_int_equal(settings.wide, -7);
    assert_true(settings.log_requests);
    assert_int_equal(settings.log_level, LOG_LEVEL_ERROR);
    assert_string_equal(settings.db_user, "ann");
    assert_string_equal(settings.token, "t1");
}

static void the_environment_wins_over_the_file(void **state)
{
    (void)state;
    setenv("LISTEN", "[::1]:65535", 1);
    setenv("DRAIN_MS", "60000", 1);
    setenv("WIDE", "8", 1);
    setenv("LOG_REQUESTS", "false", 1);
    setenv("LOG_LEVEL", "debug", 1);
    setenv("DB_USER", "bob", 1);
    setenv("TOKEN", "t2", 1);
    assert_loads("listen: 0.0.0.0:0\ndrain_ms: 6\nwide: -7\nlog_requests: true\n"
                 "log_level: error\ndb_user: ann\ntoken: t1\n");
    assert_string_equal(settings.listen.host, "::1");
    assert_int_equal(settings.listen.port, 65535);
    assert_int_equal(settings.drain_ms, 60000);
    assert_int_equal(settings.wide, 8);
    assert_false(settings.log_requests);
    assert_int_equal(settings.log_level, LOG_LEVEL_DEBUG);
    assert_string_equal(settings.db_user, "bob");
    assert_string_equal(settings.token, "t2");
}

static void an_empty_variable_counts_as_not_set(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        setenv(variables[i], "", 1);
    assert_loads("drain_ms: 6\ntoken: t1\n");
    assert_int_equal(settings.drain_ms, 6);
    assert_string_equal(settings.token, "t1");
    assert_int_equal(settings.log_level, LOG_LEVEL_INFO);
    assert_null(settings.db_user);
}

static void only_a_secret_has_a_file_variable(void **state)
{
    (void)state;
    setenv("DRAIN_MS_FILE", "/nowhere", 1);
    assert_loads(NULL);
    assert_refused(
        "drain_ms_file: x\n",
        "conf.yml:1: unknown key drain_ms_file: expected one of those that --help lists");
}

static void a_file_must_be_valid_even_where_the_environment_overrides_it(void **state)
{
    (void)state;
    setenv("DRAIN_MS", "7", 1);
    assert_refused("drain_ms: soon\n", "conf.yml:1: drain_ms: " DRAIN_EXPECTED "soon");
}

static void each_type_takes_the_values_it_promises_quoted_or_not(void **state)
{
    static const char *const lines[] = {
        "drain_ms: 0",
        "drain_ms: 60000",
        "drain_ms: \"60000\"",
        "wide: -9223372036854775808",
        "wide: 9223372036854775807",
        "log_requests: 'true'",
        "log_level: \"warning\"",
        "listen: 255.255.255.255:65535",
        "listen: '[::]:0'",
        "listen: '[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:1'",
        "db_user: 5",
        "db_user: true",
        "db_user: 'null'",
        "db_user: \"a b=c\\u00e9\"",
        "db_user: >-\n  folded\n  text",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_loads(lines[i]);
    assert_string_equal(settings.db_user, "folded text");
    assert_loads("db_user: 5");
    assert_string_equal(settings.db_user, "5");
    assert_loads("wide: -9223372036854775808");
    assert_true(settings.wide == INT64_MIN);
    assert_loads("wide: 9223372036854775807");
    assert_true(settings.wide == INT64_MAX);
}

/* Values that are refused from every source, and the error after the name of the source. */
static const struct {
    const char *variable, *key, *value, *message;
} wrong[] = {
    {"DRAIN_MS", "drain_ms", "-1", DRAIN_EXPECTED "-1"},
    {"DRAIN_MS", "drain_ms", "60001", DRAIN_EXPECTED "60001"},
    {"DRAIN_MS", "drain_ms", "99999999999999999999", DRAIN_EXPECTED "99999999999999999999"},
    {"DRAIN_MS", "drain_ms", "soon", DRAIN_EXPECTED "soon"},
    {"DRAIN_MS", "drain_ms", "5 s", DRAIN_EXPECTED "\"5 s\""},
    {"DRAIN_MS", "drain_ms", " 5", DRAIN_EXPECTED "\" 5\""},
    {"DRAIN_MS", "drain_ms", "5ms", DRAIN_EXPECTED "5ms"},
    {"DRAIN_MS", "drain_ms", "5.0", DRAIN_EXPECTED "5.0"},
    {"DRAIN_MS", "drain_ms", "1e3", DRAIN_EXPECTED "1e3"},
    {"DRAIN_MS", "drain_ms", "0x10", DRAIN_EXPECTED "0x10"},
    {"DRAIN_MS", "drain_ms", "1_000", DRAIN_EXPECTED "1_000"},
    {"DRAIN_MS", "drain_ms", "010", DRAIN_EXPECTED "010"},
    {"DRAIN_MS", "drain_ms", "+5", DRAIN_EXPECTED "+5"},
    {"DRAIN_MS", "drain_ms", "-0", DRAIN_EXPECTED "-0"},
    {"DRAIN_MS", "drain_ms", "-", DRAIN_EXPECTED "-"},
    {"DRAIN_MS", "drain_ms", "--5", DRAIN_EXPECTED "--5"},
    {"WIDE", "wide", "9223372036854775808", WIDE_EXPECTED "9223372036854775808"},
    {"WIDE", "wide", "-9223372036854775809", WIDE_EXPECTED "-9223372036854775809"},
    {"LOG_REQUESTS", "log_requests", "yes", BOOLEAN_EXPECTED "yes"},
    {"LOG_REQUESTS", "log_requests", "True", BOOLEAN_EXPECTED "True"},
    {"LOG_REQUESTS", "log_requests", "1", BOOLEAN_EXPECTED "1"},
    {"LOG_LEVEL", "log_level", "loud", CHOICE_EXPECTED "loud"},
    {"LOG_LEVEL", "log_level", "INFO", CHOICE_EXPECTED "INFO"},
    {"LOG_LEVEL", "log_level", "inf", CHOICE_EXPECTED "inf"},
    {"LISTEN", "listen", "8080", ADDRESS_EXPECTED "8080"},
    {"LISTEN", "listen", ":8080", ADDRESS_EXPECTED ":8080"},
    {"LISTEN", "listen", "localhost:80", ADDRESS_EXPECTED "localhost:80"},
    {"LISTEN", "listen", "127.0.0.1", ADDRESS_EXPECTED "127.0.0.1"},
    {"LISTEN", "listen", "127.0.0.1:", ADDRESS_EXPECTED "127.0.0.1:"},
    {"LISTEN", "listen", "127.0.0.1:65536", ADDRESS_EXPECTED "127.0.0.1:65536"},
    {"LISTEN", "listen", "127.0.0.1:-1", ADDRESS_EXPECTED "127.0.0.1:-1"},
    {"LISTEN", "listen", "127.0.0.1:80x", ADDRESS_EXPECTED "127.0.0.1:80x"},
    {"LISTEN", "listen", "127.1:80", ADDRESS_EXPECTED "127.1:80"},
    {"LISTEN", "listen", "256.0.0.1:80", ADDRESS_EXPECTED "256.0.0.1:80"},
    {"LISTEN", "listen", "::1:80", ADDRESS_EXPECTED "::1:80"},
    {"LISTEN", "listen", "[::1]", ADDRESS_EXPECTED "[::1]"},
    {"LISTEN", "listen", "[::1", ADDRESS_EXPECTED "[::1"},
    {"LISTEN", "listen", "[::1:80", ADDRESS_EXPECTED "[::1:80"},
    {"LISTEN", "listen", "[::1]80", ADDRESS_EXPECTED "[::1]80"},
    {"LISTEN", "listen", "[127.0.0.1]:80", ADDRESS_EXPECTED "[127.0.0.1]:80"},
    {"LISTEN", "listen", "[fe80::1%lo]:80", ADDRESS_EXPECTED "[fe80::1%lo]:80"},
    {"LISTEN", "listen", "[00000000000000000000000000000000000000000000000001]:80",
     ADDRESS_EXPECTED "[00000000000000000000000000000000000000000000000001]:80"},
};

static void a_wrong_value_in_the_file_is_refused_with_line_and_expectation(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char yaml[256], message[512];

        snprintf(yaml, sizeof(yaml), "# first\n%s:\n  '%s'\n", wrong[i].key, wrong[i].value);
        snprintf(message, sizeof(message), "conf.yml:3: %s: %s", wrong[i].key, wrong[i].message);
        assert_refused(yaml, message);
    }
}

static void a_wrong_value_in_the_environment_is_refused_with_variable_and_expectation(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char message[512];

        setenv(wrong[i].variable, wrong[i].value, 1);
        snprintf(message, sizeof(message), "%s: %s", wrong[i].variable, wrong[i].message);
        assert_refused(NULL, message);
        unsetenv(wrong[i].variable);
    }
}

static void
a_text_is_refused_for_its_length_or_a_control_character_without_being_shown(void **state)
{
    char text[4098];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[4096] = '\0';
    setenv("DB_USER", text, 1);
    assert_loads(NULL);
    assert_string_equal(settings.db_user, text);
    text[4096] = 'x';
    text[4097] = '\0';
    setenv("DB_USER", text, 1);
    assert_refused(NULL, "DB_USER: " TEXT_EXPECTED "4097 bytes");
    setenv("DB_USER", "a\tb", 1);
    assert_refused(NULL, "DB_USER: " TEXT_EXPECTED "a control character");
    setenv("DB_USER", "a\x7f", 1);
    assert_refused(NULL, "DB_USER: " TEXT_EXPECTED "a control character");
    unsetenv("DB_USER");
    assert_refused("db_user: ''\n", "conf.yml:1: db_user: " TEXT_EXPECTED "nothing");
    assert_refused("db_user: \"a\\0b\"\n",
                   "conf.yml:1: db_user: " TEXT_EXPECTED "a control character");
    assert_refused("drain_ms: \"5\\0\"\n",
                   "conf.yml:1: drain_ms: " DRAIN_EXPECTED "a control character");
}

static void a_long_wrong_value_is_cut_in_the_message(void **state)
{
    char text[2000], message[512];

    (void)state;
    memset(text, '9', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    setenv("DRAIN_MS", text, 1);
    snprintf(message, sizeof(message), "DRAIN_MS: " DRAIN_EXPECTED "\"%.74s...\"", text);
    assert_refused(NULL, message);
}

static void a_message_is_cut_to_the_callers_buffer(void **state)
{
    char small[8];

    (void)state;
    setenv("DRAIN_MS", "soon", 1);
    memset(small, '#', sizeof(small));
    assert_int_equal(config_load(keys, &settings, NULL, small, sizeof(small) - 1), -1);
    assert_memory_equal(small, "DRAIN_\0#", sizeof(small));
}

static int load_table(const struct config_key *table, const char *path)
{
    return config_load(table, &settings, path, error, sizeof(error));
}

static void a_missing_required_key_is_named_with_the_ways_to_give_it(void **state)
{
    struct config_key table[] = {keys[1], keys[6], {0}};

    (void)state;
    table[0].required = true; /* has a default, so it can never be missing */
    table[1].required = true;
    assert_int_equal(load_table(table, NULL), -1);
    assert_string_equal(error, "token is missing: " SECRET_EXPECTED
                               ", in the environment as TOKEN or TOKEN_FILE or in the file as "
                               "token or token_file");
    write_bytes(FILE_NAME, "drain_ms: 6\n", 12);
    assert_int_equal(load_table(table, FILE_NAME), -1);
    assert_string_equal(error, "conf.yml: token is missing: " SECRET_EXPECTED
                               ", in the environment as TOKEN or TOKEN_FILE or in the file as "
                               "token or token_file");
    table[0].fallback = NULL;
    setenv("TOKEN", "t", 1);
    assert_int_equal(load_table(table, NULL), -1);
    assert_string_equal(error, "drain_ms is missing: expected an integer from 0 to 60000 ms, in "
                               "the environment as DRAIN_MS or in the file as drain_ms");
    setenv("DRAIN_MS", "1", 1);
    assert_int_equal(load_table(table, NULL), 0);
}

static void a_default_that_breaks_its_own_rule_is_refused(void **state)
{
    struct config_key table[] = {keys[1], {0}};

    (void)state;
    table[0].fallback = "60001";
    assert_int_equal(load_table(table, NULL), -1);
    assert_string_equal(error, "the default of drain_ms: " DRAIN_EXPECTED "60001");
}

static void a_failed_load_leaves_nothing_behind(void **state)
{
    (void)state;
    assert_int_equal(load("listen: 0.0.0.0:1\ndb_user: ann\ntoken: t\nlog_requests: true\n"
                          "log_level: debug\nwide: 3\ndrain_ms: soon\n"),
                     -1);
    assert_memory_equal(&settings, &nothing, sizeof(settings));
}

static void free_zeroes_every_field_and_may_be_called_again(void **state)
{
    (void)state;
    assert_loads("listen: 0.0.0.0:1\ndb_user: ann\ntoken: t\nlog_requests: true\nwide: 3\n");
    config_free(keys, &settings);
    assert_memory_equal(&settings, &nothing, sizeof(settings));
    config_free(keys, &settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(without_file_and_environment_the_defaults_hold),
        TEST(the_file_wins_over_the_default),
        TEST(the_environment_wins_over_the_file),
        TEST(an_empty_variable_counts_as_not_set),
        TEST(only_a_secret_has_a_file_variable),
        TEST(a_file_must_be_valid_even_where_the_environment_overrides_it),
        TEST(each_type_takes_the_values_it_promises_quoted_or_not),
        TEST(a_wrong_value_in_the_file_is_refused_with_line_and_expectation),
        TEST(a_wrong_value_in_the_environment_is_refused_with_variable_and_expectation),
        TEST(a_text_is_refused_for_its_length_or_a_control_character_without_being_shown),
        TEST(a_long_wrong_value_is_cut_in_the_message),
        TEST(a_message_is_cut_to_the_callers_buffer),
        TEST(a_missing_required_key_is_named_with_the_ways_to_give_it),
        TEST(a_default_that_breaks_its_own_rule_is_refused),
        TEST(a_failed_load_leaves_nothing_behind),
        TEST(free_zeroes_every_field_and_may_be_called_again),
    };

    return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
