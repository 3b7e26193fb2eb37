#include "proto/history.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static const char HOUR_FORM[] = "0000-00-00T00:00:00+00:00";
static const char DAY_FORM[] = "0000-00-00";

/* Returns whether a text has a form. 0 in the form stands for a digit, + for the sign of an
 * offset. */
static bool has_form(struct value value, const char *form)
{
    if (value.type != VALUE_TEXT || value.size != strlen(form))
        return false;
    for (size_t i = 0; i < value.size; ++i) {
        char c = value.text[i];
        if (form[i] == '0' ? c < '0' || c > '9' : c != form[i] && !(form[i] == '+' && c == '-'))
            return false;
    }
    return true;
}

static bool decode_points(struct history *history)
{
    const struct message *message = &history->_message;
    struct value times = message_member(message, message->root, "times");
    struct value hits = message_member(message, message->root, "hits");
    struct value bots = message_member(message, message->root, "bots");

    history->size = value_items(times);
    if (times.type != VALUE_LIST || value_items(hits) != history->size ||
        value_items(bots) != history->size || history->size > HISTORY_MAX_POINTS)
        return false;
    history->points = memory_allocate(history->size, sizeof(*history->points));
    for (size_t i = 0; i < history->size; ++i) {
        struct history_point *point = &history->points[i];
        struct value time = message_item(message, times, i);
        if (!has_form(time, history->by_hour ? HOUR_FORM : DAY_FORM) ||
            !value_is_int(message_item(message, hits, i), 0, INT64_MAX, &point->hits) ||
            !value_is_int(message_item(message, bots, i), 0, point->hits, &point->bots))
            return false;
        point->time = time.text;
        point->time_len = time.size;
    }
    return true;
}

static bool decode(struct history *history)
{
    const struct message *message = &history->_message;
    struct value unit = message_member(message, message->root, "unit");
    struct value zone = message_member(message, message->root, "zone");
    struct value begins = message_member(message, message->root, "begins");

    if (unit.type != VALUE_TEXT || zone.type != VALUE_TEXT || !has_form(begins, HOUR_FORM))
        return false;
    history->by_hour = strcmp(unit.text, "hour") == 0;
    history->zone = zone.text;
    history->begins = begins.text;
    return (history->by_hour || strcmp(unit.text, "day") == 0) && decode_points(history);
}

int history_decode(const char *json, size_t len, struct history *history, const char **error)
{
    *history = (struct history){0};
    if (message_read(&history->_message, json, len, ENCODING_JSON, error) != 0)
        return -1;
    if (decode(history))
        return 0;
    history_free(history);
    *error = "The answer is not a history.";
    return -1;
}

void history_free(struct history *history)
{
    free(history->points);
    message_free(&history->_message);
    *history = (struct history){0};
}

unsigned history_hour(const struct history_point *point)
{
    return ((unsigned)(point->time[11] - '0') * 10 + (unsigned)(point->time[12] - '0')) % 24;
}
