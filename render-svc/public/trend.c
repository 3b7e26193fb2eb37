#include "render-svc/public/trend.h"

#include "proto/api.h"
#include "render-svc/html/link.h"

static bool on_trend_history(struct read_request *read, const struct http_answer *answer);

void trend_start(struct trend *trend, struct read_queue *reads, const char *path, size_t len,
                 const struct trace *trace, trend_callback callback)
{
    static const char *const TARGETS[] = {
        [TREND_DAYS] = API_HISTORY "?unit=day", [TREND_HOURS] = API_HISTORY "?unit=hour"};

    trend->_callback = callback;
    trend->waiting = TREND_N_UNITS;
    for (size_t i = 0; i < TREND_N_UNITS; ++i) {
        struct buffer target = {0};
        buffer_add_string(&target, TARGETS[i]);
        if (path != NULL) {
            buffer_add_literal(&target, "&path=");
            link_add_path(&target, path, len);
        }
        trend->_parts[i]._trend = trend;
        read_request_start(reads, &trend->_parts[i]._read, &target, trace, on_trend_history);
        buffer_free(&target);
    }
}

static bool on_trend_history(struct read_request *read, const struct http_answer *answer)
{
    struct trend_part *part = H2O_STRUCT_FROM_MEMBER(struct trend_part, _read, read);
    struct trend *trend = part->_trend;
    struct history *history = &trend->of[part - trend->_parts];
    bool is_accepted = true;
    const char *error;

    if (answer != NULL && answer->status == 200)
        is_accepted = history_decode(answer->body, answer->len, history, &error) == 0;
    trend->is_off[part - trend->_parts] = answer != NULL && answer->status == 404;
    if (--trend->waiting == 0)
        trend->_callback(trend);
    return is_accepted;
}

void trend_fini(struct trend *trend)
{
    for (size_t i = 0; i < TREND_N_UNITS; ++i) {
        read_request_cancel(&trend->_parts[i]._read);
        history_free(&trend->of[i]);
    }
    trend->waiting = 0;
}
