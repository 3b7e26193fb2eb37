/* Batches are sorted. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/api.h"
#include "tests/unit/random.h"

static struct batch_entry entry_of(const char *path, int64_t hits)
{
    return (struct batch_entry){
        .path = path, .path_len = strlen(path), .hits = hits, .bot_hits = 3 * hits};
}

static void assert_entry(const struct batch_entry *entry, const char *path, int64_t hits)
{
    assert_int_equal(entry->path_len, strlen(path));
    assert_memory_equal(entry->path, path, strlen(path));
    assert_int_equal(entry->hits, hits);
    assert_int_equal(entry->bot_hits, 3 * hits);
}

/* --- sorting --- */

static void an_empty_batch_stays_empty_and_one_entry_stays(void **state)
{
    struct batch_entry one = entry_of("/a", 3);

    (void)state;
    assert_int_equal(batch_sort(NULL, 0), 0);
    assert_int_equal(batch_sort(&one, 1), 1);
    assert_entry(&one, "/a", 3);
}

static void equal_paths_become_one_with_the_sum_of_their_hits(void **state)
{
    struct batch_entry entries[] = {entry_of("/b", 1), entry_of("/a", 2),  entry_of("/b", 4),
                                    entry_of("/a", 8), entry_of("/c", 16), entry_of("/b", 32)};
    struct batch_entry same[] = {entry_of("/", 1000000000), entry_of("/", 1000000000),
                                 entry_of("/", 1000000000), entry_of("/", 1000000000),
                                 entry_of("/", 1000000000)};

    (void)state;
    assert_int_equal(batch_sort(entries, 6), 3);
    assert_entry(&entries[0], "/a", 10);
    assert_entry(&entries[1], "/b", 37);
    assert_entry(&entries[2], "/c", 16);
    assert_int_equal(batch_sort(same, 5), 1);
    assert_entry(&same[0], "/", 5000000000);
}

static void paths_are_sorted_by_their_bytes(void **state)
{
    static const char *const sorted[] = {"/",
                                         "//",
                                         "/A",
                                         "/Z",
                                         "/a",
                                         "/a/",
                                         "/aa",
                                         "/b",
                                         "/\x7f",
                                         "/\xc3\xa9",
                                         "/\xef\xbf\xbf",
                                         "/\xf0\x90\x80\x80"};
    enum { COUNT = sizeof(sorted) / sizeof(sorted[0]) };
    struct batch_entry forwards[COUNT], backwards[COUNT];

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        forwards[i] = entry_of(sorted[i], (int64_t)i + 1);
        backwards[COUNT - 1 - i] = entry_of(sorted[i], (int64_t)i + 1);
    }
    assert_int_equal(batch_sort(forwards, COUNT), COUNT);
    assert_int_equal(batch_sort(backwards, COUNT), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_entry(&forwards[i], sorted[i], (int64_t)i + 1);
        assert_entry(&backwards[i], sorted[i], (int64_t)i + 1);
    }
}

static void many_random_paths_are_sorted_with_every_hit_kept(void **state)
{
    static char names[500][8];
    static struct batch_entry entries[3000];
    uint64_t seed = 3000;

    (void)state;
    for (size_t i = 0; i < 500; i++)
        snprintf(names[i], sizeof(names[i]), "/%zu", i);
    for (int round = 0; round < 20; round++) {
        int64_t hits[500] = {0};
        size_t size;

        for (size_t i = 0; i < 3000; i++) {
            size_t which = random_below(&seed, 500);
            entries[i] = entry_of(names[which], (int64_t)random_below(&seed, 100) + 1);
            hits[which] += entries[i].hits;
        }
        size = batch_sort(entries, 3000);
        for (size_t i = 0; i < size; i++) {
            long which = strtol(entries[i].path + 1, NULL, 10);
            assert_int_equal(entries[i].hits, hits[which]);
            hits[which] = 0;
            assert_true(i == 0 || path_compare(entries[i - 1].path, entries[i - 1].path_len,
                                               entries[i].path, entries[i].path_len) < 0);
        }
        for (size_t i = 0; i < 500; i++)
            assert_int_equal(hits[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_batch_stays_empty_and_one_entry_stays),
        cmocka_unit_test(equal_paths_become_one_with_the_sum_of_their_hits),
        cmocka_unit_test(paths_are_sorted_by_their_bytes),
        cmocka_unit_test(many_random_paths_are_sorted_with_every_hit_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
