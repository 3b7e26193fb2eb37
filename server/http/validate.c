#include "server/http/validate.h"

#include <h2o.h>
#include <stdbool.h>
#include <string.h>

struct line {
    const char *start;
    size_t len; /* without its CR LF */
};

/* The header lines that decide where a request ends, and which host it is for. */
struct headers {
    unsigned hosts, lengths, codings;
    bool host_is_wrong;
};

static const struct head_fault
    UNFINISHED = {400, "The request head is incomplete."},
    BARE_LF = {400, "A line of the request head does not end with CR LF."},
    FOLDED = {400, "A header line begins with white space; line folding is obsolete."},
    METHOD = {400, "The method is not a valid token."},
    TARGET = {400, "The request target is not a path that begins with a slash."},
    TARGET_TOO_LONG = {414, "The request target is too long."},
    HEAD_TOO_LONG = {431, "The request head is too long."},
    NO_HOST = {400, "The request has no Host header."},
    HOSTS = {400, "The request has more than one Host header."},
    HOST = {400, "The Host header is not a valid host."},
    LENGTHS = {400, "The request has more than one Content-Length header."},
    CODINGS = {400, "The request has more than one Transfer-Encoding header."},
    LENGTH_AND_CODING = {400, "The request has both Content-Length and Transfer-Encoding."},
    OLD_CODING = {400, "HTTP/1.0 does not support Transfer-Encoding."},
    CODING = {411, "Send the body with Content-Length; Transfer-Encoding is not supported."};

static const struct head_fault *check_request_line(const struct line *line,
                                                   const struct head_limits *limits);
static void note_header(struct headers *headers, const struct line *line);
static const struct head_fault *check_headers(const struct headers *headers, bool is_old);

/* Takes the next line. Returns the error of its line end, or NULL. */
static const struct head_fault *next_line(const char **at, const char *end, struct line *line)
{
    const char *lf = memchr(*at, '\n', (size_t)(end - *at));

    if (lf == NULL)
        return &UNFINISHED;
    if (lf == *at || lf[-1] != '\r')
        return &BARE_LF;
    *line = (struct line){*at, (size_t)(lf - 1 - *at)};
    *at = lf + 1;
    return NULL;
}

const struct head_fault *validate_head(const char *bytes, size_t len,
                                       const struct head_limits *limits)
{
    const char *at = bytes, *end = bytes + len;
    const struct head_fault *fault;
    struct headers headers = {0};
    struct line line;
    bool is_old;

    fault = next_line(&at, end, &line);
    if (fault == NULL && line.len == 0) /* an empty line may come first (RFC 9112, 2.2) */
        fault = next_line(&at, end, &line);
    if (fault == NULL)
        fault = check_request_line(&line, limits);
    if (fault != NULL)
        return fault;
    is_old = line.start[line.len - 1] == '0'; /* HTTP/1.0 */
    while ((fault = next_line(&at, end, &line)) == NULL && line.len != 0) {
        if (line.start[0] == ' ' || line.start[0] == '\t')
            return &FOLDED;
        note_header(&headers, &line);
    }
    if (fault == NULL)
        fault = check_headers(&headers, is_old);
    if (fault == NULL && (size_t)(at - bytes) > limits->head_bytes)
        fault = &HEAD_TOO_LONG;
    return fault;
}

/* --- the request line --- */

/* Returns whether a character may be part of a token (RFC 9110, 5.6.2). */
static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static const struct head_fault *check_request_line(const struct line *line,
                                                   const struct head_limits *limits)
{
    static const size_t VERSION_LEN = sizeof(" HTTP/1.1") - 1;
    const char *target = memchr(line->start, ' ', line->len);
    size_t method_len, target_len;

    if (target == NULL || target == line->start)
        return &METHOD;
    method_len = (size_t)(target - line->start);
    for (size_t i = 0; i < method_len; ++i)
        if (!is_token_char(line->start[i]))
            return &METHOD;
    ++target;
    if (line->len < method_len + 1 + 1 + VERSION_LEN)
        return &TARGET;
    target_len = line->len - method_len - 1 - VERSION_LEN;
    if (target_len > limits->target_bytes)
        return &TARGET_TOO_LONG;
    if (target[0] == '/')
        return NULL;
    return h2o_memis(target, target_len, H2O_STRLIT("*")) &&
                   h2o_memis(line->start, method_len, H2O_STRLIT("OPTIONS"))
               ? NULL
               : &TARGET;
}

/* --- headers --- */

/* Returns whether the line has this name, ignoring case. libh2o has changed names to lower case,
 * but unit tests pass them unchanged. */
static bool is_named(const struct line *line, const char *name, size_t name_len)
{
    return line->len > name_len && line->start[name_len] == ':' &&
           strncasecmp(line->start, name, name_len) == 0;
}

/* Returns whether a character may be part of a host with its port (RFC 3986, 3.2.2). */
static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~%!$&'()*+,;=:[]", c) != NULL);
}

/* Returns whether the value, without white space around it, can be a host. */
static bool is_host(const char *value, size_t len)
{
    while (len > 0 && (value[0] == ' ' || value[0] == '\t'))
        ++value, --len;
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        --len;
    for (size_t i = 0; i < len; ++i)
        if (!is_host_char(value[i]))
            return false;
    return len > 0;
}

/* Counts a header line that decides where a request ends, or which host it is for. */
static void note_header(struct headers *headers, const struct line *line)
{
    static const size_t HOST_LEN = sizeof("host:") - 1;

    if (is_named(line, H2O_STRLIT("host"))) {
        ++headers->hosts;
        headers->host_is_wrong |= !is_host(line->start + HOST_LEN, line->len - HOST_LEN);
    } else if (is_named(line, H2O_STRLIT("content-length"))) {
        ++headers->lengths;
    } else if (is_named(line, H2O_STRLIT("transfer-encoding"))) {
        ++headers->codings;
    }
}

static const struct head_fault *check_headers(const struct headers *headers, bool is_old)
{
    if (headers->hosts > 1)
        return &HOSTS;
    if (headers->hosts == 0 && !is_old)
        return &NO_HOST;
    if (headers->host_is_wrong)
        return &HOST;
    if (headers->lengths > 1)
        return &LENGTHS;
    if (headers->codings > 1)
        return &CODINGS;
    if (headers->codings != 0 && headers->lengths != 0)
        return &LENGTH_AND_CODING;
    if (headers->codings != 0)
        return is_old ? &OLD_CODING : &CODING;
    return NULL;
}
