#include "render-svc/count/http_head.h"

#include "proto/api.h"

#include <h2o.h>
#include <string.h>

#define MAX_HEAD_BYTES 16384
#define MAX_HEADERS    32

/* picohttpparser (https://github.com/h2o/picohttpparser). libh2o exports its functions but installs
 * no header for them. */
struct phr_header {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
};
int phr_parse_response(const char *buf, size_t len, int *minor_version, int *status,
                       const char **msg, size_t *msg_len, struct phr_header *headers,
                       size_t *num_headers, size_t last_len);

/* Returns whether the header has this name. */
static bool is_named(const struct phr_header *header, const char *name)
{
    return header->name_len == strlen(name) &&
           strncasecmp(header->name, name, header->name_len) == 0;
}

/* Fills `head` from the headers. Returns NULL, or the reason why the answer is invalid. */
static const char *check_headers(const char *id, const struct phr_header *headers, size_t count,
                                 struct http_head *head)
{
    unsigned lengths = 0, ids = 0;

    for (const struct phr_header *header = headers; header != headers + count; ++header) {
        if (header->name == NULL) {
            return "the answer has a folded header";
        } else if (is_named(header, "content-length")) {
            head->body_len = h2o_strtosize(header->value, header->value_len);
            ++lengths;
        } else if (is_named(header, "content-type")) {
            head->encoding = encoding_named(header->value, header->value_len);
        } else if (is_named(header, "accept-post")) {
            head->offered = encoding_named(header->value, header->value_len);
        } else if (is_named(header, "transfer-encoding")) {
            return "the answer has a transfer encoding";
        } else if (is_named(header, "x-request-id")) {
            if (!h2o_memis(header->value, header->value_len, id, strlen(id)))
                return "the answer is to another request";
            ++ids;
        } else if (is_named(header, "connection")) {
            head->keep_alive &=
                !h2o_contains_token(header->value, header->value_len, H2O_STRLIT("close"), ',');
        }
    }
    if (ids != 1)
        return "the answer does not say which request it is to";
    if (lengths != 1 || head->body_len > API_MAX_ANSWER_BYTES)
        return "the answer has no proper length";
    return NULL;
}

int http_head_parse(const char *bytes, size_t len, const char *id, struct http_head *head,
                    const char **reason)
{
    struct phr_header headers[MAX_HEADERS];
    size_t count = MAX_HEADERS, message_len;
    const char *message;
    int minor_version, size;

    *head = (struct http_head){.keep_alive = true};
    size = phr_parse_response(bytes, len, &minor_version, &head->status, &message, &message_len,
                              headers, &count, 0);
    if (size == -2 && len < MAX_HEAD_BYTES)
        return 0;
    *reason = "the answer is malformed";
    if (size < 0 || size > MAX_HEAD_BYTES || minor_version != 1 || head->status < 200 ||
        head->status > 599)
        return -1;
    head->size = (size_t)size;
    *reason = check_headers(id, headers, count, head);
    return *reason == NULL ? 1 : -1;
}
