/* Views as queries: each parameter, refused queries, and equal views. */
#include <string.h>

#include "tests/unit/view_fixture.h"

static void without_a_query_it_is_the_hundred_highest_counts(void **state)
{
    struct view view = view_of("");

    (void)state;
    assert_int_equal(view.order, VIEW_BY_COUNT);
    assert_int_equal(view.limit, 100);
    assert_false(view.has_prefix);
    assert_false(view.has_after);
    assert_int_equal(view.prefix_len, 0);
    assert_int_equal(view.after_len, 0);
}

static void every_parameter_is_read_in_any_order(void **state)
{
    static const char *const queries[] = {
        "order=path&prefix=/a&limit=7&after=/ab",
        "after=/ab&limit=7&prefix=/a&order=path",
        "limit=7&after=%2Fab&order=%70ath&prefix=%2fa",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(queries); i++) {
        struct view view = view_of(queries[i]);
        assert_int_equal(view.order, VIEW_BY_PATH);
        assert_int_equal(view.limit, 7);
        assert_true(view.has_prefix);
        assert_int_equal(view.prefix_len, 2);
        assert_memory_equal(view.prefix, "/a", 2);
        assert_true(view.has_after);
        assert_int_equal(view.after_len, 3);
        assert_memory_equal(view.after_path, "/ab", 3);
    }
}

static void an_order_is_count_or_path(void **state)
{
    static const char *const bad[] = {
        "order=",    "order=Count", "order=counts", "order=coun",     "order=paths",
        "order=pat", "order=PATH",  "order=hits",   "order=count%00", "order=%20path"};

    (void)state;
    assert_int_equal(view_of("order=count").order, VIEW_BY_COUNT);
    assert_int_equal(view_of("order=path").order, VIEW_BY_PATH);
    for (size_t i = 0; i < SIZE(bad); i++)
        assert_refused(bad[i], BAD_ORDER);
}

static void a_period_and_bots_are_read(void **state)
{
    static const char *const periods[] = {"period=", "period=Today", "period=25h", "period=7"};
    static const char *const bots[] = {"bots=", "bots=no", "bots=excluded"};

    (void)state;
    assert_int_equal(view_of("period=all").period, VIEW_ALL_TIME);
    assert_int_equal(view_of("period=today").period, VIEW_TODAY);
    assert_int_equal(view_of("period=24h").period, VIEW_24_HOURS);
    assert_int_equal(view_of("period=7d").period, VIEW_7_DAYS);
    assert_int_equal(view_of("period=30d").period, VIEW_30_DAYS);
    assert_true(view_of("bots=exclude").without_bots);
    assert_false(view_of("bots=include").without_bots);
    for (size_t i = 0; i < SIZE(periods); i++)
        assert_refused(periods[i], BAD_PERIOD);
    for (size_t i = 0; i < SIZE(bots); i++)
        assert_refused(bots[i], BAD_BOTS);
}

static void a_limit_is_from_1_to_1000(void **state)
{
    static const char *const out_of_range[] = {
        "limit=",
        "limit=0",
        "limit=00",
        "limit=1001",
        "limit=10000",
        "limit=4294967296",
        "limit=4294967297",
        "limit=18446744073709551617",
        "limit=99999999999999999999999999",
    };
    static const char *const no_number[] = {
        "limit=-1",           "limit=+1",   "limit=1.0", "limit=1e2",   "limit=0x10",
        "limit=%201",         "limit=1%20", "limit=ten", "limit=1,000", "limit=1%00",
        "limit=1;order=path", "limit=/",    "limit=:"};

    (void)state;
    assert_int_equal(view_of("limit=1").limit, 1);
    assert_int_equal(view_of("limit=999").limit, 999);
    assert_int_equal(view_of("limit=1000").limit, 1000);
    assert_int_equal(view_of("limit=%31%30").limit, 10);
    assert_int_equal(view_of("limit=007").limit, 7);
    for (size_t i = 0; i < SIZE(out_of_range); i++)
        assert_refused(out_of_range[i], BAD_LIMIT);
    for (size_t i = 0; i < SIZE(no_number); i++)
        assert_refused(no_number[i], NO_NUMBER);
}

