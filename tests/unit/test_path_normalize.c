/* Normalisation: each rule alone, all rules, and no rule. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/path.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define LOWER                                                                                      \
    {                                                                                              \
        .lower_case = true                                                                         \
    }
#define COLLAPSE                                                                                   \
    {                                                                                              \
        .collapse_slashes = true                                                                   \
    }
#define INDEX                                                                                      \
    {                                                                                              \
        .strip_index = true                                                                        \
    }
#define SLASH                                                                                      \
    {                                                                                              \
        .strip_slash = true                                                                        \
    }
#define BOTH                                                                                       \
    {                                                                                              \
        .strip_index = true, .strip_slash = true                                                   \
    }
#define ALL                                                                                        \
    {                                                                                              \
        true, true, true, true                                                                     \
    }

static const struct {
    struct path_rules rules;
    const char *path, *normal;
} CASES[] = {
    {{false}, "/A//B/index.html/", "/A//B/index.html/"},
    {LOWER, "/AZ[@`{az/", "/az[@`{az/"},
    {LOWER, "/\xc3\x89T\xc3\x89/\xce\xa3", "/\xc3\xa9t\xc3\xa9/\xcf\x83"}, /* É, Σ */
    {LOWER, "/\xc4\xb0", "/i"},                                            /* İ */
    {LOWER, "/\xc8\xba", "/\xe2\xb1\xa5"},                                 /* Ⱥ grows */
    {LOWER, "/\xe2\x84\xaa", "/k"},                                        /* the Kelvin sign */
    {LOWER, "/\xf0\x90\x90\x80\xf0\x9f\x98\x80", "/\xf0\x90\x90\xa8\xf0\x9f\x98\x80"},
    {LOWER, "/\xe6\x97\xa5\xc3\x9f", "/\xe6\x97\xa5\xc3\x9f"}, /* 日ß */
    {COLLAPSE, "//", "/"},
    {COLLAPSE, "///a//b/c///", "/a/b/c/"},
    {COLLAPSE, "/a/b", "/a/b"},
    {INDEX, "/index.html", "/"},
    {INDEX, "/a/index.html", "/a/"},
    {INDEX, "/a/INDEX.HTML", "/a/INDEX.HTML"},
    {INDEX, "/a/xindex.html", "/a/xindex.html"},
    {INDEX, "/index.html/a", "/index.html/a"},
    {INDEX, "/a/index.htm", "/a/index.htm"},
    {INDEX, "/a/index.html/", "/a/index.html/"},
    {SLASH, "/", "/"},
    {SLASH, "/a/", "/a"},
    {SLASH, "/a//", "/a"},
    {SLASH, "///", "/"},
    {SLASH, "//a", "//a"},
    {SLASH, "/a/index.html", "/a/index.html"},
    {BOTH, "/a/index.html", "/a"},
    {BOTH, "/a/index.html/", "/a"},
    {BOTH, "/index.html/index.html//", "/"},
    {ALL, "//Blog//2026/INDEX.html/", "/blog/2026"},
    {ALL, "/", "/"},
};

static char *normalize(const struct path_rules *rules, const char *path)
{
    size_t len = strlen(path);
    char *out = malloc(NORMALIZED_BYTES(len)); /* exactly the size that the contract requires */
    char *text;

    len = path_normalize(rules, path, len, out);
    text = strndup(out, len);
    free(out);
    return text;
}

static void paths_are_normalized_by_the_rules_that_are_set(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE(CASES); i++) {
        char *once = normalize(&CASES[i].rules, CASES[i].path);
        char *twice = normalize(&CASES[i].rules, once);

        assert_string_equal(once, CASES[i].normal);
        assert_string_equal(twice, once);
        free(once);
        free(twice);
    }
}

static void the_end_of_a_prefix_is_not_the_end_of_a_path(void **state)
{
    static const struct path_rules all = ALL;
    char out[NORMALIZED_BYTES(64)];

    (void)state;
    assert_int_equal(path_normalize_prefix(&all, "//Blog//index.html", 18, out), 16);
    assert_memory_equal(out, "/blog/index.html", 16);
    assert_int_equal(path_normalize_prefix(&all, "/Blog/", 6, out), 6);
    assert_memory_equal(out, "/blog/", 6);
}

static void a_rule_that_is_set_is_noticed(void **state)
{
    static const struct path_rules none = {false}, one = SLASH;

    (void)state;
    assert_false(path_rules_are_set(&none));
    assert_true(path_rules_are_set(&one));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_normalized_by_the_rules_that_are_set),
        cmocka_unit_test(the_end_of_a_prefix_is_not_the_end_of_a_path),
        cmocka_unit_test(a_rule_that_is_set_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
