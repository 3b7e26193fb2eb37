#include "counter-svc/read/history_query.h"

#include "proto/parameter.h"

#include <string.h>

/* Room for the longest value, percent-encoded or not. */
#define MAX_VALUE_BYTES ((size_t)4 * PATH_MAX_BYTES)

static const char *read_path(void *data, const char *value, size_t len)
{
    struct history_query *query = data;

    if (!path_is_overflow(value, len) && !path_is_valid(value, len))
        return "\"path\" is not a canonical path.";
    memcpy(query->path, value, len);
    query->path_len = len;
    return NULL;
}

static const char *read_unit(void *data, const char *value, size_t len)
{
    struct history_query *query = data;

    query->by_hour = len == 4 && memcmp(value, "hour", 4) == 0;
    return query->by_hour || (len == 3 && memcmp(value, "day", 3) == 0)
               ? NULL
               : "\"unit\" is neither hour nor day.";
}

static const char *read_time(char time[HISTORY_TIME_BYTES], size_t *time_len, const char *value,
                             size_t len)
{
    if (len == 0 || len > HISTORY_TIME_BYTES)
        return "\"from\" or \"to\" is not a date or a time.";
    for (size_t i = 0; i < len; ++i)
        if (value[i] < ' ' || value[i] > '~')
            return "\"from\" or \"to\" is not a date or a time.";
    memcpy(time, value, len);
    *time_len = len;
    return NULL;
}

static const char *read_from(void *data, const char *value, size_t len)
{
    struct history_query *query = data;

    return read_time(query->from, &query->from_len, value, len);
}

static const char *read_to(void *data, const char *value, size_t len)
{
    struct history_query *query = data;

    return read_time(query->to, &query->to_len, value, len);
}

static const struct parameter PARAMETERS[] = {
    {"path", read_path}, {"unit", read_unit}, {"from", read_from}, {"to", read_to}};
#define N_PARAMETERS (sizeof(PARAMETERS) / sizeof(PARAMETERS[0]))

int history_query_parse(const char *text, size_t len, struct history_query *query,
                        const char **error)
{
    memset(query, 0, sizeof(*query));
    *error = parameters_read(text, len, PARAMETERS, N_PARAMETERS, MAX_VALUE_BYTES,
                             "Unknown query parameter; use path, unit, from or to.", query);
    return *error == NULL ? 0 : -1;
}