static void a_prefix_is_any_text_and_may_be_empty(void **state)
{
    struct view view = view_of("prefix=a%20b%26%3D%25%C3%A9+=");

    (void)state;
    assert_int_equal(view.prefix_len, 10);
    assert_memory_equal(view.prefix, "a b&=%\xc3\xa9+=", 10);
    view = view_of("prefix=");
    assert_false(view.has_prefix);
    assert_int_equal(view.prefix_len, 0);
    assert_refused("prefix=%00", BAD_PREFIX);
    assert_refused("prefix=/a%00b", BAD_PREFIX);
    assert_refused("prefix=%FF", BAD_PREFIX);
    assert_refused("prefix=\xc3", BAD_PREFIX);
    assert_refused("prefix=/%ED%A0%80", BAD_PREFIX);
}

static void a_prefix_has_at_most_2048_bytes(void **state)
{
    char query[16 + 3 * PATH_MAX_BYTES] = "prefix=";
    size_t len = strlen(query);

    (void)state;
    memset(query + len, 'a', PATH_MAX_BYTES + 1);
    assert_refused(query, BAD_PREFIX);
    query[len + PATH_MAX_BYTES] = '\0';
    assert_int_equal(view_of(query).prefix_len, PATH_MAX_BYTES);
    for (size_t i = 0; i < PATH_MAX_BYTES; i++) /* the decoded length counts */
        strcpy(query + len + 3 * i, "%61");
    assert_int_equal(view_of(query).prefix_len, PATH_MAX_BYTES);
}

static void a_repeated_parameter_is_refused(void **state)
{
    (void)state;
    assert_refused("order=path&order=path", TWICE);
    assert_refused("limit=1&limit=1", TWICE);
    assert_refused("limit=1&order=path&limit=2", TWICE);
    assert_refused("prefix=&prefix=", TWICE);
    assert_refused("after=8:/a&after=8:/a", TWICE);
}

static void unknown_parameters_are_refused(void **state)
{
    static const char *const queries[] = {
        "offset=1", "Limit=1",   "limi=1",   "limits=1", "=1", "&",    "&limit=1", "limit=1&&",
        "a",        "%6Cimit=1", " limit=1", "limit =1", "=",  "orde", "?",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(queries); i++)
        assert_refused(queries[i], UNKNOWN);
}

static void a_parameter_without_a_proper_value_is_refused(void **state)
{
    static const char *const queries[] = {"limit",         "order&limit=1",     "prefix=%",
                                          "prefix=%4",     "prefix=%4&limit=1", "after=/%zz",
                                          "prefix=%%34%31"};

    (void)state;
    for (size_t i = 0; i < SIZE(queries); i++)
        assert_refused(queries[i], NO_VALUE);
}

static void views_are_equal_when_they_have_the_same_rows(void **state)
{
    static const char *const different[] = {
        "",
        "order=path",
        "limit=99",
        "prefix=/",
        "prefix=/a",
        "prefix=/b",
        "prefix=/ab",
        "prefix=/a&limit=99",
        "after=8:/a",
        "after=9:/a",
        "after=8:/b",
        "after=8:/ab",
        "order=path&after=/a",
        "order=path&after=/b",
        "order=path&after=/ab",
        "prefix=/a&after=8:/a",
        "order=path&prefix=/a",
    };
    static const struct {
        const char *one, *other;
    } same[] = {
        {"", "order=count&limit=100&prefix="},
        {"prefix=/a&limit=5", "limit=05&prefix=%2Fa"},
        {"order=path&after=/a", "after=%2f%61&order=path"},
        {"after=8:/a", "after=08:/a"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(different); i++) {
        for (size_t j = 0; j < SIZE(different); j++) {
            struct view one = view_of(different[i]), other = view_of(different[j]);
            if (view_equals(&one, &other) != (i == j))
                fail_msg("%s and %s", different[i], different[j]);
        }
    }
    for (size_t i = 0; i < SIZE(same); i++) {
        struct view one = view_of(same[i].one), other = view_of(same[i].other);
        assert_true(view_equals(&one, &other));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_query_it_is_the_hundred_highest_counts),
        cmocka_unit_test(every_parameter_is_read_in_any_order),
        cmocka_unit_test(an_order_is_count_or_path),
        cmocka_unit_test(a_period_and_bots_are_read),
        cmocka_unit_test(a_limit_is_from_1_to_1000),
        cmocka_unit_test(a_prefix_is_any_text_and_may_be_empty),
        cmocka_unit_test(a_prefix_has_at_most_2048_bytes),
        cmocka_unit_test(a_repeated_parameter_is_refused),
        cmocka_unit_test(unknown_parameters_are_refused),
        cmocka_unit_test(a_parameter_without_a_proper_value_is_refused),
        cmocka_unit_test(views_are_equal_when_they_have_the_same_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
