#include "render-svc/html/query.h"

#include "proto/path.h"

#include <string.h>

/* Appends a parameter to `rest`, which has room for three times the query. */
static void keep(h2o_iovec_t *rest, const char *text, size_t len)
{
    if (rest->len != 0)
        rest->base[rest->len++] = '&';
    for (size_t i = 0; i < len; ++i) {
        if (text[i] == '+') {
            memcpy(rest->base + rest->len, "%20", 3);
            rest->len += 3;
        } else {
            rest->base[rest->len++] = text[i];
        }
    }
}

/* Decodes the value of a parameter. Returns NULL, or a sentence. */
static const char *decode(h2o_mem_pool_t *pool, const char *text, size_t len, h2o_iovec_t *value)
{
    char *plain = h2o_mem_alloc_pool(pool, len + 1), *out = h2o_mem_alloc_pool(pool, len + 1);

    if (value->base != NULL)
        return "A query parameter occurs more than once.";
    for (size_t i = 0; i < len; ++i)
        plain[i] = (char)(text[i] == '+' ? ' ' : text[i]);
    value->base = out;
    if (!percent_decode(plain, len, out, &value->len) || memchr(out, '\0', value->len) != NULL ||
        !utf8_is_valid(out, value->len))
        return "A query parameter has no valid value.";
    return NULL;
}

const char *query_take(h2o_mem_pool_t *pool, const char *query, size_t len,
                       const char *const *names, size_t count, h2o_iovec_t *values,
                       h2o_iovec_t *rest)
{
    const char *at = query, *end = query + len, *error = NULL;

    *rest = h2o_iovec_init(h2o_mem_alloc_pool(pool, 3 * len + 1), 0);
    for (size_t i = 0; i < count; ++i)
        values[i] = h2o_iovec_init(NULL, 0);
    while (at != end && error == NULL) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        size_t parameter_len = (size_t)((next != NULL ? next : end) - at);
        const char *equals = memchr(at, '=', parameter_len);
        size_t name_len = equals != NULL ? (size_t)(equals - at) : parameter_len, i = 0;
        while (i < count && !h2o_memis(at, name_len, names[i], strlen(names[i])))
            ++i;
        if (i == count)
            keep(rest, at, parameter_len);
        else if (equals == NULL)
            error = "A query parameter has no valid value.";
        else
            error = decode(pool, equals + 1, parameter_len - name_len - 1, &values[i]);
        at = next != NULL ? next + 1 : end;
    }
    return error;
}
