#include "render-svc/accept.h"

#include <string.h>
#include <strings.h>

/* A stretch of a header's value. */
struct span {
    const char *at;
    size_t len;
};

static struct span trim(struct span span)
{
    while (span.len != 0 && (*span.at == ' ' || *span.at == '\t')) {
        ++span.at;
        --span.len;
    }
    while (span.len != 0 && (span.at[span.len - 1] == ' ' || span.at[span.len - 1] == '\t'))
        --span.len;
    return span;
}

/* Cuts off what comes before the separator, or everything. */
static struct span take(struct span *rest, char separator)
{
    const char *end = memchr(rest->at, separator, rest->len);
    struct span part = {rest->at, end != NULL ? (size_t)(end - rest->at) : rest->len};

    rest->at += part.len + (end != NULL);
    rest->len -= part.len + (end != NULL);
    return trim(part);
}

static bool is(struct span span, const char *text)
{
    return span.len == strlen(text) && strncasecmp(span.at, text, span.len) == 0;
}

/* A weight in thousandths (RFC 9110, 12.4.2); malformed counts as 1. */
static int read_weight(struct span value)
{
    int weight = 0, digit = 100;

    if (value.len == 0 || *value.at != '0' || (value.len > 1 && value.at[1] != '.'))
        return 1000;
    for (size_t i = 2; i < value.len && i < 5; ++i, digit /= 10) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return 1000;
        weight += (value.at[i] - '0') * digit;
    }
    return weight;
}

/* How much a range says about each of the two forms; a more specific range goes before. */
struct wish {
    int weight;      /* 0 to 1000 */
    int specificity; /* 0: nothing said, 1: any, 2: its major type, 3: it */
};

static void apply(struct wish *wish, int specificity, int weight)
{
    if (specificity > wish->specificity)
        *wish = (struct wish){weight, specificity};
}

bool accept_prefers_json(const char *value, size_t len)
{
    struct wish html = {0, 0}, json = {0, 0};
    struct span rest = {value, len};

    while (rest.len != 0) {
        struct span range = take(&rest, ',');
        struct span type = take(&range, ';');
        int weight = 1000;
        while (range.len != 0) {
            struct span parameter = take(&range, ';');
            struct span name = take(&parameter, '=');
            if (is(name, "q"))
                weight = read_weight(trim(parameter));
        }
        if (is(type, "*/*")) {
            apply(&html, 1, weight);
            apply(&json, 1, weight);
        } else if (is(type, "text/*") || is(type, "text/html")) {
            apply(&html, is(type, "text/*") ? 2 : 3, weight);
        } else if (is(type, "application/*") || is(type, "application/json")) {
            apply(&json, is(type, "application/*") ? 2 : 3, weight);
        }
    }
    if (json.weight != html.weight)
        return json.weight > html.weight;
    return json.weight != 0 && json.specificity > html.specificity;
}

bool prefer_is_minimal(const char *value, size_t len)
{
    struct span rest = {value, len};

    while (rest.len != 0) {
        struct span preference = take(&rest, ',');
        struct span token = take(&preference, ';');
        struct span name = take(&token, '=');
        token = trim(token);
        if (token.len >= 2 && *token.at == '"' && token.at[token.len - 1] == '"')
            token = (struct span){token.at + 1, token.len - 2};
        if (is(name, "return"))
            return is(token, "minimal"); /* the first counts (RFC 7240, 2) */
    }
    return false;
}
