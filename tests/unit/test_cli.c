/* The command line. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

#include "server/ops/cli.h"
#include "tests/unit/capture.h"

static const struct config_key keys[] = {
    {.name = "drain_ms",
     .type = CONFIG_INTEGER,
     .fallback = "5",
     .max = 60000,
     .unit = "ms",
     .help = "How long to drain."},
    {0},
};

static char out[8192], err[8192];

/* Parses the words, which end with NULL, as the arguments of a program. `out` and `err` get its
 * output. */
static struct cli parse(const char *const *words)
{
    char *argv[16] = {strdup("./counter-svc")};
    int argc = 1;
    struct capture c_out, c_err;
    struct cli cli;

    for (; *words != NULL; words++)
        argv[argc++] = strdup(*words);
    c_out = capture_begin(STDOUT_FILENO);
    c_err = capture_begin(STDERR_FILENO);
    cli = cli_parse(argc, argv, "counter-svc", "the only writer", keys);
    capture_end(&c_err, err, sizeof(err));
    capture_end(&c_out, out, sizeof(out));
    if (cli.config_path != NULL) { /* it points into argv, which is freed below */
        static char path[64];

        snprintf(path, sizeof(path), "%s", cli.config_path);
        cli.config_path = path;
    }
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    return cli;
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static void without_options_the_service_runs_without_a_file(void **state)
{
    struct cli cli = parse((const char *const[]){NULL});

    (void)state;
    assert_int_equal(cli.action, CLI_RUN);
    assert_null(cli.config_path);
    assert_string_equal(out, "");
    assert_string_equal(err, "");
}

static void each_option_gives_its_action_and_says_nothing(void **state)
{
    static const struct {
        const char *words[6];
        enum cli_action action;
        const char *path;
    } cases[] = {
        {{"--config", "a.yml"}, CLI_RUN, "a.yml"},
        {{"--config=a.yml"}, CLI_RUN, "a.yml"},
        {{"--config", "a.yml", "--config", "b.yml"}, CLI_RUN, "b.yml"},
        {{"--config", "--probe"}, CLI_RUN, "--probe"},
        {{"--check-config"}, CLI_CHECK_CONFIG, NULL},
        {{"--check-config", "--check-config"}, CLI_CHECK_CONFIG, NULL},
        {{"--check-config", "--config", "a.yml"}, CLI_CHECK_CONFIG, "a.yml"},
        {{"--config", "a.yml", "--probe"}, CLI_PROBE, "a.yml"},
        {{"--probe", "--"}, CLI_PROBE, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cli cli = parse(cases[i].words);

        assert_int_equal(cli.action, cases[i].action);
        if (cases[i].path == NULL)
            assert_null(cli.config_path);
        else
            assert_string_equal(cli.config_path, cases[i].path);
        assert_string_equal(out, "");
        assert_string_equal(err, "");
    }
}

static void version_is_the_name_and_the_version_and_exits_with_0(void **state)
{
    struct cli cli = PARSE("--version");

    (void)state;
    assert_int_equal(cli.action, CLI_EXIT);
    assert_int_equal(cli.status, 0);
    assert_string_equal(out, "counter-svc " PATHCOUNT_VERSION "\n");
    assert_string_equal(err, "");
}

static void help_shows_usage_options_keys_and_the_rule_and_exits_with_0(void **state)
{
    static const char *const parts[] = {
        "counter-svc: the only writer\n",
        "\nUsage: counter-svc [--config FILE] [--check-config | --probe]\n",
        "\n  --config FILE ",
        "\n  --check-config ",
        "\n  --probe ",
        "\n  --help ",
        "\n  --version ",
        "\n  drain_ms  DRAIN_MS  an integer from 0 to 60000 ms; default 5\n      How long to",
        "\nA key's value is that of its environment variable (the key in upper case; ",
    };
    struct cli cli = PARSE("--help");
    const char *at = out;

    (void)state;
    assert_int_equal(cli.action, CLI_EXIT);
    assert_int_equal(cli.status, 0);
    assert_string_equal(err, "");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const char *found = strstr(at, parts[i]);

        if (found == NULL)
            fail_msg("missing, or not in its place: %s", parts[i]);
        else
            at = found;
    }
}

static void help_to_an_unwritable_place_exits_with_1_and_says_so(void **state)
{
    int saved, full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct capture c = capture_begin(STDERR_FILENO);
    char *argv[] = {strdup("./counter-svc"), strdup("--help"), NULL};
    struct cli cli;

    (void)state;
    fflush(stdout);
    saved = dup(STDOUT_FILENO);
    must(full >= 0 && saved >= 0 && dup2(full, STDOUT_FILENO) >= 0, "dup");
    cli = cli_parse(2, argv, "counter-svc", "the only writer", keys);
    clearerr(stdout);
    must(dup2(saved, STDOUT_FILENO) >= 0, "dup2");
    close(saved);
    close(full);
    capture_end(&c, err, sizeof(err));
    free(argv[0]);
    free(argv[1]);
    assert_int_equal(cli.action, CLI_EXIT);
    assert_int_equal(cli.status, 1);
    assert_string_equal(
        err, "counter-svc: standard output cannot be written: No space left on device\n");
}

static void a_wrong_command_line_exits_with_2_and_one_line(void **state)
{
    static const struct {
        const char *words[4], *problem;
    } cases[] = {
        {{"--speed"}, "unknown option --speed"},
        {{"--speed=5"}, "unknown option \"--speed=5\""},
        {{"--sp\need"}, "unknown option \"--sp\\need\""},
        {{"-c", "a.yml"}, "unknown option -c"},
        {{"-h"}, "unknown option -h"},
        {{"--probe", "-xy"}, "unknown option -x"},
        {{"--c"}, "unknown option --c"},
        {{"--config"}, "expected a file after --config"},
        {{"--probe", "--config"}, "expected a file after --config"},
        {{"--help=keys"}, "expected no value in \"--help=keys\""},
        {{"a.yml"}, "expected only options, found a.yml"},
        {{"--probe", "a.yml"}, "expected only options, found a.yml"},
        {{"--", "--probe"}, "expected only options, found --probe"},
        {{"--probe", ""}, "expected only options, found \"\""},
        {{"--probe", "--check-config"}, "expected only one of --check-config and --probe"},
        {{"--check-config", "--probe"}, "expected only one of --check-config and --probe"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cli cli = parse(cases[i].words);
        char expected[256];

        snprintf(expected, sizeof(expected), "counter-svc: %s; --help lists the options\n",
                 cases[i].problem);
        assert_string_equal(err, expected);
        assert_string_equal(out, "");
        assert_int_equal(cli.action, CLI_EXIT);
        assert_int_equal(cli.status, 2);
    }
}

static void the_first_option_that_ends_it_ends_it(void **state)
{
    struct cli cli = PARSE("--version", "--speed", "--help");

    (void)state;
    assert_int_equal(cli.status, 0);
    assert_string_equal(out, "counter-svc " PATHCOUNT_VERSION "\n");
    assert_string_equal(err, "");
    cli = PARSE("--speed", "--version");
    assert_int_equal(cli.status, 2);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_options_the_service_runs_without_a_file),
        cmocka_unit_test(each_option_gives_its_action_and_says_nothing),
        cmocka_unit_test(version_is_the_name_and_the_version_and_exits_with_0),
        cmocka_unit_test(help_shows_usage_options_keys_and_the_rule_and_exits_with_0),
        cmocka_unit_test(help_to_an_unwritable_place_exits_with_1_and_says_so),
        cmocka_unit_test(a_wrong_command_line_exits_with_2_and_one_line),
        cmocka_unit_test(the_first_option_that_ends_it_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
