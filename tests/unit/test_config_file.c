/* The configuration file: it is read, it is one flat mapping in YAML, or it is refused with an
 * error. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/unit/config_fixture.h"

static void a_file_that_sets_nothing_is_fine(void **state)
{
    static const char *const files[] = {"",     "\n\n",    "# only a comment\n", "---\n",
                                        "{}\n", "--- ~\n", "---\n...\n",         "\xef\xbb\xbf"};

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        assert_loads(files[i]);
        assert_int_equal(settings.drain_ms, 5);
    }
}

static void one_mapping_is_fine_in_each_of_yamls_spellings(void **state)
{
    static const char *const files[] = {
        "drain_ms: 7",
        "drain_ms: 7\n",
        "drain_ms: 7\r\n",
        "---\ndrain_ms: 7 # comment\n...\n",
        "%YAML 1.1\n---\ndrain_ms: 7\n",
        "{drain_ms: 7, db_user: x}\n",
        "{\"drain_ms\": \"7\"}\n",
        "? drain_ms\n: 7\n",
        "'drain_ms':\n    7\n",
        "\xef\xbb\xbf{drain_ms: 7}\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        assert_loads(files[i]);
        assert_int_equal(settings.drain_ms, 7);
    }
}

#define DRAIN_EXPECTED "expected an integer from 0 to 60000 ms, found "
#define UNKNOWN        ": expected one of those that --help lists"

static const struct {
    const char *yaml, *message;
} refused[] = {
    /* keys */
    {"drain_ms: 1\n\nspeed: 5\n", "conf.yml:3: unknown key speed" UNKNOWN},
    {"Drain_ms: 5\n", "conf.yml:1: unknown key Drain_ms" UNKNOWN},
    {"drain: 5\n", "conf.yml:1: unknown key drain" UNKNOWN},
    {"'two words': 5\n", "conf.yml:1: unknown key \"two words\"" UNKNOWN},
    {"\"a\\nb\": 5\n", "conf.yml:1: unknown key \"a\\nb\"" UNKNOWN},
    {"'': 5\n", "conf.yml:1: unknown key \"\"" UNKNOWN},
    {"<<: {drain_ms: 5}\n", "conf.yml:1: expected a plain word as a value, found a mapping"},
    {"\"drain_ms\\0\": 5\n", "conf.yml:1: expected a key without NUL"},
    {"drain_ms: 5\nwide: 1\ndrain_ms: 5\n",
     "conf.yml:3: drain_ms: expected once, but line 1 has drain_ms already"},
    {"{drain_ms: 5, drain_ms: 6}", "conf.yml:1: drain_ms: expected once, but line 1 has drain_ms "
                                   "already"},
    {"[drain_ms]: 5\n", "conf.yml:1: expected a plain word as a key, found a list (\"[\" needs "
                        "quotes)"},
    {"? {a: b}\n: 5\n", "conf.yml:1: expected a plain word as a key, found a mapping"},
    /* no value */
    {"drain_ms:\n", "conf.yml:1: drain_ms: " DRAIN_EXPECTED "nothing"},
    {"# c\ndrain_ms:\nwide: 5\n", "conf.yml:2: drain_ms: " DRAIN_EXPECTED "nothing"},
    {"{drain_ms}\n", "conf.yml:1: drain_ms: " DRAIN_EXPECTED "nothing"},
    {"? drain_ms\n\nwide: 5\n", "conf.yml:1: drain_ms: " DRAIN_EXPECTED "nothing"},
    {"drain_ms: ''\n", "conf.yml:1: drain_ms: " DRAIN_EXPECTED "nothing"},
    {"drain_ms: ~\n", "conf.yml:1: drain_ms: " DRAIN_EXPECTED "a null"},
    {"db_user: null\n", "conf.yml:1: db_user: expected a text of 1 to 4096 bytes without control "
                        "characters, found a null"},
    /* not flat */
    {"wide: 1\ndrain_ms: [5]\n",
     "conf.yml:2: expected a plain word as a value, found a list (\"[\" "
     "needs quotes)"},
    {"wide: 1\ndrain_ms:\n  - 5\n", "conf.yml:3: expected a plain word as a value, found a list "
                                    "(\"[\" needs quotes)"},
    {"server:\n  drain_ms: 5\n", "conf.yml:2: expected a plain word as a value, found a mapping"},
    {"- drain_ms\n", "conf.yml:1: expected a mapping of keys to values, found a list"},
    {"drain_ms\n", "conf.yml:1: expected a mapping of keys to values, found a single value"},
    {"drain_ms=5\n", "conf.yml:1: expected a mapping of keys to values, found a single value"},
    {"''\n", "conf.yml:1: expected a mapping of keys to values, found a single value"},
    /* other features of YAML */
    {"wide: &a 5\n", "conf.yml:1: expected a plain word as a value, without anchor or tag"},
    {"wide: !!int 5\n", "conf.yml:1: expected a plain word as a value, without anchor or tag"},
    {"wide: ! 5\n", "conf.yml:1: expected a plain word as a value, without anchor or tag"},
    {"&a wide: 5\n", "conf.yml:1: expected a plain word as a key, without anchor or tag"},
    {"wide: *a\n", "conf.yml:1: expected a plain word as a value, found an alias (\"*\" needs "
                   "quotes)"},
    {"*a : 5\n", "conf.yml:1: expected a plain word as a key, found an alias (\"*\" needs quotes)"},
    {"--- &a\nwide: 5\n", "conf.yml:1: expected a mapping without anchor or tag"},
    {"--- !!map\nwide: 5\n", "conf.yml:1: expected a mapping without anchor or tag"},
    {"wide: 5\n---\nwide: 6\n", "conf.yml:2: expected one document, found a second"},
    {"---\n---\n", "conf.yml:2: expected one document, found a second"},
    /* not YAML */
    {"wide: 5\nlisten: [::1]:80\n",
     "conf.yml:2: expected a plain word as a value, found a list (\"[\" needs quotes)"},
    {"wide: 5\n\tdrain_ms: 5\n",
     "conf.yml:2: expected valid YAML: found a tab character that violates indentation "
     "for what begins in line 1"},
    {"db_user: x\n drain_ms: 5\n",
     "conf.yml:2: expected valid YAML: mapping values are not allowed in this context"},
    {"wide: 5\ndrain_ms\n",
     "conf.yml:3: expected valid YAML: could not find expected ':' for what begins in line 2"},
    {"wide: \"5\n\n",
     "conf.yml:3: expected valid YAML: found unexpected end of stream for what begins in line 1"},
    {"wide: 5\n}\n",
     "conf.yml:2: expected valid YAML: did not find expected key for what begins in line 1"},
    {"{wide: 5\n",
     "conf.yml:2: expected valid YAML: did not find expected ',' or '}' for what begins in line 1"},
    {"wide: \"\\q\"\n", "conf.yml:1: expected valid YAML: found unknown escape character"},
    {"wide: 5\ndb_user: a\xff\n",
     "conf.yml:2: expected valid YAML in UTF-8: invalid leading UTF-8 octet"},
    {"wide: 5\n\ndb_user: \xc3(\n",
     "conf.yml:3: expected valid YAML in UTF-8: invalid trailing UTF-8 octet"},
    {"wide: 5\n# \xc0\x80\n",
     "conf.yml:2: expected valid YAML in UTF-8: invalid length of a UTF-8 sequence"},
    {"wide: 5\n# \xed\xa0\x80\n",
     "conf.yml:2: expected valid YAML in UTF-8: invalid Unicode character"},
    {"wide: 5\n# \xe2\x82",
     "conf.yml:2: expected valid YAML in UTF-8: incomplete UTF-8 octet sequence"},
    {"wide: 5\n\x01\n",
     "conf.yml:2: expected valid YAML in UTF-8: control characters are not allowed"},
};

