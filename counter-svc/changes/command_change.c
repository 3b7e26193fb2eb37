/* `counter-svc change`: calls of the API, and the output of their results. */
#include "base/json.h"
#include "counter-svc/changes/change.h"
#include "counter-svc/changes/command_http.h"
#include "counter-svc/changes/command_private.h"
#include "proto/api.h"
#include "server/ops/log.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long one call may wait for each step, in seconds, and how often it is made again after a
 * second. */
#define CALL_S    30
#define MAX_CALLS 60

/* --- calls --- */

int command_session_begin(struct command_session *session)
{
    unsigned char random[8];

    if (session->command->id != NULL) {
        if (strlen(session->command->id) >= sizeof(session->id)) {
            fprintf(stderr, "counter-svc change: an ID has at most 64 characters\n");
            return -1;
        }
        snprintf(session->id, sizeof(session->id), "%s", session->command->id);
        return 0;
    }
    if (RAND_bytes(random, sizeof(random)) != 1) {
        fprintf(stderr, "counter-svc change: libcrypto has no random numbers\n");
        return -1;
    }
    for (size_t i = 0; i < sizeof(random); ++i)
        snprintf(session->id + 2 * i, 3, "%02x", random[i]);
    return 0;
}

/* Prints why a call was refused: the detail of the problem. */
static void say_refused(int status, const struct buffer *answer)
{
    const char *error;
    json_t *problem = json_load_object(answer->bytes, answer->len, &error);
    const char *detail = json_string_value(json_object_get(problem, "detail"));

    fprintf(stderr, "counter-svc change: %s (status %d)\n",
            detail != NULL ? LOG_QUOTED(detail) : "refused", status);
    json_decref(problem);
}

/* Repeats a call while there is no answer, or a 503. Returns the JSON of a 200, or NULL after a
 * line on standard error. */
static json_t *call_until_answered(struct command_session *session, const char *method,
                                   const char *target, const struct buffer *body, const char *token)
{
    const struct command_http_call call = {.address = session->service->address,
                                           .token = token,
                                           .method = method,
                                           .target = target,
                                           .body = body,
                                           .timeout_s = CALL_S};
    struct buffer answer = {0};
    const char *error = "PostgreSQL is unavailable.";
    json_t *json = NULL;
    int status;

    for (int calls = 1;; ++calls) {
        answer.len = 0;
        status = command_http_call(&call, &answer, &error);
        if ((status != -1 && status != 503) || calls == MAX_CALLS)
            break;
        if (calls == 1)
            fprintf(stderr, "counter-svc change: waiting: %s\n",
                    status == 503 ? "PostgreSQL is unavailable." : error);
        sleep(1);
    }
    session->is_unanswered = status == -1 || status == 503;
    if (status == 200)
        json = json_load_object(answer.bytes, answer.len, &error);
    if (status != -1 && status != 200)
        say_refused(status, &answer);
    else if (json == NULL)
        fprintf(stderr, "counter-svc change: %s\n", error);
    buffer_free(&answer);
    return json;
}

void command_begin_body(const struct command_session *session, struct buffer *body,
                        const char *kind)
{
    buffer_add_literal(body, "{\"id\":");
    buffer_add_json(body, session->id, strlen(session->id));
    buffer_add_literal(body, ",\"part\":");
    buffer_add_int(body, session->part);
    buffer_add_literal(body, ",\"why\":");
    buffer_add_json(body, session->command->why, strlen(session->command->why));
    buffer_add_literal(body, ",\"dry_run\":");
    buffer_add_string(body, session->command->dry_run ? "true" : "false");
    buffer_add_literal(body, ",\"kind\":\"");
    buffer_add_string(body, kind);
    buffer_add_literal(body, "\"");
}

static int64_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

json_t *command_send(struct command_session *session, const struct buffer *body)
{
    json_t *result =
        call_until_answered(session, "POST", API_CHANGES, body, session->service->admin_token);
    bool goes_on_by_id =
        !session->command->dry_run && strcmp(session->command->action, "normalise") != 0;

    if (result == NULL) {
        if (goes_on_by_id && (session->is_unanswered || session->part > 0))
            fprintf(stderr,
                    "counter-svc change: %lld parts are done; to continue, run the same command "
                    "with --id %s\n",
                    (long long)session->part, session->id);
        return NULL;
    }
    ++session->part;
    session->changed += number_of(result, "changed");
    session->paths += number_of(result, "paths");
    session->hits += number_of(result, "hits");
    return result;
}

json_t *command_get(struct command_session *session, const char *target, const char *token)
{
    return call_until_answered(session, "GET", target, NULL, token);
}

/* --- output --- */

static void print_count(const json_t *count)
{
    if (json_is_integer(count))
        printf("%lld", (long long)json_integer_value(count));
    else
        printf("none");
}

void command_print_rows(const json_t *result)
{
    const json_t *rows = json_object_get(result, "rows"), *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        printf("  %s: ", LOG_QUOTED(json_string_value(json_object_get(row, "path"))));
        print_count(json_object_get(row, "before"));
        printf(" -> ");
        print_count(json_object_get(row, "after"));
        printf("\n");
    }
}

