#include "server/ops/cli.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "server/ops/log.h"

#ifndef PATHCOUNT_VERSION
#error "PATHCOUNT_VERSION is the build's to define"
#endif

/* Above every character, so that getopt's optopt distinguishes long options from short ones. */
enum option_id {
    OPTION_CONFIG = 256,
    OPTION_CHECK_CONFIG,
    OPTION_PROBE,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"check-config", no_argument, NULL, OPTION_CHECK_CONFIG},
    {"probe", no_argument, NULL, OPTION_PROBE},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {0},
};

static void take_action(struct cli *cli, enum cli_action action, const char *name);
static void refuse_option(struct cli *cli, int result, char *const *argv, const char *name);
static void refuse(struct cli *cli, const char *name, const char *problem, const char *what);
static void print_help(const char *name, const char *summary, const struct config_key *keys);
static void finish_output(struct cli *cli, const char *name);

struct cli cli_parse(int argc, char **argv, const char *name, const char *summary,
                     const struct config_key *keys)
{
    struct cli cli = {.action = CLI_RUN};
    int result;

    optind = 0; /* 0 restarts glibc's getopt; the leading ":" turns its messages off */
    while (cli.action != CLI_EXIT && (result = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (result) {
        case OPTION_CONFIG:
            cli.config_path = optarg;
            break;
        case OPTION_CHECK_CONFIG:
            take_action(&cli, CLI_CHECK_CONFIG, name);
            break;
        case OPTION_PROBE:
            take_action(&cli, CLI_PROBE, name);
            break;
        case OPTION_HELP:
            print_help(name, summary, keys);
            finish_output(&cli, name);
            break;
        case OPTION_VERSION:
            printf("%s %s\n", name, PATHCOUNT_VERSION);
            finish_output(&cli, name);
            break;
        default:
            refuse_option(&cli, result, argv, name);
        }
    }
    if (cli.action != CLI_EXIT && optind < argc)
        refuse(&cli, name, "expected only options, found", argv[optind]);
    return cli;
}

static void take_action(struct cli *cli, enum cli_action action, const char *name)
{
    if (cli->action != CLI_RUN && cli->action != action)
        refuse(cli, name, "expected only one of --check-config and", "--probe");
    else
        cli->action = action;
}

static void refuse_option(struct cli *cli, int result, char *const *argv, const char *name)
{
    const char *word = argv[optind - 1];
    char letter[3] = {'-', (char)optopt, '\0'};

    if (result == ':')
        refuse(cli, name, "expected a file after", word);
    else if (optopt > UCHAR_MAX)
        refuse(cli, name, "expected no value in", word);
    else if (optopt != 0)
        refuse(cli, name, "unknown option", letter);
    else
        refuse(cli, name, "unknown option", word);
}

static void refuse(struct cli *cli, const char *name, const char *problem, const char *what)
{
    fprintf(stderr, "%s: %s %s; --help lists the options\n", name, problem, LOG_QUOTED(what));
    cli->action = CLI_EXIT;
    cli->status = 2;
}

static void print_help(const char *name, const char *summary, const struct config_key *keys)
{
    printf("%s: %s\n"
           "\n"
           "Usage: %s [--config FILE] [--check-config | --probe]\n"
           "\n"
           "  --config FILE   read this YAML file; environment variables override it\n"
           "  --check-config  validate the configuration and exit\n"
           "  --probe         query /live of the running service and exit with 0 or 1\n"
           "  --help          show this help and exit\n"
           "  --version       show the version and exit\n"
           "\n"
           "Configuration:\n",
           name, summary, name);
    config_print_help(keys, stdout);
}

static void finish_output(struct cli *cli, const char *name)
{
    cli->action = CLI_EXIT;
    cli->status = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "%s: standard output cannot be written: %m\n", name);
        cli->status = 1;
    }
}
