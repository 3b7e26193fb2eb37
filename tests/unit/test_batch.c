/* Batches sorted, merged, and given their own numbers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/batch.h"

#define MAX_BATCHES 8
#define MAX_PATHS   64

/* xorshift64: the same numbers in each run. */
static uint64_t random_below(uint64_t *seed, uint64_t limit)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % limit;
}

static struct batch_entry entry_of(const char *path, int64_t hits)
{
    return (struct batch_entry){.path = path, .path_len = strlen(path), .hits = hits};
}

static void assert_entry(const struct batch_entry *entry, const char *path, int64_t hits)
{
    assert_int_equal(entry->path_len, strlen(path));
    assert_memory_equal(entry->path, path, strlen(path));
    assert_int_equal(entry->hits, hits);
}

/* --- sorting --- */

static void nothing_sorted_is_nothing_and_one_stays(void **state)
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

/* --- merging --- */

/* A batch on the heap, which can be gone. */
static struct batch *batch_of(const struct batch_entry *entries, size_t size)
{
    struct batch *batch = malloc(sizeof(*batch));

    *batch = (struct batch){.size = size, .entries = malloc(size * sizeof(*entries))};
    for (size_t i = 0; i < size; i++) {
        batch->entries[i] = entries[i];
        batch->entries[i].path = strndup(entries[i].path, entries[i].path_len);
    }
    return batch;
}

static void destroy_batch(struct batch *batch)
{
    for (size_t i = 0; i < batch->size; i++)
        free((void *)(uintptr_t)batch->entries[i].path);
    free(batch->entries);
    free(batch);
}

static void one_batch_merged_is_itself(void **state)
{
    const struct batch_entry entries[] = {entry_of("/a", 2), entry_of("/b", 1), entry_of("/c", 7)};
    struct batch *batch = batch_of(entries, 3);
    const struct batch *batches[] = {batch};
    struct number counts[] = {{10, false}, {1, true}, {700, false}}, numbers[3];
    struct merge merge;

    (void)state;
    merge_init(&merge, batches, 1);
    assert_int_equal(merge.size, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_entry(&merge.entries[i], entries[i].path, entries[i].hits);
        assert_int_equal(merge.ordinals[0][i], i);
    }
    merge_take_numbers(&merge, batch, 0, counts, numbers);
    assert_int_equal(numbers[0].count, 10);
    assert_int_equal(numbers[1].count, 1);
    assert_int_equal(numbers[2].count, 700);
    assert_false(numbers[0].overflow);
    assert_true(numbers[1].overflow);
    assert_false(numbers[2].overflow);
    assert_int_equal(counts[0].count, 8);
    assert_int_equal(counts[1].count, 0);
    assert_int_equal(counts[2].count, 693);
    merge_fini(&merge);
    destroy_batch(batch);
}

static void disjoint_batches_are_interleaved(void **state)
{
    struct batch *batches[] = {
        batch_of((struct batch_entry[]){entry_of("/b", 1), entry_of("/d", 2)}, 2),
        batch_of((struct batch_entry[]){entry_of("/a", 3), entry_of("/c", 4), entry_of("/e", 5)},
                 3),
    };
    struct number counts[] = {{.count = 3}, {.count = 1}, {.count = 4}, {.count = 2}, {.count = 5}},
                  numbers[3];
    struct merge merge;

    (void)state;
    merge_init(&merge, (const struct batch *const *)batches, 2);
    assert_int_equal(merge.size, 5);
    assert_entry(&merge.entries[0], "/a", 3);
    assert_entry(&merge.entries[1], "/b", 1);
    assert_entry(&merge.entries[2], "/c", 4);
    assert_entry(&merge.entries[3], "/d", 2);
    assert_entry(&merge.entries[4], "/e", 5);
    merge_take_numbers(&merge, batches[1], 1, counts, numbers);
    assert_int_equal(numbers[0].count, 3);
    assert_int_equal(numbers[1].count, 4);
    assert_int_equal(numbers[2].count, 5);
    merge_take_numbers(&merge, batches[0], 0, counts, numbers);
    assert_int_equal(numbers[0].count, 1);
    assert_int_equal(numbers[1].count, 2);
    merge_fini(&merge);
    destroy_batch(batches[0]);
    destroy_batch(batches[1]);
}

