/* Valid and invalid heads of requests. tests/pair/test_strictness.py tests whole requests. */

#include "server/http/validate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOST "Host: a\r\n"

/* Returns the status for a head, or 0 if it is valid. The head is in memory of exactly its length,
 * so that AddressSanitizer finds reads beyond it. */
static int status_of(const char *head, size_t target_bytes, size_t head_bytes)
{
    struct head_limits limits = {.target_bytes = target_bytes, .head_bytes = head_bytes};
    size_t len = strlen(head);
    char *copy = malloc(len > 0 ? len : 1);
    const struct head_fault *fault;

    assert_non_null(copy);
    memcpy(copy, head, len);
    fault = validate_head(copy, len, &limits);
    free(copy);
    return fault == NULL ? 0 : fault->status;
}

static void heads_are_valid_or_invalid(void **state)
{
    static const struct {
        const char *head;
        int status;
    } CASES[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", 0},
        {"GET / HTTP/1.1\r\n" HOST "\r\nGET * HTTP/1.1\n\n", 0}, /* the next head is not checked */
        {"\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 0},
        {"GET / HTTP/1.0\r\n\r\n", 0},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0},
        {"POST / HTTP/1.1\r\ncontent-length: 1\r\n" HOST "\r\nx", 0},
        {"", 400},
        {"\r\n", 400},
        {"\n", 400},
        {"GET", 400},
        {"GET\r\n", 400},
        {" \r\n", 400},
        {"GET \r\n", 400},
        {"GET  HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST, 400},
        {"GET / HTTP/1.1\n" HOST "\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "\tfolded\r\n\r\n", 400},
        {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET http://a/ HTTP/1.1\r\n" HOST "\r\n", 400},
        {"CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", 400},
        {"G(T / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: a\r\nTransfer-Encoding: b\r\n\r\n", 400},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 411},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); ++i)
        if (status_of(CASES[i].head, 100, 1000) != CASES[i].status)
            fail_msg("%s: %d", CASES[i].head, status_of(CASES[i].head, 100, 1000));
}

static void limits_hold_to_the_byte(void **state)
{
    static const char HEAD[] = "GET /3456789 HTTP/1.1\r\n" HOST "\r\nbody";

    (void)state;
    assert_int_equal(status_of(HEAD, 8, 34), 0);
    assert_int_equal(status_of(HEAD, 7, 34), 414);
    assert_int_equal(status_of(HEAD, 8, 33), 431);
    assert_int_equal(status_of(HEAD, 7, 33), 414);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_valid_or_invalid),
        cmocka_unit_test(limits_hold_to_the_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
