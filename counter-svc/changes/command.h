/* `counter-svc change …`: a client of POST and GET /v1/changes. Blocking; one thread. */
#ifndef COUNTER_CHANGES_COMMAND_H
#define COUNTER_CHANGES_COMMAND_H

#include "proto/path.h"
#include "server/ops/config.h"

#include <stdbool.h>

/* The most words of a command: 100 paths that are merged, and their target. */
#define COMMAND_MAX_WORDS 101

/* A command line. */
struct command {
    const char *action; /* delete, set, rename, merge, normalise, import, undo or log */
    const char *words[COMMAND_MAX_WORDS];
    int n_words;
    const char *prefix; /* of delete */
    const char *mode;   /* of import: add or replace */
    const char *why;
    const char *id;     /* NULL: a random one */
    const char *before; /* of log: the number of a change; NULL: from the newest on */
    const char *config_path;
    bool dry_run;
};

/* Reads the command line after `counter-svc`; argv[0] is `change`. Returns -1 if the command is
 * valid, or the exit status: 0 after --help, 2 after a line on standard error. */
int command_parse(int argc, char **argv, struct command *command);

/* The counter-svc that the command calls, from its configuration. */
struct command_service {
    const struct config_address *address;
    const char *admin_token;
    const char *counter_token;
    const struct path_rules *rules; /* of normalise */
};

/* Runs it against this counter-svc. Returns the exit status: 0, or 1 or 2 after a line on standard
 * error. */
int command_run(const struct command *command, const struct command_service *service);

#endif
