/* Secrets come from files of their own, and no message contains them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/unit/config_fixture.h"

#define EXPECTED "expected a secret of 1 to 4096 bytes without control characters, found "

static void a_secret_comes_from_each_of_its_four_places(void **state)
{
    (void)state;
    write_bytes(SECRET_NAME, "from a file\n", 12);
    assert_loads("token: from yaml\n");
    assert_string_equal(settings.token, "from yaml");
    assert_loads("token_file: " SECRET_NAME "\n");
    assert_string_equal(settings.token, "from a file");
    setenv("TOKEN", "from the environment", 1);
    assert_loads(NULL);
    assert_string_equal(settings.token, "from the environment");
    unsetenv("TOKEN");
    setenv("TOKEN_FILE", SECRET_NAME, 1);
    assert_loads(NULL);
    assert_string_equal(settings.token, "from a file");
}

static void either_variable_wins_over_either_key_and_an_overridden_file_is_not_opened(void **state)
{
    (void)state;
    write_bytes(SECRET_NAME, "right", 5);
    setenv("TOKEN", "right", 1);
    assert_loads("token: wrong\n");
    assert_string_equal(settings.token, "right");
    assert_loads("token_file: /nowhere\n");
    assert_string_equal(settings.token, "right");
    unsetenv("TOKEN");
    setenv("TOKEN_FILE", SECRET_NAME, 1);
    assert_loads("token: wrong\n");
    assert_string_equal(settings.token, "right");
    assert_loads("token_file: /nowhere\n");
    assert_string_equal(settings.token, "right");
}

static void a_secret_and_its_file_together_are_refused(void **state)
{
    (void)state;
    write_bytes(SECRET_NAME, "s", 1);
    assert_refused("token: a\ntoken_file: " SECRET_NAME "\n",
                   "conf.yml:2: token_file: expected once, but line 1 has token already");
    assert_refused("token_file: " SECRET_NAME "\nwide: 1\ntoken: a\n",
                   "conf.yml:3: token: expected once, but line 1 has token_file already");
    assert_refused("token_file: " SECRET_NAME "\ntoken_file: " SECRET_NAME "\n",
                   "conf.yml:2: token_file: expected once, but line 1 has token_file already");
    setenv("TOKEN", "a", 1);
    setenv("TOKEN_FILE", SECRET_NAME, 1);
    assert_refused(NULL,
                   "TOKEN_FILE: expected only one of TOKEN and TOKEN_FILE in the environment");
}

static void one_newline_at_the_end_of_a_secrets_file_is_not_part_of_it(void **state)
{
    char text[4097];

    (void)state;
    setenv("TOKEN_FILE", SECRET_NAME, 1);
    write_bytes(SECRET_NAME, "secret", 6);
    assert_loads(NULL);
    assert_string_equal(settings.token, "secret");
    write_bytes(SECRET_NAME, "s e=c\"ret\xff\n", 11);
    assert_loads(NULL);
    assert_string_equal(settings.token, "s e=c\"ret\xff");
    memset(text, 's', sizeof(text));
    write_bytes(SECRET_NAME, text, 4096);
    assert_loads(NULL);
    assert_int_equal(strlen(settings.token), 4096);
    text[4096] = '\n';
    write_bytes(SECRET_NAME, text, 4097);
    assert_loads(NULL);
    assert_int_equal(strlen(settings.token), 4096);
}

static void a_secrets_file_that_holds_none_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *message;
    } cases[] = {
        {"", 0, EXPECTED "nothing"},
        {"\n", 1, EXPECTED "nothing"},
        {"secret\n\n", 8, EXPECTED "a control character"},
        {"secret\r\n", 8, EXPECTED "a control character"},
        {"sec\0ret", 7, EXPECTED "a control character"},
        {"secret\0", 7, EXPECTED "a control character"},
        {"sec\tret", 7, EXPECTED "a control character"},
        {"sec\x7fret", 7, EXPECTED "a control character"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char message[256];

        write_bytes(SECRET_NAME, cases[i].bytes, cases[i].length);
        setenv("TOKEN_FILE", SECRET_NAME, 1);
        snprintf(message, sizeof(message), "TOKEN_FILE: %s", cases[i].message);
        assert_refused(NULL, message);
        unsetenv("TOKEN_FILE");
        snprintf(message, sizeof(message), "conf.yml:2: token_file: %s", cases[i].message);
        assert_refused("wide: 1\ntoken_file: " SECRET_NAME "\n", message);
    }
}

static void a_secrets_file_that_is_too_large_is_refused_however_large_it_is(void **state)
{
    static char text[100000];

    (void)state;
    memset(text, 's', sizeof(text));
    setenv("TOKEN_FILE", SECRET_NAME, 1);
    write_bytes(SECRET_NAME, text, 4097);
    assert_refused(NULL, "TOKEN_FILE: " EXPECTED "4097 bytes");
    write_bytes(SECRET_NAME, text, 4098);
    assert_refused(NULL, "TOKEN_FILE: expected a file of at most 4096 bytes");
    write_bytes(SECRET_NAME, text, sizeof(text));
    assert_refused(NULL, "TOKEN_FILE: expected a file of at most 4096 bytes");
    setenv("TOKEN_FILE", "/dev/zero", 1);
    assert_refused(NULL, "TOKEN_FILE: expected a file of at most 4096 bytes");
}

static void a_secrets_file_that_cannot_be_read_is_refused_without_its_name(void **state)
{
    (void)state;
    setenv("TOKEN_FILE", "the-secret-itself-by-mistake", 1);
    assert_refused(NULL, "TOKEN_FILE: the file it names cannot be read: No such file or directory");
    unsetenv("TOKEN_FILE");
    assert_refused("token_file: /\n",
                   "conf.yml:1: token_file: the file it names cannot be read: Is a directory");
    assert_refused("token_file: the-secret-itself-by-mistake\n",
                   "conf.yml:1: token_file: the file it names cannot be read: No such file or "
                   "directory");
    assert_refused("token_file: ''\n", "conf.yml:1: token_file: expected the path of a file");
    assert_refused("token_file: \"a\\0b\"\n",
                   "conf.yml:1: token_file: expected the path of a file");
    assert_refused("token_file: ~\n", "conf.yml:1: token_file: expected the path of a file");
}

/* Files that are refused because of the secret, or of text beside it. */
static void no_message_holds_a_secret(void **state)
{
    static const char *const files[] = {
        "token: hunter2\ntoken: hunter2\n",
        "token: \"hunter2\\n\"\n",
        "token: hunter2\ntoken_file: hunter2\n",
        "token: [hunter2]\n",
        "token: {hunter2: hunter2}\n",
        "token: &hunter2 hunter2\n",
        "token: !hunter2 hunter2\n",
        "token: *hunter2\n",
        "token: 'hunter2\n",
        "token: \"hunter2\\q\"\n",
        "token: hunter2: hunter2\n",
        "token: @hunter2\n",
        "token: hunter2\xff\n",
        "token hunter2\n",
        "wide: 1\ntoken hunter2\n",
        "token_file: hunter2\n",
        "db_user: \"hunter2\\n\"\n",
        "token: hunter2\nwide: x\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        assert_int_equal(load(files[i]), -1);
        assert_null(strstr(error, "hunter2"));
    }
    setenv("TOKEN", "hunter2\n", 1);
    assert_refused(NULL, "TOKEN: " EXPECTED "a control character");
    setenv("TOKEN", "hunter2", 1);
    setenv("TOKEN_FILE", "hunter2", 1);
    assert_int_equal(load(NULL), -1);
    assert_null(strstr(error, "hunter2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(a_secret_comes_from_each_of_its_four_places),
        TEST(either_variable_wins_over_either_key_and_an_overridden_file_is_not_opened),
        TEST(a_secret_and_its_file_together_are_refused),
        TEST(one_newline_at_the_end_of_a_secrets_file_is_not_part_of_it),
        TEST(a_secrets_file_that_holds_none_is_refused),
        TEST(a_secrets_file_that_is_too_large_is_refused_however_large_it_is),
        TEST(a_secrets_file_that_cannot_be_read_is_refused_without_its_name),
        TEST(no_message_holds_a_secret),
    };

    return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