int command_sum_up(const struct command_session *session)
{
    printf("%s: rows=%lld paths=%+lld hits=%+lld id=%s\n",
           session->command->dry_run ? "would change" : "changed", (long long)session->changed,
           (long long)session->paths, (long long)session->hits, session->id);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    fprintf(stderr, "counter-svc change: standard output cannot be written: %m\n");
    return 1;
}

/* --- actions --- */

static void add_text(struct buffer *body, const char *before, const char *text)
{
    buffer_add_string(body, before);
    buffer_add_json(body, text, strlen(text));
}

/* Writes the body of a change with one part. Returns false if an argument is wrong. */
static bool write_body(const struct command_session *session, struct buffer *body)
{
    const struct command *command = session->command;
    int last = command->n_words - 1;

    command_begin_body(session, body, command->action);
    if (strcmp(command->action, "delete") == 0 || strcmp(command->action, "undo") == 0) {
        add_text(body, ",\"path\":", command->words[0]);
    } else if (strcmp(command->action, "set") == 0) {
        const char *count = command->words[1];
        if (*count == '\0' || strspn(count, "0123456789") != strlen(count) ||
            (*count == '0' && count[1] != '\0')) {
            fprintf(stderr, "counter-svc change: not a count: %s\n", LOG_QUOTED(count));
            return false;
        }
        add_text(body, ",\"path\":", command->words[0]);
        buffer_add_literal(body, ",\"count\":");
        buffer_add_string(body, count);
    } else {
        for (int i = 0; i < last; ++i)
            add_text(body, i == 0 ? ",\"from\":[" : ",", command->words[i]);
        add_text(body, "],\"to\":", command->words[last]);
    }
    buffer_add_literal(body, "}");
    return true;
}

/* Deletes the next rows with the prefix, after the path `after` (NULL: from the first row).
 * Returns the result. */
static json_t *delete_part(struct command_session *session, const char *after)
{
    struct buffer body = {0};
    json_t *result;

    command_begin_body(session, &body, "delete-prefix");
    buffer_add_literal(&body, ",\"limit\":1000");
    add_text(&body, ",\"prefix\":", session->command->prefix);
    if (after != NULL)
        add_text(&body, ",\"after\":", after);
    buffer_add_literal(&body, "}");
    result = command_send(session, &body);
    buffer_free(&body);
    return result;
}

static int delete_prefix(struct command_session *session)
{
    json_t *result = delete_part(session, NULL), *next;

    for (; result != NULL; result = next) {
        const char *after = json_string_value(json_object_get(result, "next"));
        command_print_rows(result);
        next = after != NULL ? delete_part(session, after) : NULL;
        json_decref(result);
        if (next == NULL)
            return after == NULL ? command_sum_up(session) : 1;
    }
    return 1;
}

int command_change(struct command_session *session)
{
    struct buffer body = {0};
    json_t *result = NULL;

    if (session->command->prefix != NULL)
        return delete_prefix(session);
    if (write_body(session, &body))
        result = command_send(session, &body);
    buffer_free(&body);
    if (result == NULL)
        return 1;
    command_print_rows(result);
    json_decref(result);
    return command_sum_up(session);
}

static void print_change(const json_t *change)
{
    const char *why = json_string_value(json_object_get(change, "why"));

    printf("%lld %s %s rows=%lld paths=%+lld hits=%+lld", (long long)number_of(change, "change"),
           json_string_value(json_object_get(change, "at")),
           json_string_value(json_object_get(change, "kind")),
           (long long)number_of(change, "changed"), (long long)number_of(change, "paths"),
           (long long)number_of(change, "hits"));
    if (json_is_integer(json_object_get(change, "undoes")))
        printf(" undoes=%lld", (long long)number_of(change, "undoes"));
    if (why != NULL && *why != '\0')
        printf(" why=%s", LOG_QUOTED(why));
    printf("\n");
    command_print_rows(change);
}

int command_log(struct command_session *session)
{
    const char *path = session->command->n_words == 1 ? session->command->words[0] : NULL;
    struct buffer target = {0};
    json_t *page, *change;
    size_t i;

    buffer_add_literal(&target, API_CHANGES "?limit=20");
    if (path != NULL) {
        buffer_add_literal(&target, "&path=");
        buffer_add_percent(&target, path, strlen(path));
    }
    if (session->command->before != NULL) {
        buffer_add_literal(&target, "&before=");
        buffer_add_string(&target, session->command->before);
    }
    buffer_add_literal(&target, "\0");
    page = command_get(session, target.bytes, session->service->admin_token);
    buffer_free(&target);
    json_array_foreach(json_object_get(page, "changes"), i, change)
    {
        print_change(change);
    }
    if (json_is_integer(json_object_get(page, "next")))
        fprintf(stderr, "counter-svc change: for older changes add --before %lld\n",
                (long long)number_of(page, "next"));
    i = page != NULL ? 0 : 1;
    json_decref(page);
    return fflush(stdout) == 0 ? (int)i : 1;
}