static void equal_batches_share_each_path_and_the_first_has_the_lowest_numbers(void **state)
{
    const struct batch_entry entries[] = {entry_of("/a", 2), entry_of("/b", 5)};
    struct batch *batches[] = {batch_of(entries, 2), batch_of(entries, 2), batch_of(entries, 2)};
    struct number counts[] = {{106, true}, {15, false}}, numbers[2];
    struct merge merge;

    (void)state;
    merge_init(&merge, (const struct batch *const *)batches, 3);
    assert_int_equal(merge.size, 2);
    assert_entry(&merge.entries[0], "/a", 6);
    assert_entry(&merge.entries[1], "/b", 15);
    for (size_t i = 3; i-- > 0;) {
        merge_take_numbers(&merge, batches[i], i, counts, numbers);
        assert_int_equal(numbers[0].count, 102 + 2 * (int64_t)i);
        assert_int_equal(numbers[1].count, 5 + 5 * (int64_t)i);
        assert_true(numbers[0].overflow && !numbers[1].overflow);
        destroy_batch(batches[i]);
    }
    assert_int_equal(counts[0].count, 100);
    assert_int_equal(counts[1].count, 0);
    merge_fini(&merge);
}

static void no_batches_and_empty_ones_merge_to_nothing(void **state)
{
    const struct batch empty = {0};
    const struct batch *batches[] = {&empty, &empty};
    struct merge merge;

    (void)state;
    merge_init(&merge, NULL, 0);
    assert_int_equal(merge.size, 0);
    merge_fini(&merge);
    merge_init(&merge, batches, 2);
    assert_int_equal(merge.size, 0);
    merge_take_numbers(&merge, &empty, 1, NULL, NULL);
    merge_fini(&merge);
    assert_null(merge.entries);
    assert_int_equal(merge.batches, 0);
}

static void a_count_at_the_end_of_its_range_is_that_for_every_batch(void **state)
{
    const struct batch_entry entries[] = {entry_of("/a", 2), entry_of("/b", 1)};
    struct batch *batches[] = {batch_of(entries, 2), batch_of(entries, 2)};
    struct number counts[] = {{.count = INT64_MAX}, {.count = INT64_MAX - 1}}, numbers[2];
    struct merge merge;

    (void)state;
    merge_init(&merge, (const struct batch *const *)batches, 2);
    for (size_t i = 2; i-- > 0;) {
        merge_take_numbers(&merge, batches[i], i, counts, numbers);
        assert_int_equal(numbers[0].count, INT64_MAX);
        assert_int_equal(numbers[1].count, INT64_MAX - 2 + (int64_t)i);
        destroy_batch(batches[i]);
    }
    assert_int_equal(counts[0].count, INT64_MAX);
    merge_fini(&merge);
}

/* The plain model: a table of counts, and a hit as the smallest step. */
struct model {
    size_t n_batches;
    int64_t hits[MAX_BATCHES][MAX_PATHS];
    int64_t before[MAX_PATHS];
};

static char names[MAX_PATHS][4]; /* /0 to /63: of different lengths, prefixes of each other */

static struct batch *random_batch(struct model *model, size_t index, uint64_t *seed)
{
    struct batch_entry entries[MAX_PATHS];
    size_t n_paths = random_below(seed, 2) ? 4 : MAX_PATHS;
    size_t size = random_below(seed, MAX_PATHS);

    for (size_t i = 0; i < size; i++) {
        size_t path = random_below(seed, n_paths);
        int64_t hits = (int64_t)random_below(seed, 3) + 1;

        entries[i] = entry_of(names[path], hits);
        model->hits[index][path] += hits;
    }
    return batch_of(entries, batch_sort(entries, size));
}

static size_t path_number(const struct batch_entry *entry)
{
    return (size_t)strtol(entry->path + 1, NULL, 10);
}

