#include "proto/detail.h"

#include "base/json.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define YEAR_10000_MS 253402300800000

void detail_set_time(char time[DETAIL_TIME_BYTES], int64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    char day[sizeof("2026-11-23T22:15:00")];
    struct tm utc;

    *time = '\0';
    if (unix_ms < 0 || unix_ms >= YEAR_10000_MS || gmtime_r(&seconds, &utc) == NULL ||
        strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc) == 0)
        return;
    snprintf(time, DETAIL_TIME_BYTES, "%s.%03dZ", day, (int)(unix_ms % 1000));
}

static void encode_time(struct buffer *to, const char *time)
{
    if (*time != '\0')
        buffer_add_json(to, time, strlen(time));
    else
        buffer_add_literal(to, "null");
}

static void encode_period(struct buffer *to, enum view_period period,
                          const struct detail_period *hits)
{
    buffer_add_json(to, view_period_names[period], strlen(view_period_names[period]));
    if (hits->hits < 0) {
        buffer_add_literal(to, ":null");
        return;
    }
    buffer_add_literal(to, ":{\"hits\":");
    buffer_add_int(to, hits->hits);
    buffer_add_literal(to, ",\"bots\":");
    buffer_add_int(to, hits->bots);
    buffer_add_literal(to, "}");
}

void detail_encode(struct buffer *to, const struct path_detail *detail)
{
    buffer_add_literal(to, "{\"path\":");
    buffer_add_json(to, detail->path, detail->path_len);
    buffer_add_literal(to, ",\"count\":");
    buffer_add_int(to, detail->count);
    buffer_add_literal(to, ",\"bots\":");
    buffer_add_int(to, detail->bots);
    buffer_add_literal(to, ",\"rank\":");
    if (detail->rank != 0)
        buffer_add_int(to, detail->rank);
    else
        buffer_add_literal(to, "null");
    buffer_add_literal(to, ",\"first\":");
    encode_time(to, detail->first);
    buffer_add_literal(to, ",\"last\":");
    encode_time(to, detail->last);
    buffer_add_literal(to, ",\"periods\":{");
    for (int period = VIEW_TODAY; period < VIEW_N_PERIODS; ++period) {
        if (period != VIEW_TODAY)
            buffer_add_literal(to, ",");
        encode_period(to, (enum view_period)period, &detail->periods[period]);
    }
    buffer_add_literal(to, "}}");
}

/* Returns whether the text has the form of detail_set_time. */
static bool is_time(const char *text)
{
    static const char FORM[] = "0000-00-00T00:00:00.000Z";

    if (strlen(text) != sizeof(FORM) - 1)
        return false;
    for (size_t i = 0; i < sizeof(FORM) - 1; ++i) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (FORM[i] == '0' ? !digit : text[i] != FORM[i])
            return false;
    }
    return true;
}

/* Decodes a time. Null or a missing one is not known. */
static bool decode_time(const json_t *value, char time[DETAIL_TIME_BYTES])
{
    *time = '\0';
    if (value == NULL || json_is_null(value))
        return true;
    if (!json_is_string(value) || !is_time(json_string_value(value)))
        return false;
    memcpy(time, json_string_value(value), DETAIL_TIME_BYTES);
    return true;
}

/* Decodes a number of hits. A missing one is 0. */
static bool decode_hits(const json_t *value, int64_t *hits)
{
    *hits = json_integer_value(value);
    return value == NULL || (json_is_integer(value) && *hits >= 0);
}

static bool decode_periods(const json_t *periods, struct path_detail *detail)
{
    for (int period = VIEW_TODAY; period < VIEW_N_PERIODS; ++period) {
        struct detail_period *hits = &detail->periods[period];
        const json_t *value = json_object_get(periods, view_period_names[period]);
        if (value == NULL || json_is_null(value))
            *hits = (struct detail_period){-1, -1};
        else if (!json_is_object(value) ||
                 !decode_hits(json_object_get(value, "hits"), &hits->hits) ||
                 !decode_hits(json_object_get(value, "bots"), &hits->bots))
            return false;
    }
    return true;
}

int detail_decode(const char *json, size_t len, struct path_detail *detail, const char **error)
{
    json_t *object = json_load_object(json, len, error);
    const json_t *path = json_object_get(object, "path");
    const json_t *count = json_object_get(object, "count");
    const json_t *rank = json_object_get(object, "rank");

    *detail = (struct path_detail){.path = json_string_value(path),
                                   .path_len = json_string_length(path),
                                   .count = json_integer_value(count),
                                   .rank = json_integer_value(rank),
                                   ._json = object};
    if (detail->path_len != 0 && json_is_integer(count) && detail->count >= 0 &&
        (rank == NULL || json_is_null(rank) || json_is_integer(rank)) && detail->rank >= 0 &&
        detail->rank <= DETAIL_MAX_RANK &&
        decode_time(json_object_get(object, "first"), detail->first) &&
        decode_time(json_object_get(object, "last"), detail->last) &&
        decode_hits(json_object_get(object, "bots"), &detail->bots) &&
        decode_periods(json_object_get(object, "periods"), detail))
        return 0;
    detail_free(detail);
    *error = "The response does not describe a path.";
    return -1;
}

void detail_free(struct path_detail *detail)
{
    json_decref(detail->_json);
    *detail = (struct path_detail){0};
}
