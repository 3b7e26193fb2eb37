/* The state and functions that the files of `counter-svc change` share. */
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
    int64_t changed, paths, hits; /* the sums of the parts so far */
    bool is_unanswered;           /* the last call had no answer, and may have been served */
};

/* Chooses the id. Returns 0, or -1 after a line on standard error. */
int command_session_begin(struct command_session *session);

/* Appends the beginning of a body: the members of every change. The caller appends the members of
 * its kind and the closing brace. */
void command_begin_body(const struct command_session *session, struct buffer *body,
                        const char *kind);

/* Sends a part until it is answered, for at most a minute. Returns the result, owned by the caller,
 * or NULL after a line on standard error. */
json_t *command_send(struct command_session *session, const struct buffer *body);

/* Reads from the API with this token until it is answered, for at most a minute. Returns the
 * answer, owned by the caller, or NULL after a line on standard error. */
json_t *command_get(struct command_session *session, const char *target, const char *token);

/* The actions; each returns the exit status. */
int command_change(struct command_session *session);
int command_normalise(struct command_session *session);
int command_import(struct command_session *session);
int command_log(struct command_session *session);

/* Prints the rows of a result or of a change in the audit trail. */
void command_print_rows(const json_t *result);

/* Prints the sums of all parts. Returns the exit status. */
int command_sum_up(const struct command_session *session);

#endif
