#include "render-svc/public/accept.h"

#include <string.h>
#include <strings.h>

/* A part of a header's value. */
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

/* Removes and returns the part before the separator; without one, everything. */
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

/* Reads a weight in thousandths (RFC 9110, 12.4.2). A malformed one counts as 1. */
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

#define N_FORMS 3

/* The media type of each form, and the range that includes it. */
static const struct {
    const char *type, *range;
} FORMS[N_FORMS] = {
    [ACCEPT_HTML] = {"text/html", "text/*"},
    [ACCEPT_JSON] = {"application/json", "application/*"},
    [ACCEPT_CSV] = {"text/csv", "text/*"},
};

/* The weight of a form; a more specific range takes precedence. */
struct wish {
    int weight;      /* 0 to 1000 */
    int specificity; /* 0: no range, 1: any type, 2: its major type, 3: its type */
};

static void apply(struct wish *wish, int specificity, int weight)
{
    if (specificity > wish->specificity)
        *wish = (struct wish){weight, specificity};
}

/* Returns the weight (q) in these parameters. */
static int weight_of(struct span parameters)
{
    int weight = 1000;

    while (parameters.len != 0) {
        struct span parameter = take(&parameters, ';');
        struct span name = take(&parameter, '=');
        if (is(name, "q"))
            weight = read_weight(trim(parameter));
    }
    return weight;
}

/* Applies one media range with its parameters to every form. */
static void apply_range(struct wish *wishes, struct span range)
{
    struct span type = take(&range, ';');
    int weight = weight_of(range);

    for (int i = 0; i < N_FORMS; ++i) {
        if (is(type, FORMS[i].type))
            apply(&wishes[i], 3, weight);
        else if (is(type, FORMS[i].range))
            apply(&wishes[i], 2, weight);
        else if (is(type, "*/*"))
            apply(&wishes[i], 1, weight);
    }
}

static void read_wishes(const char *value, size_t len, struct wish wishes[N_FORMS])
{
    struct span rest = {value, len};

    memset(wishes, 0, N_FORMS * sizeof(*wishes));
    while (rest.len != 0)
        apply_range(wishes, take(&rest, ','));
}

static enum accept_form choose(const struct wish *wishes, bool offers_csv)
{
    int best = ACCEPT_HTML;

    for (int i = 0; i < (offers_csv ? N_FORMS : N_FORMS - 1); ++i)
        if (wishes[i].weight > wishes[best].weight ||
            (wishes[i].weight == wishes[best].weight && wishes[i].weight != 0 &&
             wishes[i].specificity > wishes[best].specificity))
            best = i;
    return (enum accept_form)best;
}

enum accept_form accept_choose(const char *value, size_t len, bool offers_csv)
{
    struct wish wishes[N_FORMS];

    read_wishes(value, len, wishes);
    return choose(wishes, offers_csv);
}

bool accept_names_html(const char *value, size_t len)
{
    struct wish wishes[N_FORMS];

    read_wishes(value, len, wishes);
    return choose(wishes, true) == ACCEPT_HTML && wishes[ACCEPT_HTML].specificity == 3 &&
           wishes[ACCEPT_HTML].weight != 0;
}

bool accept_prefers_json(const char *value, size_t len)
{
    return accept_choose(value, len, false) == ACCEPT_JSON;
}

bool accept_allows_gzip(const char *value, size_t len)
{
    struct span rest = {value, len};
    int gzip = -1, identity = 0, any = 0;

    while (rest.len != 0) {
        struct span coding = take(&rest, ',');
        struct span name = take(&coding, ';');
        int weight = weight_of(coding);
        if (is(name, "gzip") || is(name, "x-gzip"))
            gzip = weight;
        else if (is(name, "identity"))
            identity = weight;
        else if (is(name, "*"))
            any = weight;
    }
    if (gzip < 0)
        gzip = any;
    return gzip > 0 && gzip >= identity;
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
