#include "counter-svc/history_query.h"

#include <string.h>

/* Room for the longest value, percent-encoded or not. */
#define MAX_VALUE_BYTES ((size_t)4 * PATH_MAX_BYTES)

/* What one parameter is read by: the value is percent-decoded. Returns a sentence, or NULL. */
typedef const char *(*reader)(struct history_query *query, const char *value, size_t len);

static const char *read_path(struct history_query *query, const char *value, size_t len)
{
    if (!path_is_overflow(value, len) && !path_is_valid(value, len))
        return "\"path\" is not a canonical path.";
    memcpy(query->path, value, len);
    query->path_len = len;
    return NULL;
}

static const char *read_unit(struct history_query *query, const char *value, size_t len)
{
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

static const char *read_from(struct history_query *query, const char *value, size_t len)
{
    return read_time(query->from, &query->from_len, value, len);
}

static const char *read_to(struct history_query *query, const char *value, size_t len)
{
    return read_time(query->to, &query->to_len, value, len);
}

static const struct parameter {
    const char *name;
    reader read;
} PARAMETERS[] = {{"path", read_path}, {"unit", read_unit}, {"from", read_from}, {"to", read_to}};
#define N_PARAMETERS (sizeof(PARAMETERS) / sizeof(PARAMETERS[0]))

/* Reads one `name=value`. */
static const char *read_parameter(struct history_query *query, const char *text, size_t len,
                                  unsigned *seen)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals != NULL ? (size_t)(equals - text) : len;
    size_t value_len = equals != NULL ? len - name_len - 1 : 0;
    char value[MAX_VALUE_BYTES];

    for (size_t i = 0; i < N_PARAMETERS; ++i) {
        const struct parameter *parameter = &PARAMETERS[i];
        if (strlen(parameter->name) != name_len || memcmp(text, parameter->name, name_len) != 0)
            continue;
        if (*seen & 1U << i)
            return "A query parameter occurs more than once.";
        *seen |= 1U << i;
        if (equals == NULL || value_len > sizeof(value) ||
            !percent_decode(equals + 1, value_len, value, &value_len))
            return "A query parameter has no valid value.";
        return parameter->read(query, value, value_len);
    }
    return "Unknown query parameter; use path, unit, from or to.";
}

int history_query_parse(const char *text, size_t len, struct history_query *query,
                        const char **error)
{
    const char *at = text, *end = text + len;
    unsigned seen = 0;

    memset(query, 0, sizeof(*query));
    while (at != end) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        size_t parameter_len = (size_t)((next != NULL ? next : end) - at);
        *error = read_parameter(query, at, parameter_len, &seen);
        if (*error != NULL)
            return -1;
        at = next != NULL ? next + 1 : end;
    }
    return 0;
}
