/* Addresses below the base, and valid bases. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "render-svc/html/link.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

static void a_base_is_segments_of_unreserved_characters(void **state)
{
    static const char *const bases[] = {"/a",  "/hits", "/a/b-c/d_e.f~", "/...",
                                        "/.a", "/-",    "/-/-"};
    static const char *const others[] = {
        "",          "/",    "a",   "hits/", "/a/",        "//",   "//a",
        "/a//b",     "/.",   "/..", "/a/.",  "/a/../b",    "/a b", "/a%20",
        "/\xc3\xa9", "/a?b", "/a#", "/<b>",  "http://a/b", "/a\"", "/a:b",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(bases); i++)
        if (!link_is_base(bases[i]))
            fail_msg("%s", bases[i]);
    for (size_t i = 0; i < SIZE(others); i++)
        if (link_is_base(others[i]))
            fail_msg("%s", others[i]);
}

static void addresses_are_below_the_base(void **state)
{
    const struct view view = {.order = VIEW_BY_PATH, .limit = 7};
    const struct link link = {.view = &view, .with_limit = true, .format = "csv"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct buffer address = {0}, own = {0}, target = {0};
        link_set_base(i == 0 ? "" : "/x/y");
        assert_string_equal(link_text(&address, LINK_PATHS, &link) + link_base.len,
                            "/-/paths?order=path&limit=7&format=csv");
        assert_memory_equal(address.bytes, link_base.at, link_base.len);
        link_add_address(&own, "/hello");
        assert_int_equal(own.len, link_base.len + strlen("/hello"));
        link_add_target(&target, &view); /* targets of counter-svc have no base */
        buffer_add(&target, "", 1);
        assert_string_equal(target.bytes, "/v1/paths?order=path&limit=7");
        buffer_free(&address);
        buffer_free(&own);
        buffer_free(&target);
    }
    link_set_base("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_base_is_segments_of_unreserved_characters),
        cmocka_unit_test(addresses_are_below_the_base),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
