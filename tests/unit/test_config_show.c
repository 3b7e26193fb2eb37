/* Keys and values in --help and in the log. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "server/ops/log.h"
#include "tests/unit/config_fixture.h"

static char text[32768];

static void log_into_text(const struct config_key *table, const void *config)
{
    struct capture c;

    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    c = capture_begin(STDERR_FILENO);
    config_log(table, config);
    capture_end(&c, text, sizeof(text));
}

static void the_log_shows_every_value_in_one_line(void **state)
{
    (void)state;
    assert_loads("listen: '[::1]:80'\ndrain_ms: 6\nwide: -7\nlog_requests: true\n"
                 "log_level: debug\ndb_user: ann b\n");
    log_into_text(keys, &settings);
    assert_non_null(strstr(text, " level=info service=test event=configuration listen=[::1]:80 "
                                 "drain_ms=6 wide=-7 log_requests=true log_level=debug "
                                 "db_user=\"ann b\" token=\"(not set)\"\n"));
    assert_loads(NULL);
    log_into_text(keys, &settings);
    assert_non_null(strstr(text, " event=configuration listen=127.0.0.1:8080 drain_ms=5 wide=0 "
                                 "log_requests=false log_level=info db_user=\"(not set)\" "
                                 "token=\"(not set)\"\n"));
}

static void the_log_does_not_show_a_secret(void **state)
{
    (void)state;
    assert_loads("token: hunter2\n");
    log_into_text(keys, &settings);
    assert_non_null(strstr(text, " token=(set)\n"));
    assert_null(strstr(text, "hunter2"));
}

static void values_that_are_too_many_for_a_line_go_on_in_the_next(void **state)
{
    enum { KEYS = 40 };
    struct config_key table[KEYS + 1] = {{0}};
    char names[KEYS][16], *values[KEYS] = {0}, filler[400];
    char *line, *rest = text;

    (void)state;
    memset(filler, 'f', sizeof(filler));
    for (int i = 0; i < KEYS; i++) {
        snprintf(names[i], sizeof(names[i]), "key%d", i);
        values[i] = strndup(filler, (size_t)i * 10);
        table[i] = (struct config_key){
            .name = names[i], .type = CONFIG_STRING, .offset = (size_t)i * sizeof(char *)};
    }
    log_into_text(table, values);
    for (int i = 0; i < KEYS; i++) {
        char expected[512];

        snprintf(expected, sizeof(expected), i == 0 ? " %s=\"%s\"" : " %s=%s", names[i], values[i]);
        free(values[i]);
        line = strstr(text, expected);
        assert_non_null(line);
        assert_non_null(strchr(" \n", line[strlen(expected)]));
    }
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        assert_in_range(strlen(line), 1, 2047);
        assert_non_null(strstr(line, " event=configuration key"));
        assert_null(strstr(line, "..."));
    }
}

static const char expected_help[] =
    "  KEY           VARIABLE      VALUE\n"
    "  listen        LISTEN        a numeric address and port such as 127.0.0.1:8080 or "
    "[::1]:8080; default 127.0.0.1:8080\n"
    "      Where to listen.\n"
    "  drain_ms      DRAIN_MS      an integer from 0 to 60000 ms; default 5\n"
    "      How long to drain.\n"
    "  wide          WIDE          an integer from -9223372036854775808 to 9223372036854775807; no "
    "default\n"
    "      Any number.\n"
    "  log_requests  LOG_REQUESTS  true or false; default false\n"
    "      Whether to log each request.\n"
    "  log_level     LOG_LEVEL     one of error, warning, info, debug; default info\n"
    "      How much is logged.\n"
    "  db_user       DB_USER       a text of 1 to 4096 bytes without control characters; no "
    "default\n"
    "      Who asks the database.\n"
    "  token         TOKEN         a secret of 1 to 4096 bytes without control characters; no "
    "default\n"
    "  token_file    TOKEN_FILE    or the path of a file that holds it\n"
    "      What callers must know.\n"
    "\n"
    "A key's value is that of its environment variable (the key in upper case; an empty\n"
    "one counts as not set), or else that of the file (a flat YAML mapping of key to\n"
    "value), or else its default. A secret can be given as KEY_FILE or key_file instead:\n"
    "the path of a file that holds it.\n";

static void help_is_the_table_of_keys_and_the_rule(void **state)
{
    struct capture c = capture_begin(STDOUT_FILENO);

    (void)state;
    config_print_help(keys, stdout);
    capture_end(&c, text, sizeof(text));
    assert_string_equal(text, expected_help);
}

static void help_tells_a_required_key_and_hides_a_secrets_default(void **state)
{
    struct config_key table[] = {keys[5], keys[6], {0}};
    struct capture c;

    (void)state;
    table[0].required = true;
    table[1].fallback = "hunter2";
    c = capture_begin(STDOUT_FILENO);
    config_print_help(table, stdout);
    capture_end(&c, text, sizeof(text));
    assert_non_null(strstr(text, "control characters; required\n"));
    assert_non_null(strstr(text, "control characters; default (set)\n"));
    assert_null(strstr(text, "hunter2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(the_log_shows_every_value_in_one_line),
        TEST(the_log_does_not_show_a_secret),
        TEST(values_that_are_too_many_for_a_line_go_on_in_the_next),
        TEST(help_is_the_table_of_keys_and_the_rule),
        TEST(help_tells_a_required_key_and_hides_a_secrets_default),
    };

    return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