static void other_yaml_than_one_flat_mapping_is_refused_with_line_and_expectation(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_refused(refused[i].yaml, refused[i].message);
}

static void a_nul_in_the_file_is_refused(void **state)
{
    static const char yaml[] = "wide: 5\ndrain_ms: 6\0 7\n";

    (void)state;
    assert_int_equal(load_bytes(yaml, sizeof(yaml) - 1), -1);
    assert_string_equal(
        error, "conf.yml:2: expected valid YAML in UTF-8: control characters are not allowed");
}

static void utf_16_is_refused(void **state)
{
    static const char yaml[] = "\xff\xfew\0:\0 \0"
                               "5\0\n";

    (void)state;
    assert_int_equal(load_bytes(yaml, sizeof(yaml)), -1);
    assert_string_equal(error,
                        "conf.yml:1: expected valid YAML in UTF-8: invalid leading UTF-8 octet");
}

static void a_file_that_cannot_be_read_is_named_with_the_reason(void **state)
{
    (void)state;
    assert_int_equal(config_load(keys, &settings, "no such\nfile", error, sizeof(error)), -1);
    assert_string_equal(error, "\"no such\\nfile\": cannot be read: No such file or directory");
    assert_int_equal(config_load(keys, &settings, "/", error, sizeof(error)), -1);
    assert_string_equal(error, "/: cannot be read: Is a directory");
}

