/* `counter-svc change normalise`: moves rows to their normalised paths, in parts. It reads the
 * table by path, page by page, while it changes the table. That is safe: a page begins after the
 * last path, and rows with normalised paths do not move. */
#include "counter-svc/changes/change.h"
#include "counter-svc/changes/command_private.h"
#include "proto/api.h"
#include "proto/view.h"
#include "server/ops/log.h"

#include <stdio.h>
#include <string.h>

/* The most moves and bytes of a part. Hits wait for each part, so it is smaller than a change may
 * be. */
#define MAX_PART_MOVES 500
#define MAX_PART_BYTES ((size_t)1 << 20)

/* Maximum of skipped paths that are named. */
#define MAX_NAMED 20

/* render-svc does not count paths below this prefix. */
#define OWN_PREFIX "/-/"

struct normaliser {
    struct command_session *session;
    struct buffer body; /* of the part that is being made */
    size_t n_moves;     /* in it */
    size_t n_skipped;
};

/* Sends the part, if it has moves. Returns 0, or -1 after a line on standard error. */
static int send_part(struct normaliser *normaliser)
{
    json_t *result;

    if (normaliser->n_moves == 0)
        return 0;
    buffer_add_literal(&normaliser->body, "]}");
    result = command_send(normaliser->session, &normaliser->body);
    normaliser->body.len = normaliser->n_moves = 0;
    if (result == NULL)
        return -1;
    command_print_rows(result);
    json_decref(result);
    return 0;
}

/* Adds a move to the part, which is begun when it has none and sent when it is full. */
static int add_move(struct normaliser *normaliser, const char *path, size_t path_len,
                    const char *normal, size_t normal_len)
{
    struct buffer *body = &normaliser->body;

    if (normaliser->n_moves == 0) {
        command_begin_body(normaliser->session, body, "normalise");
        buffer_add_literal(body, ",\"moves\":[");
    } else {
        buffer_add_literal(body, ",");
    }
    buffer_add_literal(body, "{\"source\":");
    buffer_add_json(body, path, path_len);
    buffer_add_literal(body, ",\"target\":");
    buffer_add_json(body, normal, normal_len);
    buffer_add_literal(body, "}");
    if (++normaliser->n_moves < MAX_PART_MOVES && body->len < MAX_PART_BYTES)
        return 0;
    return send_part(normaliser);
}

/* Returns why a path cannot move to its normalised path, or NULL if it can. */
static const char *reason_to_stay(const char *path, size_t path_len, const char *normal,
                                  size_t normal_len)
{
    if (normal_len >= strlen(OWN_PREFIX) && memcmp(normal, OWN_PREFIX, strlen(OWN_PREFIX)) == 0)
        return "its normalised path is below /-/, which is not counted";
    if (!change_path_is_valid(path, path_len) || !change_path_is_valid(normal, normal_len))
        return "it, or its normalised path, is not canonical or has more than 2,048 bytes";
    return NULL;
}

static int take_path(struct normaliser *normaliser, const char *path, size_t path_len)
{
    char normal[NORMALIZED_BYTES(CURSOR_PATH_MAX_BYTES)];
    size_t normal_len;
    const char *reason;

    if (path_is_overflow(path, path_len) || path_len > CURSOR_PATH_MAX_BYTES)
        return 0;
    normal_len = path_normalize(normaliser->session->service->rules, path, path_len, normal);
    if (normal_len == path_len && memcmp(normal, path, path_len) == 0)
        return 0;
    reason = reason_to_stay(path, path_len, normal, normal_len);
    if (reason == NULL)
        return add_move(normaliser, path, path_len, normal, normal_len);
    if (++normaliser->n_skipped <= MAX_NAMED)
        fprintf(stderr, "counter-svc change: %s stays as it is: %s\n", LOG_QUOTED(path), reason);
    return 0;
}

/* Returns the page of rows after the path `after` (NULL: the first page), or NULL after a line on
 * standard error. */
static json_t *read_page(struct command_session *session, const json_t *after)
{
    struct buffer target = {0};
    json_t *page;

    buffer_add_literal(&target, API_PATHS "?order=path&limit=1000");
    if (after != NULL) {
        buffer_add_literal(&target, "&after=");
        buffer_add_percent(&target, json_string_value(after), json_string_length(after));
    }
    buffer_add_literal(&target, "\0");
    page = command_get(session, target.bytes, session->service->counter_token);
    buffer_free(&target);
    return page;
}

/* Takes the rows of a page. Returns 0, or -1. */
static int take_page(struct normaliser *normaliser, const json_t *page)
{
    const json_t *path;
    size_t i;

    json_array_foreach(json_object_get(page, "paths"), i, path)
    {
        if (take_path(normaliser, json_string_value(path), json_string_length(path)) != 0)
            return -1;
    }
    return 0;
}

/* Reads the whole table and sends all parts. Returns 0, or -1 after a line on standard error. */
static int normalise_all(struct normaliser *normaliser)
{
    json_t *page = read_page(normaliser->session, NULL), *next;

    while (page != NULL) {
        const json_t *after = json_object_get(page, "next");
        bool is_last = !json_is_string(after);

        if (take_page(normaliser, page) != 0) {
            json_decref(page);
            return -1;
        }
        next = is_last ? NULL : read_page(normaliser->session, after);
        json_decref(page);
        if (is_last)
            return send_part(normaliser);
        page = next;
    }
    return -1;
}

int command_normalise(struct command_session *session)
{
    struct normaliser normaliser = {.session = session};
    int status;

    if (!path_rules_are_set(session->service->rules)) {
        fprintf(stderr, "counter-svc change: no rule is set: set path_lower_case, "
                        "path_collapse_slashes, path_strip_index and path_strip_slash as for "
                        "render-svc\n");
        return 2;
    }
    status = normalise_all(&normaliser);
    buffer_free(&normaliser.body);
    if (normaliser.n_skipped > MAX_NAMED)
        fprintf(stderr, "counter-svc change: %zu further paths stay as they are\n",
                normaliser.n_skipped - MAX_NAMED);
    if (status != 0 && !session->command->dry_run)
        fprintf(stderr, "counter-svc change: run the command again to continue\n");
    return status == 0 ? command_sum_up(session) : 1;
}
