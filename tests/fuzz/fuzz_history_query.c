/* The query of a history, as render-svc accepts it from a browser, and as counter-svc reads it.
 * Accepted values are within their limits, and counter-svc reads the values that render-svc passes on. */
#include "base/buffer.h"
#include "counter-svc/read/history_query.h"
#include "render-svc/html/query.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static const char *const NAMES[] = {"path", "unit", "from", "to"};
#define N_NAMES (sizeof(NAMES) / sizeof(NAMES[0]))

static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; ++i)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return true;
}

static void check_bounds(const struct history_query *query)
{
    MUST(query->path_len <= PATH_MAX_BYTES);
    MUST(query->path_len == 0 || path_is_overflow(query->path, query->path_len) ||
         path_is_valid(query->path, query->path_len));
    MUST(query->from_len <= HISTORY_TIME_BYTES && is_plain(query->from, query->from_len));
    MUST(query->to_len <= HISTORY_TIME_BYTES && is_plain(query->to, query->to_len));
}

static void add(struct buffer *to, const char *name, const char *value, size_t len)
{
    buffer_add_string(to, to->len != 0 ? "&" : "");
    buffer_add_string(to, name);
    buffer_add_literal(to, "=");
    buffer_add_percent(to, value, len);
}

/* A query that was read and written again has the same values. */
static void check_comes_back(const struct history_query *query)
{
    struct buffer text = {0};
    struct history_query again;
    const char *error = NULL;

    add(&text, "unit", query->by_hour ? "hour" : "day", query->by_hour ? 4 : 3);
    if (query->path_len != 0)
        add(&text, "path", query->path, query->path_len);
    if (query->from_len != 0)
        add(&text, "from", query->from, query->from_len);
    if (query->to_len != 0)
        add(&text, "to", query->to, query->to_len);
    MUST(history_query_parse(text.bytes, text.len, &again, &error) == 0);
    MUST(again.by_hour == query->by_hour && again.path_len == query->path_len &&
         again.from_len == query->from_len && again.to_len == query->to_len);
    MUST(memcmp(again.path, query->path, query->path_len) == 0);
    MUST(memcmp(again.from, query->from, query->from_len) == 0);
    MUST(memcmp(again.to, query->to, query->to_len) == 0);
    buffer_free(&text);
}

/* A browser's query. counter-svc accepts or refuses its values, and never misreads them. */
static void check_taken(h2o_mem_pool_t *pool, const char *text, size_t len)
{
    h2o_iovec_t values[N_NAMES], rest;
    struct buffer passed_on = {0};
    struct history_query query;
    const char *error = NULL;

    if (query_take(pool, text, len, NAMES, N_NAMES, values, &rest) != NULL)
        return;
    MUST(rest.len <= 3 * len && memchr(rest.base, '+', rest.len) == NULL);
    for (size_t i = 0; i < N_NAMES; ++i)
        if (values[i].len != 0)
            add(&passed_on, NAMES[i], values[i].base, values[i].len);
    if (passed_on.len != 0 &&
        history_query_parse(passed_on.bytes, passed_on.len, &query, &error) == 0) {
        check_bounds(&query);
        MUST(query.path_len == values[0].len);
        MUST(query.path_len == 0 || memcmp(query.path, values[0].base, query.path_len) == 0);
        MUST(query.from_len == values[2].len && query.to_len == values[3].len);
    } else {
        MUST(passed_on.len == 0 || error != NULL);
    }
    buffer_free(&passed_on);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *error = NULL;
    struct history_query query;
    h2o_mem_pool_t pool;

    if (history_query_parse(text, size, &query, &error) == 0) {
        check_bounds(&query);
        check_comes_back(&query);
    } else {
        MUST(error != NULL);
    }
    h2o_mem_init_pool(&pool);
    check_taken(&pool, text, size);
    h2o_mem_clear_pool(&pool);
    return 0;
}