/* Root may read every file, so the test then tries as another user. */
static void a_file_without_permission_is_named_with_the_reason(void **state)
{
    int result, is_root = geteuid() == 0;

    (void)state;
    write_bytes(FILE_NAME, "wide: 5\n", 8);
    must(chmod(FILE_NAME, 0) == 0 && chmod(".", 0755) == 0, "chmod");
    must(!is_root || seteuid(65534) == 0, "seteuid");
    result = config_load(keys, &settings, FILE_NAME, error, sizeof(error));
    must(!is_root || seteuid(0) == 0, "seteuid");
    unlink(FILE_NAME);
    assert_int_equal(result, -1);
    assert_string_equal(error, "conf.yml: cannot be read: Permission denied");
}

static void a_file_of_1_mib_is_read_and_a_larger_one_is_refused(void **state)
{
    const size_t size = (size_t)1024 * 1024;
    static const char line[] = "drain_ms: 9";
    char *yaml = malloc(size + 1);
    int at_limit, above;

    (void)state;
    must(yaml != NULL, "malloc");
    memset(yaml, '\n', size + 1);
    for (size_t i = 0; i < strlen(line); i++)
        yaml[size - strlen(line) + i] = line[i];
    at_limit = load_bytes(yaml, size);
    assert_int_equal(settings.drain_ms, 9);
    above = load_bytes(yaml, size + 1);
    free(yaml);
    assert_int_equal(at_limit, 0);
    assert_int_equal(above, -1);
    assert_string_equal(error, "conf.yml: expected at most 1048576 bytes");
}

/* Any damaged file gives 0, or -1 with one line. Sanitizers find wrong accesses. */
static void a_damaged_file_is_loaded_or_refused_in_one_line(void **state)
{
    static const char whole[] = "%YAML 1.1\n---\n# c\nlisten: \"[::1]:80\"\ndrain_ms: 5\n"
                                "? wide\n: -7\nlog_requests: 'true'\ndb_user: >-\n  a\n  b\n"
                                "token: \"s\\u00e9\\n\"\nlog_level: &a [*a, {x: !!y z}]\n";
    static const char bytes[] = "\0\n\t \"'[]{}:#&*!|>%@`-?,~\x80\xc3\xff";
    uint32_t random = 1;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        char yaml[sizeof(whole)];
        size_t length = sizeof(whole) - 1;
        int result;

        memcpy(yaml, whole, sizeof(yaml));
        for (int change = 0; change < 1 + round % 3; change++) {
            random = random * 1664525 + 1013904223;
            yaml[(random >> 8) % length] = bytes[(random >> 20) % (sizeof(bytes) - 1)];
        }
        if (round % 2 == 0)
            length = (random >> 4) % length;
        result = load_bytes(yaml, length);
        if (result == 0) {
            assert_string_equal(error, "");
            continue;
        }
        assert_int_equal(result, -1);
        assert_int_equal(strncmp(error, "conf.yml:", 9), 0);
        assert_null(strchr(error, '\n'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(a_file_that_sets_nothing_is_fine),
        TEST(one_mapping_is_fine_in_each_of_yamls_spellings),
        TEST(other_yaml_than_one_flat_mapping_is_refused_with_line_and_expectation),
        TEST(a_nul_in_the_file_is_refused),
        TEST(utf_16_is_refused),
        TEST(a_file_that_cannot_be_read_is_named_with_the_reason),
        TEST(a_file_without_permission_is_named_with_the_reason),
        TEST(a_file_of_1_mib_is_read_and_a_larger_one_is_refused),
        TEST(a_damaged_file_is_loaded_or_refused_in_one_line),
    };

    return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
