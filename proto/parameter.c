#include "proto/parameter.h"

#include "base/invariant.h"
#include "proto/path.h"

#include <string.h>

/* Decodes the value after `equals`, and passes it to the parameter's function. */
static const char *read_value(const struct parameter *parameter, const char *equals,
                              size_t value_len, size_t max_bytes, void *data)
{
    char value[PARAMETER_MAX_BYTES];

    if (equals == NULL || value_len > max_bytes ||
        !percent_decode(equals + 1, value_len, value, &value_len))
        return "A query parameter has no valid value.";
    return parameter->read(data, value, value_len);
}

const char *parameters_read(const char *query, size_t len, const struct parameter *parameters,
                            size_t count, size_t max_bytes, const char *unknown, void *data)
{
    const char *at = query, *end = query + len, *error = NULL;
    unsigned seen = 0;

    INVARIANT(count <= 8 * sizeof(seen) && max_bytes <= PARAMETER_MAX_BYTES);
    while (at != end && error == NULL) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        size_t parameter_len = (size_t)((next != NULL ? next : end) - at);
        const char *equals = memchr(at, '=', parameter_len);
        size_t name_len = equals != NULL ? (size_t)(equals - at) : parameter_len, i = 0;
        while (i < count && (strlen(parameters[i].name) != name_len ||
                             memcmp(at, parameters[i].name, name_len) != 0))
            ++i;
        if (i == count)
            return unknown;
        if (seen & 1U << i)
            return "A query parameter occurs more than once.";
        seen |= 1U << i;
        error = read_value(&parameters[i], equals,
                           equals != NULL ? parameter_len - name_len - 1 : 0, max_bytes, data);
        at = next != NULL ? next + 1 : end;
    }
    return error;
}
