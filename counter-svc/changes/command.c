#include "counter-svc/changes/command.h"

#include "counter-svc/changes/change.h"
#include "counter-svc/changes/command_private.h"
#include "proto/path.h"
#include "server/ops/log.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char HELP[] =
    "counter-svc change: changes counts while hits are counted, with an audit trail.\n"
    "\n"
    "Usage: counter-svc change [OPTIONS] ACTION\n"
    "\n"
    "  delete PATH                    delete the row of a path\n"
    "  delete --prefix P              delete the rows of all paths with prefix P\n"
    "  set PATH N                     set a count; 0 deletes the row\n"
    "  rename FROM TO                 rename a path; TO must not have a count yet\n"
    "  merge FROM... TO               add the counts of FROM to TO, and delete FROM\n"
    "  normalise                      merge rows whose paths become the same path under the\n"
    "                                 path_ settings; use the same settings as render-svc\n"
    "  import --add|--replace FILE    import CSV with the columns path, count, first and last;\n"
    "                                 - reads standard input\n"
    "  undo PATH                      undo the most recent change of a path; later hits stay\n"
    "  log [PATH]                     show the audit trail: the newest 20 changes first\n"
    "\n"
    "  --why TEXT      a reason for the audit trail\n"
    "  --dry-run       show the effect and change nothing\n"
    "  --id ID         continue an interrupted command, which has printed its ID; finished\n"
    "                  parts are not repeated\n"
    "  --before N      log: show the changes before number N\n"
    "  --config FILE   read this YAML file; environment variables override it\n"
    "  --help          show this help and exit\n"
    "\n"
    "Write PATH as pages and exports show it, not percent-encoded. The command uses\n"
    "counter-svc's configuration: it connects to `listen` with `admin_token`.\n";

static const struct {
    const char *action;
    int least, most; /* words after it */
} ACTIONS[] = {
    {"delete", 0, 1},    {"set", 2, 2},    {"rename", 2, 2}, {"merge", 2, COMMAND_MAX_WORDS},
    {"normalise", 0, 0}, {"import", 1, 1}, {"undo", 1, 1},   {"log", 0, 1},
};

static int wrong(const char *problem, const char *what)
{
    fprintf(stderr, "counter-svc change: %s %s; --help shows the usage\n", problem,
            LOG_QUOTED(what));
    return 2;
}

static bool is_action(const struct command *command, const char *action)
{
    return strcmp(command->action, action) == 0;
}

/* Checks options and words together; returns -1 or the exit status. */
static int check(const struct command *command)
{
    size_t i = 0, n = sizeof(ACTIONS) / sizeof(ACTIONS[0]);

    while (i < n && strcmp(ACTIONS[i].action, command->action) != 0)
        ++i;
    if (i == n)
        return wrong("unknown action", command->action);
    if (command->n_words < ACTIONS[i].least || command->n_words > ACTIONS[i].most ||
        (is_action(command, "delete") && (command->prefix != NULL) == (command->n_words == 1)))
        return wrong("wrong number of arguments for", command->action);
    if (command->prefix != NULL && !is_action(command, "delete"))
        return wrong("--prefix belongs to delete, not to", command->action);
    if ((command->mode != NULL) != is_action(command, "import"))
        return wrong("import needs --add or --replace; other actions have neither:",
                     command->action);
    if (command->before != NULL &&
        (!is_action(command, "log") || strlen(command->before) > 18 || *command->before == '\0' ||
         strspn(command->before, "0123456789") != strlen(command->before)))
        return wrong("--before belongs to log and has the number of a change, not",
                     command->before);
    if (command->id != NULL && is_action(command, "normalise"))
        return wrong("without --id, run the interrupted command again:", command->action);
    if (!utf8_is_valid(command->why, strlen(command->why)) ||
        strlen(command->why) > CHANGE_MAX_WHY_BYTES)
        return wrong("expected at most 1,000 bytes of UTF-8 after", "--why");
    if (is_action(command, "import"))
        return -1;
    for (int j = 0; j < command->n_words; ++j)
        if (!(is_action(command, "set") && j == 1) &&
            !change_path_is_valid(command->words[j], strlen(command->words[j])))
            return wrong("not a canonical path that begins with a slash:", command->words[j]);
    if (command->prefix != NULL && !path_is_valid(command->prefix, strlen(command->prefix)))
        return wrong("not the beginning of a path:", command->prefix);
    return -1;
}

enum command_option {
    OPTION_PREFIX = 256,
    OPTION_ADD,
    OPTION_REPLACE,
    OPTION_WHY,
    OPTION_DRY_RUN,
    OPTION_ID,
    OPTION_BEFORE,
    OPTION_CONFIG,
    OPTION_HELP
};

static const struct option OPTIONS[] = {
    {"prefix", required_argument, NULL, OPTION_PREFIX},
    {"add", no_argument, NULL, OPTION_ADD},
    {"replace", no_argument, NULL, OPTION_REPLACE},
    {"why", required_argument, NULL, OPTION_WHY},
    {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
    {"id", required_argument, NULL, OPTION_ID},
    {"before", required_argument, NULL, OPTION_BEFORE},
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

/* Takes one option; returns false when it is none. */
static bool take_option(struct command *command, int option)
{
    switch (option) {
    case OPTION_PREFIX:
        command->prefix = optarg;
        return true;
    case OPTION_ADD:
        command->mode = "add";
        return true;
    case OPTION_REPLACE:
        command->mode = "replace";
        return true;
    case OPTION_WHY:
        command->why = optarg;
        return true;
    case OPTION_DRY_RUN:
        command->dry_run = true;
        return true;
    case OPTION_ID:
        command->id = optarg;
        return true;
    case OPTION_BEFORE:
        command->before = optarg;
        return true;
    case OPTION_CONFIG:
        command->config_path = optarg;
        return true;
    default:
        return false;
    }
}

int command_parse(int argc, char **argv, struct command *command)
{
    int option;

    *command = (struct command){.why = ""};
    optind = 0; /* restarts glibc's getopt; the ":" keeps it silent */
    while ((option = getopt_long(argc, argv, ":", OPTIONS, NULL)) != -1) {
        if (option == OPTION_HELP) {
            fputs(HELP, stdout);
            return fflush(stdout) == 0 ? 0 : 1;
        }
        if (option == ':')
            return wrong("expected a value after", argv[optind - 1]);
        if (!take_option(command, option))
            return wrong("unknown option", argv[optind - 1]);
    }
    if (optind == argc)
        return wrong("expected an action after", "change");
    command->action = argv[optind++];
    if (argc - optind > COMMAND_MAX_WORDS)
        return wrong("too many arguments for", command->action);
    while (optind < argc)
        command->words[command->n_words++] = argv[optind++];
    return check(command);
}

int command_run(const struct command *command, const struct command_service *service)
{
    struct command_session session = {.command = command, .service = service};

    if (command_session_begin(&session) != 0)
        return 1;
    if (is_action(command, "log"))
        return command_log(&session);
    if (is_action(command, "import"))
        return command_import(&session);
    if (is_action(command, "normalise"))
        return command_normalise(&session);
    return command_change(&session);
}
