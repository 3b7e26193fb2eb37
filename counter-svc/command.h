/* `counter-svc change …`: a client of POST and GET /v1/changes for operators. Blocking; one thread.
 */
#ifndef COUNTER_COMMAND_H
#define COUNTER_COMMAND_H

#include "service/config.h"

#include <stdbool.h>

/* The most words that a change has: what is merged, and into what. */
#define COMMAND_MAX_WORDS 101

/* A command line. */
struct command {
    const char *action; /* delete, set, rename, merge, import, undo or log */
    const char *words[COMMAND_MAX_WORDS];
    int n_words;
    const char *prefix; /* of delete */
    const char *mode;   /* of import: add or replace */
    const char *why;
    const char *id; /* NULL: a random one */
    const char *config_path;
    bool dry_run;
};

/* Reads the command line behind `counter-svc`, with `change` as argv[0]. Returns -1 when the command is to be
 * run, or the exit status: 0 after --help, 2 after a line on standard error. */
int command_parse(int argc, char **argv, struct command *command);

/* Runs it against the counter-svc that listens at `address`. Returns the exit status: 0, or 1 after a line on
 * standard error. */
int command_run(const struct command *command, const struct config_address *address,
                const char *token);

#endif