static void assert_merge_is_the_sum(const struct merge *merge, struct batch *const *batches,
                                    const struct model *model)
{
    size_t expected = 0;

    for (size_t path = 0; path < MAX_PATHS; path++) {
        bool any = false;
        for (size_t i = 0; i < model->n_batches; i++)
            any |= model->hits[i][path] != 0;
        expected += any;
    }
    assert_int_equal(merge->size, expected);
    for (size_t at = 0; at < merge->size; at++) {
        int64_t sum = 0;
        for (size_t i = 0; i < model->n_batches; i++)
            sum += model->hits[i][path_number(&merge->entries[at])];
        assert_int_equal(merge->entries[at].hits, sum);
        assert_true(at == 0 || strcmp(merge->entries[at - 1].path, merge->entries[at].path) < 0);
    }
    for (size_t i = 0; i < model->n_batches; i++)
        for (size_t at = 0; at < batches[i]->size; at++)
            assert_string_equal(merge->entries[merge->ordinals[i][at]].path,
                                batches[i]->entries[at].path);
}

/* Each hit of a batch has one of the numbers up to the batch's: hands them out, to nobody twice. */
static void hand_out(const struct batch *batch, const struct number *numbers,
                     const struct model *model,
                     bool taken[MAX_PATHS][MAX_BATCHES * MAX_PATHS * 3 + 1])
{
    for (size_t at = 0; at < batch->size; at++) {
        size_t path = path_number(&batch->entries[at]);
        for (int64_t hit = 0; hit < batch->entries[at].hits; hit++) {
            int64_t number = numbers[at].count - hit - model->before[path];
            assert_in_range(number, 1, MAX_BATCHES * MAX_PATHS * 3);
            assert_false(taken[path][number]);
            taken[path][number] = true;
        }
    }
}

static void the_numbers_of_all_hits_are_unique_and_without_a_gap(void **state)
{
    static bool taken[MAX_PATHS][MAX_BATCHES * MAX_PATHS * 3 + 1];
    uint64_t seed = 424242;

    (void)state;
    for (size_t i = 0; i < MAX_PATHS; i++)
        snprintf(names[i], sizeof(names[i]), "/%zu", i);
    for (int round = 0; round < 300; round++) {
        struct model model = {.n_batches = random_below(&seed, MAX_BATCHES) + 1};
        struct batch *batches[MAX_BATCHES];
        struct number counts[MAX_PATHS], numbers[MAX_PATHS];
        struct merge merge;

        memset(taken, 0, sizeof(taken));
        for (size_t i = 0; i < model.n_batches; i++)
            batches[i] = random_batch(&model, i, &seed);
        for (size_t path = 0; path < MAX_PATHS; path++)
            model.before[path] = (int64_t)random_below(&seed, 1000);
        merge_init(&merge, (const struct batch *const *)batches, model.n_batches);
        assert_merge_is_the_sum(&merge, batches, &model);

        for (size_t at = 0; at < merge.size; at++)
            counts[at] = (struct number){.count = model.before[path_number(&merge.entries[at])] +
                                                  merge.entries[at].hits};
        for (size_t i = model.n_batches; i-- > 0;) {
            merge_take_numbers(&merge, batches[i], i, counts, numbers);
            hand_out(batches[i], numbers, &model, taken);
            destroy_batch(batches[i]); /* those before are not read any more */
        }
        for (size_t path = 0; path < MAX_PATHS; path++) {
            int64_t sum = 0;
            for (size_t i = 0; i < model.n_batches; i++)
                sum += model.hits[i][path];
            for (int64_t number = 1; number <= (int64_t)MAX_BATCHES * MAX_PATHS * 3; number++)
                assert_int_equal(taken[path][number], number <= sum);
        }
        merge_fini(&merge);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_sorted_is_nothing_and_one_stays),
        cmocka_unit_test(equal_paths_become_one_with_the_sum_of_their_hits),
        cmocka_unit_test(paths_are_sorted_by_their_bytes),
        cmocka_unit_test(many_random_paths_are_sorted_with_every_hit_kept),
        cmocka_unit_test(one_batch_merged_is_itself),
        cmocka_unit_test(disjoint_batches_are_interleaved),
        cmocka_unit_test(equal_batches_share_each_path_and_the_first_has_the_lowest_numbers),
        cmocka_unit_test(no_batches_and_empty_ones_merge_to_nothing),
        cmocka_unit_test(a_count_at_the_end_of_its_range_is_that_for_every_batch),
        cmocka_unit_test(the_numbers_of_all_hits_are_unique_and_without_a_gap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
