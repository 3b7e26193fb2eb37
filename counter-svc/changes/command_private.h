/* What the files of `counter-svc change` share. */
#ifndef COUNTER_CHANGES_COMMAND_PRIVATE_H
#define COUNTER_CHANGES_COMMAND_PRIVATE_H

#include "base/buffer.h"
#include "counter-svc/changes/command.h"

#include <jansson.h>

/* A command that runs. */
struct command_session {
    const struct command *command;
    const struct command_service *service;
    char id[65];                  /* of the change; all its parts have the same */
    int64_t part;                 /* the next one */
    int64_t changed, paths, hits; /* what the parts so far have changed */
    bool is_unanswered;           /* the last call: it may have been served all the same */
};

/* Chooses the id. Returns 0, or -1 after a line on standard error. */
int command_session_begin(struct command_session *session);

/* Appends the beginning of a body: what every change has, and its kind. What is special follows,
 * and then a brace. */
void command_begin_body(const struct command_session *session, struct buffer *body,
                        const char *kind);

/* Sends a part until it is answered, for at most a minute. Returns its result, for json_decref to
 * free, or NULL after a line on standard error. */
json_t *command_send(struct command_session *session, const struct buffer *body);

/* Reads from the API with this token until it is answered, for at most a minute. Returns the
 * answer, for json_decref to free, or NULL after a line on standard error. */
json_t *command_get(struct command_session *session, const char *target, const char *token);

/* The actions; each returns the exit status. */
int command_change(struct command_session *session);
int command_normalise(struct command_session *session);
int command_import(struct command_session *session);
int command_log(struct command_session *session);

/* Prints the rows that a result or a change of the audit trail has. */
void command_print_rows(const json_t *result);

/* Prints what all parts together have changed; returns the exit status. */
int command_sum_up(const struct command_session *session);

#endif
