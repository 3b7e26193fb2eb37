#include "counter-svc/journal/history.h"

#include "base/buffer.h"
#include "counter-svc/ledger/pg_array.h"
#include "counter-svc/ledger/refusal.h"
#include "server/ops/log.h"

#include <string.h>

/* The interval of steps if the last one has left no work, in milliseconds, and the maximum of paths
 * of a step. A step takes about 20 ms of CPU time. */
#define STEP_EVERY_MS 1000
#define STEP_PATHS    200

static void send_settings(const struct history_settings *settings, struct session *session,
                          pg_callback callback, void *data)
{
    struct buffer numbers = {0};

    pg_add_int8(&numbers, settings->keep_hours);
    pg_add_int8(&numbers, settings->keep_days);
    pg_add_int8(&numbers, settings->max_rows);
    session_run(session, STATEMENT_HISTORY_SETTINGS,
                (struct pg_parameter[]){{settings->time_zone, strlen(settings->time_zone)},
                                        {numbers.bytes, 8},
                                        {numbers.bytes + 8, 8},
                                        {numbers.bytes + 16, 8}},
                4, callback, data);
    buffer_free(&numbers);
}

bool history_send(struct history_work *history, struct session *session, uint64_t now_ms,
                  pg_callback callback, void *data)
{
    struct buffer size = {0};

    if (!history->_is_set) {
        send_settings(history->settings, session, callback, data);
        return true;
    }
    if (!history->_more && now_ms - history->_stepped_ms < STEP_EVERY_MS)
        return false;
    history->_stepped_ms = now_ms;
    pg_add_int8(&size, STEP_PATHS);
    session_run(session, STATEMENT_HISTORY_STEP, (struct pg_parameter[]){{size.bytes, size.len}}, 1,
                callback, data);
    buffer_free(&size);
    return true;
}

static bool note_settings(struct history_work *history, const struct pg_answer *answer)
{
    if (answer->outcome == PG_FAILED && refusal_is_of_class(answer->sqlstate, "22")) {
        log_event(LOG_LEVEL_ERROR, "history-settings-refused", "time_zone=%s error=%s",
                  LOG_QUOTED(history->settings->time_zone), LOG_QUOTED(answer->message));
        return history->_is_set = true;
    }
    if (answer->outcome != PG_DONE)
        return false;
    history->_is_set = true;
    if (!PQgetisnull(answer->result, 0, 0))
        log_event(LOG_LEVEL_WARNING, "history-settings", "before=%s",
                  LOG_QUOTED(PQgetvalue(answer->result, 0, 0)));
    return true;
}

bool history_note(struct history_work *history, const struct pg_answer *answer)
{
    if (!history->_is_set)
        return note_settings(history, answer);
    history->_more = answer->outcome == PG_DONE && *PQgetvalue(answer->result, 0, 0) != 0;
    return answer->outcome == PG_DONE;
}
