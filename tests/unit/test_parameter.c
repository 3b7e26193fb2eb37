/* Parameters of a query: which function gets which value, what is refused, and the limits that the
 * caller must keep. test_view.c tests a whole query. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "proto/parameter.h"
#include "tests/unit/violates.h"

#define UNKNOWN   "There is no such parameter."
#define REFUSED   "The colour must be red or blue."
#define NO_VALUE  "A query parameter has no valid value."
#define TWICE     "A query parameter occurs more than once."
#define MAX_BYTES 12

struct values {
    char colour[MAX_BYTES + 1], size[MAX_BYTES + 1];
};

static const char *read_colour(void *data, const char *value, size_t len)
{
    struct values *values = data;

    memcpy(values->colour, value, len);
    return strcmp(values->colour, "green") == 0 ? REFUSED : NULL;
}

static const char *read_size(void *data, const char *value, size_t len)
{
    struct values *values = data;

    memcpy(values->size, value, len);
    return NULL;
}

static const struct parameter PARAMETERS[] = {{"colour", read_colour}, {"size", read_size}};

static const char *read_query(const char *query, struct values *values)
{
    *values = (struct values){0};
    return parameters_read(query, strlen(query), PARAMETERS, 2, MAX_BYTES, UNKNOWN, values);
}

#define assert_refused(query, error)                                                               \
    do {                                                                                           \
        struct values values_;                                                                     \
        const char *found_ = read_query(query, &values_);                                          \
        assert_non_null(found_);                                                                   \
        assert_string_equal(found_, error);                                                        \
    } while (0)

static void each_value_is_decoded_and_goes_to_its_function(void **state)
{
    struct values values;

    (void)state;
    assert_null(read_query("", &values));
    assert_null(read_query("size=2%20%26+3&colour=red", &values));
    assert_string_equal(values.size, "2 &+3");
    assert_string_equal(values.colour, "red");
    assert_null(read_query("size=", &values));
}

static void the_error_of_the_function_is_returned(void **state)
{
    (void)state;
    assert_refused("size=2&colour=green", REFUSED);
}

static void unknown_repeated_and_invalid_parameters_are_refused(void **state)
{
    (void)state;
    assert_refused("size=2&weight=3", UNKNOWN);
    assert_refused("size=2&size=2", TWICE);
    assert_refused("size", NO_VALUE);
    assert_refused("size=%4", NO_VALUE);
}

static void a_value_is_limited_before_it_is_decoded(void **state)
{
    struct values values;

    (void)state;
    assert_null(read_query("size=123456789012", &values));
    assert_refused("size=1234567890123", NO_VALUE);
    assert_null(read_query("size=%31%32%33%34", &values));
    assert_refused("size=%31%32%33%345", NO_VALUE);
}

/* --- invariants --- */

static void read_too_many_parameters(void)
{
    static const struct parameter MANY[8 * sizeof(unsigned) + 1] = {{"size", read_size}};
    struct values values = {0};

    if (parameters_read("size=1", 6, MANY, 8 * sizeof(unsigned) + 1, MAX_BYTES, UNKNOWN, &values))
        _exit(1);
}

static void read_too_long_values(void)
{
    struct values values = {0};

    if (parameters_read("size=1", 6, PARAMETERS, 2, PARAMETER_MAX_BYTES + 1, UNKNOWN, &values))
        _exit(1);
}

static void the_caller_keeps_the_limits(void **state)
{
    (void)state;
    assert_violates(read_too_many_parameters, "count <= 8 * sizeof(seen)");
    assert_violates(read_too_long_values, "max_bytes <= PARAMETER_MAX_BYTES");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_value_is_decoded_and_goes_to_its_function),
        cmocka_unit_test(the_error_of_the_function_is_returned),
        cmocka_unit_test(unknown_repeated_and_invalid_parameters_are_refused),
        cmocka_unit_test(a_value_is_limited_before_it_is_decoded),
        cmocka_unit_test(the_caller_keeps_the_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
